"""DICOM files by their content: with or without preamble, gzipped; and what lies beside them on disks and CDs and is no DICOM."""

from __future__ import annotations

import gzip
import re
import struct
import warnings
import zlib
from collections.abc import Iterable
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import pydicom
import pydicom.config
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ..errors import InputError, TooLargeError
from ..unpacking import check_deflated, free_memory
from .dicom_mark import GZIP, begins_as_data_set, head_of, is_marked

# what pydicom raises on files cut or changed anywhere
UNREADABLE = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    struct.error,
    zlib.error,
)
# a gzipped file is small on the way in and may be huge inside; Enhanced MR of thousands of frames is smaller than this [bytes]
MOST_UNPACKED = 2**30
# values that break the rules of their kind are read as they are, or refused in our own words where they matter: without a warning
# of pydicom on the user's terminal
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
# once, not around each read: `warnings.catch_warnings` would change what every other thread is warned of
warnings.filterwarnings("ignore", module=r"pydicom\b")
_MARK_END = 132
# slices bear these names, or a number, or no suffix at all
_SLICE_NAME = re.compile(r".*\.(dcm|dicom|dic|dc3|ima|mr)(\.gz)?", re.IGNORECASE)
_LEFT_BY_SYSTEMS = re.compile(r"\..*|~\$.*|thumbs\.db|ehthumbs.*\.db|desktop\.ini|.*@syno\w+|dicomdir(;1)?", re.IGNORECASE)
_FOLDERS_OF_SYSTEMS = {"@eadir", "__macosx"}
_MAGIC = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "Office or Windows",
    b"PK": "ZIP or Office",
    b"%PDF": "PDF",
    b"\0\0\0\1Bud1": "macOS",
    b"\0\5\x16\7": "macOS",
    b"\0\5\x16\0": "macOS",
    b"\x89PNG": "picture",
    b"\xff\xd8\xff": "picture",
    b"GIF8": "picture",
    b"BM": "picture",
    b"II*\0": "picture",
    b"MM\0*": "picture",
    b"SQLite format 3\0": "database",
    b"\0\1\0\0Standard ": "database",
    b"MZ": "program",
    b"\x7fELF": "program",
    b"L\0\0\0\1\x14\2\0": "shortcut",
    b"7z\xbc\xaf": "archive",
    b"Rar!": "archive",
    b"BZh": "archive",
    b"\xfd7zXZ": "archive",
    GZIP: "archive",
    b"NRRD": "NRRD",
}


def dicom_among(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The DICOM files among files, and the names of the others with what they are, as ``notes.docx (ZIP or Office)``.

    A file that is neither DICOM nor known to be another thing is kept among the DICOM files, where reading it fails by its name:
    it may be a damaged slice.

    Raises
    ------
    InputError
        A file cannot be read.
    """
    files, others = [], []
    for path in paths:
        try:
            head = head_of(path)
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror or error}); pass an intact copy.") from error
        kind = None if is_marked(head) or begins_as_data_set(head) else _other_kind(path, head)
        if kind is None:
            files.append(path)
        else:
            others.append(f"{path.name} ({kind})")
    return files, others


def read_header(path: Path) -> Dataset:
    """Everything in front of the voxels.

    Raises
    ------
    InputError
    """
    return _read(path, stop_before_pixels=True)


def read_whole(path: Path) -> Dataset:
    """A file with its voxels, still encoded.

    Raises
    ------
    InputError
    """
    return _read(path, stop_before_pixels=False)


def _read(path: Path, stop_before_pixels: bool) -> Dataset:
    try:
        head = head_of(path)
        source = BytesIO(_unpacked(path)) if _is_gzip(path) else path
        if is_marked(head):
            check_inflated(source, path.name)
        bare = not is_marked(head) and begins_as_data_set(head)
        header = pydicom.dcmread(source, stop_before_pixels=stop_before_pixels, force=bare)
        _name_syntax(header)
        header.decode()  # texts too: what is damaged shows here
        return header
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the path.") from error
    except UNREADABLE as error:
        size = path.stat().st_size
        raise InputError(
            f"{path.name} is empty, truncated or no DICOM file ({size} bytes); export the series again, or remove that file."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); pass an intact copy.") from error


def check_inflated(source: Path | BytesIO, name: str) -> None:
    """Refuse a deflated file that is too large to be inflated at once, as pydicom does it; of others nothing is looked at.

    Raises
    ------
    TooLargeError
    """
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        file.seek(_MARK_END)
        meta = pydicom.filereader.read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            check_deflated(file, min(MOST_UNPACKED, free_memory() // 3), name)
        file.seek(0)


def _name_syntax(header: Dataset) -> None:
    """Without a file meta group pydicom finds the transfer syntax out by reading; what decodes voxels asks for its name."""
    if header.file_meta.get("TransferSyntaxUID"):
        return
    implicit, little = header.original_encoding
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    header.file_meta.TransferSyntaxUID = syntax


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


def _unpacked(path: Path) -> bytes:
    with gzip.open(path) as file:
        content = file.read(MOST_UNPACKED + 1)
    if len(content) > MOST_UNPACKED:
        raise TooLargeError(f"{path.name} holds more than {MOST_UNPACKED >> 20} MiB, more than any MR file; unpack it yourself.")
    return content


def _other_kind(path: Path, head: bytes) -> str | None:
    """The kind of a file without the mark of DICOM; None where it may be a damaged slice."""
    if _LEFT_BY_SYSTEMS.fullmatch(path.name) or _FOLDERS_OF_SYSTEMS & {part.lower() for part in path.parts[:-1]}:
        return "left by a system or an office program"
    if _SLICE_NAME.fullmatch(path.name):
        return None
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return "NIfTI"
    if _is_text(head):
        return "text"
    # 0001, IM.0001, 1.3.12.2.1107: names of slices too
    suffix = path.suffix[1:]
    return f"a file {path.suffix}" if suffix and not suffix.isdigit() else None


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return bool(head) and not any((byte < 32 and byte not in b"\t\n\r\f") or byte == 127 for byte in head)
