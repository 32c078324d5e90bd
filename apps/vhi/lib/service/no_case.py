"""Why there is no next case, in a sentence for the reader who asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .ranking import REGION_ONLY, SKIPPED, UNREAD
from .scores import Entry

_NONE = {
    UNREAD: "There is no further case for you",
    SKIPPED: "There is no case that you skipped",
    REGION_ONLY: "There is no case of which you handed in the region alone",
}


def why_no_case(
    cases: Sequence[str],
    *,
    finished: Collection[str],
    elsewhere: Collection[str],
    region: Collection[str],
    skipped: Collection[str],
    asked: str,
) -> str:
    """Why a study has no case for a reader, by the ids of its cases.

    Parameters
    ----------
    cases : sequence of str
        All there are.
    finished, elsewhere, region, skipped : collection of str
        Those that are finished, held by others, finished by this reader for the disease region alone, and skipped by them.
    asked : str
        Which cases were asked for.
    """
    if not cases:
        return "There is no case yet: no study has both series, T1W and STIR."
    left = [case_id for case_id in cases if case_id not in finished]
    counts = {
        "finished": len(cases) - len(left),
        "with another reader": sum(case_id in elsewhere for case_id in left),
        f'finished by you for the region alone (ask with cases at "{REGION_ONLY}")': sum(case_id in region for case_id in left),
        f'skipped by you (ask with cases at "{SKIPPED}")': sum(case_id in skipped and case_id not in region for case_id in left),
    }
    counted = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    return f"{_NONE[asked]}. Of {len(cases)} cases: {counted or 'none can be opened now'}."


def why_no_review(
    version: str, labels: Mapping[str, Sequence[str]], entries: Mapping[str, Entry], below: float, everyone: bool
) -> str:
    """Why no case comes back for review: none of the submitted regions is one that the networks dispute.

    Parameters
    ----------
    version : str
        Of the networks.
    labels : mapping of case id to submission ids
    entries : mapping of case id to scores
        See `lib.service.scores`.
    below : float
        The limit of the mean slice Dice.
    everyone : bool
        Whether the submissions are those of all readers.
    """
    if not labels:
        return f"{'Nobody has' if everyone else 'You have not'} handed in a disease region yet, so that there is none to review."
    own = [(entries.get(case_id, {}).get("labels", {}), label) for case_id, ids in labels.items() for label in ids]
    known = [dices[label] for dices, label in own if dices.get(label) is not None]
    if not known:
        return f"The networks of version {version} have not looked at the {len(labels)} submitted cases yet."
    return (
        f"The networks of version {version} dispute no submitted disease region that was not looked at again: of {len(labels)} "
        f"cases the lowest mean slice Dice is {min(known):.2f}, and review begins below {below:g}."
    )
