"""The files in a clone of the authors' repository, found by names and content wherever the folders are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError, VhiError
from ..studies.reader_masks import PassedOver, ReaderMask, find_reader_masks
from .texts import PublishedText, read_published_text

MOST_FILES = 100_000
_SCAN = re.compile(r"(?P<case>[^_]+)_(?P<what>T1W|STIR|disease_region|normal_marrow)\.nii(\.gz)?", re.IGNORECASE)
_NETWORK = re.compile(r".+\.(pt|pth)", re.IGNORECASE)
_TEXT = re.compile(r".+\.(txt|csv|dat)", re.IGNORECASE)
_AUTOMATIC = re.compile(r"automatic", re.IGNORECASE)
_TEST = re.compile(r"test", re.IGNORECASE)
_ADDITIONAL = re.compile(r"additional", re.IGNORECASE)
_NUMBERS = re.compile(r".+\.(nii|nii\.gz|pt|pth|txt|csv|dat|npy|npz|h5|hdf5|mat|xlsx?)", re.IGNORECASE)
_POINTER = b"version https://git-lfs"


@dataclass
class Clone:
    """The files of a clone by what they are; scans and masks by the id of their scan.

    `regions` are the manual disease regions, `use` what each is for in the paper: "study" (the eight that trained), "test" or
    "additional" (the atypical ones). `automatic_regions` are answers of the authors' networks.
    """

    folder: Path
    readings: tuple[ReaderMask, ...] = ()
    t1w: dict[str, Path] = field(default_factory=dict)
    stir: dict[str, Path] = field(default_factory=dict)
    regions: dict[str, Path] = field(default_factory=dict)
    use: dict[str, str] = field(default_factory=dict)
    automatic_regions: dict[str, Path] = field(default_factory=dict)
    normal_bone: dict[str, Path] = field(default_factory=dict)
    networks: list[Path] = field(default_factory=list)
    texts: list[PublishedText] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)

    def text(self, kind: str, of: str = "") -> PublishedText | None:
        """The table of a kind about something; None where it is not in the clone."""
        return next((text for text in self.texts if (text.kind, text.of) == (kind, of)), None)

    def leave(self, path: Path, why: str) -> None:
        """Note a file that nothing is taken from."""
        relative = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        self.passed_over.append(PassedOver(relative, why))


def find_clone(folder: Path) -> Clone:
    """Everything in a clone that numbers can be taken from.

    Parameters
    ----------
    folder : Path
        The clone, or any folder with files of the same names.

    Raises
    ------
    InputError
        No such folder, nothing in it that the authors publish, or two masks of one reading.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; pass a clone of the authors' repository.")
    clone = Clone(folder)
    clone.readings = find_reader_masks(folder)
    read = {path for reading in clone.readings for path in (reading.path, reading.two_thresholds) if path is not None}
    for path in _files(folder):
        if path not in read:
            _sort_in(path, clone)
    clone.networks.sort()
    if not (clone.readings or clone.texts or clone.t1w):
        raise InputError(
            f"{folder} holds none of the files that the authors publish: no <id>_inflammation_R11.nii.gz, no <id>_T1W.nii.gz, no "
            "tables of numbers. Pass a clone of their repository (docs/reproduce.md)."
        )
    return clone


def _files(folder: Path) -> Iterator[Path]:
    try:
        paths = sorted(
            path
            for path in folder.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror or error}); check the path and its permissions.") from error
    if len(paths) > MOST_FILES:
        raise InputError(f"{folder} holds {len(paths)} files; at most {MOST_FILES} are looked through. Pass the clone alone.")
    return iter(paths)


def _sort_in(path: Path, clone: Clone) -> None:
    """One file to its place, or to those that are passed over if it could hold numbers."""
    scan = _SCAN.fullmatch(path.name)
    if scan is not None:
        _sort_scan(path, scan["case"], scan["what"].lower(), clone)
    elif _NETWORK.fullmatch(path.name):
        clone.networks.append(path)
    elif _TEXT.fullmatch(path.name):
        _sort_text(path, clone)
    elif _NUMBERS.fullmatch(path.name):
        clone.leave(path, "its name is none that the authors give to scans, masks or tables")


def _sort_scan(path: Path, case: str, kind: str, clone: Clone) -> None:
    places = {"t1w": clone.t1w, "stir": clone.stir, "normal_marrow": clone.normal_bone, "disease_region": clone.regions}
    folders = " ".join(path.relative_to(clone.folder).parts[:-1])
    place = places[kind]
    if kind == "disease_region" and _AUTOMATIC.search(folders):
        place = clone.automatic_regions
    if is_pointer(path):
        clone.leave(path, "a pointer of Git LFS in place of the file; fetch it with git lfs pull")
    elif case in place:
        clone.leave(path, f"a second file of {case}; {place[case].relative_to(clone.folder)} is read")
    else:
        place[case] = path
        if place is clone.regions:
            clone.use[case] = "test" if _TEST.search(folders) else "additional" if _ADDITIONAL.search(folders) else "study"


def _sort_text(path: Path, clone: Clone) -> None:
    try:
        text = read_published_text(path)
    except VhiError as error:
        clone.leave(path, str(error))
        return
    if text is None:
        clone.leave(path, "its comments name none of the authors' tables")
        return
    known = clone.text(text.kind, text.of)
    if known is None:
        clone.texts.append(text)
    else:
        clone.leave(path, f"a second table of the same; {known.path.relative_to(clone.folder)} is read")


def is_pointer(path: Path) -> bool:
    """Whether a file is what Git LFS leaves where a clone has not fetched it.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check the clone and its permissions.") from error
