"""Doubts about a disease region at the moment it is handed in: told to its reader, who corrects it or confirms it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.segment_names import DISEASE_REGION
from ..core.volume import Mask
from ..errors import ConflictError, ModelError, RequestError
from ..readings.store import ReadingStore
from ..reports.region_picture import region_picture
from ..retraining.quarantine import doubts_of
from .evaluation import EvaluatedSubmission, SubmissionMetadata
from .measuring import MeasurementService
from .scans import Scans

# what a viewer asks: to be asked before anything is kept; or it has shown the doubts, and the reader confirmed the region
ASK, CONFIRMED = "ask", "confirmed"


class DoubtedRegionError(ConflictError):
    """The region seems to lie wrong, and its reader has not confirmed it. `facts`: `doubts`, and `picture`, a PNG as data URI."""

    def __init__(self, doubts: Sequence[str], picture: bytes) -> None:
        sentence = f"{' '.join(doubts)} Nothing was kept; correct the region, or submit again to confirm it."
        uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        super().__init__(sentence, {"doubts": list(doubts), "picture": uri})


def checked_choice(value: Any) -> str | None:
    """A viewer's answer to doubts: `ask`, `confirmed` or nothing.

    Raises
    ------
    RequestError
    """
    if value not in (None, "", ASK, CONFIRMED):
        raise RequestError(f"doubts is {str(value)[:60]!r}; it must be {ASK} or {CONFIRMED}, or be left out.")
    return value or None


def region_doubts(
    measurements: MeasurementService, scans: Scans, evaluated: EvaluatedSubmission, metadata: SubmissionMetadata
) -> tuple[str, ...]:
    """Doubts about the region that a reader drew; none where it is the networks' own, or none are there to ask.

    Raises
    ------
    DoubtedRegionError
        Something is, and the viewer asked to be asked.
    """
    region = evaluated.segments.get(DISEASE_REGION)
    if region is None or not region.voxels or DISEASE_REGION in evaluated.proposals:
        return ()
    known = measurements.known_regions(scans, metadata.reader, metadata.reading)
    if known.automatic is None and isinstance(known.missing, ModelError):
        return ()
    expected = None if known.automatic is None else known.automatic.region.mask
    # the first says what is wrong, what follows from that is for the page of versions
    doubts = doubts_of(scans.t1w, region, expected)[:1]
    if doubts and metadata.doubts == ASK:
        raise DoubtedRegionError(doubts, region_picture(scans.t1w, region, expected))
    return doubts


def doubt_messages(
    doubts: Sequence[str], metadata: SubmissionMetadata, store: ReadingStore, case_id: str, region: Mask | None
) -> tuple[str, ...]:
    """Messages for a reader whose doubted region is kept: how to confirm it, or that they did."""
    if not doubts:
        return ()
    if metadata.doubts == CONFIRMED or _is_handed_in_again(store, case_id, metadata, region):
        return (*doubts, "You confirmed it. Whether it is learnt is for an administrator to say.")
    return (*doubts, "It was kept. Correct it and submit again; or submit it again as it is to confirm it.")


def _is_handed_in_again(store: ReadingStore, case_id: str, metadata: SubmissionMetadata, region: Mask | None) -> bool:
    """Whether the reader's last region of this reading is this one, voxel for voxel."""
    own = [
        submission
        for submission in store.of_case(case_id)
        if (submission.reader, submission.reading) == (metadata.reader, metadata.reading)
        and submission.segment(DISEASE_REGION) is not None
    ]
    before = store.read_segment(own[-1], DISEASE_REGION) if own else None
    return before is not None and region is not None and np.array_equal(before.data, region.data)
