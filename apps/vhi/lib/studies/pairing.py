"""Cases in a folder: which file is the T1W and which the STIR series of a visit, and what waits for what.

Files are told apart by their names, in any subfolder:

`<case>_T1W.nii.gz` and `<case>_STIR.nii.gz`
    a flat folder, the shared-data layout (`images_study/T1W/...`) and a clone of the authors' repository
`<case>/t1w.nii.gz` and `<case>/stir.nii.gz`
    one folder per case, as `phantom` writes it

`.nii` will do too, and upper or lower case. Hidden folders, `truth`, `segmentations` and `labels` are not searched; links to
files are followed, links to folders are not. A file that is not whole yet waits: what is copied in is offered once it is there.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from ..core.volume import check_slices_last
from ..errors import InputError, UnknownImageError, may_pass
from .nifti import equalised_copy, header_is_plain, is_equalised, read_volume
from .nifti_geometry import Form

Role = Literal["T1W", "STIR"]
ROLES: tuple[Role, Role] = ("T1W", "STIR")
CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ARCHIVE = "archive"  # the name under which it waits that an archive cannot be asked
_IGNORED = {"truth", "segmentations", "labels"}
_SUFFIX = re.compile(r"\.nii(\.gz)?", re.IGNORECASE)
_GZIP_MAGIC = b"\x1f\x8b"
# by file: its version (size and time), and why that cannot be used, or None: a large archive is decompressed once at most
_Checked = dict[str, tuple[tuple[int, int], str | None]]


@dataclass(frozen=True)
class Archived:
    """Where the series of a case lie in an archive, by their UIDs."""

    study_uid: str
    t1w_uid: str
    stir_uid: str

    def series_uid(self, role: Role) -> str:
        return self.t1w_uid if role == "T1W" else self.stir_uid


@dataclass(frozen=True)
class Case:
    """The two series of one visit; they are known as `<case_id>_T1W` and `<case_id>_STIR`, in an archive by their UIDs as well.

    `t1w` and `stir` are NIfTI files. Those of a case that is `archived` are made when they are first needed, see `CaseSource`.
    """

    case_id: str
    t1w: Path
    stir: Path
    archived: Archived | None = None
    # of a blinded study: the UIDs of an archive lead to the patient; those that browsers are `shown` do not
    blinded: bool = False
    shown: Archived | None = None

    @property
    def viewed(self) -> Archived | None:
        """Its series by the UIDs that viewers in a browser know; None where none can show them."""
        return self.shown if self.blinded else self.archived

    def image_id(self, role: Role) -> str:
        """The id of the series in viewers."""
        return self.image_ids(role)[0]

    def image_ids(self, role: Role) -> tuple[str, ...]:
        """All names of the series; the one for viewers first."""
        own = (f"{self.case_id}_{role}",)
        if self.viewed is None:
            return own
        uid = self.viewed.series_uid(role)
        return (*own, uid) if self.blinded else (uid, *own)

    def path(self, role: Role) -> Path:
        return self.t1w if role == "T1W" else self.stir

    @property
    def paths(self) -> tuple[Path, Path]:
        """The files of its series, in the order of `ROLES`."""
        return self.t1w, self.stir

    @property
    def series_names(self) -> tuple[str, str]:
        """The ids of its series in viewers, in the order of `ROLES`."""
        return self.image_id("T1W"), self.image_id("STIR")


@dataclass(frozen=True)
class Waiting:
    """A file or a case that cannot be read by anyone yet, a sentence that says why, and what else it is called."""

    name: str
    reason: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseIndex:
    """The content of a folder: cases by id, and files that wait.

    `complete` is False where something may be away: no image at all, a folder that is empty or cannot be listed. What is not
    listed is then not known to be gone for good.
    """

    cases: tuple[Case, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    complete: bool = True

    @cached_property
    def _by_image(self) -> Mapping[str, tuple[Case, Role]]:
        return {name: (case, role) for case in self.cases for role in ROLES for name in case.image_ids(role)}

    @cached_property
    def _by_id(self) -> Mapping[str, Case]:
        return {case.case_id: case for case in self.cases}

    def of_image(self, image_id: str) -> tuple[Case, Role]:
        """The case of a series, and which of its two series it is.

        Raises
        ------
        UnknownImageError
        """
        case = self._by_image.get(image_id)
        if case is None:
            hint = self._hint(image_id)
            raise UnknownImageError(f"There is no image {_shown(image_id)} here{hint}; ask for the list of cases.")
        return case

    def case(self, case_id: str) -> Case:
        """A case by its id.

        Raises
        ------
        UnknownImageError
        """
        case = self._by_id.get(case_id)
        if case is None:
            raise UnknownImageError(f"There is no case {_shown(case_id)} here{self._hint(case_id)}; ask for the list of cases.")
        return case

    def why_waiting(self, study_uid: str) -> str:
        """Why a study of an archive is no case."""
        reasons = {waiting.name: waiting.reason for waiting in self.waiting}
        return (
            reasons.get(study_uid)
            or reasons.get(ARCHIVE)
            or ("The archive does not list this study as one with MR images: it is new, or was deleted, or holds none.")
        )

    def _hint(self, wanted: str) -> str:
        names = (wanted, wanted.rsplit("_", 1)[0])
        waits = next((waiting.reason for waiting in self.waiting if waiting.name in names or wanted in waiting.also), None)
        return f" yet ({waits.rstrip('.')})" if waits else ""


class CaseSource(Protocol):
    """Where cases come from: a folder, or an archive."""

    def find(self) -> CaseIndex:
        """The cases that are known now, at once.

        Raises
        ------
        InputError
            The source is gone for good.
        """

    def look(self, in_use: Callable[[str], bool]) -> int:
        """Learn what is new, which may take a while; how many studies are left to look at.

        Parameters
        ----------
        in_use : callable
            Whether something rests on the scans of a case: it stays what it is then.
        """

    def fetch(self, case: Case) -> None:
        """Make sure that both files of a case are there.

        Raises
        ------
        VhiError
            They cannot be had, or cannot be used.
        """

    def warnings(self, case: Case) -> tuple[str, ...]:
        """Warnings about the scans of a case that was fetched, for the reader of a result."""

    def patient(self, case: Case) -> str | None:
        """The patient's id; None where it is not known.

        Raises
        ------
        VhiError
            It cannot be asked for now.
        """

    def visits(self, case: Case) -> Mapping[str, str]:
        """The day (YYYY-MM-DD, "" where none is stated) of each case of the same patient by its id, this one among them.

        Empty where the patient is not known.

        Raises
        ------
        VhiError
            They cannot be asked for now.
        """

    def series_folder(self, case: Case, role: Role) -> Path:
        """The DICOM files of a series of a case that is archived.

        Raises
        ------
        VhiError
            They cannot be had, or there are none.
        """


@dataclass
class CaseFinder:
    """Looks through one folder again and again; a look at a folder that did not change costs its directory times only."""

    folder: Path
    form: Form | None = None
    _times: dict[str, int] = field(default_factory=dict)
    _checked: _Checked = field(default_factory=dict)
    _index: CaseIndex | None = None

    def find(self) -> CaseIndex:
        """The cases of the folder as of now.

        Raises
        ------
        InputError
            The folder is missing or cannot be listed.
        """
        times = self._directory_times()
        unfinished = self._index is None or any(reason for _, reason in self._checked.values())
        if self._index is None or unfinished or times != self._times:
            self._index = _index_of(self.folder, self._checked, self.form)
            self._times = times
        return self._index

    def look(self, in_use: Callable[[str], bool]) -> int:
        """Do nothing: `find` looks."""
        return 0

    def fetch(self, case: Case) -> None:
        """Nothing: the files are there."""

    def warnings(self, case: Case) -> tuple[str, ...]:
        """None: a file says nothing about itself but voxels and geometry."""
        return ()

    def patient(self, case: Case) -> str | None:
        """None: no file says whose it is."""
        return None

    def visits(self, case: Case) -> Mapping[str, str]:
        """None: no file says whose it is."""
        return {}

    def series_folder(self, case: Case, role: Role) -> Path:
        """Raises UnknownImageError: the scans are NIfTI files."""
        raise UnknownImageError(f"Case {_shown(case.case_id)} is of NIfTI files; there are no DICOM files of it.")

    def _directory_times(self) -> dict[str, int]:
        try:
            return {place: os.stat(place).st_mtime_ns for place, _ in _walk(self.folder)}
        except OSError as error:
            raise InputError(f"The folder of studies {self.folder} changes, or goes away ({error.strerror or error}).") from error


def find_cases(folder: Path, form: Form | None = None) -> CaseIndex:
    """The cases of a folder, sorted by id; with the transform that rules in files that carry two different ones.

    Raises
    ------
    InputError
        The folder is missing or cannot be listed.
    """
    return CaseFinder(Path(folder), form).find()


def _index_of(folder: Path, checked: _Checked, form: Form | None) -> CaseIndex:
    waiting: list[Waiting] = []
    series: dict[str, dict[Role, list[Path]]] = {}
    gaps: list[str] = []
    for path in _images(folder, gaps):
        named = _named(path, folder)
        if named is None:
            reason = "Its name ends neither with _T1W nor with _STIR, so its role is not known; rename it."
            waiting.append(Waiting(path.name, reason))
            continue
        case_id, role = named
        if not CASE_ID.fullmatch(case_id):
            reason = "Its case id may hold letters, digits, dots, dashes and underscores only, at most 64; rename it."
            waiting.append(Waiting(_shown(path.name), reason))
            continue
        series.setdefault(case_id, {}).setdefault(role, []).append(path)
    cases: list[Case] = []
    for case_id, by_role in sorted(series.items()):
        obstacle = _why_it_waits(by_role, folder, checked, form)
        if obstacle is None:
            cases.append(Case(case_id, by_role["T1W"][0], by_role["STIR"][0]))
        else:
            waiting.append(Waiting(case_id, obstacle))
    return CaseIndex(tuple(cases), tuple(sorted(waiting, key=lambda folder: folder.name)), bool(series) and not gaps)


def _why_it_waits(files: Mapping[Role, list[Path]], folder: Path, checked: _Checked, form: Form | None) -> str | None:
    for role in ROLES:
        if len(files.get(role, [])) > 1:
            places = " and ".join(str(path.relative_to(folder)) for path in files[role][:2])
            return f"Two files are its {role} series: {places}; keep one."
    for role in ROLES:
        if role not in files:
            return f"Its {role} series is missing; it is offered once both series are there."
    for role in ROLES:
        reason = _unusable(files[role][0], role, checked, form)
        if reason is not None:
            return reason
    return None


def _walk(folder: Path, gaps: list[str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Each folder with its files; `gaps` takes those that are empty or cannot be listed, as where a share is not mounted."""

    def refuse(error: OSError) -> None:
        if gaps is not None:
            gaps.append(str(error.filename))
        if error.filename is None or Path(error.filename) == folder:
            raise InputError(f"The folder of studies {folder} cannot be listed ({error.strerror or error}); check it.") from error

    for place, subfolders, files in os.walk(folder, onerror=refuse):
        if gaps is not None and not subfolders and not files:
            gaps.append(place)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith(".") and name.lower() not in _IGNORED)
        yield place, files


def _images(folder: Path, gaps: list[str]) -> Iterator[Path]:
    for place, files in _walk(folder, gaps):
        for name in sorted(files):
            if _SUFFIX.search(name) and not name.startswith(".") and _SUFFIX.sub("", name):
                yield Path(place, name)


def _named(path: Path, folder: Path) -> tuple[str, Role] | None:
    """Case id and role that a file name tells."""
    stem = _SUFFIX.sub("", path.name)
    for role in ROLES:
        if stem.upper() == role:
            return path.parent.name if path.parent != folder else folder.resolve().name, role
        if stem.upper().endswith(f"_{role}"):
            return stem[: -len(role) - 1], role
    return None


def _unusable(path: Path, role: Role, checked: _Checked, form: Form | None) -> str | None:
    """Why a file cannot be used, or None; the answer for one version of a file is kept, but for what may pass."""
    try:
        status = path.stat()
    except OSError as error:
        return f"Its {role} series cannot be read ({error.strerror or error})."
    version = (status.st_size, status.st_mtime_ns)
    known = checked.get(str(path))
    if known is None or known[0] != version:
        is_fine = _looks_whole(path, status.st_size) and not is_equalised(path) and equalised_copy(path) is None
        failure = None if is_fine else _read_error(path, role, form)
        if failure is not None and may_pass(failure):
            version = (-1, -1)  # that of no file: it is looked at again
        known = checked[str(path)] = version, None if failure is None else str(failure)
    return known[1]


def _read_error(path: Path, role: Role, form: Form | None) -> InputError | None:
    try:
        scan = read_volume(path, role, form)
        if role == "STIR":  # T1W is brought into its order
            check_slices_last(scan)
    except InputError as error:
        return error
    return None


def _looks_whole(path: Path, size: int) -> bool:
    """Whether the end of a file is where its header says; cheap, and False where that cannot be told.

    A gzip file ends with the length of what it holds, which a file that is still being copied almost never shows.
    """
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            head = gzip.GzipFile(fileobj=file).read(352) if compressed else file.read(352)
            file.seek(-4, os.SEEK_END)
            held = struct.unpack("<I", file.read(4))[0] if compressed else size
    except (OSError, EOFError, zlib.error, struct.error):
        return False
    if len(head) < 352 or head[344:347] != b"n+1":
        return False
    order = "<" if struct.unpack("<i", head[:4])[0] == 348 else ">"
    dims = struct.unpack(f"{order}8h", head[40:56])
    bits, offset = struct.unpack(f"{order}h", head[72:74])[0], struct.unpack(f"{order}f", head[108:112])[0]
    if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 1 or bits < 8:
        return False
    needed = int(offset) + bits // 8 * math.prod(dims[1 : dims[0] + 1])
    return bool(held == needed % 2**32) and header_is_plain(head)


def _shown(text: str) -> str:
    """A client's or file's text, short and printable, for a message."""
    clean = "".join(sign if sign.isprintable() else "?" for sign in text.encode("utf-8", "replace").decode("utf-8"))
    return repr(clean if len(clean) <= 80 else clean[:77] + "...")
