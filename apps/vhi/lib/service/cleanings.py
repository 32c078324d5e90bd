"""Readers' submissions as training data of the cleaning proposal: every reading for itself, those of two readers both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..cleaning.table import LesionTable, tables_of
from ..core.pipeline import VhiResult
from ..core.segment_names import INFLAMMATION
from ..core.settings import VhiSettings
from ..errors import VhiError
from ..post_transforms import settings_of_stored
from ..readings.store import ReadingStore
from ..readings.submission import Submission

Measure = Callable[[Submission, VhiSettings], VhiResult]


@dataclass(frozen=True)
class Cleanings:
    """Tables to learn from, and a sentence for each submission that nothing can be learnt from."""

    tables: tuple[LesionTable, ...]
    left_out: tuple[str, ...]


def submitted_cleanings(
    readings: ReadingStore, measure: Measure, patient_of: Callable[[str], str] = lambda case: case
) -> Cleanings:
    """The newest cleaning of every reader and reading.

    Parameters
    ----------
    readings : ReadingStore
    measure : callable
        The automatic result that a submission cleaned: from the regions of its reader, with these settings.
    patient_of : callable
        Case id to patient.
    """
    tables: list[LesionTable] = []
    left_out: list[str] = []
    for case in readings.cases():
        newest: dict[tuple[str, int], Submission] = {}
        for submission in readings.of_case(case):
            if submission.segment(INFLAMMATION) is not None and submission.method == "semi-automatic":
                newest[submission.reader, submission.reading] = submission
        for submission in newest.values():
            try:
                tables.extend(_tables(readings, measure, submission, patient_of(case)))
            except VhiError as error:
                left_out.append(f"{case}, submission {submission.submission_id}, is not learnt: {error}")
    return Cleanings(tuple(tables), tuple(left_out))


def _tables(readings: ReadingStore, measure: Measure, submission: Submission, patient: str) -> tuple[LesionTable, ...]:
    result = measure(submission, settings_of_stored(submission.settings))
    mask = readings.read_segment(submission, INFLAMMATION)
    if mask is None or not _is_of(result, submission.changes.get(INFLAMMATION) or {}):
        raise _Moved("its regions were changed since, so that its lesions are no longer the ones that were cleaned.")
    return tables_of(result, [(f"{submission.reader}/{submission.reading}", mask)], submission.case_id, patient)


class _Moved(VhiError):
    """The automatic result is no longer the one that was cleaned."""


def _is_of(result: VhiResult, changes: dict[str, Any]) -> bool:
    edited = {lesion for lesion, _ in changes.get("boundary_edits", ())}
    decided = {*changes.get("lesions_kept", ()), *changes.get("lesions_removed", ()), *edited}
    return decided == {lesion.id for lesion in result.lesions}
