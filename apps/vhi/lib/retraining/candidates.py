"""Which labels readers gave: one per case, and what other readers thought of it."""

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


def find_candidates(store: ReadingStore, seniors: Sequence[str] = ()) -> tuple[Candidate, ...]:
    """One label for each case whose region a reader submitted, or rated satisfactory. No image is read.

    Parameters
    ----------
    store : ReadingStore
    seniors : sequence of str
        Readers, most senior first. The label of the most senior one who gave one counts; among readers who are not named, and
        within a reader's own, the newest.
    """
    found = ([label for label in _labels(made).values() if label] for _, made in store.intact())
    return tuple(Candidate(labels[0].case_id, _chosen(labels, seniors)) for labels in found if labels)


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
    found = {}
    for reader, other in _labels(store.of_case(candidate.case_id)).items():
        if other is None or reader == candidate.submission.reader:
            continue
        mask = store.read_segment(other, REGION)
        if mask is not None and mask.data.shape == own.data.shape:
            found[reader] = round(dice(own.data, mask.data), 4)
    return found


def _labels(made: Sequence[Submission]) -> dict[str, Submission | None]:
    """Of each reader of a case who said something about its region, what counts: None where they said that it failed."""
    said: dict[str, Submission | None] = {}
    for one in made:
        if one.segment(REGION) is not None or (one.rating == "satisfactory" and one.model is not None):
            said[one.reader] = one
        elif one.rating == "failed":
            said[one.reader] = None
    return said


def _chosen(labels: Sequence[Submission], seniors: Sequence[str]) -> Submission:
    rank = {name: n for n, name in enumerate(seniors)}
    return min(labels, key=lambda one: (rank.get(one.reader, len(rank)), -one.number))
