"""A whole reading with the client code of 3D Slicer, unmodified, against a running server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from monailabel.client.client import MONAILabelClientException

from serving import Server
from slicing import read, save_segments

pytestmark = pytest.mark.server

SLICER = {"result_extension": ".nrrd", "result_dtype": "uint8"}
TASKS = ("disease_region", "normal_bone", "vhi", "vhi_clean")
# NIfTI keeps affines in single precision and ITK orthonormalises directions: some 1e-5 mm on both sides
GEOMETRY_MM = 1e-4


def series(studies: Path, image_id: str) -> Path:
    case, role = image_id.rsplit("_", 1)
    return studies / case / f"{role.lower()}.nii.gz"


def truth(studies: Path, case: str, name: str) -> np.ndarray:
    return read(studies / case / "truth" / f"{name}.nii.gz")[0].astype(bool)


def infer(server: Server, tmp_path: Path, model: str, image_id: str, reader: str = "anna", **params):
    file, facts = server.client(reader, tmp_path).infer(model, image_id, {**SLICER, **params})
    return (*read(file), facts)


def refused(call, *arguments, **options) -> str:
    with pytest.raises(MONAILabelClientException) as caught:
        call(*arguments, **options)
    return caught.value.msg


def test_the_first_model_is_one_that_may_run_unasked(server, tmp_path):
    info = server.client("anna", tmp_path).info()
    assert info["name"] == "VHI"
    assert list(info["models"]) == [*TASKS, "normal_bone_clicks"]
    # what Slicer makes an empty segment of, for every case: an empty inflammation would say that there is none
    assert info["labels"] == ["disease region", "normal bone"]
    assert [model["type"] for model in info["models"].values()] == ["segmentation"] * 3 + ["deepgrow"] * 2
    names = {"inflammation": 1, "inflammation (conservative)": 2, "inflammation (proposed to remove)": 3}
    assert info["models"]["vhi"]["labels"] == names
    assert info["models"]["vhi"]["config"]["show"] == ["inflammation", "both"]
    assert info["models"]["vhi_clean"]["config"]["scope"] == ["lesion", "slice"]
    assert set(info["strategies"]) == {"first", "random", "uncertain", "diverse", "review"}
    assert info["datastore"]["total"] == 2


def test_a_series_is_downloaded_as_it_lies_in_the_folder(server, studies):
    # Slicer downloads the next sample by a plain request
    status, content = server.get("/datastore/image?image=p3_STIR")
    assert status == 200
    assert content == series(studies, "p3_STIR").read_bytes()


@pytest.mark.parametrize("model", TASKS)
def test_either_series_is_answered_voxel_for_voxel_on_its_own_grid(server, studies, tmp_path, model):
    answers = {}
    for image_id in ("p3_T1W", "p3_STIR"):
        labels, affine, facts = infer(server, tmp_path, model, image_id)
        _, expected = read(series(studies, image_id))
        assert labels.dtype == np.uint8
        assert labels.shape == read(series(studies, image_id))[0].shape
        np.testing.assert_allclose(affine, expected, atol=GEOMETRY_MM)
        assert set(np.unique(labels)) - {0} <= set(facts["label_names"].values())
        answers[image_id] = labels
    np.testing.assert_array_equal(answers["p3_T1W"], answers["p3_STIR"])
    assert answers["p3_STIR"].any()


def test_an_answer_as_ohif_asks_for_it_is_the_file_itself_and_raw(server, studies):
    import urllib.parse
    import urllib.request

    params = {"result_extension": ".nrrd", "result_dtype": "uint8", "result_compress": False, "restore_label_idx": False}
    body = urllib.parse.urlencode({"params": json.dumps(params)}).encode()
    with urllib.request.urlopen(f"{server.url}/infer/vhi?image=p3_STIR&output=image", body, timeout=60) as answer:
        header, _, voxels = answer.read().partition(b"\n\n")
    assert header.startswith(b"NRRD0004\n")
    assert b"encoding: raw" in header
    assert len(voxels) == read(series(studies, "p3_STIR"))[0].size


def test_both_grades_are_shown_when_asked_for(server, tmp_path):
    one, _, _ = infer(server, tmp_path, "vhi", "p3_STIR")
    both, _, facts = infer(server, tmp_path, "vhi", "p3_STIR", show="both")
    np.testing.assert_array_equal(both > 0, one > 0)
    assert set(np.unique(both)) == {0, 1, 2}
    # every name, so that Slicer empties the segments that this answer does not have
    names = {"inflammation": 1, "inflammation (conservative)": 2, "inflammation (proposed to remove)": 3}
    assert facts["label_names"] == names


def test_settings_of_the_option_table_come_back_as_texts_and_count(server, tmp_path):
    few, _, _ = infer(server, tmp_path, "vhi", "p3_STIR", min_pixels="40")
    all_, _, _ = infer(server, tmp_path, "vhi", "p3_STIR", min_pixels="")
    assert 0 < np.count_nonzero(few) < np.count_nonzero(all_)


def test_clicks_remove_and_restore_the_lesion_under_them(server, tmp_path):
    before, _, facts = infer(server, tmp_path, "vhi", "p3_STIR")
    click = [int(n) for n in np.argwhere(before)[0]]
    removed, _, _ = infer(server, tmp_path, "vhi_clean", "p3_STIR", label="inflammation", background=[click], foreground=[])
    gone = (before > 0) & (removed == 0)
    assert gone[tuple(click)]
    assert not (removed > before).any()
    sizes = [lesion["voxels"] for lesion in facts["lesions"]]
    assert np.count_nonzero(gone) in sizes
    restored, _, _ = infer(server, tmp_path, "vhi_clean", "p3_STIR", label="inflammation", background=[click], foreground=[click])
    np.testing.assert_array_equal(restored, before)


def test_scope_slice_removes_the_lesion_in_that_slice_alone(server, tmp_path):
    before, _, _ = infer(server, tmp_path, "vhi", "p3_STIR")
    click = [int(n) for n in np.argwhere(before)[0]]
    removed, _, _ = infer(server, tmp_path, "vhi_clean", "p3_STIR", label="inflammation", background=[click], scope="slice")
    gone = (before > 0) & (removed == 0)
    assert gone[tuple(click)]
    assert set(np.argwhere(gone)[:, 2]) == {click[2]}


def test_a_click_on_no_lesion_changes_nothing_and_says_so(server, tmp_path):
    before, _, _ = infer(server, tmp_path, "vhi", "p3_STIR")
    after, _, facts = infer(server, tmp_path, "vhi_clean", "p3_STIR", label="inflammation", background=[[0, 0, 0]])
    np.testing.assert_array_equal(after, before)
    assert any("no lesion" in message for message in facts["messages"])


def test_cleaning_into_another_segment_is_refused(server, tmp_path):
    said = refused(infer, server, tmp_path, "vhi_clean", "p3_STIR", label="disease region", background=[[0, 0, 0]])
    assert "Status: 400" in said
    assert "select 'inflammation'" in said


def test_a_reading_from_regions_to_report(server, studies, tmp_path):
    image, case = "p4_STIR", "p4"
    client = server.client("anna", tmp_path)
    region, bone = truth(studies, case, "disease_region"), truth(studies, case, "normal_bone")
    params = save_segments({"disease region": region}, series(studies, image), tmp_path / "region.nii.gz")
    first = client.save_label(image, str(tmp_path / "region.nii.gz"), params=params)
    segments = {"disease region": region, "normal bone": bone}
    params = save_segments(segments, series(studies, image), tmp_path / "regions.nii.gz")
    second = client.save_label(image, str(tmp_path / "regions.nii.gz"), params=params)
    assert (first["label"], second["label"]) == ("0001-anna", "0002-anna")

    measured, _, facts = infer(server, tmp_path, "vhi", image)
    assert {part: told.split(",")[0] for part, told in facts["used"].items()} == {
        "normal bone": "your submission 0002",
        "disease region": "your submission 0002",
    }
    click = [int(n) for n in np.argwhere(measured)[0]]
    cleaned, _, _ = infer(server, tmp_path, "vhi_clean", image, label="inflammation", background=[click], foreground=[])
    # Slicer saves every segment at once: the bone and the inflammation punch holes into the region under them
    segments |= {"inflammation": cleaned}
    params = save_segments(segments, series(studies, image), tmp_path / "all.nii.gz")
    third = client.save_label(image, str(tmp_path / "all.nii.gz"), params=params)
    assert third["label"] == "0003-anna"

    status, content = server.get(f"/vhi/report?image={image}&reader=anna&form=json")
    report = json.loads(content)
    assert status == 200
    assert report["voxels"]["sensitive"] == np.count_nonzero(cleaned)
    assert report["disease_region"]["voxels"] == np.count_nonzero(region)
    for form, start in (("html", b"<!"), ("pdf", b"%PDF")):
        status, content = server.get(f"/vhi/report?image={image}&reader=anna&form={form}")
        assert (status, content[: len(start)].lower()) == (200, start.lower())
    # the file may be deleted at once: what was acknowledged does not hang on it
    back, _, facts = infer(server, tmp_path, "vhi", image)
    assert "0003" in facts["used"]["disease region"]
    assert back.any()


def test_nobody_saves_without_a_name(server, studies, tmp_path):
    mask = truth(studies, "p3", "normal_bone")
    params = save_segments({"normal bone": mask}, series(studies, "p3_STIR"), tmp_path / "bone.nii.gz")
    said = refused(server.client("user-xyz", tmp_path).save_label, "p3_STIR", str(tmp_path / "bone.nii.gz"), params=params)
    assert "Status: 400" in said
    assert "Client/User-ID" in said


@pytest.mark.parametrize(
    ("model", "image", "params", "status"),
    [
        ("nothing", "p3_STIR", {}, 404),
        ("vhi", "p9_STIR", {}, 404),
        ("vhi", "/etc/passwd", {}, 400),
        ("vhi", "../p3_STIR", {}, 400),
        ("vhi", "p3_STIR", {"image": "/etc/passwd"}, 400),
        ("vhi", "p3_STIR", {"device": "cuda:7"}, 400),
        ("disease_region", "p3_STIR", {"model_filename": "/tmp/x.pt"}, 400),
        ("vhi", "p3_STIR", {"save_label": True, "label_tag": "../../x"}, 400),
        ("vhi", "p3_STIR", {"min_pixel": 4}, 400),
        ("vhi", "p3_STIR", {"min_pixels": "many"}, 422),
        ("vhi_clean", "p3_STIR", {"background": [[1, 2]]}, 400),
    ],
)
def test_what_is_not_on_offer_is_refused_in_a_sentence(server, tmp_path, model, image, params, status):
    said = refused(server.client("anna", tmp_path).infer, model, image, params)
    assert f"Status: {status}" in said
    assert '"detail"' in said


def test_no_answer_stays_behind_on_the_server(server):
    assert [path.name for path in server.tmp.iterdir() if path.name.startswith(("vhi-answer-", "vhi-upload-"))] == []
