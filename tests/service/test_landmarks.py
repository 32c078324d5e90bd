"""Landmarks beside the automatic regions: equal to those found anew, and found anew where the file cannot be trusted."""

import json
import logging

import numpy as np
import pytest

from lib.core import anatomy, plausibility, stir_quality
from lib.core.anatomy import anatomy_of
from lib.core.plausibility import look_of
from lib.core.stir_quality import quality_of
from lib.core.volume import Mask
from lib.service.service import VhiService
from lib.studies.nifti import read_mask, write_mask

pytestmark = pytest.mark.slow  # seconds in all

ARRAYS, NUMBERS = ("joints", "present", "level"), ("hanging", "spacing_mm", "front_first", "midline", "marrow")


def file_of(studies):
    (folder,) = (studies / ".vhi" / "precomputed" / "p").iterdir()
    return folder / "landmarks.json"


def measured(studies, **values):
    """The scans and what a server that starts now answers without a reader, but for the second in which it did."""
    service = VhiService(studies)
    facts = dict(service.vhi("p_STIR", None, values).facts)
    facts["provenance"] = {name: value for name, value in facts["provenance"].items() if name != "created"}
    with service.cases.loaded(service.cases.of_image("p_STIR")[0]) as scans:
        return scans, service._measuring.automatic.of(scans).region.mask, facts


def refuse(*_):
    raise AssertionError("what is kept was looked for")


def same_bits(found, other):
    return found.dtype == other.dtype and found.strides == other.strides and found.tobytes() == other.tobytes()


def test_the_first_measurement_takes_landmarks_from_the_disk_bit_by_bit_as_they_are_found(phantom, monkeypatch):
    file_of(phantom).unlink()
    _, _, before = measured(phantom)
    with monkeypatch.context() as patched:
        for module, name in ((anatomy, "context_of"), (plausibility, "dark_surroundings"), (stir_quality, "stir_quality")):
            patched.setattr(module, name, refuse)
        scans, region, after = measured(phantom)
        kept, look, quality = anatomy_of(scans.t1w, region), look_of(scans.t1w, region), quality_of(scans.t1w, scans.stir)
    again = Mask(region.data.copy(), region.grid)
    anew = anatomy_of(scans.t1w, again)
    assert (look_of(scans.t1w, again), stir_quality.stir_quality(scans.t1w, scans.stir)) == (look, quality)
    assert anew is not kept
    assert kept.is_known
    assert all(same_bits(getattr(kept, name), getattr(anew, name)) for name in ("part", "zone"))
    assert all(same_bits(getattr(kept.context, name), getattr(anew.context, name)) for name in ARRAYS)
    assert all(getattr(kept.context, name) == getattr(anew.context, name) for name in NUMBERS)
    assert json.dumps(after) == json.dumps(before)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def _empty(path):
    path.write_bytes(b"")


def _another_content(path):
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"content": kept["content"][:400] + "AAAA" + kept["content"][404:]}))


def _another_scans(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"key": "0" * 64}))


def _no_base64(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"content": "é"}))


@pytest.mark.parametrize("damage", [_cut, _empty, _another_content, _another_scans, _no_base64])
def test_a_damaged_or_foreign_file_is_made_anew_and_the_log_says_so(phantom, caplog, damage):
    path = file_of(phantom)
    whole = path.read_bytes()
    damage(path)
    with caplog.at_level(logging.WARNING, "vhi.records"):
        measured(phantom)
    assert path.read_bytes() == whole
    (said,) = caplog.messages
    assert str(path) in said
    assert said.endswith("it is made anew")


def test_landmarks_of_a_region_that_changed_are_not_taken(phantom, caplog):
    path = file_of(phantom)
    place = path.parent / "disease_region.nii.gz"
    region = read_mask(place, "region")
    region.data[tuple(np.argwhere(region.data)[0])] = False
    write_mask(place, region)
    with caplog.at_level(logging.WARNING, "vhi.records"):
        scans, kept, _ = measured(phantom)
    assert "follows from another scan, disease region or method" in caplog.text
    anew = anatomy_of(scans.t1w, Mask(region.data, region.grid))
    assert same_bits(anatomy_of(scans.t1w, kept).part, anew.part)


def test_a_drawn_region_leaves_the_kept_landmarks_alone(phantom):
    path = file_of(phantom)
    whole = path.read_bytes()
    service = VhiService(phantom)
    region = service.disease_region("p_STIR")
    drawn = region.labels.copy()
    drawn[tuple(np.argwhere(drawn)[0])] = 0
    service.submit("p_STIR", drawn, region.grid, [("disease region", 1)], reader="anna")
    assert service.vhi("p_STIR", "anna", {}).facts["used"]["disease region"].startswith("your submission")
    assert path.read_bytes() == whole
