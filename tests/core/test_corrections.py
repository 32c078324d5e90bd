"""Who made a mask differ from the automatic result, voxel by voxel; lesion 1 has 8 voxels in slices 1 and 2, lesion 2 has 4."""

import numpy as np
import pytest

from handmade import handmade
from lib.core.cleaning import lesion_field
from lib.core.corrections import Corrections, DisplayedLesions, corrections_of
from lib.core.gestures import Click, LesionField
from lib.core.volume import Mask

IN_1, IN_2 = (9, 1, 1), (1, 1, 3)


@pytest.fixture(scope="module")
def result():
    return handmade()


def of(result, mask, *clicks, removed=()):
    shown = DisplayedLesions.after(lesion_field(result), clicks, removed)
    return corrections_of(result, Mask(mask, result.stir.grid), shown)


def test_nothing_done_is_credited_to_nobody(result):
    assert of(result, result.grade > 0) == Corrections()


def test_a_click_in_one_slice_takes_what_lies_there(result):
    mask = (result.grade > 0).copy()
    mask[:, :, 1] = False
    assert of(result, mask, Click("remove", IN_1, "slice")) == Corrections(clicks_removed=((1, 4),))
    assert of(result, mask) == Corrections(hand_erased=((1, 4),))


def test_what_the_proposal_took_out_is_the_proposals_until_a_click_puts_it_back(result):
    assert of(result, result.lesion_labels == 1, removed=[2]) == Corrections(proposal_removed=((2, 4),))
    assert of(result, result.grade > 0, Click("restore", IN_2), removed=[2]) == Corrections(clicks_restored=((2, 4),))
    assert of(result, result.grade > 0, removed=[2]) == Corrections(hand_restored=((2, 4),))


def test_a_click_on_what_the_proposal_had_taken_out_removes_nothing(result):
    assert of(result, result.lesion_labels == 1, Click("remove", IN_2), removed=[2]) == Corrections(proposal_removed=((2, 4),))


def test_painted_voxels_count_where_they_are_bright(result):
    mask = (result.grade > 0).copy()
    mask[5, 9, 0] = True  # 0.5
    mask[7, 4, 0] = True  # normal bone of 7.5, beyond the automatic result
    assert of(result, mask) == Corrections(hand_painted=1, hand_painted_below_threshold=1)


def test_what_was_not_on_the_screen_is_nobodys_to_remove(result):
    shown = DisplayedLesions.after(LesionField(np.where(result.lesion_labels == 1, 1, 0), result.stir.grid))
    corrections = corrections_of(result, Mask(result.lesion_labels == 1, result.stir.grid), shown)
    assert corrections == Corrections(regions_appeared=4)


def test_undone_clicks_of_a_viewer_that_does_not_say_so_are_forgotten(result):
    shown = DisplayedLesions.after(lesion_field(result), [Click("remove", IN_1), Click("remove", IN_2)], [])
    mask = result.lesion_labels == 1
    corrections = corrections_of(result, Mask(mask, result.stir.grid), shown.without_undone(mask))
    assert corrections == Corrections(clicks_removed=((2, 4),))
