"""The effort of readings over time, as viewers and the server counted it, and what that has to do with the versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..readings.store import ReadingStore
from ..readings.submission import Submission

QUANTITIES = ("seconds", "clicks", "boundary_edits")
# of fewer readings nothing is said: one slow case would be the sentence
LEAST = 3


@dataclass(frozen=True)
class ReadingEffort:
    """One reader's work on one case in one reading, all its submissions together.

    Parameters
    ----------
    case, reader : str
    ended : str
        When the last submission came, ISO 8601, UTC.
    version : str or None
        Of the networks whose region the reader was shown.
    took : mapping
        `seconds`, `clicks`, `boundary_edits` as far as they were counted.
    """

    case: str
    reader: str
    ended: str
    version: str | None
    took: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {"case": self.case, "ended": self.ended, "version": self.version, **self.took}


def reading_efforts(store: ReadingStore) -> tuple[ReadingEffort, ...]:
    """The effort of every reading that corrected something by a viewer's tools, oldest first; manual ones have no part in it."""
    efforts: list[ReadingEffort] = []
    for case_id, made in store.intact():
        readings: dict[tuple[str, int], list[Submission]] = {}
        for submission in made:
            if submission.method != "manual" and submission.effort:
                readings.setdefault((submission.reader, submission.reading), []).append(submission)
        efforts += [_summed(case_id, own) for own in readings.values()]
    return tuple(sorted(efforts, key=lambda effort: effort.ended))


def median_effort(efforts: Iterable[ReadingEffort]) -> dict[str, Any]:
    """Of some readings the median of each quantity that was counted, and `cases`, how many readings there were."""
    readings = list(efforts)
    medians: dict[str, Any] = {"cases": len(readings)}
    for name in QUANTITIES:
        values = [reading.took[name] for reading in readings if name in reading.took]
        if values:
            medians[name] = round(float(median(values)), 1)
    return medians


def effort_sentence(efforts: Sequence[ReadingEffort], live: str) -> str:
    """The effort for a case before the live version and with it, for readers; empty where too little was read to say it."""
    now = median_effort(effort for effort in efforts if effort.version == live)
    before = median_effort(effort for effort in efforts if effort.version not in (live, None))
    if min(now["cases"], before["cases"]) < LEAST:
        return ""
    then, since = _words(before), _words(now)
    if not then or not since:
        return ""
    return f"A case took {then} before version {live} (median of {before['cases']}), and takes {since} with it ({now['cases']})."


def _words(took: Mapping[str, Any]) -> str:
    parts = []
    if "seconds" in took:
        parts.append(f"{took['seconds'] / 60:.1f} min")
    if "clicks" in took:
        parts.append(f"{took['clicks']:.0f} clicks")
    return " and ".join(parts)


def _summed(case_id: str, own: Sequence[Submission]) -> ReadingEffort:
    took = {
        name: float(sum(submission.effort[name] for submission in own if name in submission.effort))
        for name in QUANTITIES
        if any(name in submission.effort for submission in own)
    }
    version = next((submission.model["version"] for submission in own if submission.model), None)
    return ReadingEffort(case_id, own[0].reader, own[-1].created, version, took)
