"""Survey of a folder of studies: which series would be taken for T1W and STIR, why, and what is missing.

The pairs are those that `measure`, `batch` and a server find, by the same code. Nothing is measured, and of DICOM series only
headers are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.volume import check_same_grid
from ..errors import InputError
from .dicom_content import find_series
from .dicom_frames import Series
from .dicom_mark import is_dicom
from .dicom_pairing import find_pair
from .dicom_series import info_of
from .pairing import Case, find_cases
from .pairing_rules import PairingRules
from .scan_pair import read_pair


@dataclass(frozen=True)
class StudyCheck:
    """One study or case.

    Parameters
    ----------
    study : str
        Study Instance UID, or the id of a case that is NIfTI files.
    patient, date : str
        As DICOM headers give them, else empty.
    t1w, stir : str or None
        What would be taken; None where there is no pair.
    why : tuple of str
        What the choice rests on, and what the reader of a result would be warned of.
    missing : str or None
        Why it cannot be measured; None where it can.
    series : tuple of str
        Every image series of a DICOM study.
    """

    study: str
    patient: str = ""
    date: str = ""
    t1w: str | None = None
    stir: str | None = None
    why: tuple[str, ...] = ()
    missing: str | None = None
    series: tuple[str, ...] = ()


def check_folder(folder: Path, rules: PairingRules | None = None) -> tuple[StudyCheck, ...]:
    """The cases of NIfTI files and the DICOM studies of a folder.

    Raises
    ------
    InputError
        The folder cannot be listed, or holds neither.
    """
    index = find_cases(folder)
    checks = [_check_case(case, folder) for case in index.cases]
    checks += [StudyCheck(waiting.name, missing=waiting.reason) for waiting in index.waiting]
    series, broken = _dicom_series(folder)
    studies: dict[str, list[Series]] = {}
    for member in series:
        studies.setdefault(member.first.text("StudyInstanceUID"), []).append(member)
    checks += [check_study(uid, studies[uid], rules or PairingRules()) for uid in studies]
    checks += broken
    if not checks:
        raise InputError(f"{folder} holds neither NIfTI scans nor DICOM studies; pass the folder of the studies.")
    return tuple(checks)


def check_study(uid: str, series: Sequence[Series], rules: PairingRules) -> StudyCheck:
    """One DICOM study, from the headers of its series."""
    first = series[0].first
    listed = tuple(str(info_of(member)) for member in series)
    patient, date = first.text("PatientID"), first.text("StudyDate")
    try:
        t1w, stir, warnings = find_pair(series, rules)
    except InputError as error:
        return StudyCheck(uid, patient, date, missing=str(error), series=listed)
    why = tuple(
        f"{role}: {sum(rule.fits(member) for member in series)} of {len(series)} series fit ({rule})"
        for role, rule in (("T1W", rules.t1w), ("STIR", rules.stir))
    )
    return StudyCheck(uid, patient, date, str(t1w.info), str(stir.info), (*why, *warnings), series=listed)


def _check_case(case: Case, folder: Path) -> StudyCheck:
    names = [str(path.relative_to(folder)) for path in (case.t1w, case.stir)]
    try:
        pair = read_pair(case.t1w, case.stir)
        check_same_grid(pair.t1w, pair.stir)
    except InputError as error:
        return StudyCheck(case.case_id, t1w=names[0], stir=names[1], missing=str(error))
    return StudyCheck(case.case_id, t1w=names[0], stir=names[1], why=("by the names of the files", *pair.warnings))


def _dicom_series(folder: Path) -> tuple[list[Series], list[StudyCheck]]:
    """Image series below a folder; a part that cannot be read does not hide the others."""
    series: list[Series] = []
    broken: list[StudyCheck] = []
    for part in _parts(folder):
        if not _holds_dicom(part):
            continue
        try:
            series += find_series(part, part.name).series
        except InputError as error:
            broken.append(StudyCheck(str(part.relative_to(folder.parent)), missing=str(error)))
    return _joined(series), broken


def _parts(folder: Path) -> list[Path]:
    """The subfolders, or the folder itself where DICOM files lie in it."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return (
        [folder]
        if any(is_dicom(entry) for entry in entries if entry.is_file())
        else [entry for entry in entries if entry.is_dir()]
    )


def _holds_dicom(folder: Path) -> bool:
    return any(is_dicom(path) for path in folder.rglob("*") if path.is_file())


def _joined(series: Iterable[Series]) -> list[Series]:
    """Series whose files lie in several subfolders, whole."""
    by_uid: dict[str, Series] = {}
    for member in series:
        before = by_uid.get(member.uid)
        by_uid[member.uid] = member if before is None else Series(member.uid, (*before.frames, *member.frames))
    return list(by_uid.values())
