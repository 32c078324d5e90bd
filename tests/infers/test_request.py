"""Requests that an inference task takes, and those that it refuses."""

import pytest

from lib.errors import RequestError
from lib.infers.request import parse_request
from lib.service.drawing import voxels_of

SLICER = {"result_extension": ".nrrd", "result_dtype": "uint8", "client_id": "anna"}
OHIF = {"result_extension": ".nrrd", "result_dtype": "uint8", "result_compress": False, "restore_label_idx": False}


def asked(**params):
    return parse_request({"model": "vhi", "image": "7_STIR", **params}, "vhi", ("show", "min_pixels"))


def test_what_slicer_sends_is_understood():
    request = asked(**SLICER, show="both", min_pixels="4")
    assert (request.image_id, request.reader, request.suffix, request.compress) == ("7_STIR", "anna", ".nrrd", True)
    assert request.options == {"show": "both", "min_pixels": "4"}


def test_what_ohif_sends_is_understood():
    request = asked(**OHIF)
    assert (request.reader, request.suffix, request.compress, request.options) == (None, ".nrrd", False, {})


def test_an_empty_cell_of_the_option_table_is_the_default():
    assert asked(min_pixels="").options == {}


@pytest.mark.parametrize(
    "key",
    [
        "device",
        "model_filename",
        "label_tag",
        "save_label",
        "logging",
        "timeout",
        "label",
        "session",
        "result_write_to_file",
        "gpus",
    ],
)
def test_what_would_steer_the_server_is_refused(key):
    with pytest.raises(RequestError, match=f"vhi takes no '{key}' from a client; it takes min_pixels, show"):
        asked(**{key: "cuda"})


@pytest.mark.parametrize("image", [None, "", 7, ["7_STIR"], {"path": "x"}])
def test_an_image_is_asked_for_by_its_id(image):
    with pytest.raises(RequestError, match="The id of an image is needed"):
        asked(image=image)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"result_extension": ".exe"}, "result_extension must be .nrrd, .nii.gz or .nii, found '.exe'"),
        ({"result_extension": "/../x.nrrd"}, "result_extension must be"),
        ({"result_extension": [".nrrd"]}, "result_extension must be"),
        ({"result_dtype": "float64"}, "Label maps are uint8"),
        ({"result_compress": "no"}, "result_compress must be true or false"),
    ],
)
def test_the_form_of_the_answer_is_one_of_a_few(params, sentence):
    with pytest.raises(RequestError, match=sentence):
        asked(**params)


def test_clicks_are_whole_voxels():
    assert voxels_of([[1, 2, 3], [4.0, 5.0, 6.0]], "background") == ((1, 2, 3), (4, 5, 6))


@pytest.mark.parametrize(
    "clicks", ["[[1,2,3]]", {"a": 1}, [[1, 2]], [[1, 2, 3.5]], [[1, 2, float("nan")]], [[1, 2, True]], [7], [None]]
)
def test_what_is_no_voxel_is_refused(clicks):
    with pytest.raises(RequestError, match=r"\[i, j, k\]"):
        voxels_of(clicks, "background")
