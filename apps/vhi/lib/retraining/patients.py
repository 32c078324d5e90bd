"""The cases of a folder of studies by the ids that its data folder knows them by, and whose they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ..readings.finished import ALIASES
from ..records import read_json
from ..studies.pairing import Case, CaseSource
from .holdout import PATIENTS, patients_of_table
from .retraining_folder import RetrainingFolder


def public_cases(source: CaseSource, data: Path) -> tuple[Case, ...]:
    """The cases of a source; under their aliases where the data folder is of a blinded study.

    Raises
    ------
    InputError
        The source is gone, or the data folder is damaged.
    """
    names = {str(case): str(alias) for alias, case in (read_json(data / ALIASES) or {}).items()}
    return tuple(replace(case, case_id=names.get(case.case_id, case.case_id)) for case in source.find().cases)


def patients_of(data: Path, source: CaseSource | None = None, cases: Sequence[Case] = ()) -> Callable[[str], str]:
    """The patient of a case's public id: by `retraining/patients.csv` in the data folder, else as the source knows it.

    Where neither tells, a case is a patient of its own. Each case is asked for once.

    Parameters
    ----------
    data : Path
    source : CaseSource, optional
        Not asked when absent.
    cases : sequence of Case
        By the ids that the data folder knows them by.

    Raises
    ------
    InputError
        The table cannot be used.
    """
    names = read_json(data / ALIASES) or {}
    by_id = {str(names.get(case.case_id, case.case_id)): case for case in cases}

    @cache
    def known_to_source(case_id: str) -> str:
        return (source.patient(by_id[case_id]) if source is not None and case_id in by_id else None) or case_id

    table = patients_of_table(RetrainingFolder(data).root / PATIENTS, known_to_source)
    return lambda case_id: table(str(names.get(case_id, case_id)))


@dataclass(frozen=True)
class StudyCases:
    """The cases of a source by the ids that a data folder knows them by, and whose they are.

    `patient_of` gives the id of a case's patient.
    """

    source: CaseSource
    cases: Sequence[Case]
    patient_of: Callable[[str], str]

    @classmethod
    def of(cls, data: Path, source: CaseSource, cases: Sequence[Case] | None = None) -> StudyCases:
        """All cases of the source, or those that are named.

        Raises
        ------
        InputError
            The source is gone, the data folder is damaged, or its table of patients cannot be used.
        """
        named = public_cases(source, data) if cases is None else cases
        return cls(source, named, patients_of(data, source, named))
