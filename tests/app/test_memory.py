"""Uploads that are small on the wire and large inside: memory stays where it was, and nothing is left behind.

Everything here is harmless: some 20 to 60 MB unpacked.
"""

from __future__ import annotations

import gzip
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import requests
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from archives import MAIN, stow_body
from embedded import bytes_of, slice_of
from serving import Server, serving

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory of another process is read from /proc"),
]
MB = 1 << 20
# the bar for any upload; what is refused stays far below
MOST_MB = 200
IMAGE = "p3_STIR"
NAMED = {"client_id": "anna", "label_info": [{"name": "disease region"}, {"name": "normal bone"}]}


def memory_mb(pid: int, line: str) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().split(f"{line}:")[1].split()[0]) / 1024


class Watch:
    """How far a process's memory rose [MB]."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the highest so far is what is there now
        self._before = memory_mb(pid, "VmRSS")

    @property
    def rose_mb(self) -> float:
        return memory_mb(self.pid, "VmHWM") - self._before


@pytest.fixture(scope="module")
def stir(studies) -> nib.Nifti1Image:
    return nib.load(studies / "p3" / "stir.nii.gz")


@pytest.fixture(scope="module")
def ready(server: Server) -> Server:
    """The server after its first inference, with the case in memory."""
    assert requests.post(f"{server.url}/infer/vhi", params={"image": IMAGE, "output": "json"}, timeout=600).status_code == 200
    return server


def label(stir, shape=None, behind: bytes = b"") -> bytes:
    """A label map of nothing on the case's affine."""
    made = nib.Nifti1Image(np.zeros(shape or stir.shape, np.uint8), stir.affine)
    return gzip.compress(made.to_bytes() + behind)


def other_type(stir) -> bytes:
    """The case's shape, but of values of 64 bits, with a header of a float64 map twice as deep."""
    content = bytearray(nib.Nifti1Image(np.zeros(stir.shape, np.float64), stir.affine).to_bytes())
    content[46:48] = struct.pack("<h", 400)
    return gzip.compress(bytes(content))


DOORS = {
    "label": ("PUT", "/datastore/label"),
    "preview": ("POST", "/vhi/reading/preview"),
    "inference": ("POST", "/infer/vhi"),
}
UPLOADS = {
    "another grid": lambda stir: label(stir, (480, 480, 200)),
    "behind its voxels": lambda stir: label(stir, behind=bytes(40 * MB)),
    "a header that lies": other_type,
    "nested": lambda stir: gzip.compress(label(stir, (320, 320, 200))),
    "empty members": lambda stir: label(stir) + gzip.compress(b"") * 200_000,
}


def send(server: Server, door: str, content: bytes, named=NAMED) -> requests.Response:
    method, path = DOORS[door]
    given = {"params": (None, json.dumps(named)), "label": ("label.nii.gz", content)}
    return requests.request(method, server.url + path, params={"image": IMAGE}, files=given, timeout=300)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", UPLOADS)
def test_what_unpacks_to_more_than_the_case_is_refused_before_it_is_unpacked(ready, stir, door, kind):
    content = UPLOADS[kind](stir)
    watch = Watch(ready.process.pid)
    answer = send(ready, door, content)
    assert answer.status_code == (422 if kind == "nested" else 413), answer.text
    assert "\n" not in answer.json()["detail"]
    # the body itself, and the pages of a server that works
    assert watch.rose_mb < 40 + len(content) / MB


def test_a_label_map_of_the_case_itself_stays_below_the_bar(ready, stir):
    labels = np.zeros(stir.shape, np.uint8)
    names = [f"finding {number}" for number in range(1, 101)]
    labels.flat[1 : len(names) + 1] = np.arange(1, len(names) + 1)
    content = gzip.compress(nib.Nifti1Image(labels, stir.affine).to_bytes())
    watch = Watch(ready.process.pid)
    answer = send(ready, "preview", content, {**NAMED, "label_info": [{"name": name} for name in names]})
    assert answer.status_code < 500, answer.text
    assert watch.rose_mb < MOST_MB


def test_a_draft_of_many_runs_stays_below_the_bar(ready):
    import base64

    runs = base64.b64encode(b"\x80\x01" * 380_000).decode()
    watch = Watch(ready.process.pid)
    answer = requests.put(
        f"{ready.url}/vhi/draft", params={"image": IMAGE, "reader": "anna"}, json={"state": {}, "map": runs}, timeout=60
    )
    assert answer.status_code in (400, 413), answer.text
    assert watch.rose_mb < MOST_MB / 2


def test_descriptors_memory_and_temporary_files_stay_flat(ready, stir):
    good, bad = label(stir), label(stir, (320, 320, 100))

    def rounds(count: int) -> tuple[int, float, list[str]]:
        for _ in range(count):
            send(ready, "preview", good)
            send(ready, "label", bad)
            requests.get(f"{ready.url}/datastore/image", params={"image": IMAGE}, timeout=60)
            requests.get(f"{ready.url}/info/", timeout=60)
        pid = ready.process.pid
        return len(os.listdir(f"/proc/{pid}/fd")), memory_mb(pid, "VmRSS"), sorted(os.listdir(ready.tmp))

    descriptors, resident, files = rounds(6)
    later = rounds(12)
    assert abs(later[0] - descriptors) <= 4
    assert later[1] - resident < 30
    assert later[2] == files


# the embedded archive ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Iterator[Server]:
    """An embedded archive in a process of its own."""
    work = tmp_path_factory.mktemp("archive")
    (work / "files").mkdir()
    with serving(work, work, command=[str(MAIN), "archive", str(work / "files"), "--port", "{port}"]) as running:
        yield running


def store(archive: Server, content: bytes) -> requests.Response:
    body, kind = stow_body([content])
    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
    return requests.post(f"{archive.url}/dicom-web/studies", data=body, headers=headers, timeout=120)


def deflated() -> bytes:
    made = slice_of(Rows=4096, Columns=4096, PixelData=bytes(2 * 4096 * 4096))
    made.NumberOfFrames, made.PixelData = 2, bytes(4 * 4096 * 4096)
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return bytes_of(made)


def many_elements() -> bytes:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 8) + struct.pack("<HH2sH", 0x0040, 0xA30A, b"DS", 0)
    sequence = struct.pack("<HH2sHI", 0xFFFC, 0x0001, b"SQ", 0, len(item) * 120_000) + item * 120_000
    return bytes_of(slice_of()) + sequence


@pytest.mark.parametrize("make", [deflated, many_elements])
def test_an_instance_that_is_larger_inside_is_not_stored(archive, make):
    content = make()
    assert store(archive, bytes_of(slice_of())).status_code == 200  # what is imported at the first one is there now
    watch = Watch(archive.process.pid)
    answer = store(archive, content)
    assert answer.status_code == 409
    assert "more than" in answer.headers["Warning"]
    assert watch.rose_mb < 100


def test_a_frame_that_says_it_is_larger_than_its_file_is_not_decoded(archive):
    made = slice_of(Rows=256, Columns=256, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=b"")
    made.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * 400_000])
    made["PixelData"].is_undefined_length, made["PixelData"].VR = True, "OB"
    made.file_meta.TransferSyntaxUID = RLELossless
    assert store(archive, bytes_of(made)).status_code == 200
    place = f"/dicom-web/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"
    watch = Watch(archive.process.pid)
    for what in ("frames/1", "rendered", "thumbnail"):
        accept = "application/octet-stream" if what == "frames/1" else "image/png"
        answer = requests.get(f"{archive.url}{place}/{what}", headers={"Accept": accept}, timeout=60)
        assert answer.status_code == 422
        assert "run lengths" in answer.json()["detail"]
    assert watch.rose_mb < 60
