"""The content of folders and files: image series, each instance once, and the files that are something else."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ..errors import InputError
from .dicom_contrasts import contrasts_of
from .dicom_files import dicom_among, read_header
from .dicom_frames import ENHANCED_MR, MR_IMAGE, Frame, Series, frames_of, number_of
from .dicom_voxels import read_stored

# modalities that images are accompanied by; they are no series to measure on
_NO_IMAGE = {"SEG", "SR", "PR", "KO", "REG", "RTSTRUCT", "DOC", "RWV"}
# what the numbers of a slice and its place follow from
_DECIDING = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
)
_NAMED = 5
# and its multi-frame forms
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, eq=False)
class Content:
    """The content of files: image series, and what the reader of a result must know about the other files."""

    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()


def find_series(folder: Path, name: str = "study") -> Content:
    """The image series in a folder and its subfolders, by series number; reports, segmentations and the like are passed over.

    Raises
    ------
    InputError
        The folder holds no DICOM images, or a file that looks like DICOM and cannot be read.
    """
    content = series_of(files_in(folder, name))
    if not content.series:
        beside = f" ({content.notes[0].rstrip('.')})" if content.notes else ""
        raise InputError(
            f"{name}: {folder} is a folder that holds no DICOM images{beside}; pass the folder of the series, or a NIfTI file."
        )
    return content


def files_in(folder: Path, name: str = "study") -> list[Path]:
    """All files of a folder and its subfolders.

    Raises
    ------
    InputError
        A folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{name}: {error.filename} cannot be listed ({error.strerror}); check its permissions.") from error

    return [Path(place, file) for place, _, names in os.walk(folder, onerror=refuse) for file in sorted(names)]


def series_of(files: Iterable[Path]) -> Content:
    """The image series that files belong to.

    Raises
    ------
    InputError
        A file that should be DICOM cannot be read, or two files hold one instance and differ.
    """
    paths, others = dicom_among(files)
    headers = [(path, header) for path in paths if not _is_directory(header := read_header(path))]
    once, doubled = _each_once([(path, header) for path, header in headers if _is_image(header, path)])
    notes = []
    if captures := _captures(once):
        notes.append(
            f"Passed over, as pictures of the screen (Secondary Capture): {_shortened([path.name for path in captures])}."
        )
    if others:
        notes.append(f"Passed over, as no DICOM: {_shortened(others)}.")
    if doubled:
        notes.append(f"There twice with equal voxels, and taken once: {_shortened(doubled)}.")
    return Content(series_of_headers(once), tuple(notes))


def series_of_headers(headers: Iterable[tuple[Path, Dataset]]) -> tuple[Series, ...]:
    """The image series that headers belong to, by series number; a series of several contrasts is as many.

    Parameters
    ----------
    headers : iterable of (Path, Dataset)
        Each with the path that messages call it by.

    Raises
    ------
    InputError
        A header lacks what every image has.

    Notes
    -----
    Objects that are no images (raw data, spectra, presentation states, reports) are passed over by their SOP class, whatever
    series they say they belong to: scanners export raw data in the series of the images made of them. So are pictures of the
    screen that a workstation saved in the series of a scan.
    """
    by_uid: dict[str, list[Frame]] = {}
    images = [(path, header) for path, header in headers if _is_image(header, path)]
    captures = set(_captures(images))
    for path, header in images:
        if path in captures:
            continue
        _check_whole(header, path)
        if header.Modality not in _NO_IMAGE:
            by_uid.setdefault(str(header.SeriesInstanceUID), []).extend(frames_of(path, header))
    series = [
        contrast
        for uid, frames in by_uid.items()
        for contrast in contrasts_of(Series(uid, tuple(frames), incomplete=_missing_part(frames)))
    ]
    return tuple(sorted(series, key=lambda entry: (entry.number("SeriesNumber") or 0, entry.uid)))


def _missing_part(frames: Sequence[Frame]) -> str:
    """What is missing of an image that was divided into several files (PS3.3, C.7.6.16.2.2); empty where nothing is."""
    parts: dict[str, set[int]] = {}
    counts: dict[str, int] = {}
    for frame in frames:
        if uid := frame.text("ConcatenationUID"):
            number, count = (number_of(frame.get(f"InConcatenation{what}")) or 0 for what in ("Number", "TotalNumber"))
            parts.setdefault(uid, set()).add(int(number))
            counts[uid] = max(counts.get(uid, 0), int(count))
    for uid, there in parts.items():
        # of the total number, which may be left out, or up to the last one that is there; they count from 1, with some from 0
        count = max(counts[uid], max(there) - min(1, *there) + 1)
        if len(there) < count:
            return f"holds {len(there)} of the {count} files that an image of it was divided into (concatenation)"
    return ""


def _is_directory(header: Dataset) -> bool:
    """A DICOMDIR, by whatever name."""
    return bool(header.file_meta.get("MediaStorageSOPClassUID") == "1.2.840.10008.1.3.10")


def _is_image(header: Dataset, path: Path) -> bool:
    sop_class = str(header.get("SOPClassUID") or "")
    stored_class = str(getattr(header, "file_meta", Dataset()).get("MediaStorageSOPClassUID") or "")
    known = UID(sop_class)
    # vendors' own classes have no name; those of images have rows
    is_image = known.name.endswith("Image Storage") if known.name != known else header.get("Rows") is not None
    # a slice cut within its class looks like an object of another class
    if not sop_class or (not is_image and (stored_class not in ("", sop_class) or not header.get("SOPInstanceUID"))):
        raise InputError(
            f"{path.name} is truncated or damaged: its SOPClassUID is {sop_class or 'missing'}. Export the series again, or "
            "remove that file."
        )
    return is_image


def _captures(images: Sequence[tuple[Path, Dataset]]) -> list[Path]:
    """The pictures of a screen, which have no place in the patient, among the images of a scan's series."""
    scans = {str(header.get("SeriesInstanceUID")) for _, header in images if header.SOPClassUID in (MR_IMAGE, *ENHANCED_MR)}
    return [
        path
        for path, header in images
        if f"{header.SOPClassUID}.".startswith(f"{_SECONDARY_CAPTURE}.")
        and str(header.get("SeriesInstanceUID")) in scans
        and not header.get("ImagePositionPatient")
    ]


def _each_once(headers: Sequence[tuple[Path, Dataset]]) -> tuple[list[tuple[Path, Dataset]], list[str]]:
    """Each instance once, and the names of the files that hold one again.

    An instance is what its UID says. Two files of one UID are one where nothing differs that numbers follow from.
    """
    first: dict[str, tuple[Path, Dataset]] = {}
    once, doubled = [], []
    for path, header in headers:
        uid = str(header.get("SOPInstanceUID") or "")
        if not uid or uid not in first:
            once.append((path, header))
            first[uid] = path, header
        elif _are_equal(first[uid], (path, header)):
            doubled.append(path.name)
        else:
            raise InputError(
                f"{first[uid][0].name} and {path.name} are one instance by their UID ({uid}) and differ, so one of them is "
                "wrong; remove that one."
            )
    return once, doubled


def _are_equal(one: tuple[Path, Dataset], other: tuple[Path, Dataset]) -> bool:
    if filecmp.cmp(one[0], other[0], shallow=False):
        return True
    texts, other_texts = ([[frame.text(key) for key in _DECIDING] for frame in frames_of(*file)] for file in (one, other))
    return texts == other_texts and np.array_equal(read_stored(one[0]), read_stored(other[0]))


def _shortened(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _check_whole(header: Dataset, path: Path) -> None:
    missing = [key for key in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality") if not header.get(key)]
    if missing:
        raise InputError(
            f"{path.name} is truncated or damaged: it has no {missing[0]}. Export the series again, or remove that file."
        )
