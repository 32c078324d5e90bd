"""Labels drawn by other rules: the voxels that they teach, and those that they leave unsaid."""

import json
from pathlib import Path

import numpy as np
import pytest

from lib.core.bone_labels import LabelMap, learnt_of
from lib.core.volume import Grid, Volume
from lib.errors import GridMismatchError, InputError
from lib.studies.labelled import LabelledCase
from lib.studies.nifti import write_labels, write_volume
from lib.training.other import read_label_map, read_other, write_other_labels

MEANING = LabelMap(region=(2, 4), partly=(3,), ignored=(1,))
GRID = Grid((40, 40, 6), np.diag([1.0, 1.0, 5.0, 1.0]))


def scan() -> tuple[Volume, np.ndarray]:
    """Slices 0 to 2 hold a hip bone and a vertebra with a dark disc; slices 3 to 5 hold no label."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[4:10, 4:10, :3], labels[20:30, 20:30, :3], labels[34:38, 34:38, :3] = 2, 3, 1
    data = np.full(GRID.shape, 50.0)
    data[labels > 0] = 200.0
    data[20:30, 22:28, :3] = 60.0
    return Volume(data, GRID, "T1W"), labels


def test_bone_is_learnt_a_disc_inside_the_spines_label_and_femur_are_not_judged():
    t1w, labels = scan()
    mask, ignored, _ = learnt_of(t1w, labels, MEANING, np.zeros(GRID.shape, dtype=bool))
    disc = np.zeros(GRID.shape, dtype=bool)
    disc[20:30, 22:28, :3] = True
    assert not (ignored & ~(disc | (labels == 1))).any()
    assert ignored[labels == 1].all()
    assert ignored[22:28, 22:28, :3].all()  # its corners are narrower than it
    np.testing.assert_array_equal(mask.data, np.isin(labels, (2, 3)) & ~ignored)


def test_where_only_the_bright_part_of_a_label_is_bone_its_disc_is_learnt_as_none():
    t1w, labels = scan()
    mask, ignored, _ = learnt_of(t1w, labels, LabelMap((2, 4), bright=(3,)), np.zeros(GRID.shape, dtype=bool))
    same, left_open, _ = learnt_of(t1w, labels, LabelMap((2, 4), partly=(3,)), np.zeros(GRID.shape, dtype=bool))
    assert not mask.data[22:28, 22:28, :3].any()
    np.testing.assert_array_equal(mask.data, same.data)
    assert left_open.any()
    assert not ignored.any()


def test_dark_cortex_in_the_spines_label_is_region():
    t1w, labels = scan()
    t1w.data[20:22, 20:30, :3] = 60.0
    mask, ignored, _ = learnt_of(t1w, labels, MEANING, np.zeros(GRID.shape, dtype=bool))
    assert mask.data[20:22, [20, 21, 28, 29], :3].all()
    assert ignored[22:28, 22:28, :3].all()


def test_bone_that_only_the_start_networks_see_is_left_open_in_narrow_gaps_of_labels_and_wrong_elsewhere():
    t1w, labels = scan()
    labels[4:18, 4:10, 0] = labels[4:18, 15:20, 0] = 2  # a gap of 5 mm beside the hip bone, in one slice
    bone = np.zeros(GRID.shape, dtype=bool)
    bone[10:12, 10:36, 0] = True  # from the hip bone's edge (row 9) on
    bone[0, 0, 3:] = True  # in slices without labels, 5, 10 and 15 mm from the last that has some
    mask, ignored, _ = learnt_of(t1w, labels, LabelMap((2, 3, 4), (), (1,)), bone)
    assert not (mask.data & bone & (labels == 0)).any()
    opened = ignored & (labels == 0)
    np.testing.assert_array_equal(np.flatnonzero(opened[11, :, 0]), np.arange(10, 15))  # the gap alone
    np.testing.assert_array_equal(np.flatnonzero(opened[0, 0]), [3, 4])  # up to 12 mm


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"region": []}',
        '{"region": [2, 2]}',
        '{"region": [2], "bright": [2]}',
        '{"region": [2], "bone": [3]}',
        '{"region": [0]}',
        '{"region": ["a"]}',
    ],
)
def test_a_label_map_that_says_nothing_usable_is_refused_with_an_example(tmp_path, content):
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(InputError, match=r"labels.json (does not say what the labels mean|must name at least one label)"):
        read_label_map(tmp_path / "labels.json")


def test_what_is_learnt_is_written_once_and_read_back(tmp_path):
    t1w, labels = scan()
    case = case_in(tmp_path, t1w, labels, GRID)
    write_other_labels(tmp_path / "fold0", [case], lambda: [lambda slices: np.ones_like(slices)])
    read, (mask, ignored, told) = read_other(tmp_path / "fold0", case)
    expected, unsaid, dark = learnt_of(read, labels, MEANING, np.ones(GRID.shape, dtype=bool))
    np.testing.assert_array_equal(mask.data, expected.data)
    np.testing.assert_array_equal(ignored, unsaid)
    np.testing.assert_array_equal(told, dark)
    assert dark.any()

    def never():
        raise AssertionError("networks were asked again")

    write_other_labels(tmp_path / "fold0", [case], never)
    np.savez(tmp_path / "fold0" / "other_labels" / f"{case.case_id}.npz", mask=mask.data, ignored=ignored)
    with pytest.raises(InputError, match="written by an earlier build"):
        read_other(tmp_path / "fold0", case)


def test_labels_on_another_grid_are_refused(tmp_path):
    t1w, labels = scan()
    case = case_in(tmp_path, t1w, labels, Grid(GRID.shape, GRID.affine + np.eye(4, k=3) * 7))
    with pytest.raises(GridMismatchError, match=r"T1W 1 .* and labels 1 .* up to 7.0 mm apart"):
        write_other_labels(tmp_path / "fold0", [case], tuple)


def case_in(folder: Path, t1w: Volume, labels: np.ndarray, grid: Grid) -> LabelledCase:
    write_volume(folder / "1_T1W.nii.gz", t1w)
    write_labels(folder / "1_labels.nii.gz", labels, grid)
    meaning = {"region": MEANING.region, "partly": MEANING.partly, "ignored": MEANING.ignored}
    (folder / "labels.json").write_text(json.dumps(meaning))
    return LabelledCase("1", folder / "1_T1W.nii.gz", folder / "1_labels.nii.gz")
