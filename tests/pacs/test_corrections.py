"""Segmentations that other programs store in the archive: taken once, of the right reader, or refused with the reason."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from archived_case import BONE, INFLAMMATION, REGION, ArchivedCase, dice, flipped, image_of, seg_of
from lib.core.pipeline import measure_vhi
from lib.pacs.client import SearchEntry
from lib.studies.dicom_seg_reader import read_segments
from lib.studies.nifti import read_mask, read_volume
from lib.studies.registration import labels_at
from programs import ran
from serving import APP

EDEMA, SITE = CodedConcept("79654002", "SCT", "Edema"), CodedConcept("39723000", "SCT", "Sacroiliac joint")


pytestmark = pytest.mark.filterwarnings("ignore:The string")  # highdicom, of names of one part


@pytest.fixture
def site(archived_case):
    """After anna handed in both regions from Slicer, and all of it is in the archive."""
    site = archived_case.exchange()
    archived_case.draw_regions(site._service)
    site.outbox.send()
    return site


def reordered(seg: Dataset) -> Dataset:
    """The same frames in another order, as DICOM allows."""
    order = np.random.default_rng(3).permutation(int(seg.NumberOfFrames))
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)[order]
    seg.PerFrameFunctionalGroupsSequence = Sequence([seg.PerFrameFunctionalGroupsSequence[n] for n in order])
    bits = np.packbits(frames.ravel(), bitorder="little").tobytes()
    seg.PixelData = bits + b"\0" * (len(bits) % 2)
    return seg


def look(site) -> int:
    """One look at the archive, as the server looks every few seconds; how many submissions it gave."""
    site._service.cases.look()
    return site.poll()


def newest(site, reader="anna"):
    service = site._service
    return service.readings.newest(service.cases.index.cases[0].case_id, reader)


def kept(archived_case, site, name, reader="anna") -> np.ndarray:
    """A segment of the reader's newest submission, on the case's grid."""
    mask = site._service.readings.read_segment(newest(site, reader), name)
    return labels_at(mask.data, mask.grid, archived_case.grid)


def stored(site) -> int:
    return len(site._service.submissions(image_of(site._service), None))


# taken --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda seg: seg, reordered], ids=["as written", "in another order"])
@pytest.mark.parametrize("every_frame", [True, False])
def test_a_correction_of_another_tool_is_taken_to_the_voxel(archived_case, site, change, every_frame):
    seg = change(seg_of(archived_case, {"Inflammation": archived_case.lesions == 2}, omit_empty_frames=not every_frame))
    archived_case.archive.store([seg])
    assert look(site) == 1
    made = newest(site)
    assert (made.reader, made.reading, made.source) == ("anna", 1, seg.SOPInstanceUID)
    assert dice(kept(archived_case, site, INFLAMMATION), archived_case.lesions == 2) == 1.0
    for axis in range(3):
        assert dice(np.flip(kept(archived_case, site, INFLAMMATION), axis), archived_case.lesions == 2) == 0.0
    assert made.changes[INFLAMMATION]["lesions_removed"]
    assert made.measured


def test_regions_and_inflammation_come_in_one_object_and_may_overlap(archived_case):
    site = archived_case.exchange()
    archived_case.archive.store(
        [
            seg_of(
                archived_case,
                {
                    REGION: archived_case.region,
                    BONE: archived_case.bone,
                    INFLAMMATION: archived_case.lesions > 0,
                    "Femur": archived_case.bone,
                },
            )
        ]
    )
    assert look(site) == 1
    made = newest(site)
    assert {one.name for one in made.segments} == {REGION, BONE, INFLAMMATION}
    assert [one.name for one in made.other] == ["Femur"]
    np.testing.assert_array_equal(kept(archived_case, site, REGION), archived_case.region)
    # and goes back as ours, in the reader's name, which is not taken for another correction
    site.outbox.send()
    ours = [one for one in archived_case.stored("SEG") if one.Manufacturer == "VHI"]
    assert {str(one.ContentCreatorName) for one in ours} == {"anna^"}
    assert len(archived_case.of_series(ours, "STIR")) == len(archived_case.of_series(ours, "T1W")) == 1
    assert look(site) == 0
    assert stored(site) == 1


def test_a_segment_is_known_by_its_code_where_its_name_says_nothing(archived_case, site):
    archived_case.archive.store([seg_of(archived_case, {"Segment_1": archived_case.lesions == 2}, kind=EDEMA, site=SITE)])
    assert look(site) == 1
    np.testing.assert_array_equal(kept(archived_case, site, INFLAMMATION), archived_case.lesions == 2)


def test_a_region_drawn_on_t1w_is_taken_too(archived_case, site):
    smaller = archived_case.region.copy()
    smaller[:3] = False
    archived_case.archive.store([seg_of(archived_case, {REGION: smaller}, role="T1W")])
    assert look(site) == 1
    np.testing.assert_array_equal(kept(archived_case, site, REGION), smaller)


def test_ours_and_those_of_other_series_are_left_alone(archived_case, site):
    other = seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2})
    other.ReferencedSeriesSequence[0].SeriesInstanceUID = generate_uid()
    elsewhere = seg_of(
        archived_case,
        {INFLAMMATION: archived_case.lesions == 2},
        Manufacturer="VHI",
        ManufacturerModelName=ours_model(archived_case),
    )
    nothing = seg_of(archived_case, {"Femur": archived_case.bone})
    archived_case.archive.store([other, elsewhere, nothing])
    assert len(archived_case.stored("SEG")) == 5
    assert look(site) == 0
    assert stored(site) == 2
    assert site.state(None)["refused"] == []


def ours_model(archived_case) -> str:
    return next(one.ManufacturerModelName for one in archived_case.stored("SEG") if one.Manufacturer == "VHI")


# once, and the newest wins ------------------------------------------------------------------------------------------------


def test_each_is_looked_at_once_even_after_a_restart(archived_case, site):
    archived_case.archive.store([seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2})])
    assert look(site) == 1
    assert look(site) == 0
    later = archived_case.exchange()
    read = []
    later.corrections._archive.retrieve = lambda *uids: read.append(uids)
    assert look(later) == 0
    assert (stored(later), read) == (3, [])


def test_of_several_the_one_written_last_wins_in_whatever_order_they_come(archived_case, site):
    last = seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 1}, written="20250603 080000")
    first = seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2}, written="20250602 235959")
    archived_case.archive.store([last, first])
    assert look(site) == 2
    assert dice(kept(archived_case, site, INFLAMMATION), archived_case.lesions == 1) == 1.0
    late = seg_of(archived_case, {INFLAMMATION: archived_case.lesions > 0}, written="20250603 070000")
    archived_case.archive.store([late])
    assert look(site) == 0
    assert stored(site) == 4
    # other parts of the same hour are no older version of anything
    archived_case.archive.store([seg_of(archived_case, {BONE: archived_case.bone}, written="20250603 070000")])
    assert look(site) == 1


def test_readers_and_readings_are_kept_apart(archived_case, site):
    archived_case.archive.store(
        [
            seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 1}),
            seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2}, creator="ben", written="20250602 110000"),
            seg_of(
                archived_case,
                {INFLAMMATION: archived_case.lesions > 0},
                written="20250702 110000",
                SeriesDescription="SIJ, Reading 2",
            ),
        ]
    )
    assert look(site) == 3
    assert [(one.reader, one.reading) for one in site._service.submissions(image_of(site._service), None)[2:]] == [
        ("ben", 1),
        ("anna", 1),
        ("anna", 2),
    ]
    # the next one says no reading: anna is in her second
    archived_case.archive.store([seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2}, written="20250703 110000")])
    assert look(site) == 1
    assert newest(site).reading == 2


def test_a_second_reading_before_its_time_is_refused_for_good_and_holds_nobody_up(archived_case):
    site = archived_case.exchange(several_readers=True, washout_days=28)
    service = site._service
    again = seg_of(
        archived_case, {INFLAMMATION: archived_case.lesions > 0}, written="20250702 110000", SeriesDescription="Reading 2"
    )
    archived_case.archive.store(
        [
            seg_of(
                archived_case, {REGION: archived_case.region, BONE: archived_case.bone, INFLAMMATION: archived_case.lesions == 1}
            ),
            again,
            seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2}, creator="ben", written="20250703 110000"),
        ]
    )
    assert look(site) == 2
    assert [(one.reader, one.reading) for one in service.submissions(image_of(service), None)] == [("anna", 1), ("ben", 1)]
    refused = site.corrections.refused("anna")
    assert [one.sop_uid for one in refused] == [again.SOPInstanceUID]
    assert "It may be read again from" in refused[0].reason
    # nor is it taken once the washout is over: it was read before
    service.conduct._clock = lambda: datetime.now(UTC) + timedelta(days=29)
    assert look(site) == 0
    site.corrections._settled.clear()
    assert look(site) == 0
    assert stored(site) == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from lib.pacs.archive_cases import PacsCases, PacsConfig
from lib.pacs.client import Archive
from lib.pacs.archive_sync import ArchiveSync
from lib.service.service import VhiService
data, url, user, password, patient = sys.argv[1:]
settings = PacsConfig(pacs_settle_s=0, pacs_look_s=0, pacs_filter=f"PatientID={patient}")
cases = PacsCases(Archive(url, user or None, password or None), Path(data), config=settings)
service = VhiService(cases, data=Path(data), model_dir=Path(data) / "no-model")
site = ArchiveSync(service, cases)
site.corrections._note = lambda correction: os.kill(os.getpid(), signal.SIGKILL)
site.poll()
"""


def test_a_process_killed_right_after_it_submitted_takes_none_twice(archived_case, site, tmp_path):
    archived_case.archive.store([seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2})])
    archive = archived_case.archive
    arguments = [str(archived_case.folder / "data"), archive.url, archive.user, archive.password, archived_case.patient]
    done = ran(["-c", KILLED, *arguments], tmp_path, {**os.environ, "PYTHONPATH": str(APP)})
    assert done.returncode == -signal.SIGKILL, done.stdout
    later = archived_case.exchange()
    assert stored(later) == 3
    assert look(later) == 0
    assert stored(later) == 3
    # what it had no time to send is sent
    assert later.outbox.send() == 1


# who read -----------------------------------------------------------------------------------------------------------------


@pytest.mark.pacs
@pytest.mark.parametrize(
    ("logins", "creator", "operator", "reader"),
    [
        (None, "Doe^Jane", None, "Doe-Jane"),
        (None, None, None, "archive-unknown"),
        (None, "ANONYMOUS", "Müller^Zoë", "Muller-Zoe"),
        (["jane.doe", "ben"], "Doe^Jane", None, "jane.doe"),
        (["jane.doe", "ben"], "BEN", None, "ben"),
        (["jane.doe", "ben"], "Eve^", None, "archive-Eve"),
        (["jane.doe", "ben"], None, None, "archive-unknown"),
    ],
)
def test_who_read_is_who_the_object_names(orthanc, tmp_path, logins, creator, operator, reader):
    archived_case = ArchivedCase(tmp_path / "site", orthanc)
    site = archived_case.exchange(logins)
    changes = {} if operator is None else {"OperatorsName": operator, "SpecificCharacterSet": "ISO_IR 192"}
    archived_case.archive.store(
        [seg_of(archived_case, {REGION: archived_case.region, BONE: archived_case.bone}, creator=creator, **changes)]
    )
    assert look(site) == 1
    assert {one.reader for one in site._service.submissions(image_of(site._service), None)} == {reader}


def test_who_stored_it_through_the_gateway_is_the_reader_whatever_the_object_says(archived_case):
    site = archived_case.exchange(["anna", "ben"])
    seg = seg_of(archived_case, {REGION: archived_case.region, BONE: archived_case.bone}, creator="anna")
    site.corrections.note_sender([seg.SOPInstanceUID, "../../escape"], "ben")
    archived_case.archive.store([seg])
    assert look(archived_case.exchange(["anna", "ben"])) == 1
    assert newest(site, "ben") is not None
    assert newest(site, "anna") is None
    assert [path.stem for path in (archived_case.folder / "data" / "corrections" / "senders").iterdir()] == [seg.SOPInstanceUID]


def test_in_a_blinded_study_the_pseudonym_is_the_reader(archived_case):
    site = archived_case.exchange(["anna", "ben"], blinded=True, seed=4)
    pseudonym = site._service.public_name("ben")
    archived_case.archive.store(
        [seg_of(archived_case, {REGION: archived_case.region, BONE: archived_case.bone}, creator=f"{pseudonym}^")]
    )
    assert look(site) == 1
    assert newest(site, "ben").reader == "ben"


# refused ------------------------------------------------------------------------------------------------------------------


def test_a_flipped_mask_is_refused_with_the_reason_where_reader_and_administrator_see_it(archived_case, site):
    seg = flipped(seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2}, omit_empty_frames=False))
    archived_case.archive.store([seg])
    assert look(site) == 0
    assert stored(site) == 2
    for who in ("anna", None):
        (refused,) = site.state(who)["refused"]
        assert "flipped along the slices: 0% of its 4 voxels are hyperintense on STIR, and 100% with" in refused["reason"]
        assert (refused["reader"], refused["segmentation"]) == ("anna", seg.SOPInstanceUID)
    assert site.state("ben")["refused"] == []
    # it stays refused, there for all to see, and is not looked at again
    later = archived_case.exchange()
    assert look(later) == 0
    assert len(later.state("anna")["refused"]) == 1
    assert stored(later) == 2
    assert [one["event"] for one in site._service.audit.entries()][-1] == "refused"
    # the same, right
    archived_case.archive.store([seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2})])
    assert look(later) == 1


def test_another_grid_or_frame_of_reference_and_probabilities_are_refused(archived_case, site):
    shifted = seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2}, written="20250602 100000")
    for group in shifted.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSequence[0]
        position.ImagePositionPatient = [float(x) + 0.4 for x in position.ImagePositionPatient]
    moved = seg_of(
        archived_case, {INFLAMMATION: archived_case.lesions == 2}, FrameOfReferenceUID=generate_uid(), written="20250602 110000"
    )
    archived_case.archive.store([shifted, moved])
    assert look(site) == 0
    reasons = {one["reason"] for one in site.state(None)["refused"]}
    assert len(reasons) == 2
    assert any("does not lie on the voxels" in one for one in reasons)
    assert any("different frames of reference" in one for one in reasons)


def test_one_that_cannot_be_looked_at_now_is_taken_later_and_holds_no_other_case_up(archived_case, site, monkeypatch):
    archived_case.archive.store([seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2})])

    def fails(image_id):
        raise KeyError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(site._service, "stir_grid", fails)
        assert look(site) == 0
    assert site.state(None)["refused"] == []
    site.corrections._not_before.clear()  # the pause is over
    assert look(site) == 1


def test_an_archive_that_lists_more_than_segmentations_is_not_believed(archived_case, site):
    real = site.corrections._archive.series
    site.corrections._archive.series = lambda study, **filters: real(study)
    assert look(site) == 0
    assert stored(site) == 2
    assert all(isinstance(one, SearchEntry) for one in real(archived_case.study.study_uid))


# real scans ---------------------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.pacs
@pytest.mark.slow
@pytest.mark.parametrize(("case", "descending"), [("1013", False), ("1007", True)])
def test_regions_of_real_scans_come_and_go_voxel_for_voxel_and_their_flips_are_refused(
    vhi_data, orthanc, tmp_path, case, descending
):
    files = tuple(vhi_data / f"images_study/{role}/{case}_{role}.nii.gz" for role in ("T1W", "STIR"))
    t1w, stir = (read_volume(path, role) for path, role in zip(files, ("T1W", "STIR"), strict=True))
    (region,) = (vhi_data / "segmentations/disease_region").glob(f"{case}_*")
    bone = read_mask(vhi_data / f"segmentations/normal_marrow/{case}_normal_marrow.nii.gz", BONE)
    truth = measure_vhi(t1w, stir, normal_bone=bone, disease_region=read_mask(region, REGION))
    archived_case = ArchivedCase(tmp_path / "site", orthanc, descending, truth, files)
    largest = truth.lesion_labels == 1 + np.argmax(np.bincount(truth.lesion_labels.ravel())[1:])
    for axis in range(3):  # its part in one corner of the scan, so that no flip lies on it
        along, middle = np.moveaxis(largest, axis, 0), largest.shape[axis] // 2
        along[slice(middle, None) if along[:middle].sum() >= along[middle:].sum() else slice(middle)] = False
    masks = {REGION: truth.disease_region.mask.data, BONE: bone.data, INFLAMMATION: largest}
    site = archived_case.exchange()
    archived_case.archive.store([flipped(seg_of(archived_case, masks, omit_empty_frames=False))])
    assert look(site) == 0
    # flipped bone gives a threshold of its own, by which both the mask and its flip are dark
    (refused,) = site.state("anna")["refused"]
    assert "the mask seems flipped" in refused["reason"]
    archived_case.archive.store([seg_of(archived_case, masks)])
    assert look(site) == 1
    again = flipped(
        seg_of(archived_case, {BONE: bone.data, INFLAMMATION: largest}, written="20250603 120000", omit_empty_frames=False)
    )
    archived_case.archive.store([again])
    assert look(site) == 0
    reasons = [one["reason"] for one in site.state("anna")["refused"]]
    assert any("inflammation seems to be flipped along the slices" in one for one in reasons)
    site.outbox.send()
    (ours,) = archived_case.of_series([one for one in archived_case.stored("SEG") if one.Manufacturer == "VHI"], "STIR")
    returned = read_segments(ours, archived_case.grid)
    for name, mask in masks.items():
        assert dice(kept(archived_case, site, name), mask) == 1.0
        assert dice(returned[name].data, mask) == 1.0
    for axis in range(3):
        assert dice(np.flip(returned[INFLAMMATION].data, axis), largest) < 0.5


def test_a_segmentation_that_is_larger_than_any_is_refused_before_it_is_in_memory(archived_case, site, monkeypatch):
    before = stored(site)
    seg = seg_of(archived_case, {INFLAMMATION: archived_case.lesions == 2})
    archived_case.archive.store([seg])
    monkeypatch.setattr("lib.pacs.client.MOST_RETRIEVED", 2048)
    monkeypatch.setattr("lib.pacs.client.MIB", 1024)
    assert look(site) == 0
    (refused,) = site.corrections.refused()
    assert refused.sop_uid == seg.SOPInstanceUID
    assert "has more than 2 MiB, which no Segmentation of a case has" in refused.reason
    assert look(site) == 0
    assert stored(site) == before
