"""What happens to a submission: taken apart, compared, measured, reported, kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..core.cleaning import Changes, changes_of, measure_cleaned
from ..core.disease_region import DiseaseRegion, DiseaseRegionError
from ..core.flip_guard import check_inflammation_not_flipped, check_region_not_flipped
from ..core.pipeline import VhiResult
from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..core.settings import VhiSettings
from ..core.volume import Mask
from ..errors import ModelError, NormalBoneError, RequestError
from ..provenance import method_versions, now, provenance_of
from ..readings.store import ReadingStore, stored_segment
from ..readings.submission import StoredSegment, Submission
from ..reports import Reading, ReportContent, report_content, write_html, write_json, write_pdf
from ..reports.numbers import plain
from ..studies.nifti import write_mask
from .regions import InForce
from .scans import Scans
from .segments import Submitted, whole_region
from .words import reading_sentences

REPORT_FILES = {"json": "vhi.json", "html": "report.html", "pdf": "report.pdf"}
_FILES = {NORMAL_BONE: "normal_bone.nii.gz", DISEASE_REGION: "disease_region.nii.gz", INFLAMMATION: "inflammation.nii.gz"}


@dataclass(frozen=True)
class Terms:
    """Who submits, and as what."""

    reader: str
    reading: int
    method: str
    rating: str | None
    amends: str | None
    source: str | None = None
    effort: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Judged:
    """A submission compared with what the reader started from; `result` is None where nothing could be measured."""

    segments: Mapping[str, Mask]
    other: tuple[Mask, ...]
    result: VhiResult | None
    changes: Mapping[str, Any]
    settings: VhiSettings
    model: Mapping[str, Any] | None
    started_from: Mapping[str, str]
    messages: tuple[str, ...]


class Delivery(Protocol):
    """Takes submissions elsewhere, such as to an archive."""

    def write(self, folder: Path, scans: Scans, judged: Judged, made: Submission) -> tuple[str, ...]:
        """Put the files to deliver into the submission's folder; sentences for the reader. Never refuses a submission."""

    def post(self, made: Submission) -> None:
        """Have them delivered, now that the submission is kept; returns at once."""

    def told(self, made: Submission) -> Mapping[str, Any]:
        """For the reader: what became of it."""


def judge(
    measure: Callable[[InForce, VhiSettings], VhiResult],
    submitted: Submitted,
    started: InForce | None,
    why_none: str | None,
    shown: Mapping[str, Any] | None,
    terms: Terms,
    automatic: Mask | None = None,
) -> Judged:
    """Compare and measure a submission.

    Parameters
    ----------
    measure : callable
        The automatic result of the scan from some regions.
    submitted : Submitted
    started : InForce or None
        The regions in force before; None where the automatic disease region could not be had, and `why_none` says why.
    shown : mapping or None
        Settings with which the reader last saw VHI of the case in this reading; None for never.
    terms : Terms
    automatic : Mask, optional
        The automatic disease region.

    Raises
    ------
    RequestError
        The map is covered, or does not lie on hyperintense voxels.
    InputError
        A mask lies upside down along the slices.
    VhiError
        Nothing can be measured from the regions that were handed in.
    """
    messages = list(submitted.messages)
    _refuse_covered(submitted, started)
    region = _uncovered(submitted, DISEASE_REGION, started.region.mask if started else None)
    bone = _uncovered(submitted, NORMAL_BONE, started.normal_bone if started else None)
    if region is not None and automatic is not None:
        check_region_not_flipped(region, automatic)
    drew = region is not None or bone is not None
    same = started is not None and not _differs(region, started.region.mask) and not _differs(bone, started.normal_bone)
    inflammation = _inflammation(submitted, drew and (shown is None or not same), terms, messages)
    segments = {NORMAL_BONE: bone, DISEASE_REGION: region, INFLAMMATION: inflammation}
    if all(one is None for one in segments.values()) and not submitted.other and terms.rating is None:
        raise RequestError(
            "The submission holds nothing: every segment is empty. Draw something, or submit inflammation after vhi."
        )
    settings = VhiSettings.from_values(shown or {})
    changes: dict[str, Any] = {}
    if region is not None and started is not None:
        changes[DISEASE_REGION] = _difference(region, started.region.mask)
    regions = _regions_now(started, region, bone)
    if inflammation is not None and bone is not None and started is not None:
        _refuse_flipped_with_its_bone(inflammation, partial(measure, started, settings))
    result = None
    try:
        if regions is None:
            raise ModelError(why_none or "There is no disease region.")
        result = measure(regions, settings)
    except (ModelError, DiseaseRegionError, NormalBoneError) as error:
        # what the reader did not touch may fail without losing what the reader did
        if inflammation is not None or (isinstance(error, NormalBoneError) and bone is not None):
            raise
        messages.append(f"VHI was not measured yet: {error}")
    if result is not None and inflammation is not None:
        check_inflammation_not_flipped(inflammation, result.stir, result.thresholds.sensitive)
        found = changes_of(result, inflammation)
        _refuse_dark(found, inflammation, result)
        changes[INFLAMMATION] = {**plain(found), "reference": "the automatic result from these regions"}
        result = measure_cleaned(result, inflammation)
    return Judged(
        segments={name: mask for name, mask in segments.items() if mask is not None},
        other=submitted.other,
        result=result,
        changes=changes,
        settings=settings,
        model=regions.model if regions else None,
        started_from=dict(started.used) if started else {},
        messages=(*messages, *reading_sentences(changes)),
    )


def keep(store: ReadingStore, scans: Scans, judged: Judged, terms: Terms, delivery: Delivery | None = None) -> Submission:
    """Write a judged submission, its report and what is delivered of it; it is on disk when this returns.

    Raises
    ------
    OutputError
    """
    case_id = scans.case.case_id

    def write(folder: Path, number: int) -> Submission:
        made = Submission(
            case_id=case_id,
            number=number,
            reader=terms.reader,
            reading=terms.reading,
            method=terms.method,
            created=now(),
            segments=tuple(_stored(folder / _FILES[name], mask) for name, mask in judged.segments.items()),
            other=tuple(_stored(folder / f"other-{n}.nii.gz", mask) for n, mask in enumerate(judged.other, start=1)),
            amends=terms.amends,
            rating=terms.rating,
            scans=dict(scans.sha256),
            started_from=judged.started_from,
            changes=judged.changes,
            settings=judged.settings.values(),
            versions=method_versions(with_networks=judged.model is not None),
            model=judged.model,
            measured=judged.result is not None,
            messages=judged.messages,
            source=terms.source,
            effort=dict(terms.effort),
        )
        if judged.result is not None:
            content = content_of(scans, judged, made, judged.result)
            write_json(content, folder / REPORT_FILES["json"])
            write_html(content, folder / REPORT_FILES["html"])
            write_pdf(content, folder / REPORT_FILES["pdf"])
        if delivery is not None:
            made = replace(made, messages=(*made.messages, *delivery.write(folder, scans, judged, made)))
        return made

    return store.append(case_id, terms.reader, write)


def content_of(scans: Scans, judged: Judged, made: Submission, result: VhiResult) -> ReportContent:
    """What every form of the report of a submission says."""
    facts = {
        "case": made.case_id,
        "submission": made.submission_id,
        "reader": made.reader,
        "reading": made.reading,
        "method": made.method,
        "amends": made.amends,
        "rating": made.rating,
        "effort": dict(made.effort),
        "started_from": made.started_from,
        "changes": made.changes,
    }
    who = f"Reader {made.reader}, reading {made.reading}, {made.method}, submission {made.submission_id}."
    rated = [f"The reader rates the automatic disease region: {made.rating}."] if made.rating else []
    done = reading_sentences(judged.changes, cleaned=INFLAMMATION in judged.segments)
    provenance = provenance_of(f"server, submission {made.submission_id}", judged.settings, judged.model, scans.inputs)
    return report_content(result, provenance, reading=Reading(facts, (who, *rated, *done)))


def _stored(path: Path, mask: Mask) -> StoredSegment:
    write_mask(path, mask)
    return stored_segment(mask.name, path, mask.voxels)


def _uncovered(submitted: Submitted, name: str, started: Mask | None) -> Mask | None:
    drawn = submitted.disease_region if name == DISEASE_REGION else submitted.normal_bone
    if drawn is None:
        return None
    return whole_region(drawn, None if started is None else started.data, submitted.covering(name))


def _regions_now(started: InForce | None, region: Mask | None, bone: Mask | None) -> InForce | None:
    """The regions that this submission is measured with."""
    if started is None:
        if region is None:
            return None
        return InForce(DiseaseRegion(region, "given"), bone, {}, None, ())
    regions = started
    if _differs(bone, started.normal_bone):
        regions = replace(regions, normal_bone=bone, key=())
    if region is not None and _differs(region, started.region.mask):
        regions = replace(regions, region=DiseaseRegion(region, "given"), model=None, key=())
    return regions


def _differs(region: Mask | None, started: Mask | None) -> bool:
    return region is not None and (started is None or not np.array_equal(region.data, started.data))


def _difference(region: Mask, started: Mask) -> dict[str, int]:
    return {
        "added": int(np.count_nonzero(region.data & ~started.data)),
        "removed": int(np.count_nonzero(started.data & ~region.data)),
    }


def _inflammation(submitted: Submitted, unseen: bool, terms: Terms, messages: list[str]) -> Mask | None:
    """The reader's inflammation; an empty one is "none", unless the reader cannot have meant that."""
    found = submitted.inflammation
    # viewers list a segment for every label, so an empty one comes along with a region that is drawn before VHI is looked at
    if found is not None and not found.voxels and unseen and terms.method != "manual":
        messages.append(
            "The empty segment 'inflammation' was not taken as 'no inflammation', because a region was handed in with it from "
            "which VHI was not shown yet. Run vhi, then submit."
        )
        return None
    return found


def _refuse_flipped_with_its_bone(inflammation: Mask, before: Callable[[], VhiResult]) -> None:
    """Refuse inflammation that is flipped together with the normal bone, whose threshold is then that of some other place."""
    try:
        result = before()
    except (DiseaseRegionError, NormalBoneError):
        return
    check_inflammation_not_flipped(inflammation, result.stir, result.thresholds.sensitive)


def _refuse_covered(submitted: Submitted, started: InForce | None) -> None:
    """Refuse a map in which the disease region, painted later, has covered all inflammation."""
    order = submitted.order
    if submitted.disease_region is None or submitted.inflammation is None or INFLAMMATION not in order:
        return
    if order.index(INFLAMMATION) > order.index(DISEASE_REGION):
        return
    region = submitted.disease_region.data if started is None else started.region.mask.data
    if not (submitted.inflammation.data & region).any():
        raise RequestError(
            "In this segmentation the disease region comes after inflammation and has covered it in the map that was sent. Drag "
            "'disease region' above 'inflammation' in the list of segments, or delete it, and submit again."
        )


def _refuse_dark(found: Changes, inflammation: Mask, result: VhiResult) -> None:
    if 2 * found.painted_below_threshold > inflammation.voxels:
        raise RequestError(
            f"{found.painted_below_threshold} of the {inflammation.voxels} voxels of inflammation lie below the sensitive "
            f"threshold ({result.thresholds.sensitive:.1f}): the mask seems flipped, shifted or of another scan. Check it over "
            "STIR, and submit only what is bright."
        )
