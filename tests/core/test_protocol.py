"""Which scans are of one kind, and whose networks answer for them; worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lib.core.disease_region import segment_disease_region
from lib.core.protocol import STUDY, Ensemble, Protocol, kind_of, members_for
from lib.core.volume import Grid, Volume
from lib.errors import ModelError


def grid(pixel_mm=0.911, slice_mm=5.2, pixels=384, lean_deg=0.0):
    lean = np.radians(lean_deg)
    affine = np.diag([-pixel_mm, 1.0, 1.0, 1.0])
    # columns run down, slices to the front; both lean about the axis across the patient
    affine[:3, 1] = pixel_mm * np.array([0.0, np.sin(lean), -np.cos(lean)])
    affine[:3, 2] = slice_mm * np.array([0.0, np.cos(lean), np.sin(lean)])
    return Grid((pixels, pixels, 3), affine)


def test_a_protocol_is_what_the_grid_tells():
    assert Protocol.of(grid(lean_deg=30)) == Protocol(0.911, 5.2, round(384 * 0.911, 4), 30.0)
    assert Protocol.from_dict(STUDY.as_dict()) == STUDY


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        ({}, True),
        ({"pixel_mm": 0.95, "slice_mm": 5.0}, True),
        ({"pixel_mm": 0.595, "pixels": 588}, False),
        ({"slice_mm": 3.3}, False),
        ({"pixels": 256}, False),
        ({"lean_deg": 15}, True),
        ({"lean_deg": 25}, False),
    ],
)
def test_scans_of_one_protocol_differ_by_little(other, alike):
    assert Protocol.of(grid()).is_like(Protocol.of(grid(**other))) is alike


def test_the_studys_protocol_is_no_other_scanners():
    assert Protocol.of(grid(0.595, 3.3, 336, 38)).is_like(STUDY)
    assert not Protocol.of(grid()).is_like(STUDY)


def test_scans_of_a_kind_are_answered_by_its_own_networks_and_all_others_by_the_members():
    def nothing(slices):
        return np.zeros_like(slices)

    def everything(slices):
        return np.ones_like(slices)

    ensemble = Ensemble([nothing], [(Protocol.of(grid(pixels=64)), [everything, everything])])
    assert tuple(ensemble) == (nothing,)
    other = grid(0.595, 3.3, 64)
    assert list(members_for(ensemble, other)) == [nothing]
    assert members_for([nothing], grid()) == [nothing]
    own = grid(pixels=64)
    t1w = Volume(np.random.default_rng(0).uniform(100, 200, own.shape).astype(np.float32), own, "T1W")
    assert segment_disease_region(t1w, ensemble).source == "ensemble of 2"


def test_a_damaged_protocol_is_named():
    with pytest.raises(ModelError, match="protocol of a kind of scan is damaged"):
        Protocol.from_dict({"pixel_mm": "wide"})


def test_no_kind_of_its_own_takes_scans_away_that_are_like_the_studys():
    """Slices 3.3 mm apart in the study, 3.96 mm in the kind, 3.6 mm here: each step is within 15 per cent, both are not."""
    kind, between = grid(0.595, 3.96, 336, 38), grid(0.595, 3.6, 336, 38)
    assert Protocol.of(kind).is_like(Protocol.of(between))
    ensemble = Ensemble(["main"], [(Protocol.of(kind), ["own"])])
    assert list(members_for(ensemble, kind)) == ["own"]
    assert list(members_for(ensemble, between)) == ["main"]


def test_networks_of_a_kind_are_shown_slices_of_the_pixels_that_they_learnt():
    shown = []

    def member(slices):
        shown.append(slices.shape)
        return np.ones_like(slices)

    own = grid(pixels=64)
    t1w = Volume(np.random.default_rng(0).uniform(100, 200, own.shape).astype(np.float32), own, "T1W")
    coarse = Ensemble([member], pixel_spacing_mm=2 * 0.911)
    assert segment_disease_region(t1w, Ensemble([member], [(Protocol.of(own), coarse)])).mask.data.all()
    segment_disease_region(t1w, Ensemble([member], [(Protocol.of(own), [member])], pixel_spacing_mm=2 * 0.911))
    # 0.911 mm to 200 / 336 mm where nothing else is said
    assert shown == [(3, 32, 32), (3, 98, 98)]


def test_a_scan_is_of_the_first_kind_that_its_protocol_is_like():
    kinds = [
        {"name": name, "protocol": Protocol.of(one).as_dict()} for name, one in (("a", grid(0.7)), ("b", grid()), ("c", grid()))
    ]
    assert kind_of(kinds, Protocol.of(grid(slice_mm=5.0))) == "b"
    assert kind_of(kinds, Protocol.of(grid(slice_mm=2.0))) is None
