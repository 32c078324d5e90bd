"""A study whose headers say whose it is in every way that a header can, and who listens to all that a browser is sent of it."""

from __future__ import annotations

import base64
import gzip
import io
import re
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from archives import Study

MARK = "ZZMARK"
# of every UID of the study; the texts, dates and times below stand nowhere else
ROOT = "1.2.826.0.1.3680043.9.7433"
DATE, TIME = "19440229", "042317.582611"
SECRETS = (MARK, ROOT, DATE, "1944-02-29", TIME, "042317", "Zzmark")
PRIVATE = 0x7453
_TEXTS = {
    "PatientName": "NAME^Jane",
    "PatientID": "ID-4711",
    "OtherPatientIDs": "OTHER",
    "PatientAddress": "STREET",
    "PatientComments": "COMMENT",
    "PatientAge": "067Y",
    "AccessionNumber": "ACC",
    "StudyID": "STUDY",
    "StudyDescription": "STUDY OF JANE",
    "ProtocolName": "PROTOCOL",
    "SequenceName": "SEQUENCE",
    "ImageComments": "IMAGE COMMENT",
    "InstitutionName": "CLINIC",
    "InstitutionAddress": "CLINIC STREET",
    "InstitutionalDepartmentName": "DEPARTMENT",
    "StationName": "STATION",
    "ReferringPhysicianName": "REFERRER^Jack",
    "PerformingPhysicianName": "PERFORMER^Jim",
    "OperatorsName": "OPERATOR",
    "Manufacturer": "MAKER",
    "ManufacturerModelName": "MODEL",
    "DeviceSerialNumber": "SERIAL",
    "SoftwareVersions": "VERSION",
    "PositionReferenceIndicator": "REFERENCE",
    "RequestedProcedureDescription": "REQUEST",
    "AdditionalPatientHistory": "HISTORY",
    "ScanOptions": "OPTION",
    "BodyPartExamined": "BODY",
}


def marked(study: Study, branch: int = 1) -> Study:
    """The same study, its files changed in place; `branch` keeps the UIDs of several apart."""
    uids: dict[str, str] = {}

    def uid(old: object) -> str:
        return uids.setdefault(str(old), f"{ROOT}.{branch}.{len(uids) + 1}")

    for path in study.files():
        image = pydicom.dcmread(path)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            setattr(image, keyword, uid(image[keyword].value))
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        mark(image)
        image.preamble = (f"II*\0{MARK} PREAMBLE".encode() + bytes(128))[:128]
        image.save_as(path, enforce_file_format=True)
    return replace(study, study_uid=uids[study.study_uid], t1w_uid=uids[study.t1w_uid], stir_uid=uids[study.stir_uid])


def mark(image: Dataset) -> None:
    """Names, dates, texts and UIDs wherever an image has room for them, the bits of its pixel cells above the value included."""
    for keyword, text in _TEXTS.items():
        setattr(image, keyword, text if keyword == "PatientAge" else f"{MARK} {text}")
    role = str(image.SeriesDescription)
    image.SeriesDescription = f"{role} {MARK}"
    for keyword in ("Study", "Series", "Acquisition", "Content", "InstanceCreation"):
        setattr(image, f"{keyword}Date", DATE)
        setattr(image, f"{keyword}Time", TIME)
    image.PatientBirthDate, image.PatientSex = DATE, "F"
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", MARK]
    image.SequenceVariant = ["SK", MARK]
    person = Dataset()
    person.PersonName, person.InstitutionName, person.StudyDate = f"{MARK}^NESTED", f"{MARK} NESTED CLINIC", DATE
    image.ReferringPhysicianIdentificationSequence = Sequence([person])
    step = Dataset()
    step.ScheduledProcedureStepDescription = f"{MARK} STEP"
    step.ReferencedPerformedProcedureStepSequence = Sequence([person])
    image.RequestAttributesSequence = Sequence([step])
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, f"{ROOT}.9.9"
    image.ReferencedImageSequence = Sequence([reference])
    image.StorageMediaFileSetUID = f"{ROOT}.8"
    block = image.private_block(PRIVATE, f"{MARK} CREATOR", create=True)
    block.add_new(0x01, "LO", f"{MARK} PRIVATE")
    inner = Dataset()
    inner.add_new((0x0009, 0x0010), "LO", f"{MARK} INNER")
    block.add_new(0x02, "SQ", Sequence([inner]))
    image.add_new((0x6000, 0x0022), "LO", f"{MARK} OVERLAY")
    image.add_new((0x5000, 0x0030), "SH", f"{MARK} CURVE")
    image.DataSetTrailingPadding = f"{MARK} PADDING".encode()
    image.PixelData = image.PixelData + f"{MARK} BEHIND THE PIXELS".encode().ljust(30)


def read_back(content: bytes) -> np.ndarray:
    """The pixels of a file."""
    return pydicom.dcmread(io.BytesIO(content)).pixel_array


def places(text: bytes, secrets: tuple[str, ...] = SECRETS) -> list[str]:
    """Where secrets stand in bytes, as ASCII or UTF-16, in upper or lower case; with what is around them."""
    hits = []
    folded = text.lower()
    for secret in secrets:
        for coded in (secret.lower().encode(), secret.lower().encode("utf-16-le")):
            at = folded.find(coded)
            if at >= 0:
                hits.append(f"{secret}: {text[max(0, at - 100) : at + 60]!r}")
    return hits


class Recorder:
    """Stands between a browser and the server at `url`, and keeps every byte that the server sends."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._sent: list[bytearray] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def bytes(self) -> bytes:
        """All of it: as it came, and the bodies joined and decompressed."""
        raw = [bytes(one) for one in self._sent]
        bodies = [body for one in raw for body in _bodies(one)]
        return b"\n".join([*raw, *bodies, *(more for body in bodies for more in _unpacked(body))])

    def answers(self) -> int:
        return sum(one.count(b"HTTP/1.1 ") for one in self._sent)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            kept = bytearray()
            self._sent.append(kept)
            threading.Thread(target=_pass, args=(client, server, None), daemon=True).start()
            threading.Thread(target=_pass, args=(server, client, kept), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            if kept is not None:
                kept += piece
            target.sendall(piece)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _bodies(stream: bytes) -> Iterator[bytes]:
    """The bodies of the answers of one connection, chunks joined."""
    while stream:
        head, mark_, rest = stream.partition(b"\r\n\r\n")
        if not mark_:
            return
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
            body = bytearray()
            while True:
                size, _, rest = rest.partition(b"\r\n")
                count = int(size.split(b";")[0] or b"0", 16)
                body += rest[:count]
                rest = rest[count + 2 :]
                if not count:
                    break
            stream = rest
            yield bytes(body)
        else:
            count = int(length[1]) if length and not re.match(rb"HTTP/1.1 (?:304|204|1\d\d)", head) else 0
            yield rest[:count]
            stream = rest[count:]


def _unpacked(body: bytes) -> Iterator[bytes]:
    """The compressed content of a body, unpacked: by gzip or zlib, as a whole or in a part of a form."""
    for at in (match.start() for match in re.finditer(rb"\x1f\x8b\x08", body)):
        with suppress(OSError, EOFError, zlib.error):
            yield zlib.decompressobj(31).decompress(body[at:])
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", body, re.DOTALL):  # of a PDF
        with suppress(ValueError, zlib.error):
            coded = match[1].strip().removesuffix(b"~>")
            yield zlib.decompressobj().decompress(base64.a85decode(coded) if match[1].rstrip().endswith(b"~>") else coded)
    with suppress(OSError, EOFError, zlib.error):
        yield gzip.decompress(body)
    with suppress(zlib.error):
        yield zlib.decompress(body)


@contextmanager
def recording(url: str) -> Iterator[Recorder]:
    """A recorder in front of a server."""
    recorder = Recorder(url)
    try:
        yield recorder
    finally:
        recorder.close()


def true_uids(study: Study) -> list[str]:
    """Every UID of a study's files, of all levels."""
    uids = {study.study_uid, study.t1w_uid, study.stir_uid}
    for path in study.files():
        header = pydicom.dcmread(path, stop_before_pixels=True)
        uids |= {str(header.SOPInstanceUID), str(header.FrameOfReferenceUID)}
    return sorted(uids)


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.dcm"))
