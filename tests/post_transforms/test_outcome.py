"""Changes of a grade map that no step may make."""

import numpy as np
import pytest

from drawing import slice_of
from lib.errors import SettingsError
from lib.post_transforms.outcome import check_outcome
from lib.post_transforms.trial import example

BEFORE = slice_of(".....",
                  ".222.",
                  ".2.1.",
                  ".111.",
                  ".....")  # fmt: skip
REGION = np.ones_like(BEFORE, dtype=bool)


def changed(at: tuple[int, int], value: float) -> np.ndarray:
    after = BEFORE.astype(float)
    after[at] = value
    return after


def test_clearing_is_allowed_and_filling_what_a_lesion_encloses():
    for after in (BEFORE, np.zeros_like(BEFORE), changed((1, 1), 0), changed((2, 2), 1)):
        check_outcome(BEFORE, after, REGION, "step")


WRONG = {
    "a value that is no grade": (changed((1, 1), 0.5), "gives the value 0.5"),
    "nan": (changed((1, 1), np.nan), "gives the value nan"),
    "grade 2 below the conservative threshold": (changed((3, 3), 2), "grade 2 to 1 voxel below the conservative threshold"),
    "a hole filled with grade 2": (changed((2, 2), 2), "grade 2 to 1 voxel below"),
    "grade 1 above the conservative threshold": (changed((1, 1), 1), "grade 1 to 1 voxel above the conservative threshold"),
    "a voxel beside the lesion": (changed((0, 2), 1), "adds 1 voxel below the sensitive threshold"),
    "another shape": (BEFORE[1:], r"shape \(4, 5, 1\) for one of \(5, 5, 1\)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_another_number_than_of_voxels_above_the_thresholds_is_refused(wrong):
    after, sentence = WRONG[wrong]
    with pytest.raises(SettingsError, match=f"^step .*{sentence}"):
        check_outcome(BEFORE, after, REGION, "step")


def test_a_hole_outside_the_disease_region_may_not_be_filled():
    region = REGION.copy()
    region[2, 2] = False
    with pytest.raises(SettingsError, match="within the disease region"):
        check_outcome(BEFORE, changed((2, 2), 1), region, "step")


def test_the_example_lies_in_its_region_and_holds_both_grades():
    grade, region = example()
    assert set(np.unique(grade)) == {0, 1, 2}
    assert not (grade[~region] > 0).any()
