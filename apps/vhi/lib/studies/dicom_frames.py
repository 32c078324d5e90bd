"""DICOM files to frames: one slice each, whether a file holds one (MR Image) or all of them (Enhanced MR)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from ..errors import InputError

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = ("1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4")  # the second: converted from MR Image
# Enhanced MR calls by another name what MR Image calls by the first, and some scanners mix them
_OTHER_NAME = {"EchoTime": "EffectiveEchoTime", "InversionTime": "InversionTimes"}


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice: a file's header without voxels and, in a multi-frame file, which frame it is (from 0)."""

    path: Path
    header: Dataset
    index: int | None = None

    def get(self, keyword: str) -> Any:
        """The value of an attribute; None where it is absent or empty.

        In Enhanced MR the frame's own functional groups come first, then those shared, then the top level. A maker's own groups,
        which may hold the attributes of an older header, do not count.
        """
        value = self._in_groups(keyword)
        if value is None and keyword in _OTHER_NAME:
            value = self._in_groups(_OTHER_NAME[keyword])
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
            numbers = tuple(float(number) for number in ([value] if count == 1 else value))
        except (TypeError, ValueError):
            numbers = ()
        if len(numbers) != count or not all(abs(number) < 1e9 for number in numbers):
            problem = "is missing" if value is None else f"is {value}"
            needed = "one number is" if count == 1 else f"{count} numbers are"
            raise InputError(f"{self.path.name}: {keyword} {problem}; {needed} needed there. Export the series again.")
        return numbers

    def text(self, keyword: str) -> str:
        """An attribute as text, its values joined by a backslash; empty where it is absent."""
        value = self.get(keyword)
        if isinstance(value, list | tuple | pydicom.multival.MultiValue):
            return "\\".join(str(part) for part in value)
        return "" if value is None else str(value).strip()

    @property
    def sop_class_uid(self) -> str:
        return str(self.header.get("SOPClassUID", ""))

    @property
    def syntax(self) -> str:
        """UID of the transfer syntax; empty where the header came without its file."""
        return str(getattr(self.header, "file_meta", {}).get("TransferSyntaxUID", ""))

    @property
    def image_type(self) -> str:
        """ImageType, its values joined by a backslash; in Enhanced MR the frame's own FrameType."""
        return self.text("FrameType") or self.text("ImageType") if self.index is not None else self.text("ImageType")

    @cached_property
    def groups(self) -> tuple[Dataset, ...]:
        """The functional groups of a frame of Enhanced MR, its own before those shared; none of another image."""
        if self.index is None:
            return ()
        own = self.header.get("PerFrameFunctionalGroupsSequence") or []
        shared = self.header.get("SharedFunctionalGroupsSequence") or []
        return (*own[self.index : self.index + 1], *shared[:1])

    def _in_groups(self, keyword: str) -> Any:
        for group in self.groups:
            for element in group:
                if element.VR == "SQ" and not element.tag.is_private and len(element.value) and keyword in element.value[0]:
                    value = element.value[0][keyword].value
                    if value not in (None, ""):
                        return value
        value = self.header.get(keyword)
        return None if isinstance(value, str) and not value.strip() else value


@dataclass(frozen=True, eq=False)
class Series:
    """All frames of one series, in no particular order; `contrast` says which ones where they are a part of the series.

    `incomplete` says what is missing of an image that was divided into several files; empty where nothing is.
    """

    uid: str
    frames: tuple[Frame, ...]
    contrast: str = ""
    incomplete: str = ""

    @property
    def first(self) -> Frame:
        return self.frames[0]

    def number(self, keyword: str) -> float | None:
        """A numeric attribute of the first frame, None where it is absent or no number."""
        return number_of(self.first.get(keyword))


def number_of(value: Any) -> float | None:
    """The value of an attribute as a finite number; None where it is absent or something else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def frames_of(path: Path, header: Dataset) -> Iterator[Frame]:
    """The slices of an image.

    Raises
    ------
    InputError
        A multi-frame header that does not describe all its frames.
    """
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
