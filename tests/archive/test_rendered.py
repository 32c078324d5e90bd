"""Frames as pictures: shades worked out by hand, sizes, cut-outs, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from embedded import COMPRESSED, bytes_of, place_of, slice_of
from lib.archive.rendered import Window, parse_rendering
from lib.errors import RequestError

pytestmark = pytest.mark.slow  # seconds in all

# four rows of six values of 12 bits
VALUES = (np.arange(24, dtype="<u2") * 100).reshape(4, 6)


def image(served, place: str, query: str = "", accept: str = "image/png") -> np.ndarray:
    answer = served.get(f"{place}{query}", accept)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


@pytest.fixture(scope="module")
def place(lasting) -> str:
    """Of a stored slice of `VALUES` whose header has the window 1000 to 2000."""
    made = slice_of(Rows=4, Columns=6, PixelData=VALUES.tobytes(), WindowCenter=1500, WindowWidth=1000)
    for keyword in ("RescaleSlope", "RescaleIntercept", "VOILUTFunction"):
        made.pop(keyword, None)
    assert lasting.post(bytes_of(made)).status_code == 200
    return place_of(bytes_of(made))


@pytest.mark.parametrize("where", ["/rendered", "/frames/1/rendered"])
def test_the_headers_window_rules_where_none_is_asked_for(lasting, place, where):
    # PS3.3, C.11.2.1.2.1: ((x - 1499.5) / 999 + 0.5) x 255
    expected = np.rint(np.clip((VALUES - 1499.5) / 999 + 0.5, 0, 1) * 255)
    np.testing.assert_array_equal(image(lasting, place + where), expected)


def test_a_window_that_is_asked_for_rules(lasting, place):
    shown = image(lasting, f"{place}/rendered", "?window=1150,2300,linear-exact")
    np.testing.assert_array_equal(shown, np.rint(VALUES / 2300 * 255))


def test_the_three_functions_give_the_shades_of_the_standard():
    values = np.array([0.0, 50.0, 100.0])
    np.testing.assert_allclose(Window(50, 101).shades(values), [0.005, 0.505, 1.0])
    np.testing.assert_allclose(Window(50, 100, "LINEAR_EXACT").shades(values), [0, 0.5, 1])
    np.testing.assert_allclose(Window(50, 100, "SIGMOID").shades(values), [1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2))])
    np.testing.assert_array_equal(Window(50, 1).shades(np.array([49.5, 49.6])), [0, 1])


def test_a_picture_fits_into_the_size_that_is_asked_for_and_keeps_its_shape(lasting, place):
    assert image(lasting, f"{place}/rendered", "?viewport=60,60").shape == (40, 60)


def test_a_cut_out_is_taken_and_mirrored(lasting, place):
    window = "&window=1150,2300,linear-exact"
    shown = image(lasting, f"{place}/rendered", f"?viewport=3,2,2,1,3,2{window}")
    np.testing.assert_array_equal(shown, np.rint(VALUES[1:3, 2:5] / 2300 * 255))
    shown = image(lasting, f"{place}/rendered", f"?viewport=3,2,2,1,-3,2{window}")
    np.testing.assert_array_equal(shown, np.rint(VALUES[1:3, 2:5][:, ::-1] / 2300 * 255))


def test_jpeg_is_sent_where_anything_will_do(lasting, place):
    answer = lasting.get(f"{place}/rendered", "*/*")
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (6, 4)


def test_what_cannot_be_sent_is_refused_with_what_can(lasting, place):
    answer = lasting.get(f"{place}/rendered", "video/mp4")
    assert answer.status_code == 406
    assert "image/jpeg or image/png" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("window=1,2", "is one of linear, linear-exact, sigmoid"),
        ("window=nan,2,linear", "a width of at least 1"),
        ("window=5,0,linear", "a width of at least 1"),
        ("viewport=0,5", "up to 4096"),
        ("viewport=99999,5", "up to 4096"),
        ("viewport=3,2,5,0,3,2", "lies outside the image of 6 x 4"),
        ("quality=0", "from 1 to 100"),
        ("annotation=patient", "'annotation' is not known"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(lasting, place, query, says):
    if query == "window=1,2":
        query = "window=1,2,cubic"
    answer = lasting.get(f"{place}/rendered?{query}", "image/png")
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    "form", ["plain", "implicit", "big endian", "deflated", *COMPRESSED, "enhanced", "enhanced, compressed", "seg"]
)
def test_every_kind_of_image_is_rendered(lasting, objects, form):
    lasting.post(objects[form])
    shown = image(lasting, f"{place_of(objects[form])}/rendered")
    assert shown.dtype == np.uint8
    assert shown.ndim == 2


def test_compressed_and_plain_give_one_picture(lasting):
    from pydicom.encaps import encapsulate
    from pydicom.uid import RLELossless

    from compressed import rle

    plain = slice_of()
    packed = slice_of(SOPInstanceUID="1.2.3.9.9")
    values = np.frombuffer(packed.PixelData, "<u2").reshape(packed.Rows, packed.Columns)
    packed.PixelData = encapsulate([rle(values, None)])
    packed["PixelData"].is_undefined_length, packed.file_meta.TransferSyntaxUID = True, RLELossless
    shown = []
    for made in (plain, packed):
        assert lasting.post(bytes_of(made)).status_code == 200
        shown.append(image(lasting, f"{place_of(bytes_of(made))}/rendered", "?window=500,1000,linear"))
    np.testing.assert_array_equal(*shown)


def test_what_holds_no_picture_is_not_there(lasting, objects):
    lasting.post(objects["sr"])
    for what in ("rendered", "thumbnail"):
        assert lasting.get(f"{place_of(objects['sr'])}/{what}", "image/png").status_code == 404


def test_thumbnails_of_study_series_instance_and_frame_are_small(lasting, place):
    parts = place.split("/")
    for where in ("/".join(parts[:3]), "/".join(parts[:5]), place, f"{place}/frames/1"):
        answer = lasting.get(f"{where}/thumbnail", "image/jpeg")
        assert answer.status_code == 200, answer.text
        assert max(Image.open(io.BytesIO(answer.content)).size) == 128


def test_dicomweb_client_gets_a_rendered_frame_and_instance(lasting, place):
    from dicomweb_client.api import DICOMwebClient

    client = DICOMwebClient(lasting.url.rstrip("/"))
    uids = place.split("/")[2::2]
    whole = client.retrieve_instance_rendered(*uids, media_types=("image/png",), params={"window": "1150,2300,linear-exact"})
    frame = client.retrieve_instance_frames_rendered(*uids, [1], media_types=("image/png",))
    assert Image.open(io.BytesIO(whole)).size == Image.open(io.BytesIO(frame)).size == (6, 4)


def test_a_query_without_anything_asks_for_the_picture_as_it_is():
    asked = parse_rendering({})
    assert (asked.window, asked.size, asked.cut) == (None, None, None)
    with pytest.raises(RequestError, match="centre,width,function"):
        parse_rendering({"window": "a,b"})
