"""The context of a reading: the automatic regions that it began with, the reading before it, the submission that it amends."""

from __future__ import annotations

from ..core.disease_region import DiseaseRegionError
from ..core.volume import Mask
from ..errors import ModelError, RequestError
from ..readings.store import ReadingStore
from .automatic import Automatic, AutomaticRegions
from .scans import Scans


def automatic_regions_shown_to(
    store: ReadingStore, automatic: Automatic, reader: str | None, reading: int, scans: Scans
) -> AutomaticRegions:
    """The automatic regions as that reader first saw them in that reading, whatever version became live since.

    Raises
    ------
    RequestError
        An unusable reader's name.
    ModelError, DiseaseRegionError
        See `lib.service.networks.Networks.segment`.
    """
    if reader is None:
        return automatic.of(scans)
    case_id = scans.case.case_id
    shown = store.model_shown(case_id, reader, reading)
    regions = automatic.of(scans, shown)
    if shown is None:
        store.note_model(case_id, reader, reading, str(regions.model["version"]))
    return regions


def disease_region_shown_to(store: ReadingStore, automatic: Automatic, reader: str, reading: int, scans: Scans) -> Mask | None:
    """The disease region among them; None where the networks have none."""
    try:
        return automatic_regions_shown_to(store, automatic, reader, reading, scans).region.mask
    except (ModelError, DiseaseRegionError):
        return None


def check_follows(store: ReadingStore, case_id: str, reader: str, reading: int) -> None:
    """Refuse a reading before the one before it is finished.

    Raises
    ------
    RequestError
    """
    if reading > 1 and case_id not in store.finished(reader, reading - 1):
        raise RequestError(
            f"Reading {reading} of case {case_id} by {reader} comes after reading {reading - 1}, which is not finished; "
            "submit inflammation there first."
        )


def amended_submission(
    store: ReadingStore, case_id: str, reader: str, reading: int, method: str, amends: str | None
) -> str | None:
    """The id of the submission that a new one replaces: the one that is named, else the reader's last of that kind.

    Raises
    ------
    RequestError
        The reader has no such submission.
    """
    if amends is None:
        before = store.newest(case_id, reader, reading, method=method)
        return before.submission_id if before else None
    submission = next((made for made in store.of_case(case_id) if made.submission_id == amends), None)
    if submission is None or submission.reader != reader:
        raise RequestError(f"{reader} has no submission {str(amends)[:80]!r} of case {case_id} to amend.")
    return submission.submission_id
