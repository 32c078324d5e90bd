"""A result as DICOM structured report: the numbers of handmade.py, found again by their codes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pydicom
import pytest
from highdicom import sr
from pydicom.dataset import Dataset

from handmade import PROVENANCE, handmade
from lib.core.anatomy import PartExtent, ZoneExtent
from lib.errors import InputError
from lib.reports import ReaderWork, ReportContent, report_content
from lib.reports.dicom_seg import segmentation
from lib.reports.dicom_sr import structured_report
from lib.studies.dicom_sr_reader import read_vhi_report
from mrseries import enhanced_mr, mr_series

pytestmark = pytest.mark.slow  # seconds in all

MM3, ONE = "mm3", "1"
TOTAL, LEFT, RIGHT = "", "7771000", "24028007"


def stored(dataset: Dataset) -> Dataset:
    """The object as another program reads it."""
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return pydicom.dcmread(BytesIO(file.getvalue()))


def report_of(content: ReportContent, **series: Any) -> Dataset:
    stir = mr_series(content.result.stir)
    options = {"t1w": mr_series(content.result.t1w, "T1W"), "segments": segmentation(content, stir)} | series
    return stored(structured_report(content, stir, **options))


def below(item: Dataset) -> Iterator[Dataset]:
    for one in item.get("ContentSequence", []):
        yield one
        yield from below(one)


def named(item: Dataset, code: str) -> list[Dataset]:
    """Children of an item whose concept has this code."""
    found = item.get("ContentSequence", [])
    return [one for one in found if "ConceptNameCodeSequence" in one and one.ConceptNameCodeSequence[0].CodeValue == code]


def group(report: Dataset, name: str) -> Dataset:
    (imaging,) = named(report, "126010")
    (found,) = [one for one in imaging.ContentSequence if named(one, "112039")[0].TextValue == name]
    return found


def numbers(found: Dataset) -> dict[tuple[str, str], tuple[float, str]]:
    """(code, side) to (value, unit)."""
    read = {}
    for one in found.ContentSequence:
        if one.ValueType == "NUM":
            sides = [
                side.ConceptCodeSequence[0].CodeValue for site in named(one, "363698007") for side in named(site, "272741003")
            ]
            value = one.MeasuredValueSequence[0]
            key = one.ConceptNameCodeSequence[0].CodeValue, "".join(sides)
            assert key not in read
            read[key] = float(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue
    return read


def test_the_numbers_are_those_of_the_scan():
    interval = handmade().interval
    report = report_of(report_content(handmade(), PROVENANCE))
    assert numbers(group(report, "Uncleaned volume at the sensitive threshold")) == {
        ("118565006", TOTAL): (72.0, MM3),
        ("118565006", LEFT): (48.0, MM3),
        ("118565006", RIGHT): (24.0, MM3),
        ("122411", ""): (7.0, ONE),
        ("246206008", ""): (2.0, ONE),
        ("VHI-T5-LOW", ""): (24.0, MM3),
        ("VHI-T5-HIGH", ""): (72.0, MM3),
        ("VHI-SLICE-LOW", ""): (72.0, MM3),
        ("VHI-SLICE-HIGH", ""): (72.0, MM3),
        ("VHI-95-LOW", ""): (pytest.approx(interval.low_mm3, rel=1e-6), MM3),
        ("VHI-95-HIGH", ""): (pytest.approx(interval.high_mm3, rel=1e-6), MM3),
    }
    assert numbers(group(report, "Uncleaned volume at the conservative threshold")) == {
        ("118565006", TOTAL): (24.0, MM3),
        ("118565006", LEFT): (24.0, MM3),
        ("118565006", RIGHT): (0.0, MM3),
        ("122411", ""): (7.5, ONE),
    }
    assert numbers(group(report, "Disease region")) == {("118565006", ""): (2400.0, MM3)}
    assert numbers(group(report, "Normal bone")) == {("118565006", ""): (270.0, MM3)}


def test_a_volume_says_how_it_was_counted_and_where():
    container = group(report_of(report_content(handmade(), PROVENANCE)), "Uncleaned volume at the sensitive threshold")
    assert named(container, "363698007")[0].ConceptCodeSequence[0].CodeValue == "39723000"
    for volume in named(container, "118565006"):
        assert named(volume, "370129005")[0].ConceptCodeSequence[0].CodeValue == "126030"
    assert named(container, "121071")[0].ConceptCodeSequence[0].CodeValue == "79654002"
    assert named(container, "VHI-STABILITY")[0].ConceptCodeSequence[0].CodeValue == "VHI-UNSTABLE"
    assert (named(container, "111001")[0].TextValue, named(container, "111003")[0].TextValue) == ("VHI thresholds", "0.1.0")


def test_changed_settings_and_the_chain_of_post_transforms_are_parameters_of_the_algorithm():
    report = report_of(report_content(handmade(min_pixels=3), PROVENANCE))
    container = group(report, "Uncleaned volume at the sensitive threshold")
    parameters = [one.TextValue for one in named(container, "111002")]
    assert parameters[:2] == ["min_pixels=3", "post_transforms=paper, with changed settings"]
    step = '{"_target_":"vhi.transforms.DropSmallComponentsd","connectivity":8,"keys":"grade","min_area_mm2":0.0,"min_pixels":3}'
    whole = '{"postprocessing":{"_target_":"monai.transforms.Compose","transforms":[' + step + "]}}"
    hashed = hashlib.sha256(whole.encode()).hexdigest()
    assert parameters[2:] == [f"post_transforms_sha256={hashed}", f"post_transform_1={step}"]


@pytest.mark.parametrize(
    ("changes", "settings"),
    [({"min_pixels": 3}, ()), ({"first_multiple": 2.0, "rule": "paper"}, ("rule paper", "first multiple 2"))],
)
def test_settings_that_make_it_another_measure_are_read_back(changes, settings):
    report = read_vhi_report(report_of(report_content(handmade(**changes), PROVENANCE)))
    assert report is not None
    assert report.settings == settings


@pytest.mark.parametrize(("changes", "chain"), [({}, "paper"), ({"min_pixels": 3}, "paper, with changed settings")])
def test_the_chain_of_post_transforms_is_read_back(changes, chain):
    content = report_content(handmade(**changes), PROVENANCE)
    report = read_vhi_report(report_of(content))
    assert report is not None
    assert report.chain is not None
    assert report.chain.name == chain
    assert report.chain.sha256 == ("" if chain == "paper" else content.result.settings.chain.sha256)


def test_each_group_refers_to_its_segment_by_the_segments_own_tracking_id():
    content = report_content(handmade(), PROVENANCE)
    seg = segmentation(content, mr_series(content.result.stir))
    report = report_of(content, segments=seg)
    names = {
        "Normal bone": 1,
        "Disease region": 2,
        "Uncleaned volume at the sensitive threshold": 3,
        "Uncleaned volume at the conservative threshold": 4,
    }
    for name, number in names.items():
        container = group(report, name)
        (segment,) = named(container, "121191")
        reference = segment.ReferencedSOPSequence[0]
        assert (reference.ReferencedSOPInstanceUID, reference.ReferencedSegmentNumber) == (seg.SOPInstanceUID, number)
        assert seg.SegmentSequence[number - 1].TrackingUID == named(container, "112040")[0].UID


def test_no_inflammation_is_a_report_that_says_zero():
    report = report_of(report_content(handmade(lesions=False), PROVENANCE))
    for grade in ("sensitive", "conservative"):
        container = group(report, f"Uncleaned volume at the {grade} threshold")
        read = numbers(container)
        assert [read["118565006", side] for side in (TOTAL, LEFT, RIGHT)] == [(0.0, MM3)] * 3
        assert named(container, "121191") == []
    assert numbers(group(report, "Uncleaned volume at the sensitive threshold"))["246206008", ""] == (0.0, ONE)
    assert named(group(report, "Disease region"), "121191")


def test_zero_needs_no_segmentation_at_all():
    report = report_of(report_content(handmade(lesions=False), PROVENANCE), segments=None)
    assert numbers(group(report, "Uncleaned volume at the sensitive threshold"))["118565006", TOTAL] == (0.0, MM3)


def test_the_library_lists_every_image_of_both_series_and_the_evidence_those_and_the_segmentation():
    content = report_content(handmade(), PROVENANCE)
    seg = segmentation(content, mr_series(content.result.stir))
    report = report_of(content, segments=seg)
    (library,) = named(report, "111028")
    images = {one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in below(library) if one.ValueType == "IMAGE"}
    headers = [*mr_series(content.result.stir), *mr_series(content.result.t1w, "T1W")]
    assert images == {one.SOPInstanceUID for one in headers}
    evidence = {
        instance.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    assert evidence == images | {seg.SOPInstanceUID}
    assert {one.StudyInstanceUID for one in report.CurrentRequestedProcedureEvidenceSequence} == {report.StudyInstanceUID}


def test_a_t1w_of_another_study_is_not_referred_to():
    content = report_content(handmade(), PROVENANCE)
    report = report_of(content, t1w=mr_series(content.result.t1w, "T1W", StudyInstanceUID="1.2.3"))
    (library,) = named(report, "111028")
    assert len(library.ContentSequence) == 1


def test_a_multi_frame_series_is_one_image_of_the_library():
    content = report_content(handmade(), PROVENANCE)
    series = enhanced_mr(content.result.stir)
    report = stored(structured_report(content, [series], (), segmentation(content, [series])))
    assert len([one for one in below(named(report, "111028")[0]) if one.ValueType == "IMAGE"]) == 1


def observers(report: Dataset) -> list[str]:
    return [one.ConceptCodeSequence[0].CodeMeaning for one in named(report, "121005")]


def test_the_program_observes_and_the_reader_where_there_was_one():
    alone = report_of(report_content(handmade(), PROVENANCE))
    assert observers(alone) == ["Device"]
    assert named(alone, "121013")[0].TextValue == "VHI 0.1.0"
    reading = ReaderWork({"reader": "R11", "method": "semi-automatic", "changes": {"inflammation": {}}}, ("Correction: one.",))
    cleaned = report_of(report_content(handmade(), PROVENANCE, reading=reading))
    assert observers(cleaned) == ["Person", "Device"]
    assert named(cleaned, "121008")[0].PersonName == "R11^"
    words = [one.TextValue for one in named(group(cleaned, "Uncleaned volume at the sensitive threshold"), "121106")]
    assert "Correction: one." in words


def test_the_report_says_what_every_other_form_says():
    content = report_content(handmade(), PROVENANCE)
    words = [one.TextValue for one in named(group(report_of(content), "Uncleaned volume at the sensitive threshold"), "121106")]
    for sentence in (content.vhi_meaning, *content.stability, *content.warnings, content.disclaimer):
        assert sentence in words


def test_normal_bone_on_two_slices_has_no_range_of_its_own():
    read = numbers(
        group(
            report_of(report_content(handmade(normal_bone_slices=2), PROVENANCE)), "Uncleaned volume at the sensitive threshold"
        )
    )
    assert ("VHI-T5-LOW", "") in read
    assert ("VHI-SLICE-LOW", "") not in read


def test_highdicom_finds_the_measurements_by_their_codes():
    content = report_content(handmade(), PROVENANCE)
    seg = segmentation(content, mr_series(content.result.stir))
    dataset = report_of(content, segments=seg)
    dataset.filename = None  # it was read from memory
    report = sr.Comprehensive3DSR.from_dataset(dataset).content
    groups = report.get_volumetric_roi_measurement_groups(referenced_sop_instance_uid=seg.SOPInstanceUID)
    assert len(groups) == 4
    volume = sr.CodedConcept("118565006", "SCT", "Volume")
    assert [one.value for one in groups[0].get_measurements(volume)] == [72.0, 48.0, 24.0]


def test_codes_of_our_own_are_declared_and_short_enough():
    report = report_of(report_content(handmade(), PROVENANCE))
    assert [one.CodingSchemeDesignator for one in report.CodingSchemeIdentificationSequence] == ["99VHI"]
    for item in below(report):
        for code in [*item.get("ConceptNameCodeSequence", []), *item.get("ConceptCodeSequence", [])]:
            assert len(code.CodeValue) <= 16
            assert len(code.CodeMeaning) <= 64


def test_names_and_words_in_other_scripts_survive():
    result = handmade()
    stir = mr_series(result.stir, patient="Müller^Zoë")
    report = stored(structured_report(report_content(result, PROVENANCE), stir))
    assert str(report.PatientName) == "Müller^Zoë"
    assert any("mm³" in one.get("TextValue", "") for one in below(report))


def test_headers_that_nothing_can_refer_to_are_refused():
    result = handmade()
    with pytest.raises(InputError, match="T1W carries no usable StudyInstanceUID"):
        structured_report(
            report_content(result, PROVENANCE), mr_series(result.stir), mr_series(result.t1w, "T1W", StudyInstanceUID=None)
        )


def test_thresholds_keep_fourteen_digits():
    result = handmade()
    thresholds = replace(result.thresholds, sensitive=7.0 + 1 / 3)
    report = report_of(report_content(replace(result, thresholds=thresholds), PROVENANCE))
    content = numbers(group(report, "Uncleaned volume at the sensitive threshold"))["122411", ""][0]
    assert content == pytest.approx(7 + 1 / 3, rel=1e-14)


def test_with_a_proposed_normal_bone_stability_is_coded_as_not_judged():
    result = handmade()
    steady = tuple(replace(one, vhi_mm3=72.0) for one in result.stability.threshold_changes)
    proposed = replace(result, stability=replace(result.stability, threshold_changes=steady, normal_bone_source="proposed"))
    container = group(report_of(report_content(proposed, PROVENANCE)), "Uncleaned volume at the sensitive threshold")
    assert named(container, "VHI-STABILITY")[0].ConceptCodeSequence[0].CodeValue == "VHI-NOT-JUDGED"


def test_parts_of_the_pelvis_are_told_by_finding_site_and_side_and_what_is_left_out_in_all():
    result = handmade()
    extents = ("sacrum", "midline", 48.0, 24.0), ("ilium", "right", 18.0, 0.0), ("other", "left", 6.0, 0.0)
    parts = tuple(PartExtent(*one) for one in extents)
    zones = (ZoneExtent("sacroiliac", 72.0, 24.0), ZoneExtent("above L4/5", 30.0, 0.0, counted=False))
    placed = replace(result, measurement=replace(result.measurement, parts=parts, zones=zones))
    container = group(report_of(report_content(placed, PROVENANCE)), "Uncleaned volume at the sensitive threshold")
    told = {}
    for one in named(container, "VHI-PART"):
        site = named(one, "363698007")[0]
        side = named(site, "272741003")[0].ConceptCodeSequence[0].CodeValue
        told[site.ConceptCodeSequence[0].CodeValue, side] = float(one.MeasuredValueSequence[0].NumericValue)
    assert told == {("54735007", "261129000"): 48.0, ("22356005", RIGHT): 18.0}
    assert float(named(container, "VHI-LEFT-OUT")[0].MeasuredValueSequence[0].NumericValue) == 30.0
