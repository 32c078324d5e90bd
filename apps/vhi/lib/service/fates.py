"""The fates of submissions, as their readers are told: learnt in a version, hold-out, set aside and why, still waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..core.segment_names import DISEASE_REGION
from ..readings.store import ReadingStore
from ..readings.submission import Submission
from ..retraining.fate import Fate, fate_of
from ..retraining.retraining_folder import RetrainingFolder

REPLACED = "replaced"


@dataclass(frozen=True)
class Fates:
    """The fates of submissions in retraining, read of those that are asked for.

    Parameters
    ----------
    find : callable
        By case and submission what became of it; None where no session looked at it.
    """

    find: Callable[[str, str], Fate | None]

    @classmethod
    def read(cls, store: ReadingStore) -> Fates:
        """The fates that lie in the data folder."""
        folder = RetrainingFolder(store.root)
        return cls(lambda case_id, submission_id: fate_of(folder, case_id, submission_id))

    def of(self, made: Submission, submissions: Iterable[Submission]) -> dict[str, str | None] | None:
        """`state`, `version` and `reason`, a sentence for the reader; None of a submission that gives no region to learn.

        Parameters
        ----------
        made : Submission
        submissions : iterable of Submission
            All of its case.
        """
        if not gives_label(made):
            return None
        fate = self.find(made.case_id, made.submission_id)
        if fate is not None:
            return {"state": fate.state, "version": fate.version, "reason": fate.reason}
        newer = (
            other for other in submissions if other.reader == made.reader and other.number > made.number and gives_label(other)
        )
        if any(newer):
            return {"state": REPLACED, "version": None, "reason": "You handed in a newer region of this case, which counts."}
        return {
            "state": "waits",
            "version": None,
            "reason": "It is not learnt yet: the next training takes it up.",
        }


def gives_label(made: Submission) -> bool:
    """Whether there is a disease region to learn: one that was handed in, or one of the networks that was found satisfactory."""
    return made.segment(DISEASE_REGION) is not None or (made.rating == "satisfactory" and made.model is not None)
