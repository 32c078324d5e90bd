"""One reading evaluated: the number that a label map has, and who did what. Showing and submitting both rest on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.anatomy import Anatomy, anatomy_of
from ..core.cleaning import Changes, changes_of, lesion_field, measure_cleaned
from ..core.corrections import Corrections, DisplayedLesions, corrections_of
from ..core.disease_region import DiseaseRegionError
from ..core.flip_guard import check_inflammation_not_flipped, check_region_not_flipped, hyperintense_share
from ..core.gestures import Click, LesionField, lesion_at
from ..core.lesions import label_lesions, midline_mm
from ..core.numbers import plain
from ..core.pipeline import VhiResult
from ..core.segment_names import CONSERVATIVE, DISEASE_REGION, INFLAMMATION, NORMAL_BONE, PROPOSED_TO_REMOVE
from ..core.settings import VhiSettings
from ..core.volume import Mask
from ..errors import InputError, ModelError, NormalBoneError, RequestError, VhiError
from .active_regions import ActiveRegions, DrawnRegions, proposal_of
from .change_summary import reading_sentences
from .earlier import SinceEarlier
from .gestures import Decisions, parse_decisions
from .measuring import KnownRegions, MeasurementService
from .proposals import APPLY, OFF
from .scans import Scans
from .segments import Submitted

AS_DRAWN = "as handed in"
# a mask of which less than this share is hyperintense was not drawn over these images
LEAST_HYPERINTENSE = 0.5


@dataclass(frozen=True)
class SubmissionMetadata:
    """Who submits, as what, and what their viewer says of it.

    `decisions` are those that led to the label map, None from a viewer that sends none. `settings` are those of the measurement,
    None for those with which the reader last saw VHI. `displayed` is the id of the result on the reader's screen, `confirmed`
    that of the one which the reader takes instead. `doubts` is "ask" where the viewer shows doubts about a region before it is
    kept, "confirmed" where its reader confirmed it in spite of them, None from a viewer that cannot show any.
    """

    reader: str
    reading: int
    method: str
    rating: str | None
    amends: str | None
    source: str | None = None
    effort: Mapping[str, Any] = field(default_factory=dict)
    decisions: Decisions | None = None
    settings: Mapping[str, Any] | None = None
    displayed: str | None = None
    confirmed: str | None = None
    doubts: str | None = None


@dataclass(frozen=True)
class StatedMetadata:
    """The same as a viewer states them, unchecked: values of JSON. `amends` as in `lib.readings.submission`."""

    reader: str
    reading: Any = 1
    method: str = "semi-automatic"
    rating: str | None = None
    amends: str | None = None
    decisions: Any = None
    settings: Mapping[str, Any] | None = None
    displayed: str | None = None
    confirmed: str | None = None
    doubts: Any = None


@dataclass(frozen=True, eq=False)
class EvaluatedSubmission:
    """A submission compared with what the reader started from, and `since` the patient's earlier visit.

    `result` is None where nothing could be measured.

    `automatic` is the result from the same regions before anything was taken out of it. `proposals` says, for each segment that
    is the automatic proposal voxel for voxel, how that came about.
    """

    segments: Mapping[str, Mask]
    other: tuple[Mask, ...]
    result: VhiResult | None
    automatic: VhiResult | None
    inflammation_changes: Changes | None
    changes: Mapping[str, Any]
    corrections: Mapping[str, Any]
    decisions: Decisions
    settings: VhiSettings
    regions: ActiveRegions | None
    proposals: Mapping[str, Mapping[str, Any]]
    started_from: Mapping[str, str]
    messages: tuple[str, ...]
    since: SinceEarlier | None = None

    @property
    def model(self) -> Mapping[str, Any] | None:
        """The networks that drew the disease region; None where a reader did."""
        return None if self.regions is None else self.regions.model


def evaluate_submission(
    measurements: MeasurementService, scans: Scans, submitted: Submitted, metadata: SubmissionMetadata
) -> EvaluatedSubmission:
    """Compare and measure a reading. Nothing is kept of it.

    Raises
    ------
    RequestError
        The map is covered, or does not lie on hyperintense voxels.
    InputError
        A mask lies upside down along the slices.
    VhiError
        Nothing can be measured from the regions that were handed in.
    """
    readings, who = measurements.readings, (scans.case.case_id, metadata.reader, metadata.reading)
    known = measurements.known_regions(scans, metadata.reader, metadata.reading)
    display = readings.display(*who)
    messages = list(submitted.messages)
    _refuse_covered(submitted, known.in_force)
    drawn = measurements.drawn_beside(known, scans, metadata.reader, submitted, AS_DRAWN)
    if drawn.region is not None and known.automatic is not None and metadata.displayed is None:
        check_region_not_flipped(drawn.region, known.automatic.region.mask)
    unseen = drawn.active is None or display is None or display["regions"] != drawn.active.key
    inflammation = _inflammation(submitted, drawn, unseen, metadata, messages)
    decisions = metadata.decisions or parse_decisions((display or {}).get("decisions", {}))
    noted = _lesions_after_gestures(measurements, who, decisions, lambda: _places(scans, drawn, known))
    if metadata.decisions is None and noted is not None:
        _refuse_left_behind(submitted, noted, decisions)
    segments = {NORMAL_BONE: drawn.normal_bone, DISEASE_REGION: drawn.region, INFLAMMATION: inflammation}
    if all(mask is None for mask in segments.values()) and not submitted.other and metadata.rating is None:
        raise RequestError(
            "The submission holds nothing: every segment is empty. Draw something, or submit inflammation after vhi."
        )
    chains = measurements.chains
    settings = chains.settings_for(*who) if metadata.settings is None else chains.settings(*who, metadata.settings)

    version = readings.proposal_shown(*who)
    if version is not None and decisions.mode == OFF and not measurements.has_proposal(version):
        messages.append(
            f"The cleaning proposal that was shown before, {version}, is gone; this reading is reported without a proposal."
        )
        version = None

    def measure(regions: ActiveRegions) -> VhiResult:
        return measurements.result(scans, version, regions, settings)

    before = None
    if inflammation is not None:
        before = _threshold_before(display, known, drawn, measure)
        if before is not None and metadata.displayed is None:
            # by another normal bone than the one handed in: that may be what is wrong
            check_inflammation_not_flipped(inflammation, scans.stir, before)
    automatic = _measured(measure, drawn, known, inflammation, messages)
    changes: dict[str, Any] = {}
    if DISEASE_REGION in drawn.differences:
        changes[DISEASE_REGION] = drawn.differences[DISEASE_REGION]
    result, inflammation_changes, corrections = automatic, None, Corrections()
    if automatic is not None and inflammation is not None:
        _check_place(inflammation, automatic, before, drawn, metadata, messages)
        inflammation_changes = changes_of(automatic, inflammation)
        changes[INFLAMMATION] = {**plain(inflammation_changes), "reference": "the automatic result from these regions"}
        apart = submitted.masks.get(PROPOSED_TO_REMOVE)
        displayed = _displayed_lesions(noted, decisions, metadata, automatic, inflammation)
        corrections = corrections_of(automatic, inflammation, displayed, None if apart is None else apart.data)
        result = measure_cleaned(automatic, inflammation)
    credited = _credited(corrections, drawn)
    return EvaluatedSubmission(
        segments={name: mask for name, mask in segments.items() if mask is not None},
        other=submitted.other,
        result=result,
        automatic=automatic,
        inflammation_changes=inflammation_changes,
        changes=changes,
        corrections=credited,
        decisions=decisions,
        settings=settings,
        regions=drawn.active,
        proposals=_proposals(drawn),
        started_from=dict(known.in_force.used) if known.in_force else {},
        messages=(*messages, *reading_sentences(changes, credited)),
    )


def _measured(
    measure: Callable[[ActiveRegions], VhiResult],
    drawn: DrawnRegions,
    known: KnownRegions,
    inflammation: Mask | None,
    messages: list[str],
) -> VhiResult | None:
    """The automatic result from the regions of a submission; None, with a message, where the reader may go on without one."""
    try:
        if drawn.active is None:
            raise known.missing or ModelError("There is no disease region.")
        return measure(drawn.active)
    except (ModelError, DiseaseRegionError, NormalBoneError) as error:
        # what the reader did not touch may fail without losing what the reader did
        if inflammation is not None or (isinstance(error, NormalBoneError) and drawn.normal_bone is not None):
            raise
        messages.append(f"The volume was not measured yet: {error}")
        return None


def _inflammation(
    submitted: Submitted, drawn: DrawnRegions, unseen: bool, metadata: SubmissionMetadata, messages: list[str]
) -> Mask | None:
    """The reader's inflammation; an empty one is "none", unless the reader cannot have meant that."""
    inflammation = submitted.inflammation
    drew = drawn.region is not None or drawn.normal_bone is not None
    # viewers list a segment for every label, so an empty one comes along with a region that is drawn before VHI is looked at
    is_placeholder = inflammation is not None and not inflammation.voxels and drew and unseen
    if is_placeholder and metadata.displayed is None and metadata.method != "manual":
        messages.append(
            "The empty segment 'inflammation' was not taken as 'no inflammation', because a region was handed in with it from "
            "which VHI was not shown yet. Run vhi, then submit."
        )
        return None
    return inflammation


def _displayed_lesions(
    noted: DisplayedLesions | None,
    decisions: Decisions,
    metadata: SubmissionMetadata,
    automatic: VhiResult,
    inflammation: Mask,
) -> DisplayedLesions | None:
    """The lesions that the reader had on the screen; None for one who saw none, or who drew everything."""
    if metadata.method == "manual":
        return None
    if noted is None:
        return None if metadata.decisions is None else DisplayedLesions.after(lesion_field(automatic), decisions.clicks)
    return noted if metadata.decisions is not None else noted.without_undone(inflammation.data)


def _places(scans: Scans, drawn: DrawnRegions, known: KnownRegions) -> tuple[Anatomy | None, float]:
    """Anatomy and midline of the scan, from the region of now: for lesions that were noted without."""
    active = drawn.active or known.in_force
    if active is None:
        return None, float("nan")
    region = active.region.mask
    return anatomy_of(scans.t1w, region), midline_mm(region)


def _lesions_after_gestures(
    measurements: MeasurementService,
    who: tuple[str, str, int],
    decisions: Decisions,
    places: Callable[[], tuple[Anatomy | None, float]],
) -> DisplayedLesions | None:
    """The lesions of the result that the decisions are about, with the gestures; None where no result is noted."""
    shown = measurements.readings.displayed_lesions(*who, decisions.automatic_id)
    if shown is None:
        return None
    removed, midline = shown.removed if decisions.mode == APPLY else (), shown.midline_mm
    labels = label_lesions(shown.mask.astype(np.uint8))[0]
    field = LesionField(labels, shown.grid, places if midline is None else lambda: (shown, midline))
    return DisplayedLesions.after(field, decisions.clicks, removed)


def _refuse_left_behind(submitted: Submitted, shown: DisplayedLesions, decisions: Decisions) -> None:
    """Refuse segments that a click tool left as they were: 3D Slicer puts its answer into the selected segment alone.

    Raises
    ------
    RequestError
        Removed lesions would come back by `inflammation (conservative)`, or restored ones would be lost under
        `inflammation (proposed to remove)`.
    """
    if not decisions.clicks:
        return  # what the proposal left out is no click's work
    still_kept = shown.kept[shown.labels, np.arange(shown.labels.shape[2])]
    restored = set[int]()
    for click in decisions.clicks:
        if isinstance(click, Click) and click.what == "restore":
            with suppress(InputError):  # outside the grid it restored nothing
                restored.add(lesion_at(shown.labels, click.voxel))
    restored.discard(0)
    behind = {
        CONSERVATIVE: ((shown.labels > 0) & ~still_kept, "removed"),
        PROPOSED_TO_REMOVE: (np.isin(shown.labels, list(restored)) & still_kept, "restored"),
    }
    for name, (lesions, what) in behind.items():
        voxels = int(np.count_nonzero(submitted.masks[name].data & lesions)) if name in submitted.masks else 0
        if voxels:
            raise RequestError(
                f"The segment {name!r} still holds {voxels} voxels of lesions that clicks {what} in {INFLAMMATION!r}: the click "
                f"tool changes the selected segment alone. Delete the segment {name!r}, and submit again."
            )


def _credited(corrections: Corrections, drawn: DrawnRegions) -> dict[str, Any]:
    credited = corrections.as_dict()
    credited["regions"] |= {name: dict(difference) for name, difference in drawn.differences.items()}
    return credited


def _proposals(drawn: DrawnRegions) -> dict[str, Mapping[str, Any]]:
    masks = {NORMAL_BONE: drawn.normal_bone, DISEASE_REGION: drawn.region}
    if drawn.active is None:
        return {}
    stated = {name: proposal_of(drawn.active, name) for name, mask in masks.items() if mask is not None}
    return {name: proposal for name, proposal in stated.items() if proposal is not None}


def _threshold_before(
    display: Mapping[str, Any] | None,
    known: KnownRegions,
    drawn: DrawnRegions,
    measure: Callable[[ActiveRegions], VhiResult],
) -> float | None:
    """The sensitive threshold with which VHI was last shown, else that of the regions in force; None where there is none."""
    if display is not None:
        return float(display["sensitive_threshold"])
    if not drawn.changed or known.in_force is None:
        return None
    try:
        return measure(known.in_force).thresholds.sensitive
    except VhiError:
        return None


def _check_place(
    inflammation: Mask,
    result: VhiResult,
    before: float | None,
    drawn: DrawnRegions,
    metadata: SubmissionMetadata,
    messages: list[str],
) -> None:
    """Refuse inflammation that is not hyperintense, and say what is at fault: the mask, or what moved the threshold.

    A viewer that shows the number of its label map shows that this one lies where the reader drew it.
    """
    now = result.thresholds.sensitive
    if metadata.displayed is None and before is None:
        check_inflammation_not_flipped(inflammation, result.stir, now)
    dark = changes_of(result, inflammation).painted_below_threshold
    if 2 * dark <= inflammation.voxels:
        return
    share = 0.0 if before is None else hyperintense_share(inflammation.data, result.stir.data, before)
    if before is not None and share >= LEAST_HYPERINTENSE and now > before:
        sentence = _moved_threshold(drawn, dark, inflammation.voxels, before, now)
    else:
        sentence = (
            f"{dark} of the {inflammation.voxels} voxels of inflammation lie below the sensitive threshold ({now:.1f}): the mask "
            "seems flipped, shifted or of another scan. Check it over STIR, and submit only what is bright."
        )
    if metadata.displayed is None:
        raise RequestError(sentence)
    messages.append(sentence)


def _moved_threshold(drawn: DrawnRegions, dark: int, voxels: int, before: float, now: float) -> str:
    moved = [name for name, difference in drawn.differences.items() if difference["added"] or difference["removed"]]
    cause = {NORMAL_BONE: "normal bone", DISEASE_REGION: "the disease region, in which normal bone is proposed,"}
    name = NORMAL_BONE if NORMAL_BONE in moved else next(iter(moved), None)
    part = "the settings" if name is None else cause[name]
    way_out = "Choose them as they were" if name is None else "Redraw it, or put it back to the proposal"
    look = " Look at its outline over STIR: something bright lies in it, such as a vessel or inflamed bone." if name else ""
    return (
        f"A change of {part} has moved the sensitive threshold from {before:.1f} to {now:.1f}, and {dark} of the {voxels} voxels "
        f"of inflammation lie below it now; the inflammation itself lies where it should.{look} {way_out}, measure again, and "
        "submit."
    )


def _refuse_covered(submitted: Submitted, started: ActiveRegions | None) -> None:
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
