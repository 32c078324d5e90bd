"""Post-transforms follow MONAI's dictionary-transform convention and find themselves."""

import numpy as np
import pytest

from drawing import grid_of, slice_of
from lib.core.settings import VhiSettings
from lib.core.transforms import POST_TRANSFORMS
from lib.core.transforms.hysteresis import Hysteresisd
from lib.core.transforms.small_components import DropSmallComponentsd

GRADE = slice_of("11..2",
                 "11..2",
                 ".....")  # fmt: skip


def data() -> dict:
    return {"grade": GRADE, "grid": grid_of(GRADE), "disease_region": np.ones_like(GRADE, dtype=bool), "reader": "1"}


@pytest.mark.parametrize("cls", POST_TRANSFORMS)
def test_a_transform_returns_a_new_dictionary_and_leaves_the_rest_alone(cls):
    given = data()
    answer = cls()(given)
    assert answer is not given
    assert answer.keys() == given.keys()
    assert answer["reader"] == "1"
    np.testing.assert_array_equal(given["grade"], GRADE)


def test_they_run_in_the_order_of_the_method():
    names = [cls.__name__ for cls in POST_TRANSFORMS]
    assert names == ["Hysteresisd", "DropSmallComponentsd", "DropSmallVolumesd", "FillHolesd"]


def test_every_setting_has_a_name_of_its_own_a_meaning_and_a_source():
    infos = VhiSettings.describe()
    assert len({info.name for info in infos}) == len(infos)
    assert all(info.meaning and info.source for info in infos)


@pytest.mark.slow
def test_they_compose_with_monai():
    from monai.transforms import Compose

    # hysteresis first: the left group has no grade 2; then the right one, of two pixels, is too small
    both = Compose([Hysteresisd(hysteresis=True), DropSmallComponentsd(min_pixels=3)])
    assert not both(data())["grade"].any()
    kept = Compose([Hysteresisd(hysteresis=True)])(data())["grade"]
    np.testing.assert_array_equal(kept, np.where(GRADE == 2, 2, 0))
