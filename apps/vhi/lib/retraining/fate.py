"""The fate of each submission: learnt, held out, set aside, waiting, taken back; for its reader and for pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .retraining_folder import UNCHECKED, RetrainingFolder

State = Literal["learnt", "hold-out", "set aside", "waits", "taken back"]


@dataclass(frozen=True)
class Fate:
    """The outcome of a reader's region in retraining.

    Parameters
    ----------
    case_id : str
    submission_id : str
        Unique within the case.
    state : str
    version : str or None
        Of `learnt`: the version that first learnt it here.
    reason : str
        One sentence or more, for its reader.
    """

    case_id: str
    submission_id: str
    state: State
    version: str | None
    reason: str


def fate_key(case_id: str, submission_id: str) -> str:
    """The key of a submission in what `fates` returns."""
    return f"{case_id}/{submission_id}"


def fates(folder: RetrainingFolder) -> dict[str, Fate]:
    """By `fate_key` what became of every submission that a session looked at; one that is not there waits for the next."""
    known = (_fate(record) for record in folder.checks())
    return {fate_key(fate.case_id, fate.submission_id): fate for fate in known}


def fate_of(folder: RetrainingFolder, case_id: str, submission_id: str) -> Fate | None:
    """The fate of one submission; None where no session looked at it."""
    record = folder.check_of(case_id, submission_id)
    return None if record is None else _fate(record)


def note_fate(folder: RetrainingFolder, fate: Fate, label_id: str) -> None:
    """Write down what became of a submission, beside the result of its check."""
    record = folder.check_of(fate.case_id, fate.submission_id) or {
        "case": fate.case_id,
        "submission": fate.submission_id,
        "label_id": label_id,
        "state": UNCHECKED,
        "reasons": [],
    }
    fields = {name: value for name, value in asdict(fate).items() if name in ("state", "version", "reason")}
    folder.note_check({**record, "fate": fields})


def _fate(record: Mapping[str, Any]) -> Fate:
    """The word of the check comes before that of a session: an administrator may have decided since."""
    named = str(record["case"]), str(record["submission"])
    if record["state"] == "held":
        return Fate(*named, "set aside", None, " ".join(record["reasons"]))
    if record["state"] == "taken back":
        return Fate(*named, "taken back", None, "An administrator took it back; no session from now on learns it.")
    noted = record.get("fate")
    if isinstance(noted, dict):
        return Fate(*named, **noted)
    who = "An administrator released it" if record["state"] == "released" else "It passed the checks"
    return Fate(*named, "waits", None, f"{who}; the next session takes it up.")
