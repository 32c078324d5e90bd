"""Multipart answers, cut into blocks anywhere and cut off anywhere."""

from __future__ import annotations

import pytest

from lib.multipart import MultipartError, boundary_of
from lib.pacs.answer_parts import write_parts

BODY = (
    b"--edge\r\nContent-Type: application/dicom\r\nContent-Length: 9\r\n\r\none\r\n--two"
    b"\r\n--edge\r\nContent-Type: application/dicom\r\n\r\n"
    b"\r\n--edge\r\n\r\n\r\n\r\nthree\r\n\r\n--edge--\r\n"
)
PARTS = [b"one\r\n--two", b"", b"\r\n\r\nthree\r\n"]


def parts(blocks, folder):
    folder.mkdir(exist_ok=True)
    return [path.read_bytes() for path in write_parts(blocks, "multipart/related; boundary=edge", folder)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 11, 1000])
def test_however_it_is_cut_into_blocks_the_parts_are_the_same(tmp_path, size):
    assert parts([BODY[at : at + size] for at in range(0, len(BODY), size)], tmp_path) == PARTS


def test_a_line_end_in_front_of_the_first_boundary_is_no_part(tmp_path):
    assert parts([b"\r\n" + BODY], tmp_path) == PARTS


def test_cut_off_anywhere_it_is_never_taken_for_whole(tmp_path):
    # the last two bytes follow the end mark and mean nothing
    for length in range(len(BODY) - 2):
        with pytest.raises(MultipartError):
            parts([BODY[:length]], tmp_path)


def test_a_header_without_end_is_not_collected_for_ever(tmp_path):
    with pytest.raises(MultipartError, match="no end"):
        parts([b"--edge\r\n", *[b"X: " + b"x" * 1000] * 100], tmp_path)


@pytest.mark.parametrize(
    "kind", ['multipart/related; type="application/dicom"; boundary="a b"', "Multipart/Related;Boundary=a-b"]
)
def test_the_boundary_is_read_from_the_content_type(kind):
    assert boundary_of(kind) in ("a b", "a-b")


@pytest.mark.parametrize("kind", ["text/html", "", "multipart/related", "application/dicom; boundary=x"])
def test_what_is_not_multipart_is_refused(tmp_path, kind):
    with pytest.raises(MultipartError, match="Content-Type"):
        list(write_parts([BODY], kind, tmp_path))


def test_a_boundary_that_goes_on_as_something_else_is_refused(tmp_path):
    with pytest.raises(MultipartError, match="line end"):
        parts([b"--edge\r\n\r\none\r\n--edgeless\r\n\r\n--edge--"], tmp_path)
