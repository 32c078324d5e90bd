"""`cohort`, `sparcc` and `trial` through the command line."""

import csv
import json
import math

import numpy as np
import pytest

from lib.core.volume import Grid, Mask
from lib.readings.store import ReadingStore, now, stored_segment
from lib.readings.submission import Submission
from lib.studies.nifti import write_mask
from reports.test_forms import pages_of as pdf_words

pytestmark = pytest.mark.slow  # seconds in all

TABLE = """subject,visit,reader,vhi_mm3,sparcc,basdai,spinal_vas_cm
S1,baseline,a,100,10,6,6
S1,baseline,b,110,12,,
S1,follow_up,a,50,5,3,2
S1,follow_up,b,60,5,,
S2,baseline,a,400,20,6,6
S2,baseline,b,380,22,,
S2,follow_up,a,450,21,6,6
S2,follow_up,b,410,23,,
"""


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_numbers_that_no_reader_cleaned_are_told_first_in_every_form_of_the_report(run, tmp_path):
    source, out = tmp_path / "t.csv", tmp_path / "out"
    subjects = [f"S{n},baseline,{reader},{100 * n + 10 * k}" for n in range(1, 4) for k, reader in enumerate("ab")]
    stages = ["cleaned", "uncleaned", "proposed", "cleaned", "cleaned", "cleaned"]
    rows = [f"{one},{stage}" for one, stage in zip(subjects, stages, strict=True)]
    source.write_text("\n".join(["subject,visit,reader,vhi_mm3,stage", *rows, ""]))
    refused = run(["cohort", str(source), "--out", str(out)])
    assert (refused.code, out.exists()) == (2, False)
    assert "2 of the readings are no VHI" in refused.error
    ended = run(["cohort", str(source), "--out", str(out), "--accept-uncleaned"])
    assert ended.code == 0, ended.error
    note = "Not all of these numbers are VHI: 1 of uncleaned volume and 1 of proposed volume were accepted"
    page = (out / "report.html").read_text()
    assert page.index(note) < page.index("<h2")
    assert any(one.startswith(note) for one in json.loads((out / "cohort.json").read_text())["notes"])
    assert note in " ".join(pdf_words((out / "report.pdf").read_bytes())[0].split())
    assert f"NOTE     {note}" in ended.out
    assert "Not all of these volumes are VHI: 1 of uncleaned volume and 1 of proposed volume" in (out / "methods.txt").read_text()
    assert {row["stage"] for row in rows_of(out / "tables" / "readings.csv")} == {"cleaned", "raw", "proposed"}


def test_a_table_becomes_a_report(run, tmp_path):
    source = tmp_path / "t.csv"
    source.write_text(TABLE)
    out = tmp_path / "out"
    ended = run(["cohort", str(source), "--out", str(out), "--truncate", "300"])
    assert ended.code == 0, ended.error
    assert "Agreement between readers: VHI: n = 4 scans of 2 subjects" in ended.out
    content = json.loads((out / "cohort.json").read_text())
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == set(content["files"])
    (raw, cut, _) = rows_of(out / "tables" / "agreement_vhi.csv")
    # differences -10, -10, 20, 40; above 300 both scans of S2 are left out
    assert float(raw["bias"]) == 10.0
    assert (cut["n"], cut["truncated_at_mm3"]) == ("2", "300.0")
    assert content["provenance"]["settings"]["truncate_vhi_mm3"] == 300.0
    assert content["provenance"]["inputs"][0]["sha256"]
    meanings = {row["column"]: row for row in rows_of(out / "tables" / "data_dictionary.csv")}
    assert set(rows_of(out / "tables" / "readings.csv")[0]) == set(meanings)
    # eight readings; BASDAI stands once at each of four visits
    assert (meanings["vhi_mm3"]["unit"], meanings["vhi_mm3"]["values_given"], meanings["basdai"]["values_given"]) == (
        "mm3",
        "8",
        "4",
    )
    methods = (out / "methods.txt").read_text()
    assert "2 subjects with 2 baseline visits and 2 follow-up visits were read by 2 readers (8 readings)" in methods
    assert f"Python {content['provenance']['versions']['python']}" in methods
    assert "STAPLE" not in methods, "no masks were given"
    drawn = [row for row in rows_of(out / "figures" / "agreement_vhi.csv") if row["kind"] == "point"]
    # differences of the raw scale are among what figure 7 draws
    assert {-10.0, 20.0, 40.0} <= {round(float(row["y"]), 9) for row in drawn}
    assert run(["cohort", str(source), "--out", str(out)]).code == 0, "an earlier report is replaced"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TABLE.replace("S2,baseline,a,400", "S2,baseline,a,-4"), "t.csv, row 6, column vhi_mm3: found '-4'"),
        ("subject;VHI\nS1;3\n", "'vhi' is no column"),
        ("\x00\x01", "is no column"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence_and_nothing_is_written(run, tmp_path, text, words):
    source = tmp_path / "t.csv"
    source.write_text(text)
    ended = run(["cohort", str(source), "--out", str(tmp_path / "out")])
    assert ended.code == 2
    assert words in ended.error
    assert ended.error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_no_cohort_is_refused(run, tmp_path):
    (tmp_path / "empty").mkdir()
    latin = tmp_path / "latin.csv"
    latin.write_bytes("subject\nJ\xfcrgen\n".encode("latin-1"))
    (tmp_path / "header.csv").write_text("subject,reader,vhi_mm3\n")
    for source, words in (
        ("missing.csv", "There is no"),
        ("empty", "holds neither masks"),
        ("latin.csv", "is not UTF-8 text"),
        ("header.csv", "header.csv is empty"),
    ):
        ended = run(["cohort", str(tmp_path / source), "--out", str(tmp_path / "out")])
        assert (ended.code, words in ended.error) == (2, True), ended.error


GRID = Grid((12, 10, 4), np.diag([1.0, 2.0, 3.0, 1.0]))


def box(size: int) -> Mask:
    data = np.zeros(GRID.shape, dtype=bool)
    data[:size] = True
    return Mask(data, GRID, "inflammation")


def test_masks_of_readers_are_compared(run, tmp_path):
    for which, size in (("R11", 4), ("R12", 4), ("R21", 6), ("R22", 12)):
        folder = tmp_path / "in" / which
        folder.mkdir(parents=True)
        write_mask(folder / f"7_inflammation_{which}.nii.gz", box(size))
    visits = tmp_path / "visits.csv"
    visits.write_text("subject,visit,case\nP,follow_up,7\n")
    out = tmp_path / "out"
    ended = run(["cohort", str(tmp_path / "in"), "--table", str(visits), "--out", str(out)])
    assert ended.code == 0, ended.error
    pairs = rows_of(out / "tables" / "overlap_pairs.csv")
    assert {(one["subject"], one["visit"]) for one in pairs} == {("P", "follow_up")}
    dice = {
        tuple(one[f"{who}_{what}"] for who in ("first", "second") for what in ("reader", "reading")): float(one["dice"])
        for one in pairs
    }
    assert dice["R1", "1", "R1", "2"] == 1.0
    assert dice["R1", "1", "R2", "1"] == pytest.approx(0.8)
    assert dice["R1", "1", "R2", "2"] == pytest.approx(0.5)
    # 4 x 10 x 4 voxels of 6 mm3
    (first, *_) = [one for one in rows_of(out / "tables" / "readings.csv") if (one["reader"], one["reading"]) == ("R1", "1")]
    assert (first["vhi_mm3"], first["vhi_voxels"], first["case"]) == ("960.0", "160.0", "7")


def test_what_a_server_stored_is_read(run, tmp_path):
    store = ReadingStore(tmp_path / "studies" / ".vhi", {"seed": 3})
    for case, reader, size in (
        ("S1_baseline", "anna", 4),
        ("S1_baseline", "ben", 6),
        ("S1_follow_up", "anna", 2),
        ("S1_follow_up", "ben", 0),
    ):

        def write(folder, number, case=case, reader=reader, size=size):
            write_mask(folder / "inflammation.nii.gz", box(size))
            segment = stored_segment("inflammation", folder / "inflammation.nii.gz", box(size).voxels)
            return Submission(case, number, reader, 1, "manual", now(), (segment,), rating="failed")

        store.append(case, reader, write)
    out = tmp_path / "out"
    ended = run(["cohort", str(tmp_path / "studies"), "--out", str(out)])
    assert ended.code == 0, ended.error
    content = json.loads((out / "cohort.json").read_text())
    assert "It failed in 4 of 4 readings" in content["analyses"]["region_ratings"]["findings"][0]
    (one,) = content["analyses"]["response"]["tables"]["response_subjects"]
    assert (one["vhi_baseline"], one["vhi_follow_up"], one["vhi_response"]) == (1200.0, 240.0, 1.0)


def test_score_sheets_are_created_filled_in_checked_and_analysed(run, tmp_path):
    source = tmp_path / "t.csv"
    source.write_text("subject,visit\nS1,baseline\nS2,baseline\nS3,baseline\n")
    tables = []
    for reader, add in (("anna", 0), ("ben", 1)):
        sheet = tmp_path / f"{reader}.csv"
        assert run(["sparcc", "create", str(source), "--reader", reader, "--out", str(sheet)]).code == 0
        assert (
            "exists and may hold scores" in run(["sparcc", "create", str(source), "--reader", reader, "--out", str(sheet)]).error
        )
        rows = list(csv.reader(sheet.open(newline="")))
        for n, row in enumerate(rows[1:]):
            marks = int(row[2][1]) + add if n % 6 == 0 else 0
            row[4:] = ["1" if k < marks else "0" for k in range(12)]
        with sheet.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        tables.append(tmp_path / f"{reader}-scores.csv")
        ended = run(["sparcc", "check", str(sheet), "--out", str(tables[-1])])
        assert ended.code == 0, ended.error
        assert "3 of 3 cases scored" in ended.out
    assert [row["sparcc"] for row in sorted(rows_of(tables[1]), key=lambda row: row["case"])] == ["2", "3", "4"]
    ended = run(["cohort", str(tables[0]), "--table", str(tables[1]), "--out", str(tmp_path / "out")])
    assert ended.code == 0, ended.error
    assert float(rows_of(tmp_path / "out" / "tables" / "agreement_sparcc.csv")[0]["bias"]) == -1.0
    assert "both hold case" in run(["sparcc", "check", *[str(tmp_path / "anna.csv")] * 2]).error


@pytest.mark.data
def test_the_published_manual_readings_give_the_published_overlap(run, vhi_data, tmp_path):
    ended = run(["cohort", str(vhi_data / "segmentations" / "inflammation_manual"), "--out", str(tmp_path / "out")])
    assert ended.code == 0, ended.error
    pairs = rows_of(tmp_path / "out" / "tables" / "overlap_pairs.csv")
    assert len(pairs) == 7 * 6
    # section 3.3: over eight subjects, of which seven were published
    assert min(float(one["dice"]) for one in pairs) == pytest.approx(0.28, abs=0.005)
    assert max(float(one["dice"]) for one in pairs) == pytest.approx(0.87, abs=0.005)


def test_a_simulated_trial_is_analysed_whole(run, tmp_path):
    trial, out = tmp_path / "trial", tmp_path / "out"
    ended = run(["trial", "--out", str(trial), "--patients", "12", "--shape", "64", "64", "10", "--seed", "4"])
    assert ended.code == 0, ended.error
    ended = run(["cohort", str(trial), "--table", str(trial / "cohort.csv"), "--out", str(out), "--per-reader"])
    assert ended.code == 0, ended.error
    content = json.loads((out / "cohort.json").read_text())
    truth = {one["case"]: one for one in json.loads((trial / "trial.json").read_text())["scans"]}
    analyses = content["analyses"]
    missing = {key for key, one in analyses.items() if not one["available"]}
    assert missing == {"region_ratings", "effort"}

    # the planted differences, voxel by voxel
    voxel_mm3 = float(np.prod([336 * 0.595 / 64] * 2) * 82.5 / 10)
    differences = [one for one in rows_of(out / "tables" / "differences_vhi.csv") if one["method"] == "semi-automatic"]
    assert len(differences) == 24
    for one in differences:
        planted = -truth[f"{one['subject']}_{one['visit']}"]["second_minus_first_voxels"] * voxel_mm3
        assert float(one["difference"]) == pytest.approx(planted, abs=0.01 * voxel_mm3)
    # and their bias
    (raw,) = [
        one
        for one in analyses["agreement_vhi"]["tables"]["agreement_vhi"]
        if (one["scale"], one["method"]) == ("raw", "semi-automatic")
    ]
    assert raw["bias"] == pytest.approx(
        -voxel_mm3 * np.mean([one["second_minus_first_voxels"] for one in truth.values()]), abs=1.0
    )

    # every failure that is found was planted, with its class
    for one in rows_of(out / "tables" / "failures.csv"):
        assert (one["disagreement"] or None) == truth[f"{one['subject']}_{one['visit']}"]["disagreement"]
    assert rows_of(out / "tables" / "failures.csv")

    # every number of a mask is that of the trial's own table; both go into one report without a conflict
    (log,) = [
        one
        for one in analyses["vhi_against_sparcc"]["tables"]["regression"]
        if (one["scale"], one["readers"]) == ("log", "mean of R1 and R2")
    ]
    assert log["n"] == 24
    assert log["slope_low"] > 0
    subjects = analyses["response"]["tables"]["response_subjects"]
    assert len(subjects) == 12
    assert all(math.isfinite(one["vhi_change"]) for one in subjects)
    # follow-up lies where the baseline lay: the alignment must find next to no motion
    assert analyses["lesions"]["n"].startswith("12 subjects")
    statuses = {one["status"] for one in analyses["lesions"]["tables"]["lesions"]}
    assert "persisting" in statuses
    figures = {path.stem for path in (out / "figures").glob("*.svg")}
    assert {
        "overlap",
        "reference",
        "vhi_against_sparcc",
        "agreement_vhi_1",
        "agreement_sparcc",
        "response",
        "change",
        "failure_1",
        "before_after_1",
    } <= figures
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF-")

    # the sheets give the scores of the table
    ended = run(["sparcc", "check", str(trial / "sparcc" / "R1.csv"), "--out", str(tmp_path / "scores.csv")])
    assert ended.code == 0, ended.error
    scores = {one["case"]: float(one["sparcc"]) for one in rows_of(tmp_path / "scores.csv")}
    table = {
        f"{one['subject']}_{one['visit']}": float(one["sparcc"])
        for one in rows_of(trial / "cohort.csv")
        if one["reader"] == "R1" and one["sparcc"]
    }
    assert scores == table


def test_a_trial_of_numbers_is_bent_as_asked_and_can_be_analysed(run, tmp_path):
    trial, out = tmp_path / "trial", tmp_path / "out"
    bent = ["--reader-bias", "0.2", "--missing", "0.2", "--correlation", "0.5", "--seed", "2"]
    ended = run(["trial", "--numbers", "--out", str(trial), "--patients", "20", *bent])
    assert ended.code == 0, ended.error
    planted = json.loads((trial / "trial.json").read_text())["numbers"]
    assert (planted["bent"]["reader_bias"], planted["correlation"]) == (0.2, 0.5)
    ended = run(["cohort", str(trial / "cohort.csv"), "--out", str(out)])
    assert ended.code == 0, ended.error
    (raw, *_) = json.loads((out / "cohort.json").read_text())["analyses"]["agreement_vhi"]["tables"]["agreement_vhi"]
    assert raw["n_subjects"] < raw["n"] < 40
    analyses = json.loads((out / "cohort.json").read_text())["analyses"]
    assert "times the patients of one by SPARCC" in " ".join(analyses["sensitivity"]["findings"])
    # the second reader reads 20% above: the bias grows with the mean by 0.2 / 1.1
    assert raw["trend_slope_low"] < -0.2 / 1.1 < raw["trend_slope_high"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--missing", "1.5"], "share of missing visits"),
        (["--effect", "-1"], "true effect"),
        (["--correlation", "0.5"], "--numbers"),
    ],
)
def test_a_trial_that_cannot_be_is_refused_in_one_sentence(run, tmp_path, options, words):
    ended = run(["trial", "--out", str(tmp_path / "trial"), *options])
    assert ended.code != 0
    assert words in ended.error
    assert "Traceback" not in ended.error
    assert not (tmp_path / "trial").exists()


CONDUCT = """subject,visit,reader,vhi_mm3,date,drug,inclusion,age_years,sex
S1,baseline,a,100,2019-01-01,anti-tnf,,40,female
S1,baseline,b,110,,,,,
S1,follow_up,a,50,2019-03-26,,,,
S1,follow_up,b,60,,,,,
S2,baseline,a,400,2019-01-01,anti-tnf,withdrawn,50,male
S2,baseline,b,380,,,,,
S3,baseline,a,300,2019-01-01,anti-tnf,,60,male
S3,baseline,b,320,,,,,
"""


def test_the_report_says_how_the_study_was_conducted_and_leaves_out_who_withdrew(run, tmp_path):
    source, out = tmp_path / "t.csv", tmp_path / "out"
    source.write_text(CONDUCT)
    ended = run(["cohort", str(source), "--out", str(out)])
    assert ended.code == 0, ended.error
    content = json.loads((out / "cohort.json").read_text())
    conduct = content["analyses"]["conduct"]
    assert conduct["findings"] == ["1 of 1 second scans were made when they were due."]
    assert conduct["excluded"] == [{"subject": "S2", "visit": "", "why": "withdrawn"}]
    ages = next(row for row in conduct["tables"]["baseline"] if row["column"] == "age_years")
    assert (ages["n"], ages["median"]) == (2, 50.0)
    assert {row["subject"] for row in content["readings"]} == {"S1", "S3"}
    assert rows_of(out / "tables" / "visit_intervals.csv")[0]["days"] == "84"
