"""DICOM objects of every kind that archives hold, and how tests ask the embedded archive."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import requests
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, generate_uid

from archives import stow_body
from compressed import CODERS, compress
from handmade import PROVENANCE, handmade
from lib.archive import EmbeddedArchive
from lib.reports import report_content
from lib.reports.dicom_seg import segmentation
from lib.reports.dicom_sr import structured_report
from mrseries import mr_series
from studies.test_dicom_formats import enhanced, scan

JSON = "application/dicom+json"
ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def bytes_of(dataset: Dataset) -> bytes:
    """The file of a data set."""
    content = io.BytesIO()
    pydicom.dcmwrite(content, dataset, enforce_file_format=True)
    return content.getvalue()


def slice_of(**changes: Any) -> Dataset:
    """One slice of a series; a new instance every time, the same in every run."""
    slice_of.made += 1  # type: ignore[attr-defined]
    dataset = mr_series(scan("STIR"))[0]
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["slice", str(slice_of.made)])  # type: ignore[attr-defined]
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


slice_of.made = 0  # type: ignore[attr-defined]


def big_endian() -> Dataset:
    dataset = slice_of(SeriesInstanceUID="1.2.3.1")
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    return dataset


def implicit() -> Dataset:
    dataset = slice_of(SeriesInstanceUID="1.2.3.2")
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return dataset


def deflated() -> Dataset:
    dataset = slice_of(SeriesInstanceUID="1.2.3.3")
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return dataset


def make_objects(folder: Path) -> dict[str, bytes]:
    """Files by what they hold: every transfer syntax that the tests can write, Enhanced MR, SEG and SR.

    `folder` is for what the coders write on the way.
    """
    content = report_content(handmade(), PROVENANCE)
    headers = mr_series(content.result.stir)
    seg = segmentation(content, headers)
    assert seg is not None
    objects = {
        "plain": bytes_of(slice_of(SeriesInstanceUID="1.2.3.4")),
        "implicit": bytes_of(implicit()),
        "big endian": bytes_of(big_endian()),
        "deflated": bytes_of(deflated()),
        "enhanced": bytes_of(enhanced("STIR")),
        "seg": bytes_of(seg),
        "sr": bytes_of(structured_report(content, headers, (), seg)),
    }
    for number, syntax in enumerate(CODERS):
        one = slice_of(SeriesInstanceUID=f"1.2.3.5.{number}")
        compress(one, syntax, folder)
        objects[syntax.name] = bytes_of(one)
    frames = enhanced("T1W")
    compress(frames, next(iter(CODERS)), folder)
    objects["enhanced, compressed"] = bytes_of(frames)
    return objects


COMPRESSED = [syntax.name for syntax in CODERS]


class Served:
    """An archive that runs, and how tests ask it."""

    def __init__(self, running: EmbeddedArchive, folder: Path) -> None:
        self.running, self.folder, self.url = running, folder, running.url
        self.session = requests.Session()

    def get(self, path: str, accept: str = JSON, **headers: str) -> requests.Response:
        return self.session.get(self.url + path, headers={"Accept": accept, **headers}, timeout=60)

    def matches(self, path: str) -> list[dict[str, Any]]:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, *contents: bytes, path: str = "/studies") -> requests.Response:
        body, kind = stow_body(contents)
        return self.session.post(self.url + path, data=body, headers={"Accept": JSON, "Content-Type": kind}, timeout=60)

    def store(self, *datasets: Dataset) -> None:
        answer = self.post(*map(bytes_of, datasets))
        assert answer.status_code == 200, answer.text

    def parts(self, path: str, accept: str) -> list[tuple[str, bytes]]:
        """Content type and content of the parts of an answer."""
        answer = self.get(path, accept)
        assert answer.status_code == 200, answer.text
        boundary = answer.headers["Content-Type"].partition("boundary=")[2].encode()
        pieces = (b"\r\n" + answer.content).split(b"\r\n--" + boundary)
        assert pieces[0] == b""
        assert pieces[-1] == b"--\r\n"
        contents = []
        for piece in pieces[1:-1]:
            head, _, content = piece.partition(b"\r\n\r\n")
            contents.append((head.decode().partition("Content-Type: ")[2], content))
        return contents

    def files(self) -> list[Path]:
        """The archive's DICOM files."""
        return sorted(path for path in self.folder.rglob("*.dcm") if ".dicomweb" not in path.parts)


def place_of(content: bytes) -> str:
    """Where an object is found in an archive."""
    header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
    return f"/studies/{header.StudyInstanceUID}/series/{header.SeriesInstanceUID}/instances/{header.SOPInstanceUID}"
