"""Chains that name MONAI's transforms, ours in MONAI's own chains, and how they differ; MONAI itself runs beside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawing import grid_of, slice_of, stack_of
from lib.core.chain import Chain
from lib.core.lesions import clear
from lib.core.settings import VhiSettings
from lib.core.volume import Mask
from lib.errors import InputError, SettingsError
from lib.post_transforms import read_chain
from lib.provenance import provenance_of

pytestmark = pytest.mark.slow  # importing MONAI takes seconds

ROOT = Path(__file__).parents[2]
SQUARE = slice_of("11...",
                  "12...",
                  "....1",
                  ".....")  # fmt: skip


def chain_with(folder: Path, *steps: Any) -> Chain:
    path = folder / "site.json"
    path.write_text(json.dumps({"postprocessing": {"_target_": "Compose", "transforms": list(steps)}}))
    return read_chain(path)


def through(chain: Chain, grade: np.ndarray, region: np.ndarray | None = None) -> np.ndarray:
    inside = np.ones(grade.shape, dtype=bool) if region is None else region
    return clear(grade, Mask(inside, grid_of(grade)), VhiSettings.from_values({}, chain))


def ours(name: str, grade: Any, **arguments: Any) -> np.ndarray:
    from lib.post_transforms import map_transforms

    return np.asarray(getattr(map_transforms, name)("grade", **arguments)({"grade": grade})["grade"])[0]


def theirs(name: str, grade: np.ndarray, **arguments: Any) -> np.ndarray:
    import monai.transforms
    import torch

    given = {"grade": torch.from_numpy(grade[np.newaxis].copy())}
    return np.asarray(getattr(monai.transforms, name)("grade", **arguments)(given)["grade"])[0]


# chains that name MONAI's ------------------------------------------------------------------------------------------------


def test_monais_transforms_are_steps_beside_ours(tmp_path):
    chain = chain_with(
        tmp_path,
        {"_target_": "vhi.transforms.DropSmallComponentsd", "keys": "grade", "min_pixels": 1},
        {
            "_target_": "monai.transforms.KeepLargestConnectedComponentd",
            "keys": "grade",
            "is_onehot": False,
            "independent": False,
        },
    )
    largest = SQUARE.copy()
    largest[2, 4] = 0
    np.testing.assert_array_equal(through(chain, SQUARE), largest)
    assert chain.step_configs[1]["independent"] is False
    made = provenance_of("measure", VhiSettings.from_values({}, chain), None, [])
    assert made["versions"]["monai"] == version("monai")
    assert "monai" not in provenance_of("measure", VhiSettings(), None, [])["versions"]


def test_a_chain_in_which_a_name_alone_is_monais(tmp_path):
    chain = chain_with(tmp_path, {"_target_": "LabelFilterd", "keys": "grade", "applied_labels": [2]})
    np.testing.assert_array_equal(through(chain, SQUARE), np.where(SQUARE == 2, 2, 0))


def test_a_chain_leaves_the_given_map_as_it_is(tmp_path):
    # MONAI's own fills the very memory that it is given
    shell = np.full((5, 5, 5), 2, dtype=np.uint8)
    shell[2, 2, 2] = 0
    before = shell.copy()
    filled = through(chain_with(tmp_path, {"_target_": "FillHolesd", "keys": "grade"}), shell)
    np.testing.assert_array_equal(shell, before)
    assert filled[2, 2, 2] == 2


REFUSED = {
    "an argument that it does not take": ({"_target_": "RemoveSmallObjectsd", "min_sizes": 4}, "does not take these arguments"),
    "a value that it fails on": ({"_target_": "LabelFilterd", "applied_labels": "two"}, "LabelFilterd fails|does not take"),
    "grades exchanged": ({"_target_": "MapLabelValued", "orig_labels": [1, 2], "target_labels": [2, 1]}, "gives grade 2 to .* below"),
    "grades made one": ({"_target_": "AsDiscreted", "threshold": 0.5}, "gives grade 1 to .* above the conservative threshold"),
    "other values": ({"_target_": "MapLabelValued", "orig_labels": [1], "target_labels": [5]}, "gives the value 5"),
    "several channels": ({"_target_": "AsDiscreted", "to_onehot": 3}, "channels; a grade map has one"),
    "everything counted": ({"_target_": "MapLabelValued", "orig_labels": [0], "target_labels": [1]}, "MapLabelValued adds .* that no lesion encloses"),
    "a mirror image": ({"_target_": "Flipd", "spatial_axis": 0}, "'Flipd' is no step that a chain may hold"),
    "chance": ({"_target_": "RandFlipd", "prob": 0.5}, "'RandFlipd' is no step"),
    "code by name": ({"_target_": "Lambdad", "func": "print"}, "'Lambdad' is no step"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_a_chain_that_would_make_another_number_of_it_is_refused_when_it_is_read(tmp_path, fault):
    step, sentence = REFUSED[fault]
    with pytest.raises(SettingsError, match=sentence) as error:
        chain_with(tmp_path, {"keys": "grade", **step})
    assert "\n" not in str(error.value)


def test_what_the_example_does_not_show_is_refused_where_it_happens(tmp_path):
    # a hole in three dimensions, filled with the grade around it
    shell = np.zeros((7, 7, 5), dtype=np.uint8)
    shell[1:6, 1:6, 1:4] = 1
    shell[3, 3, 2] = 0
    chain = chain_with(tmp_path, {"_target_": "FillHolesd", "keys": "grade", "applied_labels": [1]})
    filled = shell.copy()
    filled[3, 3, 2] = 1
    np.testing.assert_array_equal(through(chain, shell), filled)
    region = np.ones(shell.shape, dtype=bool)
    region[3, 3, 2] = False
    with pytest.raises(SettingsError, match="adds 1 voxel .* within the disease region"):
        through(chain, shell, region)


def test_monais_own_parser_runs_the_same_file_to_the_same_map(tmp_path):
    content = {
        "sizes": {"pixels": 3},
        "drop": {"_target_": "vhi.transforms.DropSmallComponentsd", "keys": "grade", "min_pixels": "@sizes::pixels"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                "@drop",
                {"_target_": "vhi.transforms.Hysteresisd", "keys": "grade"},
                {"_target_": "vhi.transforms.DropSmallVolumesd", "keys": "grade", "min_volume_mm3": 4.5},
                {"_target_": "vhi.transforms.FillHolesd", "keys": "grade"},
                {"_target_": "LabelFilterd", "keys": "grade", "applied_labels": [1, 2]},
            ],
        },
    }
    path = tmp_path / "site.json"
    path.write_text(json.dumps(content))
    rng = np.random.default_rng(5)
    grade = rng.choice([0, 0, 1, 2], (14, 13, 5)).astype(np.uint8)
    region = rng.random(grade.shape) < 0.9
    grade[~region] = 0
    np.savez(tmp_path / "given.npz", grade=grade, region=region, affine=grid_of(grade).affine)
    code = """
import numpy as np, torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
given = np.load("given.npz")
parser = ConfigParser(ConfigParser.load_config_file("site.json"))
parser.parse()
tensor = lambda name: MetaTensor(torch.from_numpy(given[name][None].astype("uint8")), affine=torch.from_numpy(given["affine"]))
answer = parser.get_parsed_content("postprocessing")({"grade": tensor("grade"), "disease_region": tensor("region")})
np.save("answer.npy", np.asarray(answer["grade"])[0])
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "apps")}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment, capture_output=True)
    cleared = through(read_chain(path), grade, region)
    np.testing.assert_array_equal(np.load(tmp_path / "answer.npy"), cleared)
    assert np.count_nonzero((cleared == 0) & (grade > 0)) > 10
    assert np.count_nonzero((cleared > 0) & (grade == 0)) > 5


# ours in other chains ----------------------------------------------------------------------------------------------------


def test_a_metatensor_keeps_its_place_its_metadata_and_its_number_type():
    import torch
    from monai.data import MetaTensor
    from monai.transforms import Compose, EnsureTyped

    from lib.post_transforms.map_transforms import DropSmallComponentsd, Hysteresisd

    affine = torch.diag(torch.tensor([0.7, 0.7, 3.3, 1.0], dtype=torch.float64))
    given = MetaTensor(torch.from_numpy(SQUARE[np.newaxis].copy()).float(), affine=affine, meta={"filename_or_obj": "a.nii.gz"})
    both = Compose(
        [EnsureTyped(keys="grade"), DropSmallComponentsd(keys=["grade", "other"], allow_missing_keys=True), Hysteresisd("grade")]
    )
    answer = both({"grade": given, "reader": "1"})
    assert answer["reader"] == "1"
    assert isinstance(answer["grade"], MetaTensor)
    assert (answer["grade"].dtype, answer["grade"].shape) == (torch.float32, (1, *SQUARE.shape))
    assert torch.equal(answer["grade"].affine, affine)
    assert answer["grade"].meta["filename_or_obj"] == "a.nii.gz"
    assert answer["grade"].sum() == 5
    assert given.sum() == 6


def test_a_missing_key_is_told_unless_it_may_be_missing():
    from lib.post_transforms.map_transforms import Hysteresisd

    with pytest.raises(KeyError, match="grade"):
        Hysteresisd("grade")({"label": SQUARE})
    assert set(Hysteresisd("grade", allow_missing_keys=True)({"label": SQUARE})) == {"label"}


def test_what_is_no_grade_map_and_what_has_no_millimetres_is_told():
    with pytest.raises(InputError, match=r"'grade' has shape \(4, 5, 1\); a grade map is channel-first"):
        ours("Hysteresisd", SQUARE)
    with pytest.raises(InputError, match="holds the value 0.5"):
        ours("Hysteresisd", np.full((1, 2, 2, 1), 0.5))
    with pytest.raises(InputError, match="DropSmallVolumesd: 'grade' is a ndarray without an affine"):
        ours("DropSmallVolumesd", SQUARE[np.newaxis], min_volume_mm3=3.0)
    with pytest.raises(InputError, match="DropSmallComponentsd: 'grade' is a ndarray without an affine"):
        ours("DropSmallComponentsd", SQUARE[np.newaxis], min_area_mm2=3.0)
    with pytest.raises(InputError, match="FillHolesd needs a mask under 'disease_region'"):
        ours("FillHolesd", SQUARE[np.newaxis])
    with pytest.raises(SettingsError, match="connectivity must be 4 or 8"):
        ours("DropSmallComponentsd", SQUARE[np.newaxis], connectivity=6)


# how they differ from the steps of like name -----------------------------------------------------------------------------


def test_a_group_of_exactly_the_smallest_size_stays_with_ours_and_goes_with_monai_and_scikit_image():
    from skimage.morphology import remove_small_objects

    group = slice_of("11..", "11..", "....")
    np.testing.assert_array_equal(ours("DropSmallComponentsd", group[np.newaxis], min_pixels=4), group)
    assert not theirs("RemoveSmallObjectsd", group, min_size=4).any()
    with pytest.warns(FutureWarning):
        assert not remove_small_objects(group > 0, min_size=4).any()
    assert remove_small_objects(group > 0, max_size=3).sum() == 4


def test_pixels_that_touch_by_corners_are_one_group_with_ours_and_by_default_none_with_monai_and_scikit_image():
    from skimage.morphology import remove_small_objects

    group = slice_of("1....", ".1...", "..1..", "...1.")
    np.testing.assert_array_equal(ours("DropSmallComponentsd", group[np.newaxis]), group)
    assert not theirs("RemoveSmallObjectsd", group, min_size=2).any()
    assert not remove_small_objects(group > 0, max_size=1).any()
    assert theirs("RemoveSmallObjectsd", group, min_size=3, connectivity=2).sum() == 4


def test_a_column_through_slices_goes_with_ours_and_stays_with_monai():
    column = stack_of(*[slice_of("11.", "...")] * 3)
    assert not ours("DropSmallComponentsd", column[np.newaxis]).any()
    np.testing.assert_array_equal(theirs("RemoveSmallObjectsd", column, min_size=4), column)


def test_both_grades_are_one_group_with_ours_and_by_default_two_with_monai():
    group = slice_of("11..", "22..", "....")
    np.testing.assert_array_equal(ours("DropSmallComponentsd", group[np.newaxis]), group)
    assert not theirs("RemoveSmallObjectsd", group, min_size=3).any()
    np.testing.assert_array_equal(theirs("RemoveSmallObjectsd", group, min_size=3, independent_channels=False), group)


def test_a_lesion_of_exactly_the_smallest_volume_stays_with_ours_and_goes_with_monai():
    import torch
    from monai.data import MetaTensor
    from monai.transforms import RemoveSmallObjectsd

    lesion = slice_of("11..", "....")
    given = MetaTensor(
        torch.from_numpy(lesion[np.newaxis].copy()), affine=torch.diag(torch.tensor([0.5, 0.5, 4.0, 1.0]).double())
    )
    assert ours("DropSmallVolumesd", given, min_volume_mm3=2.0).sum() == 2
    assert not RemoveSmallObjectsd("grade", min_size=2, by_measure=True)({"grade": given})["grade"].any()


def test_a_ring_closed_by_corners_is_filled_by_ours_and_scipy_and_not_by_monai():
    from scipy.ndimage import binary_fill_holes

    ring = slice_of(".....", "..1..", ".1.1.", "..1..", ".....")
    assert ours("FillHolesd", ring[np.newaxis], region_key=None).sum() == 5
    assert binary_fill_holes(ring[:, :, 0]).sum() == 5
    assert theirs("FillHolesd", ring).sum() == 4


def test_a_hole_of_a_slice_is_filled_by_ours_with_grade_one_and_of_a_shell_by_monai_with_the_grade_around_it():
    ring = slice_of(".....", ".222.", ".2.2.", ".222.", ".....")
    lone = stack_of(np.zeros_like(ring), ring, np.zeros_like(ring))
    assert ours("FillHolesd", lone[np.newaxis], region_key=None)[2, 2, 1] == 1
    assert theirs("FillHolesd", lone)[2, 2, 1] == 0
    full = np.where(ring == 0, 0, 2).astype(np.uint8)
    full[2, 2] = 2
    shell = stack_of(np.zeros_like(ring), full, ring, full, np.zeros_like(ring))
    assert ours("FillHolesd", shell[np.newaxis], region_key=None)[2, 2, 2] == 1
    assert theirs("FillHolesd", shell)[2, 2, 2] == 2


def test_hysteresis_joins_by_corners_with_ours_and_by_faces_with_scikit_image_where_a_voxel_at_a_threshold_does_not_count():
    from skimage.filters import apply_hysteresis_threshold

    stir = np.zeros((3, 3, 1))
    stir[0, 0], stir[1, 1] = 3.0, 2.0
    grade = (stir >= 2.0).astype(np.uint8) + (stir >= 3.0)
    np.testing.assert_array_equal(ours("Hysteresisd", grade[np.newaxis].astype(np.uint8)), grade)
    assert apply_hysteresis_threshold(stir, 1.9, 2.9).sum() == 1
    assert not apply_hysteresis_threshold(stir, 1.9, 3.0).any()
