"""Submissions in the archive: what they become there, and that each comes once."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import EncapsulatedPDFStorage

from archived_case import BONE, CONSERVATIVE, INFLAMMATION, REGION, dice, image_of, numbers_of
from handmade import handmade
from lib.pacs.results import is_ours
from lib.studies.dicom_seg_reader import read_segments

NONE = np.zeros(handmade().stir.grid.shape, bool)


@pytest.fixture
def service(archived_case):
    """After both regions were handed in and stored."""
    service = archived_case.service()
    archived_case.draw_regions(service)
    service.delivery.outbox.send()
    return service


def submitted(archived_case, service, *segments, **more):
    """The Segmentations and reports that one submission adds to the archive."""
    before = {one.SOPInstanceUID for kind in ("SEG", "SR") for one in archived_case.stored(kind)}
    archived_case.submit(service, *segments, **more)
    service.delivery.outbox.send()
    assert service.delivery.outbox.state().waiting == 0
    return tuple([one for one in archived_case.stored(kind) if one.SOPInstanceUID not in before] for kind in ("SEG", "SR"))


def test_a_cleaned_reading_arrives_voxel_for_voxel_with_its_numbers(archived_case, service):
    (seg,), (report,) = submitted(archived_case, service, (INFLAMMATION, archived_case.lesions == 2))
    assert archived_case.of_series([seg], "STIR") == [seg]
    masks = read_segments(seg, archived_case.grid)
    assert list(masks) == [BONE, REGION, INFLAMMATION]  # none of lesion 2 is conservative
    for name, mask in {BONE: archived_case.bone, REGION: archived_case.region, INFLAMMATION: archived_case.lesions == 2}.items():
        assert dice(masks[name].data, mask) == 1.0
    for axis in range(3):
        assert dice(np.flip(masks[INFLAMMATION].data, axis), archived_case.lesions == 2) == 0.0
    kinds = {one.SegmentLabel: one.SegmentAlgorithmType for one in seg.SegmentSequence}
    assert kinds[INFLAMMATION] == "SEMIAUTOMATIC"
    assert (seg.ContentCreatorName, seg.StudyInstanceUID) == ("anna^", archived_case.study.study_uid)
    assert (seg.SeriesDescription, report.SeriesDescription) == ("VHI segmentation, anna", "VHI measurements, anna")
    assert is_ours(seg)
    assert is_ours(report)
    numbers = numbers_of(report)["VHI at the sensitive threshold"]
    assert (numbers["Volume"], numbers["Volume Left"], numbers["Volume Right"]) == (24.0, 0.0, 24.0)
    assert numbers["Threshold Value"] == 70.0
    assert numbers_of(report)["VHI at the conservative threshold"]["Volume"] == 0.0
    evidence = {
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert seg.SOPInstanceUID in evidence


def test_what_was_not_cleaned_has_both_grades(archived_case, service):
    (seg,), (report,) = submitted(archived_case, service, (INFLAMMATION, archived_case.lesions > 0))
    masks = read_segments(seg, archived_case.grid)
    np.testing.assert_array_equal(masks[CONSERVATIVE].data, archived_case.truth.grade == 2)
    numbers = numbers_of(report)
    assert numbers["VHI at the sensitive threshold"]["Volume"] == 72.0
    assert numbers["VHI at the conservative threshold"]["Volume Left"] == 24.0


def test_no_inflammation_is_a_report_of_zero(archived_case, service):
    (seg,), (report,) = submitted(archived_case, service, (INFLAMMATION, NONE))
    assert list(read_segments(seg, archived_case.grid)) == [BONE, REGION]
    numbers = numbers_of(report)["VHI at the sensitive threshold"]
    assert (numbers["Volume"], numbers["Volume Left"], numbers["Volume Right"]) == (0.0, 0.0, 0.0)


def test_regions_drawn_before_anything_can_be_measured_are_on_the_series_they_belong_to(archived_case):
    service = archived_case.service()
    corner = NONE.copy()
    corner[1:9, 1:9, :2] = True
    (seg,), reports = submitted(archived_case, service, (REGION, corner), role="T1W")
    assert reports == []
    assert archived_case.of_series([seg], "T1W") == [seg]
    np.testing.assert_array_equal(read_segments(seg, archived_case.grid)[REGION].data, corner)
    assert [one.SegmentAlgorithmType for one in seg.SegmentSequence] == ["MANUAL"]
    (seg,), reports = submitted(archived_case, service, (BONE, archived_case.bone), reader="ben")
    assert len(reports) == 1  # ben starts from anna's region, so VHI was measured
    assert archived_case.of_series([seg], "STIR") == [seg]


def test_normal_bone_that_nothing_can_be_measured_with_yet_is_on_stir(archived_case):
    (seg,), reports = submitted(archived_case, archived_case.service(), (BONE, archived_case.bone))
    assert reports == []
    assert archived_case.of_series([seg], "STIR") == [seg]
    np.testing.assert_array_equal(read_segments(seg, archived_case.grid)[BONE].data, archived_case.bone)


def test_a_handed_in_region_lies_on_t1w_and_among_what_was_measured(archived_case, service):
    smaller = archived_case.region.copy()
    smaller[:, :, 3] = False
    segs, (report,) = submitted(archived_case, service, (REGION, smaller))
    for role in ("T1W", "STIR"):
        (seg,) = archived_case.of_series(segs, role)
        np.testing.assert_array_equal(read_segments(seg, archived_case.grid)[REGION].data, smaller)
        kinds = {one.SegmentLabel: one.SegmentAlgorithmType for one in seg.SegmentSequence}
        assert kinds[REGION] == "SEMIAUTOMATIC"  # it was one before
    assert numbers_of(report)["Disease region"]["Volume"] == 6.0 * np.count_nonzero(smaller)


def test_a_series_whose_headers_cannot_carry_results_loses_no_submission(archived_case, service):
    for path in (service.readings.root / "pacs" / "series").glob("*/*/STIR/*.dcm"):
        header = pydicom.dcmread(path)
        del header.StudyInstanceUID
        header.save_as(path)
    made = archived_case.submit(service, (INFLAMMATION, archived_case.lesions == 2))
    assert made.measured
    assert any(
        one.startswith("The submission was kept, but nothing of it goes to the archive: STIR carries no usable Study")
        for one in made.messages
    )
    assert service.submissions(image_of(service), "anna")[-1].messages == made.messages
    assert service.delivery.outbox.state().waiting == 0


def test_a_series_of_a_blinded_study_whose_headers_cannot_carry_results_names_no_uid_to_the_reader(archived_case, caplog):
    service = archived_case.service(blinded=True, seed=5)
    archived_case.draw_regions(service)
    source = next((service.readings.root / "pacs" / "series").glob("*/*/STIR/*.dcm"))
    source.write_bytes(source.read_bytes()[:200])
    made = archived_case.submit(service, (INFLAMMATION, archived_case.lesions == 2))
    (told,) = [one for one in made.messages if "archive" in one]
    assert told == "The submission was kept, but nothing of it goes to the archive; the administrator's log says why."
    assert source.stem not in "".join(made.messages)
    assert source.stem in caplog.text


def test_a_blinded_study_sends_pseudonyms_and_no_aliases(archived_case):
    service = archived_case.service(blinded=True, seed=5)
    archived_case.draw_regions(service)
    alias = service.cases.index.cases[0].case_id
    made = archived_case.submit(service, (INFLAMMATION, archived_case.lesions == 2))
    assert made.reader == "anna"
    known = json.loads((service.readings.root / "readers.json").read_text())
    (pseudonym,) = known
    assert known == {pseudonym: "anna"}
    assert service.delivery.outbox.send() == 3
    for one in (*archived_case.stored("SEG"), *archived_case.stored("SR")):
        words = str(one)
        assert "anna" not in words
        assert alias not in words
        assert pseudonym in words


def test_what_was_kept_but_not_posted_by_a_killed_process_is_posted_at_the_next_start(archived_case, service):
    made = archived_case.submit(service, (INFLAMMATION, archived_case.lesions == 2))
    for path in (service.readings.root / "outbox" / "waiting").iterdir():
        path.unlink()
    later = archived_case.service()
    assert later.delivery.outbox.state().waiting == 1
    assert not later.delivery.delivery_state(made)["stored"]
    later.delivery.outbox.send()
    assert later.delivery.delivery_state(made) == {"stored": True, "waiting": 0, "last_error": None}
    assert len(archived_case.stored("SR")) == 2  # of the region with bone, and of this one


@pytest.mark.dicomtools
def test_no_tool_complains_of_what_the_archive_hands_out(archived_case, service, tmp_path):
    missing = [tool for tool in ("dcmdump", "dsrdump", "dciodvfy") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: apt-get install dcmtk dicom3tools")
    archived_case.submit(service, (INFLAMMATION, NONE))
    archived_case.submit(service, (INFLAMMATION, archived_case.lesions > 0))
    service.delivery.outbox.send()
    objects = {"seg": archived_case.stored("SEG"), "sr": archived_case.stored("SR")}
    assert [len(one) for one in objects.values()] == [4, 3]
    for kind, datasets in objects.items():
        for number, dataset in enumerate(datasets):
            path = tmp_path / f"{kind}{number}.dcm"
            dataset.save_as(path)
            assert said_wrong("dcmdump", path) == []
            assert said_wrong("dciodvfy", "-new", path) == []
            assert kind == "seg" or said_wrong("dsrdump", path) == []


@pytest.mark.dicomtools
def test_on_choice_the_report_and_its_pictures_are_in_the_archive_and_no_tool_complains(archived_case, tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")
    archived_case.pacs_report = True
    service = archived_case.service()
    archived_case.draw_regions(service)
    service.delivery.outbox.send()
    before = {one.SOPInstanceUID for kind in ("DOC", "OT") for one in archived_case.stored(kind)}
    made = archived_case.submit(service, (INFLAMMATION, archived_case.lesions == 2))
    service.delivery.outbox.send()
    assert service.delivery.outbox.state().waiting == 0
    new = [one for kind in ("DOC", "OT") for one in archived_case.stored(kind) if one.SOPInstanceUID not in before]
    document, picture = sorted(new, key=lambda one: one.Modality)
    for number, one in enumerate((document, picture)):
        path = tmp_path / f"{number}.dcm"
        one.save_as(path)
        assert said_wrong("dciodvfy", "-new", path) == []
        assert (one.StudyInstanceUID, one.PatientID) == (archived_case.study.study_uid, archived_case.patient)
    assert document.SOPClassUID == EncapsulatedPDFStorage
    assert document.EncapsulatedDocument.startswith(b"%PDF")
    assert document.DocumentTitle == "VHI (cleaned by anna): 24 mm3"
    assert picture.pixel_array.shape[2] == 3
    assert picture.pixel_array.any()
    stored = {path.name for path in service.readings.folder_of(made).glob("*.dcm")}
    assert stored == {"seg-stir.dcm", "sr.dcm", "report.dcm", "picture.dcm"}


def test_the_report_says_where_normal_bone_came_from(archived_case, service):
    _, (report,) = submitted(archived_case, service, (INFLAMMATION, archived_case.lesions == 2))
    assert evaluations_of(report)["VHI-BONE"] == "Drawn by a reader"


def evaluations_of(report):
    """Coded answers of a structured report by the code of what they answer."""
    found = {}

    def look(items):
        for item in items:
            if item.get("ValueType") == "CODE":
                found[item.ConceptNameCodeSequence[0].CodeValue] = item.ConceptCodeSequence[0].CodeMeaning
            look(item.get("ContentSequence", []))

    look(report.ContentSequence)
    return found


def said_wrong(*command: str | Path) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "E:", "F:"))]
