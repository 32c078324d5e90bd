"""The cohort report: what it says, that it says why where it says nothing, and that no name runs in it."""

import csv
import io
import json

import numpy as np
import pytest

from lib.cohort.estimate import Estimate
from lib.cohort.masks import CaseImages, ComparedVisits, DisagreementImages, TwoVisits, VisitImages, mask_study
from lib.cohort.overlap import MaskReading
from lib.cohort.study import LeftOut, analyse
from lib.cohort.table import parse_table
from lib.cohort.visits import match_lesions
from lib.core.volume import Grid, Mask, Volume
from lib.errors import OutputError
from lib.reports.cohort import MARK, InputNotes, check_cohort_folder, cohort_content, cohort_html, cohort_pdf, write_cohort
from lib.reports.cohort_content import Records, Section, estimate, number, p_value

pytestmark = pytest.mark.slow  # seconds in all

ORIGIN = {
    "created": "2025-06-01T09:30:00+00:00",
    "command": "main.py cohort",
    "versions": {"vhi": "0.1"},
    "settings": {"a": None},
}
HOSTILE = ("<script>alert(1)</script>", '=cmd|"/C calc"!A1', "$\\frac{", "../../etc", "&amp;")


def content_of(rows: str, masks=None, images=(), visits=(), left_out=()):
    study = analyse(parse_table(rows, "t.csv"))
    return cohort_content(
        study,
        masks,
        DisagreementImages(images, "no masks."),
        ComparedVisits(visits, left_out, 3.0, "Only numbers."),
        ORIGIN,
        InputNotes(["A note & more."]),
    )


def table(names=("S1", "S2", "S3", "S4"), readers=("a", "b")) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("subject", "visit", "reader", "vhi_mm3", "sparcc", "basdai", "spinal_vas_cm", "seconds", "rating"))
    for n, name in enumerate(names):
        for visit in ("baseline", "follow_up"):
            for m, reader in enumerate(readers):
                fell = visit == "follow_up"
                vhi = (100 + 37 * n**2) * (0.5 if fell else 1) + 5 * m * n
                writer.writerow(
                    (name, visit, reader, vhi, 4 + 3 * n - 2 * fell, 6 - 2 * fell * (n % 2), 5 - fell, 40 + n, "corrected")
                )
    return text.getvalue()


@pytest.fixture(scope="module")
def content():
    return content_of(table())


def hostile_content():
    return content_of(table(HOSTILE, ("a", "b<i>")))


@pytest.fixture(scope="module")
def hostile():
    return hostile_content()


def test_every_analysis_says_n_method_and_source_or_why_not(content):
    for section in content.sections:
        assert section.method
        assert section.source
        assert bool(section.n) != bool(section.why_not), section.key
        if section.why_not:
            assert not section.figures, "no empty figure"
    by_key = {one.key: one for one in content.sections}
    assert by_key["overlap"].why_not == "it needs readers' masks, and only a table of numbers was given."
    assert by_key["agreement_vhi"].n == "8 scans of 4 subjects, 1 pair of readers"
    assert by_key["response"].findings[0].startswith("VHI: 4 of 4 subjects improved, 0 worsened")


def test_the_json_is_strict_and_holds_what_the_tables_hold(content):
    found = json.loads(content.json_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    (row,) = [one for one in found["analyses"]["agreement_vhi"]["tables"]["agreement_vhi"] if one["scale"] == "raw"]
    # differences: 0, 5, 10, 15 less, twice
    assert row["bias"] == pytest.approx(-7.5)
    assert (row["n"], row["first_reader"]) == (8, "a")
    assert found["analyses"]["overlap"]["available"] is False
    assert set(found["files"]) == set(content.file_names)


def test_the_html_needs_no_other_file_and_runs_nothing(hostile):
    html = cohort_html(hostile)
    assert "<script" not in html.replace("&lt;script", "")
    assert "b&lt;i&gt;" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert 'src="data:image/svg+xml;base64,' in html
    assert "A note &amp; more." in html


def test_the_pdf_holds_hostile_names_as_text(hostile):
    first = cohort_pdf(hostile)
    assert first.startswith(b"%PDF-")
    assert first == cohort_pdf(hostile_content()), "the same bytes for the same content"


def test_a_cell_never_runs_as_a_formula():
    records = Records("x", ("name", "value"), ((HOSTILE[1], -1.5), ("+1", None), ("a", float("nan")), ("b", np.float64(2.0))))
    rows = list(csv.reader(io.StringIO(records.csv_text())))
    assert rows[1:] == [["'" + HOSTILE[1], "-1.5"], ["'+1", ""], ["a", ""], ["b", "2.0"]]
    assert records.as_json()[2:] == [{"name": "a", "value": None}, {"name": "b", "value": 2.0}]


def test_who_was_left_out_is_told_with_the_reason():
    left = tuple((f"S{n}", "follow_up", "no VHI of reader b") for n in range(8))
    section = Section("k", "t", "m", "s", excluded=left)
    assert section.excluded_sentence(most=2) == "Left out: no VHI of reader b (8: S0 follow-up, S1 follow-up and 6 more)."
    assert Section("k", "t", "m", "s").excluded_sentence() == "Nothing was left out."


def test_numbers_are_printed_with_three_digits_and_none_as_na():
    assert [number(x) for x in (0, 12345.6, -4119.2, 0.5, 1.234, 12.34, float("nan"), None)] == [
        "0",
        "12,346",
        "−4,119",
        "0.500",
        "1.23",
        "12.3",
        "n/a",
        "n/a",
    ]
    assert estimate(Estimate(191.0, -4119.0, 4501.0)) == "191 (−4,119 to 4,501)"
    assert [p_value(p) for p in (0.00001, 0.0003, 0.88, float("nan"))] == ["< 0.0001", "0.0003", "0.88", "n/a"]


GRID = Grid((24, 24, 4), np.array([[-1.0, 0, 0, 10], [0, 0, 2.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]]))


def box(low: int, high: int) -> Mask:
    data = np.zeros(GRID.shape, dtype=bool)
    data[low:high, 5:9, 1:3] = True
    return Mask(data, GRID, "inflammation")


def test_masks_give_overlap_reference_failures_and_lesions():
    scan = [
        MaskReading("S1", "baseline", reader, 1, method, box(2, high))
        for reader, method, high in (
            ("a", "manual", 6),
            ("b", "manual", 8),
            ("a", "semi-automatic", 6),
            ("b", "semi-automatic", 6),
        )
    ]
    stir = Volume(np.random.default_rng(0).uniform(0, 100, GRID.shape), GRID, "STIR")
    images = [CaseImages("S1", "baseline", stir, ("a", "b"), box(2, 6), box(4, 8), (1, 2))]
    labels = box(2, 6).data.astype(np.int32)
    comparison = match_lesions(labels, np.zeros_like(labels), GRID)
    pictures = VisitImages({"baseline": stir, "follow_up": stir}, {"baseline": labels, "follow_up": 0 * labels}, (1,))
    visits = [TwoVisits("S1", "a", comparison, 1.5, 2.5, pictures)]
    content = content_of(table(), mask_study([scan]), images, visits, [LeftOut("S2", "", "no STIR scan at follow-up")])
    by_key = {one.key: one for one in content.sections}
    assert by_key["overlap"].n == "1 scans, 4 masks, 6 pairs of readings"
    # 4 of 6 columns shared: 2 x 4 / (4 + 6)
    assert "Manual, between readers: median Dice 0.80" in by_key["overlap"].findings[0]
    assert by_key["reference"].n == "1 scans"
    assert by_key["lesions"].findings == ("1 lesions resolved, 0 were there at both visits, 0 are new.",)
    assert by_key["lesions"].excluded == (("S2", "", "no STIR scan at follow-up"),)
    names = [one.name for one in content.figures]
    assert {"overlap", "reference", "failure_1", "before_after_1"} <= set(names)
    assert len(set(names)) == len(names)


def test_all_files_are_written_and_an_earlier_report_is_replaced_only_if_nothing_else_lies_there(content, tmp_path):
    write_cohort(content, tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(content.file_names)
    assert MARK in written
    check_cohort_folder(tmp_path)
    (tmp_path / "tables" / "mine.csv").touch()
    with pytest.raises(OutputError, match=r"tables/mine\.csv"):
        check_cohort_folder(tmp_path)


def test_the_report_says_that_visits_of_a_patient_are_dependent_and_what_the_limits_assume(content):
    section = next(one for one in content.sections if one.key == "agreement_vhi")
    assert any(one.startswith("These are 8 scans of 4 patients: all intervals count scans") for one in section.findings)
    row = dict(zip(section.records[0].columns, section.records[0].rows[0], strict=True))
    assert (row["n"], row["n_subjects"]) == (8, 4)
    assert 0 <= row["shapiro_p"] <= 1
    assert any(table.title.startswith("Assumptions of the limits") for table in section.tables)
    # of one visit each, nobody says so
    single = content_of("\n".join(line for line in table().splitlines() if "follow_up" not in line))
    (agreement,) = [one for one in single.sections if one.key == "agreement_vhi"]
    assert not any("dependent" in one for one in agreement.findings)


def test_the_report_compares_what_trials_by_vhi_and_by_sparcc_need(content):
    section = next(one for one in content.sections if one.key == "sensitivity")
    words = " ".join(section.findings)
    # in this table every SPARCC score falls by 2
    assert "VHI against SPARCC: A measure did not change, or changed by one amount in all patients." in words
    assert "Few patients (n = 4)" in words
    assert "none was a control" in words
    assert {one.name for one in section.records} >= {"sensitivity", "sensitivity_compared", "roc", "trial_size", "trial_power"}
    assert json.loads(content.json_text())["analyses"]["sensitivity"]["available"]


def test_measures_that_moved_in_opposite_directions_are_not_compared():
    rows = [
        f"S{n},{visit},a,{100 + 10 * n + (50 + 7 * n**2) * after},{20 + n - (3 + n % 3) * after}"
        for n in range(5)
        for after, visit in enumerate(("baseline", "follow_up"))
    ]
    content = content_of("\n".join(["subject,visit,reader,vhi_mm3,sparcc", *rows]))
    said = " ".join(next(one for one in content.sections if one.key == "sensitivity").findings)
    assert "VHI against SPARCC: They moved in opposite directions" in said
    assert "times the patients" not in said
    assert "VHI rose on average: its trial sizes are for showing a worsening." in said
    assert "SPARCC rose" not in said
    assert not [name for name, *_ in content.key_results.rows if "multiple of one by SPARCC" in name]


def test_the_methods_count_subjects_and_visits_that_were_read():
    content = content_of(
        "subject,visit,reader,vhi_mm3,basdai,rating\nS1,baseline,a,100,,\nS1,follow_up,,,3,\nS2,baseline,,,5,\nS3,baseline,b,,,failed"
    )
    assert content.methods.startswith("1 subject with 1 baseline visit and 0 follow-up visits were read by 1 reader (1 reading).")
