"""The datastore that MONAI Label sees, over a small pair on disk."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from drawing import pair
from lib.datastores.case_datastore import CaseDatastore
from lib.datastores.conf import service_of
from lib.errors import NotFoundError, RequestError, SettingsError, UnknownImageError, VhiError
from lib.server.identity import Identity, _identity
from lib.studies.nifti import read_labels, read_mask, write_labels, write_volume

SCAN = pair(np.random.default_rng(7))
NAMES = {"label_info": [{"name": "disease region", "idx": 1}, {"name": "normal bone", "idx": 2}]}


@pytest.fixture
def store(tmp_path):
    studies = tmp_path / "studies"
    studies.mkdir()
    write_volume(studies / "a_T1W.nii.gz", SCAN.t1w)
    write_volume(studies / "a_STIR.nii.gz", SCAN.stir)
    write_volume(studies / "b_STIR.nii.gz", SCAN.stir)
    return CaseDatastore(service_of(str(studies), {"data": str(tmp_path / "data")}))


@pytest.fixture
def anna():
    token = _identity.set(Identity("anna", "reader"))
    yield
    _identity.reset(token)


def saved(tmp_path):
    """Both regions flattened, as a viewer saves them, and that file."""
    labels = SCAN.disease_region.data.astype(np.uint8)
    labels[SCAN.normal_bone.data] = 2
    write_labels(tmp_path / "saved.nii.gz", labels, SCAN.stir.grid)
    return labels, str(tmp_path / "saved.nii.gz")


def test_images_are_both_series_of_complete_pairs(store):
    assert store.list_images() == ["a_T1W", "a_STIR"]
    assert store.status() == {
        "total": 1,
        "completed": 0,
        "label_tags": {},
        "waiting": [{"name": "b", "reason": "Its T1W series is missing; it is offered once both series are there."}],
    }


def test_an_image_is_the_original_file(store):
    content = store.get_image("a_STIR").read()
    info = store.get_image_info("a_STIR")
    assert info == {"name": "a_STIR.nii.gz", "checksum": "SHA256:" + hashlib.sha256(content).hexdigest()}
    assert store.get_image_uri("a_STIR").endswith("studies/a_STIR.nii.gz")


@pytest.mark.parametrize("image_id", ["b_STIR", "a", "", "../studies/a_STIR", "/etc/passwd"])
def test_an_unknown_image_is_not_found(store, image_id):
    for call in (store.get_image_uri, store.get_image_info, store.get_labels_by_image_id):
        with pytest.raises(UnknownImageError):
            call(image_id)


@pytest.mark.slow
@pytest.mark.usefixtures("anna")
def test_a_saved_label_comes_back_flattened_to_its_reader(store, tmp_path):
    labels, file = saved(tmp_path)
    assert store.save_label("a_STIR", file, "final", NAMES) == "0001-anna"
    assert store.get_labels_by_image_id("a_T1W") == {"final": "a_T1W"}
    back, grid = read_labels(Path(store.get_label_uri("a_STIR", "final")), "label")
    np.testing.assert_array_equal(back, labels)
    np.testing.assert_allclose(grid.affine, SCAN.stir.grid.affine, atol=1e-5)
    assert store.get_label_info("a_STIR", "final")["label_info"] == NAMES["label_info"]
    info = store.submission_info("a_STIR", "0001-anna")
    assert (info["reader"], info["reading"], info["measured"]) == ("anna", 1, True)
    assert info["report"] == "/vhi/report?image=a_STIR&reader=anna&form=html"
    _identity.set(Identity("bela", "reader"))
    with pytest.raises(NotFoundError, match="no label 'final' of a_STIR by you"):
        store.get_label_uri("a_STIR", "final")


@pytest.mark.slow
@pytest.mark.usefixtures("anna")
def test_a_saved_label_comes_back_after_the_system_tidied_its_temporary_files(store, tmp_path):
    labels, file = saved(tmp_path)
    store.save_label("a_STIR", file, "final", NAMES)
    shutil.rmtree(Path(store.get_label_uri("a_STIR", "final")).parent)
    back, _ = read_labels(Path(store.get_label_uri("a_STIR", "final")), "label")
    np.testing.assert_array_equal(back, labels)


@pytest.mark.slow
@pytest.mark.usefixtures("anna")
def test_the_case_is_complete_once_inflammation_was_submitted(store, tmp_path):
    _, file = saved(tmp_path)
    store.save_label("a_STIR", file, "final", NAMES)
    assert store.get_unlabeled_images() == ["a_T1W", "a_STIR"]
    write_labels(tmp_path / "none.nii.gz", np.zeros(SCAN.stir.grid.shape, np.uint8), SCAN.stir.grid)
    store.save_label("a_STIR", str(tmp_path / "none.nii.gz"), "final", {"label_info": [{"name": "inflammation"}]})
    assert store.get_labeled_images() == ["a_T1W", "a_STIR"]
    assert store.status()["completed"] == 1
    assert set(store.json()["objects"]["a_STIR"]["labels"]) == {"final"}


@pytest.mark.slow
def test_the_list_for_training_holds_disease_regions_and_is_not_for_readers(store, tmp_path):
    assert store.datalist() == []
    _, file = saved(tmp_path)
    store.save_label("a_T1W", file, "final", {**NAMES, "client_id": "anna"})
    (one,) = store.datalist()
    assert one["image"].endswith("a_T1W.nii.gz")
    assert read_mask(Path(one["label"]), "region").voxels == np.count_nonzero(SCAN.disease_region.data & ~SCAN.normal_bone.data)
    token = _identity.set(Identity("anna", "reader"))
    with pytest.raises(RequestError, match="for administrators"):
        store.datalist()
    _identity.reset(token)


@pytest.mark.parametrize(
    ("image_id", "tag", "info", "sentence"),
    [
        ("a_STIR", "test", NAMES, "Labels are saved as 'final', found tag 'test'"),
        ("a_STIR", "../../x", NAMES, "Labels are saved as 'final'"),
        ("c_STIR", "final", NAMES, "There is no image 'c_STIR'"),
        ("a_STIR", "final", NAMES, "Nobody is named as the reader"),
        ("a_STIR", "final", [], "params must be an object"),
        ("a_STIR", "final", {"client_id": "anna"}, "names of the segments are missing"),
        ("a_STIR", "final", {**NAMES, "client_id": "../anna"}, "name cannot be used"),
        ("a_STIR", "final", {**NAMES, "client_id": "anna", "rating": "fine"}, "rating"),
        ("a_STIR", "final", {**NAMES, "client_id": "anna", "reading": {}}, "reading"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_written(store, tmp_path, image_id, tag, info, sentence):
    _, file = saved(tmp_path)
    with pytest.raises(VhiError, match=sentence):
        store.save_label(image_id, file, tag, info)
    assert list((tmp_path / "data").glob("cases/*/submissions/[0-9]*")) == []


def test_a_label_that_is_no_nifti_is_refused_with_what_to_set(store, tmp_path):
    with pytest.raises(RequestError, match="File Extension to .nii.gz"):
        store.save_label("a_STIR", str(tmp_path / "saved.seg.nrrd"), "final", {**NAMES, "client_id": "anna"})


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.add_image("c", "/tmp/c.nii.gz", {}),
        lambda store: store.remove_image("a_STIR"),
        lambda store: store.remove_label("a_STIR", "final"),
        lambda store: store.update_image_info("a_STIR", {"comment": "x"}),
        lambda store: store.update_label_info("a_STIR", "final", {}),
        lambda store: store.get_dataset_archive(None),
        lambda store: store.set_name("x"),
        lambda store: store.set_description("x"),
    ],
)
def test_what_stock_datastores_also_do_is_refused(store, call):
    with pytest.raises(RequestError):
        call(store)


def test_monai_labels_own_note_is_passed_over(store):
    store.update_image_info("a_STIR", {"strategy": {"first": {"ts": 1}}})
    assert "strategy" not in store.get_image_info("a_STIR")


@pytest.mark.parametrize(
    ("conf", "sentence"),
    [
        ({"blindd": "true"}, "There is no setting 'blindd'; --conf knows data, models, retrain, post_transforms, blinded"),
        ({"lease_minutes": "soon"}, "lease_minutes needs a number"),
        ({"lease_minutes": "0"}, "lease_minutes is 0"),
    ],
)
def test_a_setting_that_is_none_stops_the_start(tmp_path, conf, sentence):
    with pytest.raises(SettingsError, match=sentence):
        service_of(str(tmp_path), conf)


def test_settings_are_read_from_texts(tmp_path):
    config = service_of(str(tmp_path), {"lease_minutes": "5", "several_readers": "true", "server_mode": "true"}).config
    assert (config.lease_minutes, config.several_readers) == (5.0, True)


def test_an_address_is_an_archive_which_need_not_run(tmp_path):
    service = service_of("http://127.0.0.1:9/dicom-web", {"data": str(tmp_path / "data")})
    assert service.cases.index.cases == ()
    assert "http://127.0.0.1:9/dicom-web" in CaseDatastore(service).status()["waiting"][0]["reason"]


@pytest.mark.slow
def test_a_rating_alone_is_a_submission_without_segments(store, anna):
    made = store.rate("a_STIR", "satisfactory", {})
    found = store._service.readings.get("a", made)
    assert (found.reader, found.rating, found.segments, found.measured) == ("anna", "satisfactory", (), False)
    assert store._service.readings.ratings() == {"a": {"anna": "satisfactory"}}
    assert store._service.readings.finished() == frozenset()
    store.rate("a_T1W", "failed", {"reading": 1})
    assert store._service.readings.ratings() == {"a": {"anna": "failed"}}


def test_a_rating_needs_a_case_a_reader_and_a_word_that_is_known(store, anna):
    with pytest.raises(UnknownImageError):
        store.rate("no_STIR", "failed", {})
    with pytest.raises(RequestError, match="satisfactory, corrected, failed"):
        store.rate("a_STIR", "good", {})
    _identity.set(None)
    with pytest.raises(RequestError, match="Nobody is named as the reader"):
        store.rate("a_STIR", "failed", {"client_id": "user-xyz"})
    assert store._service.readings.ratings() == {}
