"""Which case a reader is offered next, and what a blinded study hides."""

import gzip
import json

import nibabel as nib
import numpy as np
import pytest

from lib.errors import ConflictError, DamagedError, InputError, RequestError, SettingsError, UnknownImageError
from lib.service.service import StudyConfig, VhiService
from lib.studies.nifti import read_volume
from study_folder import finish

pytestmark = pytest.mark.slow  # seconds in all

INFLAMMATION = "inflammation"


@pytest.fixture
def five(study_folder):
    for case_id in "bcde":
        study_folder.add_case(case_id)
    return study_folder


def offered_one(service, reader, **more):
    offer = service.next_case(reader, **more)
    return offer and offer.case.case_id


def offered(service, reader, count=10, **more):
    """Cases as a reader gets them, finishing each."""
    found = []
    for _ in range(count):
        case_id = offered_one(service, reader, **more)
        if case_id is None:
            break
        found.append(case_id)
        finish(service, case_id, reader, more.get("reading", 1))
    return found


def test_cases_come_in_order_and_each_once(five):
    service = five.service()
    assert offered(service, "anna") == ["a", "b", "c", "d", "e"]
    assert service.next_case("anna") is None


def test_the_case_a_reader_holds_is_offered_again_until_it_is_finished(five):
    service = five.service()
    assert offered_one(service, "anna") == "a"
    assert offered_one(service, "anna") == "a"
    assert offered_one(five.service(), "anna", order="random") == "a"  # after a restart as well


def test_two_readers_are_not_handed_the_same_case(five):
    service = five.service()
    assert [offered_one(service, reader) for reader in ("anna", "ben", "eva")] == ["a", "b", "c"]
    finish(service, "a", "anna")
    assert offered(service, "ben") == ["b", "d", "e"]  # a is done, c is held
    assert service.next_case("anna") is None


def test_a_lease_runs_out(five, monkeypatch):
    service = five.service(lease_minutes=5)
    seconds = [1000.0]
    monkeypatch.setattr(service.leases, "clock", lambda: seconds[0])
    assert offered_one(service, "anna") == "a"
    assert offered_one(service, "ben") == "b"
    seconds[0] += 301
    assert offered_one(service, "eva") == "a"


def test_a_study_of_several_readers_offers_every_case_to_everyone(five):
    service = five.service(several_readers=True)
    assert offered(service, "anna") == offered(service, "ben") == ["a", "b", "c", "d", "e"]


def test_a_second_reading_offers_what_the_first_finished(five):
    service = five.service()
    assert offered(service, "anna", 2) == ["a", "b"]
    assert offered(service, "anna", reading=2)[:2] == ["a", "b"]


def test_a_random_order_is_the_readers_own_and_stays(five):
    orders = {
        reader: offered(five.service(several_readers=True), reader, order="random") for reader in ("anna", "ben", "eva", "kim")
    }
    assert all(sorted(order) == ["a", "b", "c", "d", "e"] for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) > 1


def test_new_studies_are_offered_without_a_restart(study_folder):
    service = study_folder.service()
    assert offered(service, "anna") == ["a"]
    study_folder.add_case("b")
    service.cases.refresh()
    assert offered(service, "anna") == ["b"]


def test_requests_that_make_no_sense_are_refused(study_folder):
    service = study_folder.service()
    for reader in ("", "unknown reader", "../x"):
        with pytest.raises(RequestError, match="set the user name"):
            service.next_case(reader)
    with pytest.raises(RequestError, match="must be first, random, uncertain, diverse or review"):
        service.next_case("anna", order="last")
    with pytest.raises(RequestError, match="reading is -1"):
        service.next_case("anna", reading=-1)
    with pytest.raises(SettingsError, match="lease_minutes"):
        StudyConfig(lease_minutes=0)
    with pytest.raises(InputError, match="cannot be listed"):
        VhiService(study_folder.folder / "nowhere")


def test_a_blinded_study_tells_neither_names_nor_order(five):
    service = five.service(blinded=True, seed=4, several_readers=True)
    names = [case.case_id for case in service.cases.index.cases]
    assert all(name.startswith("case-") and len(name) == 15 for name in names)
    assert [case.case_id for case in five.service(blinded=True, seed=4, several_readers=True).cases.index.cases] == names
    for order in ("first", "random"):
        assert sorted(offered(service, f"anna.{order}", order=order)) == sorted(names)
    assert offered(service, "ben") != offered(service, "eva")
    with pytest.raises(UnknownImageError):
        service.vhi("a_STIR", "anna", {})
    secret = json.loads((five.folder / ".vhi" / "aliases.json").read_text())
    assert sorted(secret.values()) == ["a", "b", "c", "d", "e"]
    assert sorted(secret) == sorted(names)


def test_a_blinded_reading_works_and_its_report_names_nobody(tmp_path, study_folder):
    for role in ("T1W", "STIR"):
        (study_folder.folder / f"a_{role}.nii.gz").rename(study_folder.folder / f"DoeJane2_{role}.nii.gz")
    service = study_folder.service(blinded=True, seed=4)
    image = f"{service.cases.index.cases[0].case_id}_STIR"
    study_folder.draw_regions(service, image)
    answer = service.vhi(image, "anna", {})
    assert answer.facts["voxels"]["sensitive"] == 12
    made = service.submit(image, answer.labels, answer.grid, [(INFLAMMATION, 1)], reader="anna")
    for path in [*service.readings.folder_of(made).glob("*.json"), service.report(image, "anna", "html"), service.audit.path]:
        assert "DoeJane" not in path.read_text()
    assert "DoeJane" not in json.dumps(answer.facts)


def test_a_scan_of_a_blinded_study_is_handed_out_without_words(study_folder):
    path = study_folder.folder / "a_STIR.nii.gz"
    image = nib.load(path)
    image.header["descrip"] = b"Doe Jane 2"
    image.header["db_name"] = b"Doe"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Doe Jane 2019-03-04"))
    nib.save(image, path)
    service = study_folder.service(blinded=True)
    name = service.cases.index.cases[0].case_id
    copy = service.image_file(f"{name}_STIR", "anna")
    assert copy.name == f"{name}_STIR.nii.gz"
    assert b"Doe" in gzip.decompress(path.read_bytes())
    assert b"Doe" not in gzip.decompress(copy.read_bytes())
    before, after = read_volume(path, "STIR"), read_volume(copy, "STIR")
    np.testing.assert_array_equal(after.data, before.data)
    np.testing.assert_array_equal(after.grid.affine, before.grid.affine)
    assert service.image_file(f"{name}_STIR", "anna") == copy


def test_a_study_stays_as_blinded_as_it_was(study_folder):
    study_folder.service(blinded=True, seed=4)
    for config in ({}, {"blinded": True, "seed": 5}):
        with pytest.raises(ConflictError, match="belongs to a study"):
            study_folder.service(**config)


@pytest.mark.parametrize("format_file", [None, b""])
def test_a_blinded_study_keeps_its_seed_where_the_format_file_is_lost(study_folder, format_file):
    service, data = study_folder.service(blinded=True, seed=4), study_folder.folder / ".vhi"
    (case,) = service.cases.index.cases
    study_folder.draw_regions(service, f"{case.case_id}_STIR")
    (data / "format.json").unlink() if format_file is None else (data / "format.json").write_bytes(format_file)
    with pytest.raises(ConflictError, match="blinded study with another seed"):
        study_folder.service(blinded=True, seed=5)
    assert study_folder.service(blinded=True, seed=4).cases.index.cases == (case,)
    (data / "format.json").unlink()
    (data / "aliases.json").write_bytes(b"")
    with pytest.raises(DamagedError, match="aliases.json is damaged"):  # nothing tells the seed any more
        study_folder.service(blinded=True, seed=4)


def test_what_waits_in_a_blinded_study_has_no_name_either(study_folder):
    (study_folder.folder / "DoeJane_T1W.nii.gz").write_bytes(b"")
    (one,) = study_folder.service(blinded=True).cases.index.waiting
    assert "Doe" not in one.name + one.reason


def submit_region(study_folder, service, case_id, reader="anna", **more):
    study_folder.submit(service, ("disease region", study_folder.region), image=f"{case_id}_STIR", reader=reader, **more)


def test_a_case_whose_region_alone_was_handed_in_is_not_offered_again_unless_asked_for(study_folder):
    study_folder.add_case("b")
    service = study_folder.service()
    assert offered_one(service, "anna") == "a"
    submit_region(study_folder, service, "a")
    assert offered_one(service, "anna") == "b"
    assert offered_one(service, "ben") == "a"  # free for others as soon as the reader has another case
    finish(service, "b", "anna")
    assert service.next_case("anna") is None
    why = service.why_no_case("anna")
    assert why == (
        "There is no further case for you. Of 2 cases: 1 finished, 1 with another reader, 1 finished by you for the region alone "
        '(ask with cases at "region only").'
    )
    service.leases.release("a", "ben")
    assert offered_one(service, "anna", values={"cases": "region only"}) == "a"
    finish(service, "a", "anna")
    assert service.next_case("anna", values={"cases": "region only"}) is None
    assert "no case of which you handed in the region alone" in service.why_no_case("anna", values={"cases": "region only"})


def test_a_case_that_was_only_rated_is_finished_for_its_region_too(study_folder):
    service = study_folder.service()
    assert offered_one(service, "anna") == "a"
    service.submit_masks("a_STIR", {}, reader="anna", rating="failed")
    assert service.next_case("anna") is None


def test_a_skipped_case_stays_away_from_that_reader_until_asked_for_and_is_free_for_others(five):
    service = five.service()
    assert offered_one(service, "anna") == "a"
    assert offered_one(service, "anna", values={"skip": "true"}) == "b"
    assert offered_one(service, "anna", values={"skip": ""}) == "b"
    assert offered_one(service, "ben") == "a"
    service.leases.release("a", "ben")
    assert offered_one(five.service(), "anna", values={"skip": "b_STIR"}) == "c"  # by its image, and after a restart
    assert [offered_one(service, "anna", reading=2)] == ["c"]  # another reading knows nothing of it; c is in hand
    for case_id in "cde":
        finish(service, case_id, "anna")
    assert service.next_case("anna") is None
    assert '2 skipped by you (ask with cases at "skipped")' in service.why_no_case("anna")
    assert offered_one(service, "anna", values={"cases": "skipped"}) == "a"
    assert offered_one(service, "anna") == "a"  # taken up again, it is in hand like any other
    with pytest.raises(RequestError, match="skip must be true, false or the id of an image"):
        service.next_case("anna", values={"skip": 3})
    with pytest.raises(RequestError, match="cases must be unread or skipped or region only, found 'all'"):
        service.next_case("anna", values={"cases": "all"})


def test_without_a_case_the_answer_says_why(tmp_path):
    (tmp_path / "studies").mkdir()
    service = VhiService(tmp_path / "studies")
    assert service.next_case("anna") is None
    assert service.why_no_case("anna") == "There is no case yet: no study has both series, T1W and STIR."
    assert service.why_no_case("anna", order="review").startswith("You have not handed in a disease region yet")
