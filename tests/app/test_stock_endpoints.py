"""The checks of MONAI Label's own endpoint tests, made on this app over HTTP; docs/monai-label.md lists which is which."""

from __future__ import annotations

import io

import pytest
import requests

from slicing import save_segments

pytestmark = pytest.mark.server

FILE = {"file": ("spleen.nii.gz", io.BytesIO(b"x"))}


def ask(server, method: str, path: str, **options) -> requests.Response:
    return requests.request(method, server.url + path, timeout=60, **options)


def test_information_is_given(server):
    answer = ask(server, "GET", "/info/")
    assert answer.status_code == 200
    assert {"name", "models", "strategies", "datastore"} <= set(answer.json())


def test_a_strategy_answers_with_id_and_name(server):
    answer = ask(server, "POST", "/activelearning/random")
    assert answer.status_code == 200
    assert answer.json()["id"]
    assert answer.json()["name"]


def test_an_unknown_strategy_is_not_found(server):
    answer = ask(server, "POST", "/activelearning/nothing")
    assert answer.status_code == 404
    assert "there are first, random, uncertain, diverse, review" in answer.json()["detail"]


def test_the_datastore_counts_and_lists(server):
    assert ask(server, "GET", "/datastore/").json()["total"] == 2
    every = ask(server, "GET", "/datastore/?output=all").json()
    assert set(every["objects"]) == {"p3_T1W", "p3_STIR", "p4_T1W", "p4_STIR"}
    assert ask(server, "GET", "/datastore/?output=train").status_code == 200


def test_an_image_is_downloaded_and_known_by_its_checksum(server):
    info = ask(server, "GET", "/datastore/image/info?image=p3_STIR").json()
    assert info["name"] == "p3_STIR.nii.gz"
    assert ask(server, "GET", "/datastore/image?image=p3_STIR").status_code == 200
    assert ask(server, "HEAD", "/datastore/image", params={"image": "p3_STIR", "check_sum": info["checksum"]}).status_code == 200
    assert ask(server, "HEAD", "/datastore/image?image=p3_STIR&check_sum=SHA256:" + "0" * 64).status_code == 404
    assert ask(server, "HEAD", "/datastore/image?image=p9_STIR").status_code == 404


@pytest.mark.parametrize("output", ["image", "json", "all"])
def test_inference_answers_with_image_json_or_both(server, output):
    answer = ask(server, "POST", f"/infer/disease_region?image=p3_T1W&output={output}")
    assert answer.status_code == 200
    kind = answer.headers["content-type"]
    assert {"json": "application/json", "all": "multipart/form-data", "image": "application"}[output] in kind


def test_inference_wants_an_image(server):
    assert ask(server, "POST", "/infer/vhi").status_code == 400


@pytest.mark.parametrize("path", ["/train/?check_if_running=true", "/batch/infer", "/scoring/"])
def test_status_of_what_was_never_started_is_not_found(server, path):
    # as stock answers: the clients read it as "not running"
    answer = ask(server, "GET", path)
    assert answer.status_code == 404
    assert answer.json()["detail"]


def test_the_status_of_training_that_was_never_started_is_none(server):
    answer = ask(server, "GET", "/train/")
    assert (answer.status_code, answer.json()["status"]) == (200, "NONE")


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("PUT", "/datastore/", {"files": FILE}),
        ("PUT", "/datastore/image?image=p5_STIR", {"files": FILE}),
        ("DELETE", "/datastore/?id=p3_STIR", {}),
        ("DELETE", "/datastore/image?id=p3_STIR", {}),
        ("PUT", "/datastore/image/info?image=p3_STIR", {"data": {"info": "{}"}}),
        ("DELETE", "/datastore/label?id=p3_STIR&tag=final", {}),
        ("PUT", "/datastore/label/info?label=p3_STIR&tag=final", {"data": {"info": "{}"}}),
        ("GET", "/datastore/dataset", {}),
        ("POST", "/infer/vhi", {"files": FILE}),
        ("PUT", "/session/", {"files": FILE}),
        ("GET", "/session/1", {}),
        ("GET", "/logs/", {}),
        ("GET", "/proxy/dicom/studies", {}),
        ("GET", "/model/disease_region", {}),
        ("PUT", "/model/disease_region", {"files": FILE}),
        ("DELETE", "/model/disease_region", {}),
        ("POST", "/batch/infer/vhi", {"json": {}}),
        ("POST", "/infer/wsi/vhi", {"json": {}}),
        ("POST", "/reload", {}),
    ],
)
def test_what_stock_would_do_and_this_server_does_not(server, method, path, options):
    answer = ask(server, method, path, **options)
    assert 400 <= answer.status_code < 500
    assert answer.json()["detail"].endswith(".")
    assert ask(server, "GET", "/datastore/").json()["total"] == 2


def test_the_viewer_is_there_and_says_what_it_needs(server):
    for path in ("/ohif/", "/ohif/index.html"):
        answer = ask(server, "GET", path)
        assert answer.status_code == 200
        assert "archive" in answer.text  # these studies are a folder
    assert "window.config" in ask(server, "GET", "/ohif/app-config.js").text


def test_a_label_is_saved_under_final_alone(server, studies, tmp_path):
    import json

    from slicing import read

    mask = read(studies / "p3" / "truth" / "normal_bone.nii.gz")[0]
    path = tmp_path / "bone.nii.gz"
    params = {**save_segments({"normal bone": mask}, studies / "p3" / "stir.nii.gz", path), "client_id": "carla"}
    for tag, status in (("test", 400), ("../x", 400), ("final", 200)):
        with path.open("rb") as file:
            answer = ask(
                server,
                "PUT",
                "/datastore/label",
                params={"image": "p3_STIR", "tag": tag},
                data={"params": json.dumps(params)},
                files={"label": ("bone.nii.gz", file)},
            )
        assert answer.status_code == status
    assert answer.json()["image"] == "p3_STIR"
    assert answer.json()["label"].endswith("-carla")
