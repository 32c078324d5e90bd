"""Survey of an archive: the cases that a server would find there, and why other studies are none."""

from __future__ import annotations

from ..studies.survey import StudyCheck
from .archive_cases import PacsCases
from .client import SearchEntry
from .register import ArchivedStudy


def check_archive(cases: PacsCases) -> tuple[StudyCheck, ...]:
    """Every MR study of an archive, by its headers; nothing is downloaded or measured.

    Raises
    ------
    ArchiveError
        The archive cannot be asked.
    """
    while cases.look(lambda _: False):
        pass
    return tuple(_check(study, cases) for study in sorted(cases.register.all(), key=lambda study: (study.date, study.uid)))


def _check(study: ArchivedStudy, cases: PacsCases) -> StudyCheck:
    series = {header.series_uid: _shown(header) for header in cases.archive.series(study.uid) if header.modality == "MR"}
    studies = cases.archive.studies(fields=("PatientID",), StudyInstanceUID=study.uid)
    patient = next((entry.text("PatientID") for entry in studies), "")
    case = cases.case_of(study)
    if case is None or case.archived is None or study.pair is None:
        missing = next(
            (waiting.reason for waiting in cases.find().waiting if waiting.name == study.uid), "It was not looked at yet."
        )
        return StudyCheck(study.uid, patient, study.date, missing=missing, series=tuple(series.values()))
    t1w, stir = (series.get(uid, uid) for uid in (case.archived.t1w_uid, case.archived.stir_uid))
    why = (f"T1W: {cases.rules.t1w}", f"STIR: {cases.rules.stir}", *study.pair.warnings)
    return StudyCheck(study.uid, patient, study.date, t1w, stir, why, series=tuple(series.values()))


def _shown(entry: SearchEntry) -> str:
    number, description = entry.text("SeriesNumber"), entry.text("SeriesDescription") or "without description"
    return f"{number} {description!r} ({entry.series_uid})".strip()
