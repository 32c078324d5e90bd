"""One result as a DICOM structured report, TID 1500 (Comprehensive 3D SR): the numbers, what they rest on, and where they lie.

One measurement group for each grade and each region. A group refers to its segment where the Segmentation holds it; zero has no
segment and is a group of its own, with a volume of 0 mm3: "no inflammation" is a result.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.uid import UID

from ..core.change import Change
from ..core.measurement import Extent
from ..core.numbers import printable
from ..core.pipeline import VhiResult
from ..core.proposal import Stage
from ..core.segment_names import CONSERVATIVE, DISEASE_REGION, INFLAMMATION, NORMAL_BONE
from ..core.stages import name_of
from ..core.verdict import stability_and_reasons, verdict_of
from ..errors import InputError
from . import codes as ours
from .algorithm_identification import Maker, makers, program_version, reader_name, series_description
from .codes import SEGMENTS
from .content import ReportContent
from .dicom_source import complete_result, source_headers

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr.coding import CodedConcept
    from pydicom.dataset import Dataset

Group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations | sr.MeasurementsAndQualitativeEvaluations

SERIES_NUMBER = 5002
_LONGEST_TEXT = 1024


def structured_report(
    content: ReportContent, stir: Sequence[Dataset], t1w: Sequence[Dataset] = (), segments: Segmentation | None = None
) -> sr.Comprehensive3DSR:
    """The structured report of one result.

    Parameters
    ----------
    content : ReportContent
    stir, t1w : sequences of Dataset
        The headers of the measured series. T1W is empty where it was no DICOM series; one of another study is not referred to.
    segments : Segmentation, optional
        As `lib.reports.dicom_seg.segmentation` made it; None where it held nothing.

    Raises
    ------
    InputError
        Headers that nothing can refer to.
    """
    images = source_headers(stir, "STIR")
    if t1w:
        anatomy = source_headers(t1w, "T1W")
        images += [part for part in anatomy if part.StudyInstanceUID == images[0].StudyInstanceUID]
    tree = sr.MeasurementReport(
        observation_context=_observers(content),
        procedure_reported=ours.MRI,
        imaging_measurements=[*_groups(content, images, segments)],
        title=ours.MEASUREMENT_REPORT,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(ours.ENGLISH),
    )
    tree[0].ContentSequence.insert(-1, _image_library(images))
    try:
        report = sr.Comprehensive3DSR(
            evidence=images if segments is None else [*images, segments],
            content=tree,
            series_instance_uid=UID(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=UID(),
            instance_number=1,
            manufacturer=ours.MANUFACTURER,
            manufacturer_model_name=ours.MODEL_NAME,
            software_versions=program_version(content),
            is_complete=True,
            series_description=series_description(f"{name_of(content.result.stage)} measurements", reader_name(content)),
            coding_schemes=[CodingSchemeIdentificationItem(ours.OWN_SCHEME, name=ours.OWN_SCHEME_NAME)],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"The DICOM headers cannot carry a structured report ({error}); export the series again.") from error
    complete_result(report, stir[0])
    return report


def _observers(content: ReportContent) -> sr.ObservationContext:
    version = program_version(content)
    reader = reader_name(content)
    device = sr.DeviceObserverIdentifyingAttributes(
        # one program version is one device
        uid=f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'VHI {version}').int}",
        name=f"{ours.MANUFACTURER} {version}",
        manufacturer_name=ours.MANUFACTURER,
        model_name=ours.MODEL_NAME,
    )
    person = None
    if reader is not None:
        person = sr.ObserverContext(ours.PERSON, sr.PersonObserverIdentifyingAttributes(reader))
    return sr.ObservationContext(observer_person_context=person, observer_device_context=sr.ObserverContext(ours.DEVICE, device))


def _image_library(images: Sequence[Dataset]) -> sr.ContainerContentItem:
    """TID 1600, one group for each series. highdicom's own insists on attributes that scanners leave out."""
    library = sr.ContainerContentItem(ours.IMAGE_LIBRARY, relationship_type=sr.RelationshipTypeValues.CONTAINS)
    library.ContentSequence = sr.ContentSequence()
    for uid in dict.fromkeys(image.SeriesInstanceUID for image in images):
        series = [image for image in images if image.SeriesInstanceUID == uid]
        group = sr.ContainerContentItem(ours.IMAGE_LIBRARY_GROUP, relationship_type=sr.RelationshipTypeValues.CONTAINS)
        group.ContentSequence = sr.ContentSequence([*_described(series[0])])
        group.ContentSequence.extend(
            sr.ImageContentItem(
                ours.SOURCE, header.SOPClassUID, header.SOPInstanceUID, relationship_type=sr.RelationshipTypeValues.CONTAINS
            )
            for header in series
        )
        library.ContentSequence.append(group)
    return library


def _described(image: Dataset) -> Iterator[sr.ContentItem]:
    context = sr.RelationshipTypeValues.HAS_ACQ_CONTEXT
    yield sr.CodeContentItem(ours.MODALITY, ours.MAGNETIC_RESONANCE, context)
    yield sr.UIDRefContentItem(ours.SERIES_INSTANCE_UID, image.SeriesInstanceUID, context)
    yield sr.UIDRefContentItem(ours.FRAME_OF_REFERENCE_UID, image.FrameOfReferenceUID, context)


def _groups(content: ReportContent, images: Sequence[Dataset], segments: Segmentation | None) -> Iterator[Group]:
    made, called = makers(content), _names(content.result.stage)
    numbers = {segment.SegmentLabel: segment for segment in ([] if segments is None else segments.SegmentSequence)}
    measurements = {
        INFLAMMATION: _sensitive(content),
        CONSERVATIVE: _conservative(content),
        DISEASE_REGION: [_volume(content.result.disease_region.mask.volume_mm3)],
        NORMAL_BONE: [_volume(content.result.normal_bone.volume_mm3)],
    }
    for name, measured in measurements.items():
        code, segment = SEGMENTS[name], numbers.get(name)
        common: dict[str, Any] = {
            "finding_type": code.kind,
            "finding_category": code.category,
            "finding_sites": [sr.FindingSite(code.site)],
            "algorithm_id": _algorithm(content, made[name], graded=name in (INFLAMMATION, CONSERVATIVE)),
            "measurements": measured,
            "qualitative_evaluations": _evaluations(content, name) or None,
        }
        group: Group
        if segments is None or segment is None:
            group = sr.MeasurementsAndQualitativeEvaluations(sr.TrackingIdentifier(UID(), called[name]), **common)
        else:
            group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                sr.TrackingIdentifier(segment.TrackingUID, called[name]),
                referenced_segment=sr.ReferencedSegment(
                    sop_class_uid=segments.SOPClassUID,
                    sop_instance_uid=segments.SOPInstanceUID,
                    segment_number=int(segment.SegmentNumber),
                    source_series=sr.SourceSeriesForSegmentation(images[0].SeriesInstanceUID),
                ),
                **common,
            )
        if name == INFLAMMATION:
            group[0].ContentSequence.extend(_comment(words) for words in _sentences(content))
        yield group


def _sensitive(content: ReportContent) -> list[sr.Measurement]:
    result = content.result
    m, s = result.measurement, result.stability
    low, high = s.five_percent_range_mm3
    measurements = [
        *_by_side(m.total.sensitive_mm3, m.left, m.right, "sensitive_mm3"),
        sr.Measurement(ours.THRESHOLD, result.thresholds.sensitive, ours.NO_UNITS),
        sr.Measurement(ours.NUMBER_OF_LESIONS, len(result.lesions), ours.NO_UNITS),
        sr.Measurement(ours.THRESHOLD_RANGE_LOW, low, ours.MM3),
        sr.Measurement(ours.THRESHOLD_RANGE_HIGH, high, ours.MM3),
    ]
    left_out = s.slices_left_out_range_mm3
    if left_out is not None:
        measurements.append(sr.Measurement(ours.SLICE_RANGE_LOW, left_out[0], ours.MM3))
        measurements.append(sr.Measurement(ours.SLICE_RANGE_HIGH, left_out[1], ours.MM3))
    return [*measurements, *_by_part(result), *_left_out(result), *_interval(result), *_since_earlier(content.visits)]


def _by_part(result: VhiResult) -> list[sr.Measurement]:
    """Volume by part and side, told apart by their finding sites; none where the anatomy is not known."""
    return [
        sr.Measurement(
            ours.PART_VOLUME,
            part.sensitive_mm3,
            ours.MM3,
            method=ours.SUM_OF_VOXELS,
            finding_sites=[sr.FindingSite(ours.PARTS[part.part], laterality=ours.SIDES[part.side])],
        )
        for part in result.measurement.parts
        if part.part in ours.PARTS
    ]


def _left_out(result: VhiResult) -> list[sr.Measurement]:
    """The volume that the settings leave out, in all: never one that a program could take for VHI."""
    left_out = result.measurement.left_out
    return [sr.Measurement(ours.LEFT_OUT_VOLUME, sum(zone.sensitive_mm3 for zone in left_out), ours.MM3)] if left_out else []


def _interval(result: VhiResult) -> list[sr.Measurement]:
    """The ends of the 95% interval [mm3]: as measurements of their own, since TID 310 has its uncertainty without a unit."""
    if result.interval is None:
        return []
    ends = (ours.INTERVAL_LOW, result.interval.low_mm3), (ours.INTERVAL_HIGH, result.interval.high_mm3)
    return [sr.Measurement(name, mm3, ours.MM3) for name, mm3 in ends]


def _since_earlier(change: Change | None) -> Iterator[sr.Measurement]:
    """Codes of our own: a program that collects volumes must not take the earlier one for this visit's."""
    if change is None:
        return
    yield sr.Measurement(ours.EARLIER_VOLUME, change.earlier_mm3, ours.MM3)
    if not change.doubts:  # a program that reads them does not read the sentence that says they may not be compared
        yield sr.Measurement(ours.CHANGE, change.change_mm3, ours.MM3)
        for name, mm3 in zip((ours.SMALLEST_FALL, ours.SMALLEST_RISE), change.smallest_change_mm3, strict=True):
            yield sr.Measurement(name, mm3, ours.MM3)
        if change.factor is not None:
            yield sr.Measurement(ours.CHANGE_FACTOR, change.factor, ours.NO_UNITS)
    if change.lesions is not None:
        for fate, number in change.counts.items():
            yield sr.Measurement(ours.FATES[fate], number, ours.NO_UNITS)


def _conservative(content: ReportContent) -> list[sr.Measurement]:
    m, thresholds = content.result.measurement, content.result.thresholds
    return [
        *_by_side(m.total.conservative_mm3, m.left, m.right, "conservative_mm3"),
        sr.Measurement(ours.THRESHOLD, thresholds.conservative, ours.NO_UNITS),
    ]


def _by_side(total_mm3: float, left: Extent, right: Extent, grade: str) -> list[sr.Measurement]:
    """Volume of both sides, then of each: they are told apart by the finding site of the measurement."""
    sides = (left, ours.LEFT), (right, ours.RIGHT)
    return [_volume(total_mm3), *(_volume(getattr(extent, grade), side) for extent, side in sides)]


def _volume(mm3: float, side: CodedConcept | None = None) -> sr.Measurement:
    sites = None if side is None else [sr.FindingSite(ours.SACROILIAC_JOINT, laterality=side)]
    return sr.Measurement(ours.VOLUME, mm3, ours.MM3, method=ours.SUM_OF_VOXELS, finding_sites=sites)


def _algorithm(content: ReportContent, made: Maker, graded: bool) -> sr.AlgorithmIdentification | None:
    if made.algorithm is None:
        return None
    return sr.AlgorithmIdentification(made.algorithm, made.version, parameters=_parameters(content) if graded else None)


def _parameters(content: ReportContent) -> list[str]:
    """The changed settings, and the chain of post-transforms whole, with its hash."""
    chain = content.result.settings.chain
    changed = [f"{name}={value}" for name, value, *_ in content.settings.rows]
    named = [f"post_transforms={printable(chain.name)}", f"post_transforms_sha256={chain.sha256}"]
    steps = [json.dumps(step, sort_keys=True, separators=(",", ":")) for step in chain.step_configs]
    return [*changed, *named, *(f"post_transform_{n}={step}" for n, step in enumerate(steps, start=1))]


def _names(stage: Stage) -> dict[str, str]:
    """Tracking identifiers: only what a reader cleaned is called VHI."""
    volume = name_of(stage)
    return {
        INFLAMMATION: f"{volume} at the sensitive threshold",
        CONSERVATIVE: f"{volume} at the conservative threshold",
        DISEASE_REGION: "Disease region",
        NORMAL_BONE: "Normal bone",
    }


def _evaluations(content: ReportContent, name: str) -> list[sr.QualitativeEvaluation]:
    """Of the volume its stage, stability and verdict; of normal bone where it came from."""
    if name == NORMAL_BONE:
        return [sr.QualitativeEvaluation(ours.BONE_SOURCE, ours.BONE_SOURCES[content.result.normal_bone_source])]
    if name != INFLAMMATION:
        return []
    stability = {True: ours.STABLE, False: ours.UNSTABLE, None: ours.NOT_JUDGED}
    return [
        sr.QualitativeEvaluation(ours.STAGE, ours.STAGES[content.result.stage]),
        sr.QualitativeEvaluation(ours.STABILITY, stability[stability_and_reasons(content.result)[0]]),
        sr.QualitativeEvaluation(ours.VERDICT, ours.VERDICTS[verdict_of(content.result).word]),
    ]


def _sentences(content: ReportContent) -> tuple[str, ...]:
    """The sentences beside the number in every other form of the report."""
    return (
        content.title,
        content.verdict,
        content.vhi_meaning,
        *content.change,
        *content.stability,
        *content.warnings,
        *content.automatic,
        *content.reader,
        content.disclaimer,
    )


def _comment(words: str) -> sr.TextContentItem:
    return sr.TextContentItem(ours.COMMENT, words[:_LONGEST_TEXT], sr.RelationshipTypeValues.CONTAINS)
