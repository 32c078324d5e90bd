"""The input of a study's analyses, from files: through `vhi.read_cohort` as through the command line."""

import json

import numpy as np
import pytest

from lib.cli.cohort_input import CohortInput
from lib.cli.cohort_input import read_cohort as read
from lib.core.chain import RecordedChain
from lib.core.volume import Grid, Mask
from lib.errors import InputError
from lib.interface import read_cohort
from lib.readings.store import ReadingStore, now, stored_segment
from lib.readings.submission import Submission
from lib.studies.nifti import write_mask

TABLE = """subject,visit,reader,vhi_mm3,inclusion
S1,baseline,a,100,
S2,baseline,a,400,withdrawn
S3,baseline,a,300,excluded
"""


def test_who_is_not_in_the_study_is_left_out_whoever_asks(tmp_path):
    source = tmp_path / "t.csv"
    source.write_text(TABLE)
    cohort = read_cohort(source)
    assert cohort.left_out == {"S2": "withdrawn", "S3": "excluded"}
    assert cohort.whole_table().subjects == ("S1",)


PAPER, SITE, RENAMED, OTHER = (
    RecordedChain(name, sha256)
    for name, sha256 in (("paper", ""), ("site", "a" * 64), ("renamed", "a" * 64), ("other", "b" * 64))
)


@pytest.mark.parametrize(
    ("chains", "words"),
    [((PAPER, SITE), r"paper: 1 of them, the first of S1, baseline; site \(aaaaaaaaaaaa\): 1"), ((SITE, OTHER), r"other \(bb")],
)
def test_readings_of_different_post_transforms_are_refused(chains, words):
    given = [(f"S{n}", "baseline", chain) for n, chain in enumerate(chains, start=1)]
    with pytest.raises(InputError, match=words):
        CohortInput(chains=given).check_chains()
    without = CohortInput(chains=given, left_out={"S2": "excluded"})
    without.check_chains()


@pytest.mark.parametrize(("chains", "notes"), [((PAPER, PAPER), 0), ((SITE, RENAMED), 1), ((), 0)])
def test_one_chain_that_is_not_the_papers_is_named(chains, notes):
    cohort = CohortInput(chains=[("S1", "baseline", chain) for chain in chains])
    cohort.check_chains()
    assert len(cohort.notes) == notes
    assert all("site (aaaaaaaaaaaa), which are not the paper's" in note for note in cohort.notes)


LEFT_OUT = ("the part above the L4/5 disc left out",)


def test_readings_with_different_parts_left_out_or_thresholds_are_refused_and_one_way_that_is_not_the_default_is_named():
    given = [("S1", "baseline", ()), ("S2", "baseline", LEFT_OUT)]
    with pytest.raises(
        InputError, match=r"the defaults: 1 of them, the first of S1, baseline; the part above the L4/5 disc left out: 1"
    ):
        CohortInput(settings=given).check_settings()
    CohortInput(settings=given, left_out={"S2": "excluded"}).check_settings()
    cohort = CohortInput(settings=given[1:])
    cohort.check_settings()
    assert cohort.notes == [
        "The readings were measured with the part above the L4/5 disc left out, which is not the default method."
    ]


def hand_in(store, case, method, chain):
    """One reading of a server, measured with a chain of post-transforms."""

    def write(folder, number):
        path = folder / "inflammation.nii.gz"
        write_mask(path, Mask(np.ones((2, 2, 2), dtype=bool), Grid((2, 2, 2), np.eye(4)), "inflammation"))
        record = {"post_transforms": {"name": chain, "sha256": "c" * 64}}
        report = {"vhi_mm3": {"sensitive": 8.0, "conservative": 0.0}, "voxels": {"sensitive": 8, "conservative": 0}}
        (folder / "vhi.json").write_text(json.dumps({**report, "provenance": record}))
        return Submission(case, number, "anna", 1, method, now(), (stored_segment("inflammation", path, 8),), measured=True)

    store.append(case, "anna", write)


def test_a_server_on_which_one_chain_followed_another_is_refused(tmp_path):
    store = ReadingStore(tmp_path / ".vhi", {"seed": 3})
    hand_in(store, "S1", "semi-automatic", "site")
    hand_in(store, "S2", "manual", "paper")
    assert ["site (cccccccccccc)" in note for note in read_cohort(tmp_path).notes] == [True]
    hand_in(store, "S3", "semi-automatic", "paper")
    with pytest.raises(InputError, match="different post-transforms"):
        read_cohort(tmp_path)


STAGED = """subject,visit,reader,vhi_mm3,stage
S1,baseline,a,100,cleaned
S2,baseline,a,400,uncleaned
S3,baseline,a,300,
"""


def test_numbers_that_no_reader_cleaned_are_refused_unless_they_are_accepted(tmp_path):
    source = tmp_path / "t.csv"
    source.write_text(STAGED)
    with pytest.raises(InputError, match=r"1 of the readings are no VHI.*1 of uncleaned volume; the first of S2, baseline"):
        read(source, [], None)
    accepted = read(source, [], None, accept_uncleaned=True)
    assert len(accepted.whole_table().readings) == 3
    assert any("no reader cleaned them" in note for note in accepted.notes)


def test_a_table_without_a_stage_counts_as_cleaned(tmp_path):
    source = tmp_path / "t.csv"
    source.write_text(STAGED.replace(",stage", "").replace("cleaned", "").replace("un\n", "\n").replace(",\n", "\n"))
    assert len(read(source, [], None).whole_table().readings) == 3


def test_two_cases_that_are_one_visit_are_refused_until_a_table_tells_them_apart(tmp_path):
    (tmp_path / "masks").mkdir()
    box = Mask(np.ones((4, 4, 2), dtype=bool), Grid((4, 4, 2), np.eye(4)))
    for case in ("S1", "S1_Baseline", "S1-followup"):
        write_mask(tmp_path / "masks" / f"{case}_inflammation_R11.nii.gz", box)
    with pytest.raises(InputError, match="The cases S1 and S1_Baseline are both baseline of subject S1"):
        read(tmp_path / "masks", [], None)
    table = tmp_path / "t.csv"
    table.write_text("case,subject,visit\nS1,S2,baseline\n")
    cohort = read(tmp_path / "masks", [table], None)
    assert {(one.subject, one.visit) for one in cohort.masks} == {("S2", "baseline"), ("S1", "baseline"), ("S1", "follow_up")}
