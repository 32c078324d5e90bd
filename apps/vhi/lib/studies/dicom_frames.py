"""DICOM files to frames: one slice each, whether a file holds one (MR Image) or all of them (Enhanced MR)."""

from __future__ import annotations

import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from ..errors import InputError

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = ("1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4")  # the second: converted from MR Image
# modalities that images are accompanied by; they are no series to measure on
_NO_IMAGE = {"SEG", "SR", "PR", "KO", "REG", "RTSTRUCT", "DOC", "RWV"}
# Enhanced MR calls by another name what MR Image calls by the first
_ENHANCED_NAME = {"EchoTime": "EffectiveEchoTime", "InversionTime": "InversionTimes"}
# what lies beside DICOM files on disks and CDs; anything else without the DICOM mark may be a damaged slice
_NO_DICOM = re.compile(
    r"\..*|DICOMDIR|.*\.(txt|md|json|toml|xml|html?|css|js|csv|pdf|jpe?g|png|gif|bmp|ico|zip|gz|nii|nrrd|exe|inf|dll|log|ini)",
    re.IGNORECASE,
)
_PART_10 = b"DICM"
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


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice: a file's header without voxels and, in a multi-frame file, which frame it is (from 0)."""

    path: Path
    header: Dataset
    index: int | None = None

    def get(self, keyword: str) -> Any:
        """The value of an attribute; None where it is absent or empty.

        In Enhanced MR the frame's own functional groups come first, then those shared, then the top level.
        """
        value = self._found(keyword)
        if value is None and self.index is not None and keyword in _ENHANCED_NAME:
            value = self._found(_ENHANCED_NAME[keyword])
            return value[0] if isinstance(value, list | pydicom.multival.MultiValue) and len(value) else value
        return value

    def floats(self, keyword: str, count: int) -> tuple[float, ...]:
        """An attribute of `count` finite numbers.

        Raises
        ------
        InputError
            It is missing or something else.
        """
        value = self.get(keyword)
        try:
            numbers = tuple(float(one) for one in ([value] if count == 1 else value))
        except (TypeError, ValueError):
            numbers = ()
        if len(numbers) != count or not all(abs(one) < 1e9 for one in numbers):
            found = "is missing" if value is None else f"is {value}"
            raise InputError(f"{self.path.name}: {keyword} {found}; {count} numbers are needed there. Export the series again.")
        return numbers

    def text(self, keyword: str) -> str:
        """An attribute as text, its values joined by a backslash; empty where it is absent."""
        value = self.get(keyword)
        if isinstance(value, list | tuple | pydicom.multival.MultiValue):
            return "\\".join(str(one) for one in value)
        return "" if value is None else str(value).strip()

    @property
    def sop_class_uid(self) -> str:
        return str(self.header.get("SOPClassUID", ""))

    @cached_property
    def _groups(self) -> tuple[Dataset, ...]:
        if self.index is None:
            return ()
        own = self.header.get("PerFrameFunctionalGroupsSequence") or []
        shared = self.header.get("SharedFunctionalGroupsSequence") or []
        return (*own[self.index : self.index + 1], *shared[:1])

    def _found(self, keyword: str) -> Any:
        for group in self._groups:
            for element in group:
                if element.VR == "SQ" and len(element.value) and keyword in element.value[0]:
                    value = element.value[0][keyword].value
                    if value not in (None, ""):
                        return value
        value = self.header.get(keyword)
        return None if isinstance(value, str) and not value.strip() else value


@dataclass(frozen=True, eq=False)
class Series:
    """All frames of one series, in no particular order."""

    uid: str
    frames: tuple[Frame, ...]

    @property
    def first(self) -> Frame:
        return self.frames[0]

    def number(self, keyword: str) -> float | None:
        """A numeric attribute of the first frame, None where it is absent or no number."""
        try:
            return float(self.first.get(keyword))
        except (TypeError, ValueError):
            return None


def is_dicom(path: Path) -> bool:
    """Whether a file carries the mark of DICOM."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == _PART_10
    except OSError:
        return False


def find_series(folder: Path, name: str = "study") -> tuple[Series, ...]:
    """The image series in a folder and its subfolders, by series number; reports, segmentations and the like are passed over.

    Raises
    ------
    InputError
        The folder holds no DICOM images, or a file that looks like DICOM and cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{name}: {error.filename} cannot be listed ({error.strerror}); check its permissions.") from error

    files = [Path(place, file) for place, _, names in os.walk(folder, onerror=refuse) for file in sorted(names)]
    series = series_of(files)
    if not series:
        raise InputError(
            f"{name}: {folder} is a folder that holds no DICOM images; pass the folder of the series, or a NIfTI file."
        )
    return series


def series_of(files: Iterable[Path]) -> tuple[Series, ...]:
    """The image series that files belong to.

    Raises
    ------
    InputError
        A file that should be DICOM cannot be read.
    """

    def headers() -> Iterator[tuple[Path, Dataset]]:
        for path in files:
            if _NO_DICOM.fullmatch(path.name) and not is_dicom(path):
                continue
            header = read_header(path)
            if header.file_meta.get("MediaStorageSOPClassUID") != "1.2.840.10008.1.3.10":  # a DICOMDIR by another name
                yield path, header

    return series_of_headers(headers())


def series_of_headers(headers: Iterable[tuple[Path, Dataset]]) -> tuple[Series, ...]:
    """The image series that headers belong to, by series number; each with the path that messages call it by.

    Raises
    ------
    InputError
        A header lacks what every image has.
    """
    found: dict[str, list[Frame]] = {}
    for path, header in headers:
        _check_whole(header, path)
        if header.Modality not in _NO_IMAGE:
            found.setdefault(str(header.SeriesInstanceUID), []).extend(_frames(path, header))
    series = (Series(uid, tuple(frames)) for uid, frames in found.items())
    return tuple(sorted(series, key=lambda one: (one.number("SeriesNumber") or 0, one.uid)))


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's, about values longer than allowed and the like, which do no harm here
            header = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels)
            header.decode()  # texts too: what is damaged shows here
        return header
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the path.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); pass an intact copy.") from error
    except UNREADABLE as error:
        size = path.stat().st_size
        raise InputError(
            f"{path.name} is empty, truncated or no DICOM file ({size} bytes); export the series again, or remove that file."
        ) from error


def _check_whole(header: Dataset, path: Path) -> None:
    missing = [key for key in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality") if not header.get(key)]
    if missing:
        raise InputError(
            f"{path.name} is truncated or damaged: it has no {missing[0]}. Export the series again, or remove that file."
        )


def _frames(path: Path, header: Dataset) -> Iterator[Frame]:
    if header.SOPClassUID not in ENHANCED_MR:
        yield Frame(path, header)
        return
    count = int(header.get("NumberOfFrames") or 0)
    groups: Sequence[Dataset] = header.get("PerFrameFunctionalGroupsSequence") or []
    if count < 1 or len(groups) != count:
        raise InputError(
            f"{path.name} is truncated or damaged: it describes {len(groups)} of its {count} frames. Export the series again."
        )
    for index in range(count):
        yield Frame(path, header, index)
