"""The words of a report, for the scan of handmade.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handmade import PROVENANCE, handmade
from lib.core.anatomy import ZoneExtent
from lib.core.disease_region import DiseaseRegion
from lib.core.propagation import ImageStatistics, RegionStatistics
from lib.core.settings import VhiSettings
from lib.reports import report_content


def test_the_number_stands_beside_its_range():
    content = report_content(handmade(), PROVENANCE)
    assert content.vhi == "72 mm³"
    assert content.vhi_ranges == (("29 to 178 mm³", "95% interval from what is known to vary (×\u00a0/\u00a0÷\u00a02.48)"),)
    assert content.vhi_meaning == (
        "At the sensitive threshold, the primary measure: 12 voxels in 2 lesions. Uncleaned: nobody and nothing has removed a lesion."
    )
    assert content.volumes.rows == (
        ("Both sides", "72", "24"),
        ("Patient's right", "24", "0"),
        ("Patient's left", "48", "24"),
        ("Other, left", "48", "24"),
        ("Other, right", "24", "0"),
    )


def test_an_unstable_number_is_called_so_in_the_warnings_and_in_the_text():
    content = report_content(handmade(), PROVENANCE)
    words = "a sensitive threshold 5% higher or lower gives 24 to 72 mm³"
    assert any(words in warning for warning in content.warnings)
    assert content.stability == (
        "Uncleaned volume with the sensitive threshold changed: −10%: 72 mm³; −5%: 72 mm³; +5%: 24 mm³; +10%: 24 mm³.",
        "Uncleaned volume with one slice of normal bone left out: slice 1: 72 mm³; slice 2: 72 mm³; slice 3: 72 mm³.",
        f"Uncleaned volume is unstable: {words}.",
    )


def test_normal_bone_on_two_slices_has_no_range_of_its_own():
    content = report_content(handmade(normal_bone_slices=2), PROVENANCE)
    assert len(content.vhi_ranges) == 1
    assert content.stability[1] == "Normal bone covers too few slices to tell what each of them contributes."


def test_given_masks_are_the_readers_and_nobody_has_corrected_the_result():
    content = report_content(handmade(), PROVENANCE)
    assert content.reader == (
        "Disease region: given as a mask and used as drawn.",
        "Normal bone: given as a mask and used as drawn, on slices 1–3.",
        "Correction: none. No reader has removed vessels, joint fluid or artefacts.",
    )
    assert content.automatic == (
        "Thresholds: by the paper rule, from 45 voxels of normal bone. Grading: every voxel of the disease region against them.",
        "Clearing: 9 of 21 voxels removed by rule (groups of fewer than 4 pixels in a slice).",
    )


def test_found_and_proposed_regions_are_the_programs():
    result = handmade()
    region = DiseaseRegion(result.disease_region.mask, "ensemble of 3", 0.0412, 0.0496)
    content = report_content(replace(result, disease_region=region, normal_bone_source="proposed"), PROVENANCE)
    assert content.automatic[:2] == (
        "Disease region: found on T1W by the networks (ensemble of 3); its members differ by 4.1% (1 − mean Dice); entropy inside it 0.050 bit "
        "(0 sure, 1 a coin toss).",
        "Normal bone: proposed by the program on slices 1–3. No reader has checked it.",
    )
    assert len(content.reader) == 1
    assert content.reader[0].startswith("Correction: none.")


def test_the_rule_of_the_thresholds_and_the_confidence_of_a_proposal_are_told():
    # quartiles 2 and 4, far fence 4 + 3 * 2 = 10, brightest voxel 7.5; the slices hold too few voxels to count one by one
    robust = handmade(rule="robust")
    content = report_content(replace(robust, normal_bone_source="proposed", normal_bone_confidence=0.85), PROVENANCE)
    assert content.thresholds.rows[:3] == (
        ("Rule", "robust", "not the paper's; docs/thresholds.md"),
        ("Sensitive", "7.5500", "Q3 + 1.775 × IQR = 4.0000 + 3.5500"),
        ("Conservative", "8.7500", "robust upper limit of normal bone"),
    )
    assert content.automatic[:2] == (
        "Normal bone: proposed by the program on slices 1–3, confidence 0.85 (at most 1). No reader has checked it.",
        "Thresholds: by the robust rule, from 45 voxels of normal bone. Grading: every voxel of the disease region against them.",
    )
    assert content.settings.rows[0][:3] == ("rule", "robust", "auto")
    assert (content.numbers["thresholds"]["rule"], content.numbers["normal_bone"]["confidence"]) == ("robust", 0.85)
    paper = report_content(handmade(), PROVENANCE)
    assert paper.thresholds.rows[0] == ("Rule", "paper", "Hepburn et al. 2023, section 2.5.2")


def test_no_inflammation_is_a_result():
    content = report_content(handmade(lesions=False), PROVENANCE)
    assert content.vhi == "0 mm³"
    assert (
        content.vhi_meaning
        == "9 voxels of the disease region reach the sensitive threshold, but none in a group that is large enough to be kept."
    )
    assert content.lesions.rows == ()
    assert content.vhi_ranges[0][0] == "0 mm³"


def test_a_number_without_an_interval_says_why_and_that_its_ranges_are_none():
    content = report_content(handmade(lesions=False), PROVENANCE)
    assert content.vhi_ranges[0][1] == "with the sensitive threshold 5% higher or lower: no confidence interval"
    assert content.stability[0] == (
        "No interval is given around the number. Nothing was measured, and a factor says nothing about zero."
    )


def test_what_is_left_out_is_reported_apart_and_told_in_words():
    result = handmade()
    zone = ZoneExtent("above L4/5", 30.0, 12.0, counted=False)
    settings = VhiSettings.from_values({"leave_out_above": "l4/5"})
    apart = replace(result, measurement=replace(result.measurement, zones=(zone,)), settings=settings)
    content = report_content(apart, PROVENANCE)
    assert content.volumes.rows[-1] == ("Left out: above L4/5", "30", "12")
    assert "the part above the L4/5 disc left out" in content.verdict
    assert "leave_out" not in " ".join([content.verdict, *content.warnings, *content.automatic])
    # of the rules that clear the map none was changed
    assert any(one.endswith("removed by rule (groups of fewer than 4 pixels in a slice).") for one in content.automatic)


def test_not_a_voxel_above_the_threshold_is_said_as_such():
    result = handmade(lesions=False)
    content = report_content(replace(result, measurement=replace(result.measurement, raw_sensitive=0)), PROVENANCE)
    assert content.vhi_meaning == "No voxel of the disease region reaches the sensitive threshold."


def test_lesions_are_listed_largest_first_with_slices_counted_from_one():
    content = report_content(handmade(), PROVENANCE)
    assert content.lesions.rows == (
        ("1", "left", "2–3", "48.0", "8", "1.09", "50%", "-3.5, 4.5, 3.0"),
        ("2", "right", "4", "24.0", "4", "1.00", "0%", "4.5, 9.0, 3.0"),
    )
    assert content.further_lesions(1) == "And 1 smaller one, 24 mm³ together."
    assert content.further_lesions(2) == ""


def test_changed_settings_are_listed_and_unchanged_ones_are_not():
    assert report_content(handmade(), PROVENANCE).settings.rows == ()
    rows = report_content(handmade(min_pixels=3, hysteresis=True), PROVENANCE).settings.rows
    assert [row[:3] for row in rows] == [("hysteresis", "on", "off"), ("min_pixels", "3", "4")]


def test_another_sequence_is_called_by_its_file_and_has_a_table():
    regions = (
        RegionStatistics("inflammation", 12, 0.5, 900.25, 901.0, 800.0, 850.0, 950.0, 1000.0),
        RegionStatistics("empty", 0, None),
    )
    files = [*PROVENANCE["inputs"], {"role": "image 1", "file": "adc.nii.gz", "sha256": "c" * 64}]
    content = report_content(handmade(), {**PROVENANCE, "inputs": files}, [ImageStatistics("image 1", regions, ())])
    (table,) = content.images
    assert table.title == "Other sequence: adc.nii.gz"
    assert table.rows == (
        ("inflammation", "12", "50%", "900.2", "901", "800", "850", "950", "1000"),
        ("empty", "0", "–", "–", "–", "–", "–", "–", "–"),
    )


def test_figures_are_drawn_once():
    content = report_content(handmade(), PROVENANCE)
    assert list(content.figures) == ["mosaic", "where", "projection", "histogram", "stability"]
    assert content.figures is content.figures
    assert "72 mm³" in content.figures["mosaic"].alternative
    assert content.figures["mosaic"].caption.startswith("STIR, slices 1–4 of 4, counted from 1")


@pytest.mark.parametrize("missing", ["inputs", "model", "created", "command", "versions", "settings"])
def test_provenance_that_lacks_something_still_makes_a_report(missing):
    rest = {name: value for name, value in PROVENANCE.items() if name != missing}
    assert report_content(handmade(), rest).vhi == "72 mm³"


def test_with_a_proposed_normal_bone_nothing_is_said_of_holding_still():
    result = handmade()
    steady = tuple(replace(one, vhi_mm3=72.0) for one in result.stability.threshold_changes)
    drawn = replace(result.stability, threshold_changes=steady)
    proposed = replace(drawn, normal_bone_source="proposed")
    words = {kind: report_content(replace(result, stability=one), PROVENANCE) for kind, one in (("d", drawn), ("p", proposed))}
    assert words["d"].stability[-1].startswith("Uncleaned volume is stable")
    assert (
        words["p"].stability[-1].startswith("Uncleaned volume: whether it holds still cannot be told: normal bone was proposed")
    )
    assert (words["d"].numbers["stability"]["stable"], words["p"].numbers["stability"]["stable"]) == (True, None)
    assert not [words for words in words["p"].stability if "stable" in words]
