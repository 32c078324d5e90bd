"""The finished readings of all readers, for the analysis of a study: one entry per reading, the newest submission of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.chain import RecordedChain
from ..core.settings import other_measure_of
from ..core.volume import Mask
from ..errors import DamagedError, InputError
from ..records import read_json
from .aliases import ALIASES
from .effort import QUANTITIES
from .store import FINISHING, ReadingStore
from .submission import Submission

# of what a reader's hand did
PAINTED = ("painted", "painted_below_threshold", "painted_left_out")


@dataclass(frozen=True)
class FinishedReading:
    """One reader's inflammation of one case in one reading.

    `case` is the true id, also of a blinded study. `numbers` are of `vhi.json`: `vhi_mm3`, `vhi_conservative_mm3`, `vhi_voxels`,
    `vhi_conservative_voxels`; of a manual reading the whole mask counts, and there is no conservative part. With them, as far as
    they are known, `clicks`, `seconds` and `boundary_edits` of that submission, and who changed how many voxels. `chain` is of
    the post-transforms that `vhi.json` names; None of a manual reading. `settings` are those that make it another measure (see
    `lib.core.settings.other_measure`), None of a manual reading. `stage` is that of the number as `vhi.json` states it,
    `verdict` the word on it; None of a manual reading, and of one that was stored before stages were stated. `read_on` is the
    day (ISO 8601, UTC) on which it was handed in.
    """

    case: str
    reader: str
    reading: int
    method: str
    rating: str | None
    numbers: dict[str, float]
    read_mask: Callable[[], Mask]
    chain: RecordedChain | None = None
    stage: str | None = None
    verdict: str | None = None
    settings: tuple[str, ...] | None = None
    read_on: str | None = None


def finished_readings(root: Path) -> tuple[FinishedReading, ...]:
    """The finished readings in a server's data folder; nothing in it is changed.

    Raises
    ------
    InputError
        Not a data folder, or one of its files is damaged.
    """
    store = ReadingStore(root, read_only=True)
    names = {str(alias): str(case) for alias, case in (read_json(root / ALIASES) or {}).items()}
    finished: list[FinishedReading] = []
    for case in store.cases():
        newest: dict[tuple[str, int, str], Submission] = {}
        ratings: dict[tuple[str, int], str] = {}
        for submission in store.of_case(case):
            if submission.rating is not None:
                ratings[submission.reader, submission.reading] = submission.rating
            if submission.segment(FINISHING) is not None:
                newest[submission.reader, submission.reading, submission.method] = submission
        for (reader, reading, method), submission in sorted(newest.items()):
            mask = _reader_of(store, submission)
            numbers, chain, stated = (
                (_of_mask(mask()), None, {})
                if method == "manual" or not submission.measured
                else _of_report(store.folder_of(submission) / "vhi.json")
            )
            finished.append(
                FinishedReading(
                    case=names.get(case, case),
                    reader=reader,
                    reading=reading,
                    method=method,
                    rating=ratings.get((reader, reading)),
                    numbers=_of_record(store, submission) | numbers,
                    read_mask=mask,
                    chain=chain,
                    stage=stated.get("stage"),
                    verdict=(stated.get("verdict") or {}).get("word"),
                    settings=other_measure_of(stated) if stated else None,
                    read_on=submission.created[:10],
                )
            )
    return tuple(finished)


def _reader_of(store: ReadingStore, submission: Submission) -> Callable[[], Mask]:
    def read() -> Mask:
        mask = store.read_segment(submission, FINISHING)
        if mask is None:
            raise InputError(f"Submission {submission.submission_id} of {submission.case_id} holds no inflammation; restore it.")
        return mask

    return read


def _of_record(store: ReadingStore, submission: Submission) -> dict[str, float]:
    """Effort, and voxels by who changed them, as `submission.json` has them."""
    try:
        return _of_effort(submission) | _of_corrections(submission)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        path = store.folder_of(submission) / "submission.json"
        raise DamagedError(path, f"its effort or corrections are something else ({error})") from error


def _of_effort(submission: Submission) -> dict[str, float]:
    return {name: float(submission.effort[name]) for name in QUANTITIES if name in submission.effort}


def _of_corrections(submission: Submission) -> dict[str, float]:
    """Voxels by who changed them; empty for a manual reading, and for submissions that do not say."""
    corrections = submission.corrections
    if not corrections or submission.method == "manual":
        return {}
    hand, regions = corrections["hand"], corrections["regions"]

    def voxels(lesions: Iterable[Sequence[int]]) -> float:
        return float(sum(count for _, count in lesions))

    return {
        "proposal_removed_voxels": voxels(corrections["proposal"]["removed"]),
        "clicks_removed_voxels": voxels(corrections["clicks"]["removed"]),
        "clicks_restored_voxels": voxels(corrections["clicks"]["restored"]),
        "hand_erased_voxels": voxels(hand["erased"]),
        "hand_painted_voxels": voxels(hand["restored"]) + sum(hand[name] for name in PAINTED if name in hand),
        "regions_changed_voxels": float(
            sum(regions.get(name, 0) for name in ("appeared", "outside", "below_threshold", "left_out"))
        ),
    }


def _of_mask(mask: Mask) -> dict[str, float]:
    return {"vhi_mm3": mask.volume_mm3, "vhi_voxels": float(mask.voxels)}


def _of_report(path: Path) -> tuple[dict[str, float], RecordedChain, Mapping[str, Any]]:
    content = read_json(path, vhi_mm3=dict, voxels=dict)
    if content is None:
        raise DamagedError(path, "it is missing")
    try:
        numbers = {}
        for grade, name in (("sensitive", "vhi"), ("conservative", "vhi_conservative")):
            numbers[f"{name}_mm3"] = float(content["vhi_mm3"][grade])
            numbers[f"{name}_voxels"] = float(content["voxels"][grade])
        return numbers, RecordedChain.of(content.get("provenance", {}).get("post_transforms")), content
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(path, f"its numbers are incomplete ({error})") from error
