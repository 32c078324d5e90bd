"""Masks of inflammation that readers drew, found in a folder by their file names.

`<case>_inflammation_R<reader>[<reading>][_LT].nii.gz`
    as the authors publish them, in any folder below; reader and reading are one digit each, the first reading where there is
    none. `_LT` is what lies above the lower (sensitive) threshold; a file of the same reading without it is then the map of both
    thresholds (0, 1 sensitive, 2 conservative). `_LT` is semi-automatic; of other files the nearest folder above whose name says
    `semi`, `two thresholds` or `manual` tells the method, and without one they are manual.
`sub-<subject>[_ses-<visit>]_..._desc-[semi|manual]R<reader><reading>_mask.nii.gz`
    BIDS derivatives; `ses-baseline` or none, `ses-followup`; manual where `desc` does not say.

The visit is what the case's name ends in (`S01_follow_up`), else the table of the cohort says it, else it is the baseline.
Scans are `<case>_STIR.nii.gz`, or `sub-..._STIR.nii.gz` with the mask's subject and session, below the same folder or another.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.volume import Mask, check_same_grid
from ..errors import InputError
from .nifti import read_labels

MOST_FILES = 100_000
IMAGE_SUFFIXES = (".nii", ".nii.gz", ".nii.bz2", ".nii.xz", ".nii.zip", ".nrrd", ".mha", ".mhd", ".hdr", ".img", ".mgz", ".mgh")
_PUBLISHED = re.compile(r"(?P<case>.+)_inflammation_R(?P<reader>\d)(?P<reading>[1-9])?(?P<lower>_LT)?\.nii(\.gz)?")
_METHOD_WORDS = re.compile(r"(?P<semi>semi|two[ _-]?thresholds?)|manual", re.IGNORECASE)
_BIDS = re.compile(
    r"(?P<case>sub-(?P<subject>[A-Za-z0-9]+)(_ses-(?P<session>[A-Za-z0-9]+))?)(_[A-Za-z0-9]+-[A-Za-z0-9]+)*?"
    r"_desc-(?P<method>semi|manual)?R(?P<reader>\d)(?P<reading>[1-9])_mask\.nii(\.gz)?"
)
_STIR = re.compile(r"(?P<case>.+)_STIR\.nii(\.gz)?")
_BIDS_STIR = re.compile(r"(?P<case>sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?)(_[A-Za-z0-9]+-[A-Za-z0-9]+)*_STIR\.nii(\.gz)?")


@dataclass(frozen=True)
class ReaderMask:
    """One reading's files. `case` is the id of the scan it lies on: `1007`, or `S01_follow_up`.

    `path` holds the inflammation of the reading: 0 and 1, or 0, 1 (sensitive) and 2 (conservative threshold).
    `two_thresholds` is the map of both thresholds where that is a file of its own.
    """

    case: str
    reader: str
    reading: int
    method: str
    path: Path
    two_thresholds: Path | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.case} reader {self.reader} reading {self.reading}"


def find_reader_masks(folder: Path) -> tuple[ReaderMask, ...]:
    """Every reading below a folder, sorted.

    Raises
    ------
    InputError
        Two files of one reading, a session that is no visit, or a folder that cannot be read.
    """
    masks: dict[tuple[str, str, int, str], ReaderMask] = {}
    for path in _files(folder):
        mask = _mask_of(path, folder)
        if mask is not None:
            key = (mask.case, mask.reader, mask.reading, mask.method)
            masks[key] = _joined(masks[key], mask) if key in masks else mask
    return tuple(masks[key] for key in sorted(masks))


def _joined(known: ReaderMask, other: ReaderMask) -> ReaderMask:
    """Two files of one reading: one above the lower threshold alone, the other of both thresholds."""
    lower = [mask for mask in (known, other) if _is_lower(mask.path)]
    if len(lower) != 1 or known.two_thresholds is not None:
        raise InputError(f"Two masks are of one reading: {known.path} and {other.path}; keep one.")
    both = other if lower[0] is known else known
    return replace(lower[0], two_thresholds=both.path)


def _is_lower(path: Path) -> bool:
    match = _PUBLISHED.fullmatch(path.name)
    return match is not None and match["lower"] is not None


def read_inflammation(reading: ReaderMask) -> tuple[Mask, Mask | None, str]:
    """The inflammation that a reading marks.

    Returns
    -------
    inflammation : Mask
        At or above the sensitive threshold, or drawn by hand.
    conservative : Mask or None
        At or above the conservative threshold as well; None where the reading has one threshold.
    note : str
        Where the two files of a reading differ, what was done about it; else empty.

    Raises
    ------
    InputError
        A file that cannot be read, or holds other values than 0, 1 and 2.
    GridMismatchError
        The two files of a reading lie on different grids.
    """
    inflammation, conservative = _graded(reading.path, reading.name)
    if reading.two_thresholds is None:
        return inflammation, conservative, ""
    either, conservative = _graded(reading.two_thresholds, reading.name)
    check_same_grid(inflammation, either)
    apart = int(np.count_nonzero(inflammation.data ^ either.data))
    if not apart:
        return inflammation, conservative, ""
    note = (
        f"{reading.name}: {reading.path.name} and {reading.two_thresholds.name} differ in {apart} voxels; the first counts, and "
        "the reading has no conservative volume."
    )
    return inflammation, None, note


def _graded(path: Path, name: str) -> tuple[Mask, Mask | None]:
    labels, grid = read_labels(path, name)
    highest = int(labels.max(initial=0))
    if highest > 2:
        raise InputError(
            f"{name} ({path.name}) holds values up to {highest}; a reader's mask holds 0 and 1, or 0, 1 and 2 for two "
            "thresholds. Export the segment of inflammation alone."
        )
    label = f"{name} ({path.name})"
    return Mask(labels > 0, grid, label), Mask(labels == 2, grid, label) if highest == 2 else None


@dataclass(frozen=True)
class PassedOver:
    """A file below the folder that no reading was taken from; `path` is relative to the folder."""

    path: Path
    why: str


_OTHER_CONTENT = (
    (re.compile(r"disease_region", re.IGNORECASE), "disease region"),
    (re.compile(r"normal_(marrow|bone)", re.IGNORECASE), "normal bone"),
    (re.compile(r"_T1W\b|_T1W[._]", re.IGNORECASE), "T1W scan"),
    (
        re.compile(r"inflammation", re.IGNORECASE),
        "its name gives no reader; <case>_inflammation_R<reader>[<reading>][_LT].nii.gz is read",
    ),
)


def passed_over(folder: Path, readings: Collection[ReaderMask], scans: Collection[Path]) -> tuple[PassedOver, ...]:
    """Image files below a folder that are neither of `readings` nor `scans`, with the reason, sorted.

    Raises
    ------
    InputError
        The folder cannot be read.
    """
    read = {path for reading in readings for path in (reading.path, reading.two_thresholds)} | set(scans)
    return tuple(
        PassedOver(path.relative_to(folder), _why_not(path)) for path in _files(folder, IMAGE_SUFFIXES) if path not in read
    )


def _why_not(path: Path) -> str:
    named = (why for pattern, why in _OTHER_CONTENT if pattern.search(path.name))
    return next(named, "its name is neither that of a reader's mask nor that of a STIR scan")


def find_stir(folder: Path) -> dict[str, Path]:
    """The STIR scans below a folder, by case.

    Raises
    ------
    InputError
        Two scans of one case.
    """
    scans: dict[str, Path] = {}
    for path in _files(folder):
        bids = _BIDS_STIR.fullmatch(path.name)
        match = bids or _STIR.fullmatch(path.name)
        if match is None:
            continue
        case = _case_of_bids(path, match["case"]) if bids else match["case"]
        if case in scans:
            raise InputError(f"Two STIR scans are of the case {case}: {scans[case]} and {path}; keep one.")
        scans[case] = path
    return scans


def _files(folder: Path, suffixes: tuple[str, ...] = (".nii", ".nii.gz")) -> Iterator[Path]:
    try:
        # hidden folders hold copies: of a server, of an unfinished write
        paths = sorted(
            path
            for path in folder.rglob("*")
            if path.name.lower().endswith(suffixes) and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror or error}); check the path and its permissions.") from error
    if len(paths) > MOST_FILES:
        raise InputError(f"{folder} holds {len(paths)} images; at most {MOST_FILES} are looked through. Pass a smaller folder.")
    return iter(paths)


def _mask_of(path: Path, folder: Path) -> ReaderMask | None:
    bids = _BIDS.fullmatch(path.name)
    if bids is not None:
        method = "semi-automatic" if bids["method"] == "semi" else "manual"
        return ReaderMask(_case_of_bids(path, bids["case"]), f"R{bids['reader']}", int(bids["reading"]), method, path)
    match = _PUBLISHED.fullmatch(path.name)
    if match is None:
        return None
    folders = reversed(path.relative_to(folder.parent).parts[:-1])
    method_word = next(filter(None, map(_METHOD_WORDS.search, folders)), None)
    method = "semi-automatic" if match["lower"] or (method_word and method_word["semi"]) else "manual"
    return ReaderMask(match["case"], f"R{match['reader']}", int(match["reading"] or 1), method, path)


def _case_of_bids(path: Path, name: str) -> str:
    """`sub-01_ses-followup` as the case `01_follow_up`."""
    subject, _, session = name.removeprefix("sub-").partition("_ses-")
    visits = {"": "", "baseline": "_baseline", "followup": "_follow_up"}
    if session.lower() not in visits:
        raise InputError(
            f"{path} is of the session {session!r}; ses-baseline and ses-followup are the visits of a cohort. Rename it."
        )
    return f"{subject}{visits[session.lower()]}"
