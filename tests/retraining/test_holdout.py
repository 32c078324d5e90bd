"""The hold-out: by patient, for ever."""

from __future__ import annotations

import pytest

from lib.errors import InputError
from lib.retraining.holdout import HoldOut, patients_of_table


def test_about_the_share_of_the_patients_is_held_out(tmp_path):
    sides = [HoldOut(tmp_path, 0.2).side(f"c{n}", "patient {}".format) for n in range(1000)]
    assert 150 < sides.count("holdout") < 250


@pytest.mark.slow
def test_all_visits_of_a_patient_lie_on_one_side(tmp_path):
    for n in range(50):
        sides = HoldOut(tmp_path, 0.5).write_down({f"{n}-{visit}": f"patient {n}" for visit in range(3)})
        assert len(set(sides.values())) == 1


def test_a_side_that_was_written_down_stays_whatever_the_share_becomes(tmp_path):
    patients = {f"c{n}": f"patient {n}" for n in range(50)}
    before = HoldOut(tmp_path, 0.5).write_down(patients)
    later = HoldOut(tmp_path, 0.0)
    assert later.write_down(patients) == before
    assert "holdout" in before.values()
    assert later.side("new visit", lambda case_id: "patient 0") == before["c0"]


def test_no_patients_id_is_written_down(tmp_path):
    HoldOut(tmp_path, 0.5).write_down({"c1": "Anna Muster"})
    assert "Muster" not in (tmp_path / "holdout.json").read_text()


def test_a_case_that_changes_its_patient_is_refused(tmp_path):
    holdout = HoldOut(tmp_path, 0.2)
    holdout.write_down({"c1": "one"})
    with pytest.raises(InputError, match="c1 was written down"):
        holdout.write_down({"c1": "another"})


def test_of_a_case_that_was_written_down_the_patient_is_not_asked_again(tmp_path):
    holdout = HoldOut(tmp_path, 0.2)
    sides = holdout.write_down({"c1": "one"})

    def unreachable(case_id):
        raise AssertionError(case_id)

    assert holdout.side("c1", unreachable) == sides["c1"]


def test_a_table_says_whose_a_case_is_and_others_are_patients_of_their_own(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_text("case,patient\n2001,p1\n3001,p1\n")
    patient_of = patients_of_table(path)
    assert (patient_of("2001"), patient_of("3001"), patient_of("9")) == ("p1", "p1", "9")


@pytest.mark.parametrize("text", ["case;patient;date\r\n2001;p1;\r\n3001;p1\r\n", "\ufeffCase\tPatient\r2001\tp1\r3001\tp1\r"])
def test_a_table_of_patients_is_read_as_any_spreadsheet_saves_it(tmp_path, text):
    path = tmp_path / "patients.csv"
    path.write_bytes(text.encode())
    patient_of = patients_of_table(path)
    assert [patient_of(case_id) for case_id in ("2001", "3001", "9")] == ["p1", "p1", "9"]


@pytest.mark.parametrize("text", ["id,who\n1,2\n", "case,patient\n1,a\n1,b\n", "case,patient\n1,\n"])
def test_a_table_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "patients.csv").write_text(text)
    with pytest.raises(InputError, match=r"patients\.csv"):
        patients_of_table(tmp_path / "patients.csv")


def test_further_fields_of_the_file_are_left_alone(tmp_path):
    (tmp_path / "holdout.json").write_text('{"patients": {}, "cases": {}, "note": 1}')
    assert HoldOut(tmp_path, 0.2).side("c1", str) in ("train", "holdout")


def test_sides_that_are_no_texts_are_damage_and_named(tmp_path):
    (tmp_path / "holdout.json").write_text('{"patients": {"0a": ["train"]}, "cases": {}}')
    with pytest.raises(InputError, match=r"holdout\.json is damaged"):
        HoldOut(tmp_path, 0.2).side("c1", str)
