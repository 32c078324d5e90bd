"""Which patients no version ever learns: decided by the patient's id alone, and written down."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from ..csv_tables import parse_table_text, read_table_text
from ..errors import DamagedError, InputError
from ..readings.data_folder import make_folder
from ..records import read_json, write_json

Side = Literal["train", "holdout"]
FILE, PATIENTS = "holdout.json", "patients.csv"


class HoldOut:
    """The sides that patients were given, in one file: what stands there is never changed.

    `holdout.json` holds, under `patients`, a digest of each patient's id and the side, and under `cases` the digest of each case.

    Parameters
    ----------
    root : Path
        The folder of retraining.
    share : float
        Of the patients who are not written down yet.
    """

    def __init__(self, root: Path, share: float) -> None:
        self.root, self.share = root, share

    def side(self, case_id: str, patient_of: Callable[[str], str]) -> Side:
        """The side of a case, the same for all visits of a patient; nothing is written.

        Parameters
        ----------
        case_id : str
        patient_of : callable
            Asked for the patient's id where the case is not written down yet.

        Raises
        ------
        VhiError
            The file is damaged, or the patient's id cannot be had.
        """
        written = self._read()
        digest = written["cases"].get(case_id) or digest_of(patient_of(case_id))
        return self._side(written, case_id, digest)

    def write_down(self, patients: Mapping[str, str]) -> dict[str, Side]:
        """Give sides to cases, for good.

        Parameters
        ----------
        patients : mapping
            Case id to patient id.

        Raises
        ------
        InputError
            The file is damaged, or a case was written down for another patient.
        OutputError
        """
        written = self._read()
        sides: dict[str, Side] = {}
        for case_id, patient in patients.items():
            sides[case_id] = self._side(written, case_id, digest_of(patient))
            written["patients"][digest_of(patient)] = sides[case_id]
            written["cases"][case_id] = digest_of(patient)
        make_folder(self.root)
        write_json(self.root / FILE, written)
        return sides

    def _side(self, written: Mapping[str, dict[str, str]], case_id: str, digest: str) -> Side:
        before = written["cases"].get(case_id, digest)
        if before != digest:
            raise InputError(
                f"Case {case_id} was written down in {self.root / FILE} for another patient than it has now. A patient's visits "
                f"must stay on one side: correct {PATIENTS}, or remove the case's line from that file if it was wrong there."
            )
        known = written["patients"].get(digest)
        if known is not None:
            return "holdout" if known == "holdout" else "train"
        return "holdout" if int(digest[:8], 16) < self.share * 2**32 else "train"

    def _read(self) -> dict[str, dict[str, str]]:
        content = read_json(self.root / FILE, patients=dict, cases=dict) or {}
        if not all(isinstance(one, str) for name in ("patients", "cases") for one in content.get(name, {}).values()):
            raise DamagedError(self.root / FILE, "it names sides and patients that are no texts")
        return {"patients": dict(content.get("patients", {})), "cases": dict(content.get("cases", {}))}


def digest_of(patient: str) -> str:
    """A hash that stands for a patient's id in files."""
    return hashlib.sha256(f"vhi hold-out {patient}".encode()).hexdigest()[:24]


def patients_of_table(path: Path, otherwise: Callable[[str], str] = str) -> Callable[[str], str]:
    """Who the patient of a case is, by a table with the columns `case` and `patient`.

    Parameters
    ----------
    path : Path
        CSV; there need not be one.
    otherwise : callable
        Asked for a case that is not in it; by default such a case is a patient of its own.

    Raises
    ------
    InputError
        It is no such table, or gives one case two patients.
    """
    if not path.exists():
        return otherwise
    content = parse_table_text(read_table_text(path), path.name, may_be_short=True)
    if not {"case", "patient"} <= set(content.header):
        raise InputError(f"{path} is no table with the columns case and patient ({', '.join(content.header)}); correct it.")
    table: dict[str, str] = {}
    for _, row in content.rows():
        case_id, patient = row["case"], row["patient"]
        if not patient or table.setdefault(case_id, patient) != patient:
            raise InputError(f"{path} names no patient, or two, for case {case_id}; correct it.")
    return lambda case_id: table.get(case_id) or otherwise(case_id)
