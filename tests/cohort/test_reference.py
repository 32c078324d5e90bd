"""The composite reference, drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drawing import mask_of, slice_of
from lib.cohort.overlap import MaskReading, overlap
from lib.cohort.reference import against_estimate, against_others, against_reference, composite_reference
from lib.errors import GridMismatchError, InputError, SettingsError

MASKS = [mask_of(slice_of(*rows)) for rows in (("111.", "...1"), ("11..", "...1"), ("1...", "..11"), (".111", "...."))]
REFERENCE = slice_of("11..", "...1")


def readings(masks, subject="s", visit="baseline"):
    return [
        MaskReading(subject, visit, str(1 + n % 2), 1, "manual" if n < 2 else "semi-automatic", mask)
        for n, mask in enumerate(masks)
    ]


def test_a_voxel_needs_three_of_four_votes():
    composite = composite_reference(MASKS)
    np.testing.assert_array_equal(composite.data, REFERENCE.astype(bool))


def test_one_vote_is_the_union_and_all_votes_the_intersection():
    union = composite_reference(MASKS, 1)
    np.testing.assert_array_equal(union.data, slice_of("1111", "..11").astype(bool))
    assert composite_reference(MASKS, 4).voxels == 0


def test_every_reading_is_compared_with_the_reference():
    found, left_out = against_reference(readings(MASKS))
    # reference 3 voxels; readings of 4, 3, 3 and 3 with 3, 3, 2 and 1 of them
    assert [one.overlap.dice for one in found] == pytest.approx([6 / 7, 1, 4 / 6, 2 / 6])
    assert [one.reading.method for one in found] == ["manual", "manual", "semi-automatic", "semi-automatic"]
    assert left_out == ()


def test_scans_stay_apart_and_one_with_too_few_readings_is_left_out_by_name():
    found, left_out = against_reference([*readings(MASKS), *readings(MASKS[:2], visit="follow_up")])
    assert len(found) == 4
    assert left_out == ("Subject s, follow_up: 2 readings cannot give 3 votes; left out.",)


def test_a_reference_that_is_empty_has_no_dice_with_an_empty_reading():
    nothing = mask_of(slice_of("....", "...."))
    found, _ = against_reference(readings([nothing] * 3 + [MASKS[0]]))
    assert math.isnan(found[0].overlap.dice)
    assert found[3].overlap.dice == 0


def test_votes_that_cannot_be_given_are_refused():
    with pytest.raises(SettingsError, match="5 votes of 4 readings"):
        composite_reference(MASKS, 5)
    with pytest.raises(SettingsError, match="0 votes"):
        composite_reference(MASKS, 0)
    with pytest.raises(InputError, match="found none"):
        composite_reference([])


def test_readings_on_other_grids_are_refused():
    moved = mask_of(MASKS[0].data, affine=MASKS[0].grid.affine @ np.diag([1, 1, 1.5, 1]) + np.eye(4, k=3) * 9)
    with pytest.raises(GridMismatchError):
        composite_reference([*MASKS[:3], moved])


def test_against_the_others_a_reading_has_no_vote_of_its_own():
    compared = against_others(readings(MASKS))
    # two of the three others mark: "11.." and "...1" (but for the second reading: "11.." has 2 of 3, "...1" 2 of 3, "..1." none)
    references = [slice_of(*rows) for rows in (("11..", "...1"), ("111.", "...1"), ("111.", "...1"), ("11..", "...1"))]
    expected = [overlap(mask.data, reference.astype(bool)).dice for mask, reference in zip(MASKS, references, strict=True)]
    assert [one.overlap.dice for one in compared] == pytest.approx(expected)
    assert {one.standard for one in compared} == {"others"}


def test_a_majority_of_others_needs_three_readings():
    with pytest.raises(InputError, match="needs at least 3 readings"):
        against_others(readings(MASKS[:2]))


def test_an_estimated_truth_is_compared_with_every_reading():
    compared = against_estimate(readings(MASKS), lambda masks: masks[1])
    assert [one.overlap.dice for one in compared] == pytest.approx([6 / 7, 1, 4 / 6, 2 / 6])
    assert {one.standard for one in compared} == {"STAPLE"}
