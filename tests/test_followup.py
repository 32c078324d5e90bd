"""The earlier visit from its result folder: read, laid over this one, compared."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from handmade import PROVENANCE
from lib.core.change import Change, NotCompared
from lib.core.pipeline import measure_vhi
from lib.errors import InputError
from lib.examination import write_masks
from lib.followup import compare_with_earlier, read_earlier
from lib.phantom.study import make_phantom
from lib.reports import report_content, write_json

pytestmark = pytest.mark.slow  # seconds in all


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(seed=3, shape=(96, 96, 15))


@pytest.fixture(scope="module")
def result(phantom):
    return measure_vhi(phantom.t1w, phantom.stir, (), phantom.normal_bone, None, phantom.disease_region)


@pytest.fixture(scope="module")
def earlier(result, tmp_path_factory):
    """The same patient without the largest lesion: it is new now."""
    folder = tmp_path_factory.mktemp("earlier")
    labels = np.where(result.lesion_labels == 1, 0, result.lesion_labels)
    before = replace(result, lesion_labels=labels)
    write_masks(before, folder)
    content = report_content(before, PROVENANCE)
    write_json(content, folder / "vhi.json")
    numbers = json.loads((folder / "vhi.json").read_text())
    numbers["vhi_mm3"]["sensitive"] -= result.lesions[0].mm3
    (folder / "vhi.json").write_text(json.dumps(numbers))
    return folder


def test_a_lesion_that_was_not_there_is_new_and_the_others_are_as_they_were(result, earlier, phantom):
    change = compare_with_earlier(result, read_earlier(earlier, phantom.stir, "2024-03-01"))
    assert change.change_mm3 == pytest.approx(result.lesions[0].mm3)
    assert change.counts["new"] == 1
    assert change.counts["resolved"] == change.counts["grown"] == change.counts["shrunk"] == 0
    assert change.earlier_date == "2024-03-01"
    # laid over each other to a fraction of a pixel: only edges differ
    assert np.quantile(np.abs(change.earlier_stir.data - change.now_stir.data), 0.99) < 0.05
    assert {int(code) for code in np.unique(change.codes[1])} == {0, 2, 3}


def test_without_the_earlier_scan_the_bone_lays_the_visits_over_each_other(result, earlier):
    change = compare_with_earlier(result, read_earlier(earlier))
    assert change.earlier_stir is None
    assert change.counts["new"] == 1


def test_a_folder_without_a_result_is_refused_in_a_sentence(tmp_path, earlier):
    with pytest.raises(InputError, match=r"no vhi\.json in .*result folder of the earlier visit"):
        read_earlier(tmp_path)
    (tmp_path / "vhi.json").write_text((earlier / "vhi.json").read_text())
    with pytest.raises(InputError, match=r"lacks lesions\.nii\.gz and disease_region\.nii\.gz"):
        read_earlier(tmp_path)


def test_visits_that_were_measured_with_different_settings_are_not_compared(result, earlier):
    before = read_earlier(earlier)
    settings = {"rule": "auto", "leave_out_above": "l4/5"}
    other = replace(before, numbers={**before.numbers, "provenance": {**before.numbers["provenance"], "settings": settings}})
    refused = compare_with_earlier(result, other)
    assert isinstance(refused, NotCompared)
    assert refused.sentence == (
        "The earlier visit is not compared with this one: they were measured with different settings (earlier: the part above "
        "the L4/5 disc left out; now: the defaults)."
    )
    content = report_content(result, PROVENANCE, change=refused)
    assert content.change == (refused.sentence,)
    assert content.numbers["no_change_because"] == refused.sentence
    assert "change" not in content.numbers
    assert isinstance(compare_with_earlier(result, before), Change)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"thresholds": {"rule": "robust"}}, "different rules (earlier: robust; now: paper)"),
        (
            {"provenance": {"post_transforms": {"name": "clinic", "sha256": "0" * 64}}},
            "different post-transforms (earlier: clinic",
        ),
    ],
)
def test_another_rule_or_chain_is_refused_too(result, earlier, part, words):
    before = read_earlier(earlier)
    changed = {name: {**before.numbers[name], **value} for name, value in part.items()}
    refused = compare_with_earlier(result, replace(before, numbers={**before.numbers, **changed}))
    assert isinstance(refused, NotCompared)
    assert words in refused.sentence


def test_a_scan_that_may_not_be_set_beside_others_is_doubted(result, earlier):
    before = read_earlier(earlier)
    reason = {"code": "fat suppression", "word": "not comparable", "clause": "fat suppression of STIR seems to have failed"}
    verdict = {"word": "not comparable", "reasons": [reason]}
    change = compare_with_earlier(result, replace(before, numbers={**before.numbers, "verdict": verdict}))
    assert "of the earlier scan: fat suppression of STIR seems to have failed" in change.doubts
    assert change.exceeds_reader_variation is None
