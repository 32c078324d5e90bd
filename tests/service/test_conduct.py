"""How a study is conducted: washout, adjudication, calibration, and visits of one patient apart; what contradicts is refused."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from lib.core.volume import Mask
from lib.datastores.case_datastore import CaseDatastore
from lib.errors import ConflictError, InputError, SettingsError
from lib.readings.store import now, stored_segment
from lib.readings.submission import Submission
from lib.retraining.holdout import PATIENTS
from lib.retraining.retraining_folder import RetrainingFolder
from lib.service.service import StudyConfig
from lib.studies.nifti import write_mask
from study_folder import INFLAMMATION, REGION, finish

pytestmark = pytest.mark.slow  # seconds in all


@pytest.fixture
def four(study_folder):
    for case_id in "bcd":
        study_folder.add_case(case_id)
    return study_folder


def at(service, days: float) -> None:
    """Put the study's clock some days ahead."""
    service.conduct._clock = lambda: datetime.now(UTC) + timedelta(days=days)


def finish_with(service, case_id: str, reader: str, inflammation: Mask | int, vhi_mm3: float | None = None) -> None:
    """A reading with that mask, or with nothing but so many voxels; and with that VHI, where it was measured."""

    def write(folder, number):
        path = folder / "inflammation.nii.gz"
        if isinstance(inflammation, Mask):
            write_mask(path, inflammation)
        else:
            path.write_bytes(b"")
        voxels = inflammation.voxels if isinstance(inflammation, Mask) else inflammation
        segments = (stored_segment("inflammation", path, voxels),)
        result = None if vhi_mm3 is None else {"vhi_mm3": {"sensitive": vhi_mm3, "conservative": 0.0}}
        return Submission(case_id, number, reader, 1, "manual", now(), segments, result=result)

    service.readings.append(case_id, reader, write)


def offered(service, reader: str, **more) -> list[str]:
    """Cases as a reader gets them, finishing each."""
    found = []
    while (offer := service.next_case(reader, **more)) is not None:
        found.append(offer.case.case_id)
        finish(service, offer.case.case_id, reader, more.get("reading", 1))
    return found


def states(service, reader: str, reading: int = 1) -> dict[str, tuple[str, str]]:
    return {row.case: (row.state, row.note) for row in service.reading_list.page(reader, reading).rows}


def test_a_second_reading_is_offered_listed_and_taken_after_the_washout_alone(four):
    service = four.service(washout_days=28)
    finish(service, "a", "anna")
    at(service, 27.9)
    assert service.next_case("anna", reading=2) is None
    assert "may be read again from" in service.why_no_case("anna", reading=2)
    state, note = states(service, "anna", 2)["a"]
    assert (state, "28 days after reading 1" in note) == ("waiting", True)
    with pytest.raises(ConflictError, match="is not for anna in reading 2 now"):
        four.submit(service, (REGION, four.region), reading=2)
    at(service, 28.1)
    assert offered(service, "anna", reading=2) == ["a"]
    assert states(service, "anna", 2)["a"][0] == "done"
    assert states(service, "anna", 2)["b"] == ("waiting", "Reading 2 comes after reading 1, which is not finished.")


def test_a_second_reading_that_is_handed_in_may_be_amended_at_once(four):
    service = four.service(washout_days=28)
    finish(service, "a", "anna")
    finish(service, "a", "anna", 2)
    assert service.conduct.obstacle("a", "anna", 2) is None
    assert service.conduct.obstacle("a", "anna", 3) is not None


@pytest.mark.parametrize(("first", "second", "is_offered"), [(100, 121, False), (100, 124, True), (0, 0, False), (0, 1, True)])
def test_a_third_reader_is_offered_a_case_where_two_differ_by_more_than_the_limit(four, first, second, is_offered):
    # of the mean: 21 / 110.5 is 19.0%, 24 / 112 is 21.4%
    service = four.service(several_readers=True, adjudicate_above=20, adjudicators="carla")
    finish_with(service, "a", "anna", first)
    assert service.next_case("carla") is None  # one reader cannot differ
    finish_with(service, "a", "ben", second)
    offer = service.next_case("carla")
    assert (offer is not None and offer.case.case_id == "a") is is_offered
    assert states(service, "carla")["b"][0] == "waiting"
    assert service.next_case("ben").case.case_id == "b"  # for the others nothing changes


@pytest.mark.parametrize(
    ("anna", "ben", "is_offered"),
    [((100, 600.0), (300, 600.0), False), ((100, 600.0), (100, 900.0), True), ((100, 600.0), (300, None), True)],
    ids=["drawn differs", "VHI differs", "one could not be measured"],
)
def test_vhi_is_compared_where_both_have_it_else_what_both_drew(four, anna, ben, is_offered):
    service = four.service(several_readers=True, adjudicate_above=20, adjudicators="carla")
    finish_with(service, "a", "anna", *anna)
    finish_with(service, "a", "ben", *ben)
    assert (service.next_case("carla") is not None) is is_offered


def test_an_adjudicator_hands_in_what_they_were_offered_though_the_readers_agree_since(four):
    service = four.service(several_readers=True, adjudicate_above=20, adjudicators="carla")
    for case_id in "ab":
        finish_with(service, case_id, "anna", 100)
        finish_with(service, case_id, "ben", 200)
    assert service.next_case("carla").case.case_id == "a"
    for case_id in "ab":
        finish_with(service, case_id, "ben", 105)
    four.submit(service, (REGION, four.region), image="a_STIR", reader="carla")
    with pytest.raises(ConflictError, match="Its readers agree"):  # one that she was not offered
        four.submit(service, (REGION, four.region), image="b_STIR", reader="carla")
    finish(service, "a", "carla")  # and with it nobody holds it any more
    four.submit(service, (REGION, four.region), image="a_STIR", reader="carla")


def test_readings_of_the_calibration_reader_count_but_for_calibration_cases(four):
    rules = {"adjudicate_above": 20, "adjudicators": "carla", "calibration": "d", "calibration_reader": "dora"}
    service = four.service(several_readers=True, **rules)
    for case_id in "ad":
        finish_with(service, case_id, "anna", 100)
        finish_with(service, case_id, "dora", 300)
    assert service.conduct.obstacle("a", "carla", 1) is None
    assert service.conduct.obstacle("d", "carla", 1) == "Two readers have not finished it yet; it comes to you where they differ."


def test_calibration_cases_come_first_and_whoever_finished_them_hears_of_the_reference(four):
    service = four.service(several_readers=True, calibration="c,d", calibration_reader="carla")
    finish_with(service, "c", "carla", Mask(four.region, four.grid, INFLAMMATION))
    finish(service, "d", "carla")
    assert states(service, "anna")["a"] == ("waiting", "Hand in the calibration cases first: 2 of 2 are left.")
    assert service.next_case("anna").case.case_id == "c"
    half = four.region.copy()
    half[: half.shape[0] // 2] = False
    assert half.any()
    finish_with(service, "c", "anna", Mask(half, four.grid, INFLAMMATION))
    feedback = service.conduct.feedback("c", "anna")
    dice = 2 * half.sum() / (half.sum() + four.region.sum())
    assert f"Dice {dice:.2f}; 0 voxels of yours are not in it, {four.region.sum() - half.sum()} of its voxels" in feedback
    assert service.next_case("anna").case.case_id == "d"
    with pytest.raises(ConflictError, match="calibration cases first: 1 of 2 are left"):
        four.submit(service, (REGION, four.region), image="a_STIR", reader="anna")
    finish(service, "d", "anna")
    assert service.next_case("anna").case.case_id == "a"
    assert service.conduct.feedback("a", "anna") == service.conduct.feedback("c", "carla") == ""


def test_feedback_names_vhi_and_a_damaged_reference_leaves_the_submission_told_as_kept(four, caplog):
    service = four.service(several_readers=True, calibration="c", calibration_reader="carla")
    drawn = Mask(four.region, four.grid, INFLAMMATION)
    finish_with(service, "c", "carla", drawn, 1234.0)
    finish_with(service, "c", "anna", drawn, 1200.0)
    told = service.conduct.feedback("c", "anna")
    assert "the reference has 1,234 mm3 of VHI at the sensitive threshold, you have 1,200 mm3 (masks: Dice 1.00; 0" in told
    reference = service.readings.newest("c", "carla")
    (service.readings.folder_of(reference) / "inflammation.nii.gz").write_bytes(b"x")
    made = four.submit(service, (REGION, four.region), image="c_STIR", reader="anna")
    told = CaseDatastore(service).submission_info("c_STIR", made.submission_id)
    assert told["submission"] == made.submission_id
    assert not any("Calibration" in sentence for sentence in told["messages"])
    assert "a reader is not told of the calibration reference" in caplog.text


def test_calibration_cases_are_looked_at_once_for_a_whole_list(study_folder, monkeypatch):
    for number in range(20):
        study_folder.add_case(f"k{number:02}")
    service = study_folder.service(several_readers=True, calibration="k00", calibration_reader="carla")
    for number in range(20):
        finish(service, f"k{number:02}", "ben")
    asked, of_case = [], service.readings.of_case
    monkeypatch.setattr(service.readings, "of_case", lambda case_id: asked.append(case_id) or of_case(case_id))
    assert len(states(service, "anna")) == 21
    assert service.next_case("anna").case.case_id == "k00"
    assert len(asked) < 12 * 21  # each case a few times, not once for every other


def test_calibration_cases_that_are_not_there_are_refused_and_those_that_cannot_be_opened_are_a_finding(four):
    rules = {"several_readers": True, "calibration_reader": "carla"}
    with pytest.raises(SettingsError, match="calibration names tpyo, which the folder of studies does not hold"):
        four.service(calibration="c,tpyo", **rules)
    service = four.service(calibration="c,d", **rules)
    assert "calibration" not in {one.name for one in service.findings()}
    (four.folder / "d_STIR.nii.gz").unlink()
    service.cases.refresh()
    told = next(one.sentence for one in service.findings() if one.name == "calibration")
    assert told == "1 of 2 calibration cases cannot be opened; who has not finished them is offered no other."


def test_a_case_in_hand_stays_in_hand_whoever_else_is_offered_it_and_when_its_time_is_over(study_folder, monkeypatch):
    for case_id in "bcd":
        study_folder.add_case(case_id)
    service = study_folder.service(blinded=True, seed=5, several_readers=True)
    first = service.next_case("anna").case.case_id
    readers = [f"reader{number}" for number in range(20)]
    assert first in {service.next_case(reader).case.case_id for reader in readers}
    assert service.next_case("anna").case.case_id == first
    assert states(service, "anna")[first][0] == "begun"
    monkeypatch.setattr(service.leases, "clock", lambda: time.time() + 3 * 3600)
    assert service.next_case("anna").case.case_id == first
    # and may be skipped
    assert service.next_case("anna", values={"skip": True}).case.case_id != first


def test_a_table_of_patients_is_read_again_when_it_changes_and_one_that_cannot_be_used_is_no_secret(study_folder, caplog):
    for case_id in "bcd":
        study_folder.add_case(case_id)
    service = study_folder.service(blinded=True, seed=5)
    table = RetrainingFolder(service.readings.root).root / PATIENTS
    table.parent.mkdir(parents=True, exist_ok=True)
    drawn = [case.case_id for case in service._blinding.order(service.cases.index.cases, "anna", 1)]
    true_ids = {service._blinding.alias(case_id): case_id for case_id in "abcd"}

    def write(patients: str, mtime: int) -> None:
        rows = [f"{true_ids[name]},{patient}" for name, patient in zip(drawn, patients, strict=True)]
        table.write_text("\n".join(["case,patient", *rows]) + "\n")
        os.utime(table, (mtime, mtime))

    write("1122", 1000)
    assert service.next_case("anna").case.case_id == drawn[0]
    finish(service, drawn[0], "anna")
    table.write_text("case,who\na,1\n")
    for _ in range(2):
        service.leases.root.joinpath(f"{drawn[1]}.json").unlink(missing_ok=True)
        assert service.next_case("anna").case.case_id == drawn[1]
    assert caplog.text.count("visits of one patient are not kept apart now") == 1
    assert "patients" in {one.name for one in service.findings()}
    with pytest.raises(InputError, match="is no table with the columns case and patient"):
        study_folder.service(blinded=True, seed=5)
    for patients, mtime, expected in (("1122", 2000, 2), ("1212", 3000, 1)):
        write(patients, mtime)
        for name in drawn[1:]:
            service.leases.root.joinpath(f"{name}.json").unlink(missing_ok=True)
        assert service.next_case("anna").case.case_id == drawn[expected]
    assert "patients" not in {one.name for one in service.findings()}


def test_visits_of_one_patient_never_come_in_a_row_while_there_is_another_patient(study_folder):
    for case_id in "bcdefgh":
        study_folder.add_case(case_id)
    patients = dict(zip("abcdefgh", "11112233", strict=True))
    service = study_folder.service(blinded=True, seed=5)
    names = {service._blinding.alias(case_id): patient for case_id, patient in patients.items()}
    service._worklist._turns._patients = lambda: names.__getitem__
    order = [names[case_id] for case_id in offered(service, "anna")]
    assert len(order) == 8
    in_a_row = [one == other for one, other in pairwise(order)]
    left_at = next((n for n, same in enumerate(in_a_row) if same), None)
    # the same again only where nobody else is left
    assert left_at is None or len(set(order[left_at:])) == 1


def test_a_blinded_order_stays_the_same_whichever_cases_are_left(study_folder):
    for case_id in "bcdefgh":
        study_folder.add_case(case_id)
    service = study_folder.service(blinded=True, seed=5)
    whole = service._blinding.order(service.cases.index.cases, "anna", 1)
    assert service._blinding.order(whole[3:], "anna", 1) == whole[3:]
    assert {tuple(service._blinding.order(whole, reader, reading)) for reader in ("anna", "ben") for reading in (1, 2)} > {
        tuple(whole)
    }


def test_every_offer_stands_in_the_audit_log_with_the_reading(four):
    service = four.service(several_readers=True)
    offered(service, "anna")
    told = [(one["case"], one["reader"], one["reading"]) for one in service.audit.entries() if one["event"] == "offered"]
    assert told == [(case_id, "anna", 1) for case_id in "abcd"]
    assert service.audit.verify()


CONTRADICTIONS = [
    ({"washout_days": -1}, "washout_days is -1; it must be 0 to 3650"),
    ({"adjudicate_above": 20}, "adjudicate_above and adjudicators belong together"),
    ({"adjudicators": "carla", "several_readers": True}, "adjudicate_above and adjudicators belong together"),
    ({"adjudicate_above": 20, "adjudicators": "carla"}, "adjudicate_above needs several readers of one case"),
    ({"adjudicate_above": 201, "adjudicators": "carla", "several_readers": True}, "must be 0 to 200 percent"),
    ({"calibration": "a"}, "calibration and calibration_reader belong together"),
    ({"calibration": "a", "calibration_reader": "carla"}, "calibration needs several readers"),
    (
        {
            "calibration": "a",
            "calibration_reader": "carla",
            "adjudicators": "carla",
            "adjudicate_above": 20,
            "several_readers": True,
        },
        "carla is calibration_reader and an adjudicator",
    ),
]


@pytest.mark.parametrize(("config", "sentence"), CONTRADICTIONS)
def test_settings_that_contradict_are_refused(config, sentence):
    with pytest.raises(SettingsError, match=sentence):
        StudyConfig(**config)


def test_a_slow_archive_holds_up_no_other_reader_while_it_is_asked_whose_a_case_is(four):
    service = four.service(blinded=True, seed=4)
    first = service.next_case("anna")
    finish(service, first.case.case_id, "anna")
    asked, go_on, others = threading.Event(), threading.Event(), []
    plain = service._turns._patients

    def slow():
        asked.set()
        assert go_on.wait(60)
        return plain()

    service._turns._patients = slow
    anna = threading.Thread(target=service.next_case, args=("anna",))
    anna.start()
    assert asked.wait(60)
    ben = threading.Thread(target=lambda: others.append(service.next_case("ben")))
    ben.start()
    ben.join(60)  # with the lock held he would wait for the archive, which answers only below
    is_held_up = ben.is_alive()
    go_on.set()
    anna.join(60)
    ben.join(60)
    assert not is_held_up
    assert others[0] is not None


def test_a_blinded_case_that_turns_out_unusable_when_it_is_fetched_is_not_offered_but_the_next_one_is(four):
    service = four.service(blinded=True, seed=4)
    unusable = service.next_case("eva").case.case_id
    service.leases.of("eva").release(unusable, "eva")
    plain = service.cases._make_copies

    def burned_in(case):
        if case.case_id == unusable:
            raise InputError("Text may be burned into its pixels.")
        return plain(case)

    service.cases._make_copies = burned_in
    assert service.next_case("eva").case.case_id != unusable
    assert unusable not in [case.case_id for case in service.cases.index.cases]
