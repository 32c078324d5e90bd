"""A reading that was handed in, as a viewer needs it to go on: what was said, what was found, and where each segment lies."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

import numpy as np

from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..errors import NotFoundError
from ..readings.checking import check_report
from ..readings.store import ReadingStore
from ..readings.submission import StoredSegment, Submission
from ..records import read_json
from ..studies.pairing import Role
from .chains import with_chain_named
from .fates import Fates
from .gestures import gesture_as_dict, parse_gestures
from .scans import Scans
from .submission_files import REPORT_FILES

# a voxel's value is the sum of those of its segments, so that they may overlap
BITS = {DISEASE_REGION: 1, NORMAL_BONE: 2, INFLAMMATION: 4}


def reopened(readings: ReadingStore, case_id: str, reader: str, reading: int) -> Submission:
    """A reader's newest submission of a reading that holds a segment.

    Raises
    ------
    NotFoundError
    """
    handed_in = (
        submission
        for submission in reversed(readings.of_case(case_id))
        if (submission.reader, submission.reading) == (reader, reading)
    )
    last = next((submission for submission in handed_in if submission.segments), None)
    if last is None:
        raise NotFoundError(f"{reader} has submitted nothing of case {case_id} in reading {reading}.")
    return last


def reading_labels(readings: ReadingStore, scans: Scans, made: Submission) -> np.ndarray:
    """`(I, J, K)` uint8 on the grid of STIR: the sum of `BITS` of the segments in each voxel.

    Raises
    ------
    InputError
        A stored file is damaged.
    """
    labels = np.zeros(scans.stir.grid.shape, np.uint8)
    for name, bit in BITS.items():
        mask = readings.read_segment(made, name)
        if mask is not None:
            labels[mask.data] += np.uint8(bit)
    return labels


def reading_facts(readings: ReadingStore, scans: Scans, role: Role, made: Submission) -> dict[str, Any]:
    """A submission with its result, ready for JSON; voxels are those of the series.

    Raises
    ------
    DamagedError
        The numbers of the submission are damaged.
    """
    image_id = scans.case.image_id(role)
    ratings = [
        submission.rating
        for submission in readings.of_case(made.case_id)
        if submission.reader == made.reader and submission.rating
    ]
    present = [name for name in BITS if made.segment(name) is not None]
    asked = {"image": image_id, "reader": made.reader, "submission": made.submission_id}
    return {
        "case": made.case_id,
        "submission_id": made.submission_id,
        "number": made.number,
        "created": made.created,
        "reading": made.reading,
        "method": made.method,
        "amends": made.amends,
        "settings": with_chain_named(made.settings),
        "segments": [
            {"name": segment.name, "voxels": segment.voxels, "is_proposal": _is_proposal(segment)} for segment in made.segments
        ],
        "label_info": [{"name": name, "idx": [value for value in range(1, 8) if value & BITS[name]]} for name in present],
        "rating": ratings[-1] if ratings else None,
        "decisions": _decisions(scans, role, made),
        "corrections": dict(made.corrections),
        "messages": list(made.messages),
        "fate": Fates.read(readings).of(made, readings.of_case(made.case_id)),
        "measured": made.measured,
        "result": _numbers(readings, made),
        "reports": {form: f"/vhi/report?{urlencode({**asked, 'form': form})}" for form in REPORT_FILES} if made.measured else {},
    }


def _decisions(scans: Scans, role: Role, made: Submission) -> dict[str, Any] | None:
    if made.decisions is None:
        return None
    gestures = parse_gestures(made.decisions["clicks"], "decisions", partial(scans.points_to_series_grid, role=role))
    return {**made.decisions, "clicks": [gesture_as_dict(gesture) for gesture in gestures]}


def _numbers(readings: ReadingStore, made: Submission) -> dict[str, Any] | None:
    """Of the report, with the id of the result; None where nothing was measured."""
    if not made.measured:
        return None
    path = readings.folder_of(made) / REPORT_FILES["json"]
    check_report(path, made)
    return {**(read_json(path) or {}), **(made.result or {})}


def _is_proposal(segment: StoredSegment) -> bool:
    """Whether nobody changed a voxel of what the program proposed; normal bone from clicks is a reader's."""
    return segment.proposal is not None and "clicks" not in segment.proposal
