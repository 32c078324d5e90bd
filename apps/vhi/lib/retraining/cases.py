"""The cases of a folder of studies by the ids that its data folder knows them by, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lib.readings.finished import ALIASES
from lib.readings.folder import read_json
from lib.retraining.folder import RetrainingFolder
from lib.retraining.holdout import PATIENTS, patients_of_table
from lib.studies.pairing import Case, CaseSource


def public_cases(source: CaseSource, data: Path) -> tuple[Case, ...]:
    """The cases of a source; under their aliases where the data folder is of a blinded study.

    Raises
    ------
    InputError
        The source is gone, or the data folder is damaged.
    """
    names = {str(case): str(alias) for alias, case in (read_json(data / ALIASES) or {}).items()}
    return tuple(replace(case, case_id=names.get(case.case_id, case.case_id)) for case in source.find().cases)


def patients_of(data: Path) -> Callable[[str], str]:
    """From a case's public id to the patient's id, by `retraining/patients.csv` in the data folder.

    Raises
    ------
    InputError
        The table cannot be used.
    """
    names = read_json(data / ALIASES) or {}
    table = patients_of_table(RetrainingFolder(data).root / PATIENTS)
    return lambda case_id: table(str(names.get(case_id, case_id)))
