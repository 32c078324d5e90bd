"""Cases found in archives, series brought here, and what happens to them when the archive changes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydicom.uid import generate_uid

from handmade import handmade
from lib.core.volume import Grid, Volume
from lib.datastores.case_datastore import CaseDatastore
from lib.errors import ArchiveError, ConflictError, SettingsError, UnknownImageError
from lib.pacs import cache
from lib.pacs.archive_cases import PacsCases, PacsConfig
from lib.pacs.client import Archive
from lib.pacs.register import ArchivedStudy, Register
from lib.pacs.survey import check_archive
from lib.service.service import StudyConfig, VhiService
from lib.studies.deidentify import BurnedInError
from lib.studies.dicom_series import read_series
from lib.studies.registration import labels_at
from mrseries import enhanced_mr, mr_series
from programs import ran

T1W = {"RepetitionTime": 600, "EchoTime": 10, "ScanningSequence": "SE"}
STIR = {"RepetitionTime": 4000, "EchoTime": 40, "InversionTime": 210, "ScanningSequence": ["SE", "IR"]}
REGION, BONE = "disease region", "normal bone"
TRUTH = handmade()
# DICOM stores whole numbers; thresholds scale with intensities
STIR_SCAN = Volume(10 * TRUTH.stir.data, TRUTH.stir.grid)


def turned_over(volume: Volume) -> Volume:
    """The same voxels, counted from the other end along the columns."""
    affine = volume.grid.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (volume.grid.shape[0] - 1)
    affine[:3, 0] *= -1
    return Volume(volume.data[::-1].copy(), Grid(volume.grid.shape, affine))


class Site:
    """Visits of one test in an archive, and servers over them."""

    def __init__(self, archive, folder, name) -> None:
        self.archive, self.folder, self.name = archive, folder, name
        self.client = Archive(archive.url, archive.user or None, archive.password or None)
        self.studies: dict[str, str] = {}

    def add(self, visit="one", *, t1w=TRUTH.t1w, stir=STIR_SCAN, ascending=True, **changes) -> str:
        """Store series of a visit, those that are given; its UID."""
        uid = self.studies.setdefault(visit, generate_uid(entropy_srcs=[self.name, self.archive.name, visit]))
        # searches of this test find the studies of this test
        labels = {"StudyInstanceUID": uid, "StudyDescription": self.label} | changes
        for volume, role, physics in ((t1w, "T1W", T1W), (stir, "STIR", STIR)):
            if volume is not None:
                files = mr_series(volume, f"{self.name[-30:]} {visit} {role}", ascending=ascending, **{**physics, **labels})
                self.client.store(files)
        return uid

    @property
    def label(self) -> str:
        return generate_uid(entropy_srcs=[self.name])[-16:]

    def cases(self, **config) -> PacsCases:
        settings = {"pacs_settle_s": 0.0, "pacs_look_s": 0.0, "pacs_filter": f"StudyDescription={self.label}"}
        return PacsCases(self.client, self.folder / "data", config=PacsConfig(**{**settings, **config}))

    def service(self, cases=None, **config) -> VhiService:
        service = VhiService(
            cases or self.cases(), data=self.folder / "data", model_dir=self.folder / "none", config=StudyConfig(**config)
        )
        look(service)
        return service


@pytest.fixture
def site(archive, tmp_path, request):
    return Site(archive, tmp_path, request.node.name)


def look(service) -> None:
    while service.cases.look():
        pass
    service.cases.refresh()


def reading(service, image) -> None:
    """Hand in both regions over a series, as a viewer draws them."""
    for name, mask in ((REGION, TRUTH.disease_region.mask), (BONE, TRUTH.normal_bone)):
        case, role = service.cases.index.of_image(image)
        service.cases.source.fetch(case)
        grid = read_series(service.cases.source.series_folder(case, role), role)[0].grid
        labels = labels_at(mask.data.astype(np.uint8), mask.grid, grid)
        service.submit(image, labels, grid, [(name, 1)], reader="anna")


def only(service):
    (case,) = service.cases.index.cases
    return case


def reasons(service) -> dict[str, str]:
    return {one.name: one.reason for one in service.cases.index.waiting}


def test_a_pair_is_found_by_headers_alone_and_known_by_its_series(site):
    uid = site.add()
    cases = site.cases()
    service = site.service(cases)
    case = only(service)
    assert case.case_id == uid
    assert case.image_id("STIR") == case.archived.stir_uid
    for name in (case.archived.t1w_uid, f"{uid}_T1W"):
        assert service.cases.index.of_image(name) == (case, "T1W")
    assert cases.cache.pairs() == []


def test_a_series_is_handed_out_as_a_volume_with_the_voxels_and_places_of_its_files(site):
    site.add(ascending=False)
    service = site.service()
    case = only(service)
    volume = read_series(service.cases.source.series_folder(case, "STIR"), "STIR")[0]
    from lib.studies.nifti import read_volume

    handed = read_volume(service.image_file(case.archived.stir_uid), "STIR")
    np.testing.assert_array_equal(handed.data, volume.data)
    np.testing.assert_allclose(handed.grid.affine, volume.grid.affine, atol=1e-4)


@pytest.mark.parametrize("ascending", [True, False])
def test_vhi_is_that_of_the_scans_whatever_the_order_of_the_numbers(site, ascending):
    site.add(ascending=ascending)
    service = site.service()
    case = only(service)
    reading(service, case.image_id("STIR"))
    answer = service.vhi(case.image_id("STIR"), "anna", {})
    assert answer.facts["voxels"]["sensitive"] == TRUTH.measurement.total.sensitive
    expected = labels_at((TRUTH.grade > 0).astype(np.uint8), TRUTH.stir.grid, answer.grid)
    np.testing.assert_array_equal(answer.labels, expected)


def test_labels_lie_on_the_grid_of_the_series_asked_for_though_t1w_is_stored_the_other_way_round(site):
    site.add(t1w=turned_over(TRUTH.t1w))
    service = site.service()
    case = only(service)
    reading(service, case.image_id("T1W"))
    on_stir, on_t1w = (service.vhi(case.image_id(role), "anna", {}) for role in ("STIR", "T1W"))
    assert on_stir.facts["voxels"]["sensitive"] == TRUTH.measurement.total.sensitive
    # slices are counted along I x J, so they too are counted from the other end
    np.testing.assert_array_equal(on_t1w.labels, on_stir.labels[::-1, :, ::-1])
    np.testing.assert_allclose(on_t1w.grid.affine[:3, 0], -on_stir.grid.affine[:3, 0], atol=1e-5)
    # a click on T1W removes the lesion that is seen there
    i, j, k = np.argwhere(on_t1w.labels)[0]
    cleaned = service.clean(case.image_id("T1W"), "anna", {}, [(int(i), int(j), int(k))], [])
    assert cleaned.labels[i, j, k] == 0
    assert cleaned.labels.any()


def test_a_t1w_series_of_other_voxels_is_resampled_and_the_answer_says_so(site):
    grid = TRUTH.t1w.grid
    finer = Grid((2 * grid.shape[0], grid.shape[1], grid.shape[2]), grid.affine @ np.diag([0.5, 1, 1, 1]))
    site.add(t1w=Volume(np.repeat(TRUTH.t1w.data, 2, axis=0), finer))
    service = site.service()
    case = only(service)
    reading(service, case.image_id("STIR"))
    answer = service.vhi(case.image_id("T1W"), "anna", {})
    assert any("resampled onto the grid of" in one for one in answer.facts["warnings"])
    assert answer.labels.shape == answer.grid.shape == finer.shape
    # twice as fine as STIR: every voxel of STIR comes back as it was
    made = service.submit(case.image_id("T1W"), answer.labels, answer.grid, [("inflammation", 1)], reader="anna")
    assert made.segment("inflammation").voxels == answer.facts["voxels"]["sensitive"] > 0


def test_a_multi_frame_series_is_paired_by_the_headers_of_its_frames(site):
    uid = site.add(stir=None)
    stir = enhanced_mr(STIR_SCAN, site.name[-40:])
    stir.StudyInstanceUID, stir.StudyDescription = uid, site.label
    stir.RepetitionTime, stir.EffectiveEchoTime, stir.InversionTimes, stir.ScanningSequence = 4000.0, 40.0, 210.0, ["SE", "IR"]
    site.client.store([stir])
    service = site.service()
    assert only(service).archived.stir_uid == stir.SeriesInstanceUID
    reading(service, stir.SeriesInstanceUID)
    answer = service.vhi(stir.SeriesInstanceUID, "anna", {})
    assert answer.facts["voxels"]["sensitive"] == TRUTH.measurement.total.sensitive


def test_a_study_without_its_stir_series_waits_with_the_reason_until_it_arrives(site):
    uid = site.add(stir=None)
    service = site.service()
    assert service.cases.index.cases == ()
    assert "none is a STIR series" in reasons(service)[uid]
    assert "--" not in reasons(service)[uid]
    with pytest.raises(UnknownImageError, match="none is a STIR series"):
        service.disease_region(site.client.series(uid)[0].series_uid)
    site.add(t1w=None)
    look(service)
    assert only(service).case_id == uid
    assert reasons(service) == {}


def test_a_study_is_looked_at_once_nothing_arrived_for_a_while(site):
    now = [1000.0]
    cases = site.cases(pacs_settle_s=20.0)
    cases._clock = lambda: now[0]
    service = site.service(cases)
    site.add(stir=None)
    look(service)
    now[0] += 15
    site.add(t1w=None)
    look(service)
    now[0] += 15  # 30 s after T1W, 15 s after STIR
    look(service)
    assert service.cases.index.cases == ()
    assert "may still be arriving" in next(iter(reasons(service).values()))
    now[0] += 6
    look(service)
    assert only(service)


def test_what_lies_in_the_archive_when_the_server_starts_is_looked_at_once_a_second_list_is_the_same(site):
    uid = site.add()
    now = [1000.0]
    cases = site.cases(pacs_settle_s=20.0, pacs_look_s=15.0)
    cases._clock = lambda: now[0]
    service = site.service(cases)
    assert service.cases.index.cases == ()
    assert "(so far 8 instances)" in reasons(service)[uid]
    now[0] += 1
    look(service)
    assert only(service).case_id == uid


def test_what_arrives_while_the_server_starts_waits_until_nothing_arrives(site):
    uid = site.add(stir=None)
    now = [1000.0]
    cases = site.cases(pacs_settle_s=20.0)
    cases._clock = lambda: now[0]
    service = site.service(cases)
    site.add(t1w=None)
    for passed in (1, 18):
        now[0] += passed
        look(service)
        assert "nothing arrived for 20 s" in reasons(service)[uid]
    now[0] += 3
    look(service)
    assert only(service).case_id == uid


def test_after_a_restart_everything_is_known_and_the_archive_is_asked_for_the_list_alone(site, monkeypatch):
    uid = site.add()
    site.add("incomplete", stir=None)
    before = site.service().cases.index
    again = site.cases()
    assert again.find().cases == before.cases
    asked = []
    for name in ("series", "metadata", "instances"):
        monkeypatch.setattr(site.client, name, lambda *_, name=name, **__: asked.append(name) or [])
    service = site.service(again)
    assert asked == []
    assert only(service).case_id == uid


def test_a_segmentation_that_arrives_does_not_have_the_images_looked_at_again(site, monkeypatch):
    uid = site.add()
    service = site.service()
    other = mr_series(STIR_SCAN, "not an image", StudyInstanceUID=uid, Modality="OT", StudyDescription=site.label)[:1]
    site.client.store(other)
    monkeypatch.setattr(site.client, "metadata", lambda *_: pytest.fail("headers were asked for"))
    look(service)
    assert only(service).case_id == uid


def test_a_better_pair_is_taken_while_nobody_has_read_the_case(site):
    uid = site.add(stir=None)
    site.add(t1w=None)
    service = site.service()
    first = only(service)
    service.image_file(first.image_id("STIR"))
    later = mr_series(STIR_SCAN, site.name[-30:] + " of the SIJ", StudyInstanceUID=uid, AcquisitionDate="20250601", AcquisitionTime="235900", StudyDescription=site.label, **STIR)  # fmt: skip
    site.client.store(later)
    look(service)
    assert only(service).archived.stir_uid == later[0].SeriesInstanceUID
    assert service.image_file(only(service).image_id("STIR")).is_file()


def test_two_repeats_wait_with_the_question_until_the_rules_answer_it(site):
    uid = site.add()
    again = mr_series(STIR_SCAN, site.name[-30:] + " repeat", StudyInstanceUID=uid, StudyDescription=site.label, **STIR)
    site.client.store(again)
    service = site.service()
    assert service.cases.index.cases == ()
    assert "2 series fit STIR equally well" in reasons(service)[uid]
    assert "stands under take in the table [stir] of its pairing rules" in reasons(service)[uid]
    assert "--" not in reasons(service)[uid]


def test_what_was_read_keeps_its_pair_and_a_changed_series_of_it_is_refused(site, tmp_path):
    uid = site.add()
    service = site.service()
    case = only(service)
    reading(service, case.image_id("STIR"))
    later = mr_series(STIR_SCAN, site.name[-30:] + " repeat", StudyInstanceUID=uid, AcquisitionDate="20250601", AcquisitionTime="235900", StudyDescription=site.label, **STIR)  # fmt: skip
    site.client.store(later)
    look(service)
    assert only(service).archived == case.archived
    more = mr_series(STIR_SCAN, "one more slice", StudyInstanceUID=uid, StudyDescription=site.label, **STIR)[0]
    more.SeriesInstanceUID = case.archived.stir_uid
    site.client.store([more])
    look(service)
    assert service.cases.index.cases == ()
    assert "other instances in the archive" in reasons(service)[uid]
    with pytest.raises(UnknownImageError, match="other instances in the archive"):
        service.vhi(case.image_id("STIR"), "anna", {})


def test_voxels_that_changed_under_the_same_names_are_refused_once_somebody_read_them(site):
    site.add()
    cases = site.cases()
    service = site.service(cases)
    case = only(service)
    reading(service, case.image_id("STIR"))
    path = service.image_file(case.image_id("STIR"))
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ConflictError, match="no longer the file"):
        service.vhi(case.image_id("STIR"), "anna", {})


def test_a_case_whose_series_went_off_the_disk_is_downloaded_again_and_is_the_same(site, monkeypatch):
    monkeypatch.setattr(cache, "NEVER_REMOVED", 1)
    for visit in ("one", "two", "three"):
        site.add(visit)
    cases = site.cases(pacs_cache_gb=0.0)
    service = site.service(cases)
    ids = [case.image_id("STIR") for case in service.cases.index.cases]
    for image in (*ids, *ids):
        reading(service, image)
        assert len(cases.cache.pairs()) == 1
        assert service.vhi(image, "anna", {}).facts["voxels"]["sensitive"] == TRUTH.measurement.total.sensitive


def test_a_viewer_is_told_where_a_series_lies_by_any_of_its_names(site):
    uid = site.add()
    service = site.service()
    archived = only(service).archived
    for name in (archived.stir_uid, f"{uid}_STIR"):
        info = CaseDatastore(service).get_image_info(name)
        assert (info["StudyInstanceUID"], info["SeriesInstanceUID"]) == (uid, archived.stir_uid)


def test_of_a_blinded_study_no_uid_is_told(site):
    uid = site.add()
    service = site.service(blinded=True, seed=7)
    case = only(service)
    answer = service.image_file(case.image_id("STIR"))
    told = json.dumps(CaseDatastore(service).get_image_info(case.image_id("STIR")))
    waiting = json.dumps([one.name for one in service.cases.index.waiting])
    for text in (case.case_id, case.image_id("T1W"), answer.name, waiting, told):
        assert uid not in text
        assert case.archived.t1w_uid not in text
    with pytest.raises(UnknownImageError):
        service.image_file(case.archived.stir_uid)


def test_of_a_blinded_study_no_viewer_is_handed_a_scan_whose_pixels_may_hold_text(site, monkeypatch):
    site.add()
    service = site.service(blinded=True, seed=7)
    image = only(service).image_id("STIR")

    def refuse(header, name, role):
        raise BurnedInError("Text is burned into its pixels.")

    monkeypatch.setattr("lib.studies.deidentify.check_pixels", refuse)
    with pytest.raises(BurnedInError):
        service.image_file(image)
    assert [one.reason for one in service.cases.index.waiting] == ["Text is burned into its pixels."]


@pytest.mark.parametrize("is_here", [True, False])
def test_of_a_blinded_study_no_scan_that_may_hold_text_is_offered_be_it_here_or_not(site, monkeypatch, is_here):
    site.add()
    cases = site.cases()
    service = site.service(cases, blinded=True, seed=7)
    if is_here:
        cases.fetch(only(service))
    assert only(service).stir.exists() == is_here

    def refuse(header, name, role):
        raise BurnedInError("Text is burned into its pixels.")

    monkeypatch.setattr("lib.studies.deidentify.check_pixels", refuse)
    assert service.next_case("anna") is None
    assert [one.reason for one in service.cases.index.waiting] == ["Text is burned into its pixels."]


def test_a_study_that_the_archive_cannot_read_waits_and_holds_up_no_other(site, monkeypatch):
    uids = {site.add("one"), site.add("two")}
    bad, ask = min(uids), site.client.metadata

    def metadata(study_uid, *rest):
        if study_uid == bad:
            raise ArchiveError("The archive failed on that series (status 500); it is asked again later.")
        return ask(study_uid, *rest)

    monkeypatch.setattr(site.client, "metadata", metadata)
    service = site.service()
    assert {only(service).case_id} == uids - {bad}
    assert reasons(service) == {bad: "The archive failed on that series (status 500); it is asked again later."}
    monkeypatch.undo()
    monkeypatch.setattr("lib.pacs.archive_cases._AGAIN_S", 0.0)
    look(service)
    assert len(service.cases.index.cases) == 2


def test_an_archive_that_is_down_is_told_and_what_is_here_goes_on(own_archive, tmp_path, request):
    site = Site(own_archive, tmp_path, request.node.name)
    site.add("read")
    site.add("unread")
    service = site.service()
    read, unread = service.cases.index.cases
    reading(service, read.image_id("STIR"))
    own_archive.stop()
    with pytest.raises(ArchiveError, match="cannot be reached"):
        service.cases.look()
    service.cases.refresh()
    assert "cannot be reached" in reasons(service)["archive"]
    assert "archive" in {one.name for one in service.findings()}
    assert {case.case_id for case in service.cases.index.cases} == set(site.studies.values())
    assert service.vhi(read.image_id("STIR"), "anna", {}).facts["voxels"]["sensitive"] == TRUTH.measurement.total.sensitive
    with pytest.raises(ArchiveError, match="cannot be reached"):
        service.image_file(unread.image_id("STIR"))
    # a restart while it is down
    again = VhiService(site.cases(), data=tmp_path / "data", model_dir=tmp_path / "none")
    assert len(again.cases.index.cases) == 2
    own_archive.start()
    look(service)
    assert reasons(service) == {}
    assert "archive" not in {one.name for one in service.findings()}
    assert service.image_file(unread.image_id("STIR")).is_file()


@pytest.mark.pacs
def test_a_study_that_was_deleted_is_forgotten_with_its_series(orthanc, tmp_path, request):
    site = Site(orthanc, tmp_path, request.node.name)
    uid = site.add()
    cases = site.cases()
    service = site.service(cases)
    service.image_file(only(service).image_id("STIR"))
    import requests

    auth = (orthanc.user, orthanc.password)
    query = {"Level": "Study", "Query": {"StudyInstanceUID": uid}}
    (found,) = requests.post(f"{orthanc.root}/tools/find", json=query, auth=auth, timeout=30).json()
    requests.delete(f"{orthanc.root}/studies/{found}", auth=auth, timeout=30).raise_for_status()
    look(service)
    assert only(service), "missing once may be an archive that starts"
    look(service)
    assert service.cases.index.cases == ()
    assert cases.cache.pairs() == []


def test_a_damaged_register_is_learnt_again(tmp_path):
    path = tmp_path / "studies.sqlite"
    first = Register(path)
    first.put([ArchivedStudy("1.2.3", since=5.0)])
    first.close()
    assert [one.uid for one in Register(path).all()] == ["1.2.3"]
    path.write_bytes(b"no database" * 100)
    assert Register(path).all() == []


def test_a_register_that_was_killed_in_the_middle_holds_what_was_put_before(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from lib.pacs.register import ArchivedStudy, Register\n"
        "found = Register(Path(sys.argv[1])); found.put([ArchivedStudy('1.2.3')])\n"
        "found._database.execute('BEGIN'); found._database.execute(\"INSERT INTO studies VALUES ('9', '{')\"); os._exit(9)"
    )
    path = tmp_path / "studies.sqlite"
    app = str(cache.__file__).rsplit("/lib/", 1)[0]
    assert ran(["-c", code, str(path)], tmp_path, {"PYTHONPATH": app}).returncode == 9
    assert [one.uid for one in Register(path).all()] == ["1.2.3"]


@pytest.mark.parametrize("text", ["StudyDescription", "=x", "NoSuchKeyword=1", "PatientID="])
def test_a_filter_that_is_none_is_refused(text):
    with pytest.raises(SettingsError, match="KEYWORD=VALUE"):
        PacsConfig(pacs_filter=text)


def test_the_patient_of_a_case_is_the_archives(site):
    site.add("one", PatientID="PAT-1")
    site.add("two", PatientID="PAT-1")
    site.add("three", PatientID="")
    cases = site.cases()
    service = site.service(cases)
    found = {case.case_id: cases.patient(case) for case in service.cases.index.cases}
    assert found == {site.studies["one"]: "PAT-1", site.studies["two"]: "PAT-1", site.studies["three"]: None}


@pytest.mark.pacs
def test_a_check_lists_every_study_with_its_pair_or_what_is_missing(site):
    whole, half = site.add("whole"), site.add("half", stir=None)
    found = {one.study: one for one in check_archive(site.cases())}
    assert found[whole].missing is None
    assert "T1W" in found[whole].t1w
    assert "STIR" in found[whole].stir
    assert "none is a STIR series" in found[half].missing
    assert len(found[half].series) == 1
    assert not list((site.folder / "data" / "pacs").rglob("*.nii"))  # nothing was downloaded
