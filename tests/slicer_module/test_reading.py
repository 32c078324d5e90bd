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
from slicer_client import Slicer, choose

pytestmark = pytest.mark.server

REGION, BONE = "disease region", "normal bone"
INFLAMMATION, CONSERVATIVE, PROPOSED = "inflammation", "inflammation (conservative)", "inflammation (proposed to remove)"


@pytest.fixture
def slicer_client(slicer, server, request) -> Slicer:
    """A reader of their own has a case open."""
    opened = slicer(server, f"reader-{abs(hash(request.node.name)) % 10**8}")
    opened.next_sample()
    assert opened.shown() == []
    return opened


def image_of(slicer_client: Slicer) -> str:
    return str(slicer_client.module.current_sample["id"])


def answer(server: Server, model: str, image: str, folder: Path, **params: Any) -> np.ndarray:
    """The same asked without Slicer, and read by another library."""
    asked = {"params": json.dumps({"result_extension": ".nii.gz", **params})}
    got = requests.post(f"{server.url}/infer/{model}", params={"image": image, "output": "image"}, data=asked, timeout=60)
    assert got.status_code == 200, got.text
    (folder / "answer.nii.gz").write_bytes(got.content)
    return np.asarray(nibabel.load(folder / "answer.nii.gz").dataobj)


def report(server: Server, slicer_client: Slicer, **params: str) -> dict[str, Any]:
    got = requests.get(server.url + slicer_client.saved()["report"], params={"form": "json", **params}, timeout=60)
    assert got.status_code == 200, got.text
    return dict(got.json())


def test_fetching_lists_models_strategies_and_the_trainer(slicer, server):
    slicer_client = slicer(server, "fay")
    assert slicer_client.shown() == []
    boxes = {
        "segmentationModelSelector": ["disease_region", "normal_bone", "vhi"],
        "deepgrowModelSelector": ["vhi_clean", "normal_bone_clicks"],
        "scribblesMethodSelector": [],
        "strategyBox": ["first", "random", "uncertain", "diverse", "review"],
        "trainerBox": ["disease_region"],
        "labelComboBox": [REGION, BONE],
        "appComboBox": ["VHI"],
    }
    assert {
        name: [getattr(slicer_client.ui, name).itemText(n) for n in range(getattr(slicer_client.ui, name).count)]
        for name in boxes
    } == boxes
    assert not slicer_client.ui.scribblesCollapsibleButton.visible
    assert slicer_client.ui.activeLearningProgressBar.toolTip == "0/4 samples are labeled"


def test_the_next_sample_is_downloaded_judged_by_its_hash_and_opened(slicer_client, scan):
    stir = nibabel.load(scan / "stir.nii.gz")
    volume = slicer_client.module._volumeNode
    np.testing.assert_array_equal(volume.array, np.asarray(stir.dataobj))
    np.testing.assert_allclose(volume.affine, stir.affine, atol=1e-4)
    assert {name: mask.any() for name, mask in slicer_client.segments().items()} == {REGION: False, BONE: False}
    (cached,) = Path(slicer_client.slicer.app.cache).iterdir()
    assert cached.name == f"{image_of(slicer_client)}.nii.gz"
    assert cached.read_bytes() == (scan / "stir.nii.gz").read_bytes()
    cached.write_bytes(b"half of a download")
    slicer_client.next_sample()
    assert slicer_client.shown() == []
    np.testing.assert_array_equal(slicer_client.module._volumeNode.array, np.asarray(stir.dataobj))


def test_what_slicer_runs_unasked_on_a_new_case_is_the_disease_region(slicer, server):
    slicer_client = slicer(server, "uma")
    slicer_client.setting("autoRunSegmentationOnNextSample", True)
    slicer_client.next_sample()
    assert slicer_client.shown() == []
    assert {name: mask.any() for name, mask in slicer_client.segments().items()} == {REGION: True, BONE: False}


@pytest.mark.parametrize(("model", "segment"), [("disease_region", REGION), ("normal_bone", BONE), ("vhi", INFLAMMATION)])
def test_every_answer_lands_in_its_segment_voxel_for_voxel(slicer_client, server, tmp_path, model, segment):
    slicer_client.run(model)
    assert slicer_client.shown() == []
    expected = answer(server, model, image_of(slicer_client), tmp_path) == 1
    assert expected.any()
    np.testing.assert_array_equal(slicer_client.segments()[segment], expected)
    assert not any(mask.any() for name, mask in slicer_client.segments().items() if name != segment)


def test_both_grades_are_two_segments_and_nothing_of_an_earlier_answer_stays(slicer_client, server, tmp_path):
    slicer_client.table_of("models", "vhi")["show"].setCurrentIndex(1)
    slicer_client.run("vhi")
    both = answer(server, "vhi", image_of(slicer_client), tmp_path, show="both")
    np.testing.assert_array_equal(slicer_client.segments()[INFLAMMATION], both == 1)
    np.testing.assert_array_equal(slicer_client.segments()[CONSERVATIVE], both == 2)
    assert (both == 2).any()
    slicer_client.table_of("models", "vhi")["show"].setCurrentIndex(0)
    slicer_client.run("vhi")
    np.testing.assert_array_equal(slicer_client.segments()[INFLAMMATION], both > 0)
    assert not slicer_client.segments()[CONSERVATIVE].any()


def test_what_is_proposed_to_be_removed_is_a_segment_and_not_lost(slicer_client, server, tmp_path):
    slicer_client.table_of("models", "vhi")["proposal"].setCurrentIndex(1)
    slicer_client.run("vhi")
    assert slicer_client.shown() == []
    shown = answer(server, "vhi", image_of(slicer_client), tmp_path, proposal="show")
    assert (shown == 3).any()
    np.testing.assert_array_equal(slicer_client.segments()[INFLAMMATION], shown == 1)
    np.testing.assert_array_equal(slicer_client.segments()[PROPOSED], shown == 3)
    off = answer(server, "vhi", image_of(slicer_client), tmp_path)
    np.testing.assert_array_equal(slicer_client.segments()[INFLAMMATION] | slicer_client.segments()[PROPOSED], off > 0)


def test_points_of_the_click_tool_remove_a_lesion_and_bring_it_back(slicer_client, server, tmp_path):
    slicer_client.run("vhi")
    before = slicer_client.segments()[INFLAMMATION].copy()
    choose(slicer_client.ui.labelComboBox, INFLAMMATION)
    voxel = [int(n) for n in np.argwhere(before)[0]]
    slicer_client.click(voxel, background=True)
    assert slicer_client.shown() == []
    left = slicer_client.segments()[INFLAMMATION].copy()
    np.testing.assert_array_equal(left, answer(server, "vhi_clean", image_of(slicer_client), tmp_path, background=[voxel]) == 1)
    assert before[tuple(voxel)]
    assert not left[tuple(voxel)]
    # the points are kept with the segment, and all of them are sent each time
    assert slicer_client.module.dgNegativePointListNode.GetNumberOfControlPoints() == 1
    slicer_client.click(voxel)
    np.testing.assert_array_equal(slicer_client.segments()[INFLAMMATION], before)


def test_clicks_that_remove_everything_leave_an_empty_segment(slicer_client):
    slicer_client.table_of("models", "vhi")["min_volume_mm3"].setText("500")
    slicer_client.run("vhi")
    slicer_client.table_of("models", "vhi_clean")["min_volume_mm3"].setText("500")
    choose(slicer_client.ui.labelComboBox, INFLAMMATION)
    while slicer_client.segments()[INFLAMMATION].any():
        slicer_client.click(np.argwhere(slicer_client.segments()[INFLAMMATION])[0], background=True)
        assert slicer_client.shown() == []


def test_foreground_points_of_the_click_tool_grow_normal_bone(slicer_client, server, tmp_path):
    at = np.argwhere(answer(server, "normal_bone", image_of(slicer_client), tmp_path))
    voxel = [int(n) for n in at[np.argmin(np.abs(at - at.mean(axis=0)).sum(axis=1))]]
    choose(slicer_client.ui.deepgrowModelSelector, "normal_bone_clicks")
    choose(slicer_client.ui.labelComboBox, BONE)
    slicer_client.click(voxel)
    assert slicer_client.shown() == []
    grown = answer(server, "normal_bone_clicks", image_of(slicer_client), tmp_path, foreground=[voxel])
    assert np.count_nonzero(grown) > 30
    np.testing.assert_array_equal(slicer_client.segments()[BONE], grown == 1)


def test_without_auto_a_point_waits_for_the_button(slicer_client):
    slicer_client.run("vhi")
    before = slicer_client.segments()[INFLAMMATION].copy()
    choose(slicer_client.ui.labelComboBox, INFLAMMATION)
    slicer_client.ui.dgUpdateCheckBox.setChecked(False)
    slicer_client.click(np.argwhere(before)[0], background=True)
    np.testing.assert_array_equal(slicer_client.segments()[INFLAMMATION], before)
    slicer_client.press("dgUpdate")
    assert (slicer_client.segments()[INFLAMMATION] != before).any()


def test_a_reading_is_submitted_with_the_names_that_the_module_gives_and_reported(slicer_client, server):
    for model in ("disease_region", "normal_bone", "vhi"):
        slicer_client.run(model)
    choose(slicer_client.ui.labelComboBox, INFLAMMATION)
    slicer_client.click(np.argwhere(slicer_client.segments()[INFLAMMATION])[0], background=True)
    kept = slicer_client.segments()[INFLAMMATION].copy()
    region = slicer_client.segments()[REGION].copy()
    slicer_client.press("saveLabel")
    content = report(server, slicer_client)
    assert (content["voxels"]["sensitive"], content["disease_region"]["voxels"]) == (kept.sum(), region.sum())
    assert slicer_client.ui.activeLearningProgressBar.toolTip == "1/4 samples are labeled"
    slicer_client.next_sample()
    assert slicer_client.shown() == []
    assert image_of(slicer_client) not in (None, content["reading"]["case"])


def test_what_a_reader_is_told_of_a_submission_comes_first_under_show_details(slicer_client):
    slicer_client.run("vhi")
    segmentation = slicer_client.module._segmentNode.GetSegmentation()
    segmentation.AddEmptySegment("sketch", "sketch")
    segmentation.segments["sketch"].mask[:9, 0, 0] = True
    slicer_client.press("saveLabel")
    saved = slicer_client.saved()
    assert next(iter(saved)) == "messages"
    assert saved["messages"][0].startswith("The segment 'sketch' (9 voxels) was kept, but its name means nothing here")
    assert saved["measured"] is True
    # Slicer shows the answer as ASCII: other letters would be codes
    assert "".join(saved["messages"]).isascii()


def test_both_grades_submitted_are_the_inflammation_that_was_shown(slicer_client, server):
    slicer_client.table_of("models", "vhi")["show"].setCurrentIndex(1)
    slicer_client.run("vhi")
    shown = slicer_client.segments()[INFLAMMATION] | slicer_client.segments()[CONSERVATIVE]
    slicer_client.press("saveLabel")
    assert report(server, slicer_client)["voxels"]["sensitive"] == shown.sum()


def test_segments_that_the_module_leaves_out_shift_no_names(slicer_client, server):
    # it leaves a segment called background out of the map, and counts it all the same when it numbers the others
    slicer_client.run("disease_region")
    segmentation = slicer_client.module._segmentNode.GetSegmentation()
    region = segmentation.segments[REGION].mask.copy()
    segmentation.segments = {}
    for name in ("background", REGION):
        segmentation.AddEmptySegment(name, name)
    segmentation.segments[REGION].mask = region
    slicer_client.press("saveLabel")
    assert report(server, slicer_client)["disease_region"]["voxels"] == region.sum()


def test_regions_alone_are_kept_and_vhi_rests_on_them(slicer_client):
    for model in ("disease_region", "normal_bone"):
        slicer_client.run(model)
    slicer_client.press("saveLabel")
    assert slicer_client.saved()["measured"] is True
    slicer_client.run("vhi")
    assert slicer_client.shown() == []
    assert slicer_client.segments()[INFLAMMATION].any()


def test_a_case_with_its_region_handed_in_is_left_and_come_back_to_and_another_skipped(slicer_client):
    first = image_of(slicer_client)
    slicer_client.run("disease_region")
    slicer_client.press("saveLabel")
    slicer_client.saved()
    slicer_client.next_sample()
    second = image_of(slicer_client)
    assert second != first  # finished for its region
    slicer_client.table_of("strategies", "first")["skip"].setChecked(True)
    slicer_client.next_sample("first")
    third = image_of(slicer_client)
    assert third not in (first, second)
    cells = slicer_client.table_of("strategies", "first")
    cells["skip"].setChecked(False)
    cells["cases"].setCurrentText("region only")
    slicer_client.next_sample("first")
    assert image_of(slicer_client) == first
    cells = slicer_client.table_of("strategies", "first")
    cells["cases"].setCurrentText("skipped")
    slicer_client.next_sample("first")
    assert image_of(slicer_client) == second
    assert slicer_client.shown() == []


def test_a_region_upside_down_is_doubted_in_the_answer_and_confirmed_by_the_same_again(slicer_client, server):
    slicer_client.run("disease_region")
    region = slicer_client.module._segmentNode.GetSegmentation().segments[REGION]
    region.mask = np.flip(region.mask, 1)
    slicer_client.press("saveLabel")
    said = slicer_client.saved()["messages"]
    assert "The disease region may be wrong. It fits better upside down" in said[0]
    slicer_client.press("saveLabel")
    made = slicer_client.saved()
    assert made["messages"][1].startswith("You confirmed it.")
    asked = {"image": image_of(slicer_client), "reader": made["reader"]}
    content = requests.get(f"{server.url}/vhi/submissions", params=asked, timeout=60).json()
    assert [one["fate"]["state"] for one in content] == ["replaced", "waits"]


def test_when_every_case_is_finished_slicer_says_so(slicer, server):
    slicer_client = slicer(server, "finn")
    for _ in range(4):
        slicer_client.next_sample()
        slicer_client.run("vhi")
        slicer_client.press("saveLabel")
        slicer_client.saved()
    slicer_client.next_sample()
    ((kind, text, _),) = slicer_client.shown()
    assert (kind, text.split("\n")[0]) == ("warning", "Unlabeled samples or images not found at server.")
    assert slicer_client.ui.activeLearningProgressBar.toolTip == "4/4 samples are labeled"
