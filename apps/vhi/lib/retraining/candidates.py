"""Which labels readers gave, those that count most first, and what other readers thought of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..core.disease_region import dice
from ..readings.store import ReadingStore
from ..readings.submission import Submission

REGION = "disease region"


@dataclass(frozen=True)
class Candidate:
    """The disease region of one case in a reader's eyes.

    Parameters
    ----------
    case_id : str
        As in the data folder: an alias in a blinded study.
    submission : Submission
        With the region, or with the rating "satisfactory" of the region that a version of the networks found.
    disagreement : mapping
        Dice between this label and that of each other reader who drew one, by the reader's name.
    """

    case_id: str
    submission: Submission
    disagreement: Mapping[str, float] = field(default_factory=dict)

    @property
    def rated_version(self) -> str | None:
        """The version whose region the reader found satisfactory; None where the reader handed in a region."""
        return None if self.submission.segment(REGION) is not None else str((self.submission.model or {})["version"])

    @property
    def label_id(self) -> str:
        """Sha256 of the submitted mask's file; of a rated region one of the model and the T1W scan, which decide it."""
        stored = self.submission.segment(REGION)
        if stored is not None:
            return stored.sha256
        parts = ("rated", str((self.submission.model or {})["sha256"]), self.submission.scans.get("T1W", self.case_id))
        return hashlib.sha256("/".join(parts).encode()).hexdigest()


def find_candidates(store: ReadingStore, seniors: Sequence[str] = ()) -> tuple[tuple[Candidate, ...], ...]:
    """The labels of each case whose region a reader submitted, or rated satisfactory; no image is read.

    Parameters
    ----------
    store : ReadingStore
    seniors : sequence of str
        Readers, most senior first. The labels of the most senior one come first; among those of readers who are not named, and
        within a reader's own, the newest.

    Returns
    -------
    tuple of tuple of Candidate
        By case, none of them empty. The first label that stands the checks counts.
    """
    by_case = (_ranked(_labels(made), seniors) for _, made in store.intact())
    return tuple(labels for labels in by_case if labels)


def disagreement(store: ReadingStore, candidate: Candidate) -> dict[str, float]:
    """Dice between a label and the masks that other readers handed in, by reader; of a rated region nothing is known.

    Raises
    ------
    InputError
        A stored mask is damaged.
    """
    own = store.read_segment(candidate.submission, REGION)
    if own is None:
        return {}
    dices = {}
    for reader, labels in _labels(store.of_case(candidate.case_id)).items():
        other = labels[-1]
        if reader == candidate.submission.reader:
            continue
        mask = store.read_segment(other, REGION)
        if mask is not None and mask.data.shape == own.data.shape:
            dices[reader] = round(dice(own.data, mask.data), 4)
    return dices


def _labels(made: Sequence[Submission]) -> dict[str, list[Submission]]:
    """Of each reader who gave labels of a case, these, oldest first: none from before they said that the region failed."""
    by_reader: dict[str, list[Submission]] = {}
    for submission in made:
        rated = submission.rating == "satisfactory" and submission.model is not None
        if submission.segment(REGION) is not None or rated:
            by_reader.setdefault(submission.reader, []).append(submission)
        elif submission.rating == "failed":
            by_reader.pop(submission.reader, None)
    return by_reader


def _ranked(labels: Mapping[str, Sequence[Submission]], seniors: Sequence[str]) -> tuple[Candidate, ...]:
    rank = {name: n for n, name in enumerate(seniors)}
    made = [submission for own in labels.values() for submission in own]
    best_first = sorted(made, key=lambda submission: (rank.get(submission.reader, len(rank)), -submission.number))
    return tuple(Candidate(submission.case_id, submission) for submission in best_first)
