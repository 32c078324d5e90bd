"""Addresses in the archive's answers lead back through the gateway, however the answer is cut into pieces."""

from __future__ import annotations

import json
from contextvars import copy_context
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.server.addresses import Addresses, set_addresses
from lib.server.gateway import _translation
from lib.server.links import LONGEST_LINK, JsonLinks, MultipartLinks, TruncatedError

OWN = "https://vhi.example/proxy/dicom/wado"


def _translation_of_a_request():
    """As for a request to vhi.example."""
    set_addresses(Addresses("https://vhi.example"))
    return _translation("orthanc")


TRANSLATE = copy_context().run(_translation_of_a_request)


def through(rewriter, data: bytes, cuts: list[int]) -> bytes:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    return b"".join(rewriter.feed(piece) for piece in pieces) + rewriter.finish()


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("http://orthanc:8042/dicom-web/studies/1.2", f"{OWN}/studies/1.2"),
        (
            "http://elsewhere/x/y/studies/1.2/series/3/instances/4/bulk/7fe00010",
            f"{OWN}/studies/1.2/series/3/instances/4/bulk/7fe00010",
        ),
        ("https://orthanc/dicom-web/studies/1.2/series/3/metadata?x=1", f"{OWN}/studies/1.2/series/3/metadata?x=1"),
        # no address of DICOMweb, but of the archive
        ("http://orthanc:8042/instances/0a-1b/file", OWN),
        ("http://orthanc/dicom-web/studies/../../system", OWN),
        # of others
        ("http://www.w3.org/2001/XMLSchema", "http://www.w3.org/2001/XMLSchema"),
    ],
)
def test_an_address_of_the_archive_becomes_one_of_the_gateway(link, becomes):
    for text in (json.dumps([link]), json.dumps([link]).replace("/", "\\/")):
        assert json.loads(through(JsonLinks(TRANSLATE), text.encode(), [])) == [becomes]


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_json_cut_anywhere_is_the_same_but_for_its_addresses(cuts):
    given_ = {
        "00081190": {"vr": "UR", "Value": ["http://orthanc:8042/dicom-web/studies/1.2.3"]},
        "00104000": {"vr": "LT", "Value": ['he said "see http://orthanc/studies/1" and \\ left', "µ", ""]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "http://orthanc:8042/dicom-web/studies/1/series/2/instances/3/bulk/7fe00010"},
        "00091001": {"vr": "OB", "InlineBinary": "A" * (2 * LONGEST_LINK)},
    }
    expected = json.loads(json.dumps(given_))
    expected["00081190"]["Value"] = [f"{OWN}/studies/1.2.3"]
    expected["7FE00010"]["BulkDataURI"] = f"{OWN}/studies/1/series/2/instances/3/bulk/7fe00010"
    assert json.loads(through(JsonLinks(TRANSLATE), json.dumps([given_]).encode(), cuts)) == [expected]


def test_json_that_stops_in_the_middle_is_noticed():
    whole = json.dumps([{"00081190": {"vr": "UR", "Value": ["http://orthanc/studies/1"]}}]).encode()
    for end in (10, 30, len(whole) - 5, len(whole) - 8):
        with pytest.raises(TruncatedError):
            through(JsonLinks(TRANSLATE), whole[:end], [])


def test_memory_stays_bounded_whatever_comes():
    rewriter = JsonLinks(TRANSLATE)
    rewriter.feed(b'["http://orthanc/')
    for _ in range(200):
        rewriter.feed(b"a" * 1000)
        assert len(rewriter._held) <= LONGEST_LINK


def multipart(location: str, contents: list[bytes], preamble: bytes = b"") -> bytes:
    parts = [
        b"\r\n--b0\r\nContent-Type: application/dicom\r\ncontent-location: " + location.encode() + b"\r\n\r\n" + one
        for one in contents
    ]
    return preamble + b"".join(parts)[0 if preamble else 2 :] + b"\r\n--b0--\r\n"


@given(
    st.lists(
        st.binary(max_size=60)
        | st.sampled_from([b"", b"\r\n--b", b"\r\n\r\n--b", b" --b0", b"content-location: http://orthanc/x"]),
        max_size=4,
    ),
    st.lists(st.integers(0, 10_000), max_size=12),
    st.sampled_from([b"", b"preamble"]),
)
def test_parts_cut_anywhere_keep_every_byte_of_their_contents(contents, cuts, preamble):
    # no line of a content is a boundary: whoever writes the parts sees to that
    contents = [one for one in contents if b"\r\n--b0" not in b"\r\n" + one]
    data = multipart("http://orthanc:8042/dicom-web/studies/1/series/2", contents, preamble)
    assert through(MultipartLinks("b0", TRANSLATE), data, cuts) == multipart(f"{OWN}/studies/1/series/2", contents, preamble)


@given(st.integers(1, 400))
def test_parts_that_stop_before_the_last_boundary_are_noticed(lost):
    data = multipart("http://orthanc/studies/1", [b"x" * 50, b"y" * 50])
    cut = data[: max(0, len(data) - 4 - lost)]
    with pytest.raises(TruncatedError):
        through(MultipartLinks("b0", TRANSLATE), cut, [7])


def test_a_header_without_end_is_not_waited_for():
    rewriter = MultipartLinks("b0", TRANSLATE)
    with pytest.raises(TruncatedError):
        through(rewriter, b"--b0\r\n" + b"x" * 100_000, [20_000, 40_000])


def test_the_paths_that_are_forwarded():
    from lib.server.allowlist import find_allowed

    uid = "/studies/1.2/series/3.4/instances/5.6"
    read = [
        "/studies",
        "/series",
        "/instances",
        "/studies/1.2",
        "/studies/1.2/series",
        "/studies/1.2/metadata",
        uid,
        f"{uid}/metadata",
        f"{uid}/frames/1,2",
    ]
    read += [
        f"{uid}/bulk/7fe00010",
        f"{uid}/bulkdata/00281201",
        f"{uid}/rendered",
        "/studies/1.2/series/3/thumbnail",
        "/studies/1.2/series/3/instances",
    ]
    for path in read:
        for service in ("wado", "qido"):
            assert find_allowed("GET", f"/proxy/dicom/{service}{path}").where == "archive", path
    for path in ("/proxy/dicom/wado/studies", "/proxy/dicom/stow/studies/1.2"):
        assert find_allowed("POST", path).where == "archive"
    refused = [
        "/system",
        "/studies/..",
        "/studies/1.2/series/../../../system",
        "//studies",
        "/studies//1.2",
        "/servers",
        "/studies/http://x/series",
    ]
    refused += [
        "/studies/1.2/archive",
        "/studies/1.2\\x",
        "/studies/1.2\n",
        "/studies/1.2%00",
        "/studies/ORTHANC",
        "/studies/1.2/frames/1",
        f"{uid}/frames/a",
    ]
    for path in refused:
        assert find_allowed("GET", f"/proxy/dicom/wado{path}") is None, path
    for method in ("DELETE", "PUT", "PATCH", "HEAD", "TRACE", "CONNECT"):
        assert find_allowed(method, "/proxy/dicom/wado/studies/1.2") is None, method
    assert find_allowed("POST", "/proxy/dicom/wado/studies/1.2/series") is None
