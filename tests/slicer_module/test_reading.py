"""A reading with 3D Slicer's module: next sample, regions, VHI, clicks, submission, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import requests

from serving import Server
from slicerdesk import Slicer, choose

pytestmark = pytest.mark.server

REGION, BONE = "disease region", "normal bone"
INFLAMMATION, CONSERVATIVE, PROPOSED = "inflammation", "inflammation (conservative)", "inflammation (proposed to remove)"


@pytest.fixture
def desk(slicer, server, request) -> Slicer:
    """A reader of their own has a case open."""
    opened = slicer(server, f"reader-{abs(hash(request.node.name)) % 10**8}")
    opened.next_sample()
    assert opened.shown() == []
    return opened


def image_of(desk: Slicer) -> str:
    return str(desk.module.current_sample["id"])


def answer(server: Server, model: str, image: str, folder: Path, **params: Any) -> np.ndarray:
    """The same asked without Slicer, and read by another library."""
    asked = {"params": json.dumps({"result_extension": ".nii.gz", **params})}
    got = requests.post(f"{server.url}/infer/{model}", params={"image": image, "output": "image"}, data=asked, timeout=60)
    assert got.status_code == 200, got.text
    (folder / "answer.nii.gz").write_bytes(got.content)
    return np.asarray(nibabel.load(folder / "answer.nii.gz").dataobj)


def report(server: Server, desk: Slicer, **params: str) -> dict[str, Any]:
    got = requests.get(server.url + desk.saved()["report"], params={"form": "json", **params}, timeout=60)
    assert got.status_code == 200, got.text
    return dict(got.json())


def test_fetching_lists_models_strategies_and_the_trainer(slicer, server):
    desk = slicer(server, "fay")
    assert desk.shown() == []
    boxes = {
        "segmentationModelSelector": ["disease_region", "normal_bone", "vhi"],
        "deepgrowModelSelector": ["vhi_clean", "normal_bone_clicks"],
        "scribblesMethodSelector": [],
        "strategyBox": ["first", "random", "uncertain", "diverse", "review"],
        "trainerBox": ["disease_region"],
        "labelComboBox": [REGION, BONE],
        "appComboBox": ["VHI"],
    }
    assert {name: [getattr(desk.ui, name).itemText(n) for n in range(getattr(desk.ui, name).count)] for name in boxes} == boxes
    assert not desk.ui.scribblesCollapsibleButton.visible
    assert desk.ui.activeLearningProgressBar.toolTip == "0/4 samples are labeled"


def test_the_next_sample_is_downloaded_judged_by_its_hash_and_opened(desk, scan):
    stir = nibabel.load(scan / "stir.nii.gz")
    volume = desk.module._volumeNode
    np.testing.assert_array_equal(volume.array, np.asarray(stir.dataobj))
    np.testing.assert_allclose(volume.affine, stir.affine, atol=1e-4)
    assert {name: mask.any() for name, mask in desk.segments().items()} == {REGION: False, BONE: False}
    (cached,) = Path(desk.slicer.app.cache).iterdir()
    assert cached.name == f"{image_of(desk)}.nii.gz"
    assert cached.read_bytes() == (scan / "stir.nii.gz").read_bytes()
    cached.write_bytes(b"half of a download")
    desk.next_sample()
    assert desk.shown() == []
    np.testing.assert_array_equal(desk.module._volumeNode.array, np.asarray(stir.dataobj))


def test_what_slicer_runs_unasked_on_a_new_case_is_the_disease_region(slicer, server):
    desk = slicer(server, "uma")
    desk.setting("autoRunSegmentationOnNextSample", True)
    desk.next_sample()
    assert desk.shown() == []
    assert {name: mask.any() for name, mask in desk.segments().items()} == {REGION: True, BONE: False}


@pytest.mark.parametrize(("model", "segment"), [("disease_region", REGION), ("normal_bone", BONE), ("vhi", INFLAMMATION)])
def test_every_answer_lands_in_its_segment_voxel_for_voxel(desk, server, tmp_path, model, segment):
    desk.run(model)
    assert desk.shown() == []
    expected = answer(server, model, image_of(desk), tmp_path) == 1
    assert expected.any()
    np.testing.assert_array_equal(desk.segments()[segment], expected)
    assert not any(mask.any() for name, mask in desk.segments().items() if name != segment)


def test_both_grades_are_two_segments_and_nothing_of_an_earlier_answer_stays(desk, server, tmp_path):
    desk.table_of("models", "vhi")["show"].setCurrentIndex(1)
    desk.run("vhi")
    both = answer(server, "vhi", image_of(desk), tmp_path, show="both")
    np.testing.assert_array_equal(desk.segments()[INFLAMMATION], both == 1)
    np.testing.assert_array_equal(desk.segments()[CONSERVATIVE], both == 2)
    assert (both == 2).any()
    desk.table_of("models", "vhi")["show"].setCurrentIndex(0)
    desk.run("vhi")
    np.testing.assert_array_equal(desk.segments()[INFLAMMATION], both > 0)
    assert not desk.segments()[CONSERVATIVE].any()


def test_what_is_proposed_to_be_removed_is_a_segment_and_not_lost(desk, server, tmp_path):
    desk.table_of("models", "vhi")["proposal"].setCurrentIndex(1)
    desk.run("vhi")
    assert desk.shown() == []
    shown = answer(server, "vhi", image_of(desk), tmp_path, proposal="show")
    assert (shown == 3).any()
    np.testing.assert_array_equal(desk.segments()[INFLAMMATION], shown == 1)
    np.testing.assert_array_equal(desk.segments()[PROPOSED], shown == 3)
    off = answer(server, "vhi", image_of(desk), tmp_path)
    np.testing.assert_array_equal(desk.segments()[INFLAMMATION] | desk.segments()[PROPOSED], off > 0)


def test_points_of_the_click_tool_remove_a_lesion_and_bring_it_back(desk, server, tmp_path):
    desk.run("vhi")
    before = desk.segments()[INFLAMMATION].copy()
    choose(desk.ui.labelComboBox, INFLAMMATION)
    voxel = [int(n) for n in np.argwhere(before)[0]]
    desk.click(voxel, background=True)
    assert desk.shown() == []
    left = desk.segments()[INFLAMMATION].copy()
    np.testing.assert_array_equal(left, answer(server, "vhi_clean", image_of(desk), tmp_path, background=[voxel]) == 1)
    assert before[tuple(voxel)]
    assert not left[tuple(voxel)]
    # the points are kept with the segment, and all of them are sent each time
    assert desk.module.dgNegativePointListNode.GetNumberOfControlPoints() == 1
    desk.click(voxel)
    np.testing.assert_array_equal(desk.segments()[INFLAMMATION], before)


def test_clicks_that_remove_everything_leave_an_empty_segment(desk):
    desk.table_of("models", "vhi")["min_volume_mm3"].setText("500")
    desk.run("vhi")
    desk.table_of("models", "vhi_clean")["min_volume_mm3"].setText("500")
    choose(desk.ui.labelComboBox, INFLAMMATION)
    while desk.segments()[INFLAMMATION].any():
        desk.click(np.argwhere(desk.segments()[INFLAMMATION])[0], background=True)
        assert desk.shown() == []


def test_foreground_points_of_the_click_tool_grow_normal_bone(desk, server, tmp_path):
    at = np.argwhere(answer(server, "normal_bone", image_of(desk), tmp_path))
    voxel = [int(n) for n in at[np.argmin(np.abs(at - at.mean(axis=0)).sum(axis=1))]]
    choose(desk.ui.deepgrowModelSelector, "normal_bone_clicks")
    choose(desk.ui.labelComboBox, BONE)
    desk.click(voxel)
    assert desk.shown() == []
    grown = answer(server, "normal_bone_clicks", image_of(desk), tmp_path, foreground=[voxel])
    assert np.count_nonzero(grown) > 30
    np.testing.assert_array_equal(desk.segments()[BONE], grown == 1)


def test_without_auto_a_point_waits_for_the_button(desk):
    desk.run("vhi")
    before = desk.segments()[INFLAMMATION].copy()
    choose(desk.ui.labelComboBox, INFLAMMATION)
    desk.ui.dgUpdateCheckBox.setChecked(False)
    desk.click(np.argwhere(before)[0], background=True)
    np.testing.assert_array_equal(desk.segments()[INFLAMMATION], before)
    desk.press("dgUpdate")
    assert (desk.segments()[INFLAMMATION] != before).any()


def test_a_reading_is_submitted_with_the_names_that_the_module_gives_and_reported(desk, server):
    for model in ("disease_region", "normal_bone", "vhi"):
        desk.run(model)
    choose(desk.ui.labelComboBox, INFLAMMATION)
    desk.click(np.argwhere(desk.segments()[INFLAMMATION])[0], background=True)
    kept = desk.segments()[INFLAMMATION].copy()
    region = desk.segments()[REGION].copy()
    desk.press("saveLabel")
    found = report(server, desk)
    assert (found["voxels"]["sensitive"], found["disease_region"]["voxels"]) == (kept.sum(), region.sum())
    assert desk.ui.activeLearningProgressBar.toolTip == "1/4 samples are labeled"
    desk.next_sample()
    assert desk.shown() == []
    assert image_of(desk) not in (None, found["reading"]["case"])


def test_what_a_reader_is_told_of_a_submission_comes_first_under_show_details(desk):
    desk.run("vhi")
    segmentation = desk.module._segmentNode.GetSegmentation()
    segmentation.AddEmptySegment("sketch", "sketch")
    segmentation.segments["sketch"].mask[:9, 0, 0] = True
    desk.press("saveLabel")
    saved = desk.saved()
    assert next(iter(saved)) == "messages"
    assert saved["messages"][0].startswith("The segment 'sketch' (9 voxels) was kept, but its name means nothing here")
    assert saved["measured"] is True
    # Slicer shows the answer as ASCII: other letters would be codes
    assert "".join(saved["messages"]).isascii()


def test_both_grades_submitted_are_the_inflammation_that_was_shown(desk, server):
    desk.table_of("models", "vhi")["show"].setCurrentIndex(1)
    desk.run("vhi")
    shown = desk.segments()[INFLAMMATION] | desk.segments()[CONSERVATIVE]
    desk.press("saveLabel")
    assert report(server, desk)["voxels"]["sensitive"] == shown.sum()


def test_segments_that_the_module_leaves_out_shift_no_names(desk, server):
    # it leaves a segment called background out of the map, and counts it all the same when it numbers the others
    desk.run("disease_region")
    segmentation = desk.module._segmentNode.GetSegmentation()
    region = segmentation.segments[REGION].mask.copy()
    segmentation.segments = {}
    for name in ("background", REGION):
        segmentation.AddEmptySegment(name, name)
    segmentation.segments[REGION].mask = region
    desk.press("saveLabel")
    assert report(server, desk)["disease_region"]["voxels"] == region.sum()


def test_regions_alone_are_kept_and_vhi_rests_on_them(desk):
    for model in ("disease_region", "normal_bone"):
        desk.run(model)
    desk.press("saveLabel")
    assert desk.saved()["measured"] is True
    desk.run("vhi")
    assert desk.shown() == []
    assert desk.segments()[INFLAMMATION].any()


def test_a_case_with_its_region_handed_in_is_left_and_come_back_to_and_another_skipped(desk):
    first = image_of(desk)
    desk.run("disease_region")
    desk.press("saveLabel")
    desk.saved()
    desk.next_sample()
    second = image_of(desk)
    assert second != first  # finished for its region
    desk.table_of("strategies", "first")["skip"].setChecked(True)
    desk.next_sample("first")
    third = image_of(desk)
    assert third not in (first, second)
    cells = desk.table_of("strategies", "first")
    cells["skip"].setChecked(False)
    cells["cases"].setCurrentText("region only")
    desk.next_sample("first")
    assert image_of(desk) == first
    cells = desk.table_of("strategies", "first")
    cells["cases"].setCurrentText("skipped")
    desk.next_sample("first")
    assert image_of(desk) == second
    assert desk.shown() == []


def test_a_region_upside_down_is_doubted_in_the_answer_and_confirmed_by_the_same_again(desk, server):
    desk.run("disease_region")
    region = desk.module._segmentNode.GetSegmentation().segments[REGION]
    region.mask = np.flip(region.mask, 1)
    desk.press("saveLabel")
    said = desk.saved()["messages"]
    assert "The disease region may be wrong. It fits better upside down" in said[0]
    desk.press("saveLabel")
    made = desk.saved()
    assert made["messages"][1].startswith("You confirmed it.")
    asked = {"image": image_of(desk), "reader": made["reader"]}
    told = requests.get(f"{server.url}/vhi/submissions", params=asked, timeout=60).json()
    assert [one["fate"]["state"] for one in told] == ["replaced", "waits"]


def test_when_every_case_is_finished_slicer_says_so(slicer, server):
    desk = slicer(server, "finn")
    for _ in range(4):
        desk.next_sample()
        desk.run("vhi")
        desk.press("saveLabel")
        desk.saved()
    desk.next_sample()
    ((kind, text, _),) = desk.shown()
    assert (kind, text.split("\n")[0]) == ("warning", "Unlabeled samples or images not found at server.")
    assert desk.ui.activeLearningProgressBar.toolTip == "4/4 samples are labeled"
