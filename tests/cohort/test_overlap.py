"""Overlap of readings, against counts made by hand and against the published readers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from drawing import mask_of, slice_of, stack_of
from lib.cohort.estimate import summary
from lib.cohort.overlap import (
    MaskReading,
    compare,
    compare_slices,
    dice,
    overlaps,
    overlaps_by_slice,
    summarise_overlaps,
    volume_similarity,
)
from lib.errors import GridMismatchError, InputError
from lib.studies.nifti import read_mask

PUBLISHED = json.loads((Path(__file__).parents[1] / "reference" / "published_overlap.json").read_text())
A = mask_of(slice_of("111.", "1..."))
B = mask_of(slice_of("..11", "1111"))
NOTHING = mask_of(slice_of("....", "...."))


def reading(mask, subject="s", reader="1", number=1, method="manual", visit="baseline"):
    return MaskReading(subject, visit, reader, number, method, mask)


def test_two_of_four_and_six_voxels_shared_is_a_dice_of_four_tenths():
    assert dice(A.data, B.data) == 0.4
    assert compare(A, B).voxels_both == 2


def test_volume_similarity_ignores_where_the_voxels_lie():
    assert volume_similarity(A.data, B.data) == 0.8
    assert volume_similarity(A.data, A.data[::-1]) == 1


def test_a_mask_against_itself_is_one_and_against_nothing_zero():
    assert dice(A.data, A.data) == 1
    assert dice(A.data, NOTHING.data) == 0


def test_two_empty_masks_have_no_overlap():
    assert math.isnan(dice(NOTHING.data, NOTHING.data))
    assert math.isnan(volume_similarity(NOTHING.data, NOTHING.data))


def test_masks_of_two_shapes_are_refused():
    with pytest.raises(InputError, match="both must lie on one grid"):
        dice(A.data, A.data[1:])


def test_numbers_are_no_mask():
    with pytest.raises(InputError, match="True and False"):
        dice(A.data.astype(float), B.data)


def test_masks_that_lie_elsewhere_are_refused():
    moved = mask_of(A.data, affine=A.grid.affine + np.array([[0, 0, 0, 3.0], *[[0] * 4] * 3]))
    with pytest.raises(GridMismatchError, match="3.0 mm apart"):
        compare(A, moved)


def test_slices_are_compared_one_by_one():
    first, second = mask_of(stack_of(A.data, NOTHING.data, A.data)), mask_of(stack_of(B.data, NOTHING.data, A.data))
    found = [one.dice for one in compare_slices(first, second)]
    assert found[0] == 0.4
    assert math.isnan(found[1])
    assert found[2] == 1


def test_readings_are_paired_within_a_scan_and_named_by_what_differs():
    pairs = overlaps(
        [
            reading(A),
            reading(B, number=2),
            reading(A, reader="2"),
            reading(A, reader="2", method="semi-automatic"),
            reading(B, visit="follow_up"),
            reading(B, subject="t"),
        ]
    )
    found = {(one.pair, one.kind, one.method, one.overlap.dice) for one in pairs}
    both = "manual and semi-automatic"
    assert found == {
        ("1/1 and 1/2", "within reader", "manual", 0.4),
        ("1/1 and 2/1", "between readers", "manual", 1.0),
        ("1/2 and 2/1", "between readers", "manual", 0.4),
        ("1/1 manual and 2/1 semi-automatic", "between methods", both, 1.0),
        ("1/2 manual and 2/1 semi-automatic", "between methods", both, 0.4),
        ("2/1 manual and 2/1 semi-automatic", "between methods", both, 1.0),
    }


def test_one_reading_given_twice_is_refused():
    with pytest.raises(InputError, match="Subject s, baseline: the manual reading 1/1"):
        overlaps([reading(A), reading(B)])


def test_median_and_range_leave_out_empty_pairs_and_count_them():
    readings = []
    for subject, (a, b) in {"s": (A, B), "t": (A, A), "u": (NOTHING, NOTHING), "v": (A, NOTHING)}.items():
        readings += [reading(a, subject), reading(b, subject, number=2)]
    (found,) = summarise_overlaps(overlaps(readings))
    assert (found.kind, found.pair, found.pairs, found.empty_pairs) == ("within reader", "1/1 and 1/2", 4, 1)
    assert (found.dice.n, found.dice.median, found.dice.low, found.dice.high) == (3, 0.4, 0.0, 1.0)


def test_pairs_of_a_kind_can_be_summarised_together():
    pairs = overlaps([reading(A), reading(B, reader="2"), reading(A, reader="3")])
    (found,) = summarise_overlaps(pairs, each_pair=False)
    assert (found.pairs, found.pair, found.dice.median) == (3, "", 0.4)


def test_by_slice_every_slice_of_every_pair_is_there():
    by_slice = overlaps_by_slice(
        [reading(mask_of(stack_of(A.data, A.data))), reading(mask_of(stack_of(B.data, A.data)), reader="2")]
    )
    assert [(one.slice, one.overlap.dice) for one in by_slice] == [(0, 0.4), (1, 1.0)]


def test_the_papers_medians_follow_from_its_eight_values():
    medians = {pair: summary(list(values.values())).median for pair, values in PUBLISHED["dice"].items()}
    assert round(medians["R11 R12"], 2) == 0.63
    assert round(medians["R21 R22"], 2) == 0.69
    assert round(medians["R1 R2 semi-automatic"], 2) == 0.84
    between = [medians[pair] for pair in ("R11 R21", "R11 R22", "R12 R21", "R12 R22")]
    assert [round(min(between), 2), round(max(between), 2)] == [0.53, 0.56]


@pytest.mark.data
def test_the_published_readers_overlap_as_published(vhi_data: Path):
    readings = []
    for path in sorted((vhi_data / "segmentations" / "inflammation_manual").rglob("*.nii.gz")):
        subject, _, who = path.name.removesuffix(".nii.gz").split("_")
        readings.append(reading(read_mask(path, who), subject, who[1], int(who[2])))
    pairs = overlaps(readings)
    assert len(pairs) == 7 * 6
    for one in pairs:
        a, b = (f"R{side.reader}{side.reading}" for side in (one.a, one.b))
        voxels = [PUBLISHED["voxels"][who][one.subject] for who in (a, b)]
        assert [one.overlap.voxels_a, one.overlap.voxels_b] == voxels
        # counts are exact: only the last digit of the division may differ
        assert one.overlap.dice == pytest.approx(PUBLISHED["dice"][f"{a} {b}"][one.subject], abs=1e-12)
        assert one.overlap.volume_similarity == pytest.approx(1 - abs(voxels[0] - voxels[1]) / sum(voxels), abs=1e-12)
