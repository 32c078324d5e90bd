"""Masks of inflammation that readers drew, found in a folder by their file names.

`<case>_inflammation_R<reader><reading>.nii.gz`
    as the authors publish them, in any folder below; reader and reading are one digit each. What lies under a folder whose name
    says `semi` (`inflammation_semi-automatic`, `Inflammation_semiautomatic_segmentation`) is semi-automatic, the rest manual.
`sub-<subject>[_ses-<visit>]_..._desc-[semi|manual]R<reader><reading>_mask.nii.gz`
    BIDS derivatives; `ses-baseline` or none, `ses-followup`; manual where `desc` does not say.

The visit is what the case's name ends in (`S01_follow_up`), else the table of the cohort says it, else it is the baseline.
Scans are `<case>_STIR.nii.gz`, or `sub-..._STIR.nii.gz` with the mask's subject and session, below the same folder or another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

MOST_FILES = 100_000
_PUBLISHED = re.compile(r"(?P<case>.+)_inflammation_R(?P<reader>\d)(?P<reading>[1-9])\.nii(\.gz)?")
_BIDS = re.compile(
    r"(?P<case>sub-(?P<subject>[A-Za-z0-9]+)(_ses-(?P<session>[A-Za-z0-9]+))?)(_[A-Za-z0-9]+-[A-Za-z0-9]+)*?"
    r"_desc-(?P<method>semi|manual)?R(?P<reader>\d)(?P<reading>[1-9])_mask\.nii(\.gz)?"
)
_STIR = re.compile(r"(?P<case>.+)_STIR\.nii(\.gz)?")
_BIDS_STIR = re.compile(r"(?P<case>sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?)(_[A-Za-z0-9]+-[A-Za-z0-9]+)*_STIR\.nii(\.gz)?")


@dataclass(frozen=True)
class ReaderMask:
    """One mask file. `case` is the id of the scan it lies on: `1007`, or `S01_follow_up`."""

    case: str
    reader: str
    reading: int
    method: str
    path: Path


def find_reader_masks(folder: Path) -> tuple[ReaderMask, ...]:
    """Every reader's mask below a folder, sorted.

    Raises
    ------
    InputError
        Two files of one reading, a session that is no visit, or a folder that cannot be read.
    """
    found: dict[tuple[str, str, int, str], ReaderMask] = {}
    for path in _files(folder):
        one = _mask_of(path, folder)
        if one is None:
            continue
        key = (one.case, one.reader, one.reading, one.method)
        if key in found:
            raise InputError(f"Two masks are of one reading: {found[key].path} and {path}; keep one.")
        found[key] = one
    return tuple(found[key] for key in sorted(found))


def find_stir(folder: Path) -> dict[str, Path]:
    """The STIR scans below a folder, by case.

    Raises
    ------
    InputError
        Two scans of one case.
    """
    found: dict[str, Path] = {}
    for path in _files(folder):
        bids = _BIDS_STIR.fullmatch(path.name)
        match = bids or _STIR.fullmatch(path.name)
        if match is None:
            continue
        case = _case_of_bids(path, match["case"]) if bids else match["case"]
        if case in found:
            raise InputError(f"Two STIR scans are of the case {case}: {found[case]} and {path}; keep one.")
        found[case] = path
    return found


def _files(folder: Path) -> Iterator[Path]:
    try:
        # hidden folders hold copies: of a server, of an unfinished write
        paths = sorted(
            path for path in folder.rglob("*.nii*") if not any(one.startswith(".") for one in path.relative_to(folder).parts)
        )
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror or error}); check the path and its permissions.") from error
    if len(paths) > MOST_FILES:
        raise InputError(
            f"{folder} holds {len(paths)} NIfTI files; at most {MOST_FILES} are looked through. Pass a smaller folder."
        )
    return iter(paths)


def _mask_of(path: Path, folder: Path) -> ReaderMask | None:
    bids = _BIDS.fullmatch(path.name)
    if bids is not None:
        method = "semi-automatic" if bids["method"] == "semi" else "manual"
        return ReaderMask(_case_of_bids(path, bids["case"]), f"R{bids['reader']}", int(bids["reading"]), method, path)
    match = _PUBLISHED.fullmatch(path.name)
    if match is None:
        return None
    above = path.relative_to(folder.parent).parts[:-1]
    method = "semi-automatic" if any("semi" in part.lower() for part in above) else "manual"
    return ReaderMask(match["case"], f"R{match['reader']}", int(match["reading"]), method, path)


def _case_of_bids(path: Path, name: str) -> str:
    """`sub-01_ses-followup` as the case `01_follow_up`."""
    subject, _, session = name.removeprefix("sub-").partition("_ses-")
    visits = {"": "", "baseline": "_baseline", "followup": "_follow_up"}
    if session.lower() not in visits:
        raise InputError(
            f"{path} is of the session {session!r}; ses-baseline and ses-followup are the visits of a cohort. Rename it."
        )
    return f"{subject}{visits[session.lower()]}"
