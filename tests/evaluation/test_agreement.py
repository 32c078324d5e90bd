"""Masks against references: worked out by hand, and by brute force with a tree of the surfaces' voxels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from drawing import slice_of, stack_of
from lib.core.volume import Grid, Mask
from lib.errors import GridMismatchError, InputError
from lib.evaluation import compare_masks, summarise

SPACING = (0.6, 0.8, 3.3)


def mask(array: np.ndarray, name: str = "mask") -> Mask:
    return Mask(array > 0, Grid(array.shape, np.diag([*SPACING, 1.0])), name)


def compared(prediction: np.ndarray, reference: np.ndarray, lesions: bool = False, tolerance_mm: float = 1.0):
    return compare_masks("a", mask(prediction, "prediction"), mask(reference), tolerance_mm=tolerance_mm, lesions=lesions)


def surface_mm(array: np.ndarray) -> np.ndarray:
    """Places of the voxels that have a face to the outside or to the edge of the image."""
    inside = ndimage.binary_erosion(array, ndimage.generate_binary_structure(3, 1), border_value=0)
    return np.argwhere(array & ~inside) * SPACING


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_surface_dice_and_hausdorff_95_are_those_of_a_search_among_all_voxels_of_the_surfaces(seed):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(24, 20, 7)), (2.5, 2.0, 0.8))
    reference = smooth > np.quantile(smooth, 0.7)  # touches the edges of the image
    moved = smooth + 0.35 * ndimage.gaussian_filter(rng.normal(size=smooth.shape), (2.0, 2.0, 0.8))
    prediction = moved > np.quantile(moved, 0.72)
    a, b = surface_mm(prediction), surface_mm(reference)
    from_a, from_b = cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]
    found = compared(prediction, reference, tolerance_mm=0.7)
    assert found.hausdorff95_mm == pytest.approx(max(np.quantile(from_a, 0.95), np.quantile(from_b, 0.95)), rel=1e-5)
    near = np.count_nonzero(from_a <= 0.7) + np.count_nonzero(from_b <= 0.7)
    assert found.surface_dice == pytest.approx(near / (len(a) + len(b)), rel=1e-6)
    assert found.dice == pytest.approx(2 * (prediction & reference).sum() / (prediction.sum() + reference.sum()))
    assert 0 < found.surface_dice < 1


@pytest.mark.slow
def test_a_mask_moved_by_one_slice_is_3_3_mm_away():
    square = slice_of("....", ".11.", ".11.", "....")
    empty = np.zeros_like(square)
    found = compared(stack_of(empty, square, empty), stack_of(empty, empty, square), tolerance_mm=3.2)
    assert (found.dice, found.surface_dice) == (0.0, 0.0)
    assert found.hausdorff95_mm == pytest.approx(3.3)
    assert found.volume_difference_mm3 == 0.0
    assert found.reference_mm3 == pytest.approx(4 * 0.6 * 0.8 * 3.3)


def test_empty_masks_follow_the_stated_rules():
    one, none = slice_of("11..", "...."), slice_of("....", "....")
    both, missed, false = compared(none, none), compared(none, one), compared(one, none)
    assert np.isnan([both.dice, both.surface_dice, both.hausdorff95_mm]).all()
    for found in (missed, false):
        assert (found.dice, found.surface_dice) == (0.0, 0.0)
        assert np.isnan(found.hausdorff95_mm)
    summary = summarise([both, missed, false])
    assert (summary.cases, summary.both_empty, summary.one_empty) == (3, 1, 2)
    assert (summary.dice.n, summary.dice.mean, summary.hausdorff95_mm.n) == (2, 0.0, 0)


@pytest.mark.slow
def test_lesions_count_by_shared_voxels_and_over_all_cases_together():
    reference = slice_of("11....1",
                         "11....1",
                         "...1...",
                         ".......")  # fmt: skip
    prediction = slice_of(".11...1",
                          ".......",
                          ".......",
                          "11.....")  # fmt: skip
    found = compared(prediction, reference, lesions=True)
    assert (found.reference_lesions, found.found_lesions) == (3, 2)
    assert (found.predicted_lesions, found.false_lesions) == (3, 1)
    assert found.lesion_sensitivity == pytest.approx(2 / 3)
    assert found.lesion_precision == pytest.approx(2 / 3)
    # two more cases, one without lesions at all
    nothing = np.zeros_like(reference)
    summary = summarise([found, compared(nothing, nothing, lesions=True), compared(nothing, reference, lesions=True)])
    assert summary.lesion_sensitivity == pytest.approx(2 / 6)
    assert summary.lesion_precision == pytest.approx(2 / 3)


@pytest.mark.parametrize(("axis", "words"), [(0, "first axis"), (1, "second axis"), (2, "slices")])
def test_a_mirror_image_is_refused(axis, words):
    reference = np.zeros((9, 8, 6), dtype=np.uint8)
    reference[0:4, 0:3, 0:2] = 1
    with pytest.raises(
        InputError, match=f"prediction seems to be flipped along the {words}: its Dice with mask is 0.00, and 1.00"
    ):
        compared(np.flip(reference, axis), reference)


def test_masks_of_different_grids_are_not_compared():
    here = mask(stack_of(slice_of("11..", "...."), slice_of("11..", "....")))
    there = Mask(here.data, Grid(here.grid.shape, np.diag([0.6, 0.8, 4.5, 1.0])), "other")
    moved = here.grid.affine.copy()
    moved[0, 3] = 2.0
    for other in (there, Mask(here.data, Grid(here.grid.shape, moved), "other")):
        with pytest.raises(GridMismatchError, match="mm"):
            compare_masks("a", other, here, tolerance_mm=1, lesions=False)


@pytest.mark.slow
def test_monais_own_means_count_empty_cases_as_zero_or_not_at_all_where_ours_say_so():
    import torch
    from monai.metrics import DiceMetric

    one, none = slice_of("11..", "...."), slice_of("....", "....")
    metric = DiceMetric(include_background=True)
    for prediction, reference in ((none, none), (one, none)):
        metric(*(torch.from_numpy(array[None, None].astype(np.uint8)) for array in (prediction, reference)))
    # a false lesion on a scan without any is left out of its mean, which then is 0 for "no case"
    assert float(metric.aggregate()) == 0.0
    alone = DiceMetric(include_background=True, get_not_nans=True)
    alone(*(torch.from_numpy(array[None, None].astype(np.uint8)) for array in (one, none)))
    assert alone.aggregate()[1].item() == 0
    ours = summarise([compared(none, none), compared(one, none)])
    assert (ours.dice.n, ours.dice.mean, ours.both_empty) == (1, 0.0, 1)
