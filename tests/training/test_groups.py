"""Who is held out of which fold."""

from pathlib import Path

import pytest

from lib.errors import InputError
from lib.studies.labelled import LabelledCase, LabelledData
from lib.training.groups import folds_of, shipped_group


def cases(*ids: str) -> tuple[LabelledCase, ...]:
    return tuple(LabelledCase(case_id, Path(f"{case_id}_T1W.nii.gz"), Path(f"{case_id}_mask.nii.gz")) for case_id in ids)


def ids(some: tuple[LabelledCase, ...]) -> list[str]:
    return [case.case_id for case in some]


FOUND = LabelledData(cases(*"abcdefgh"), test=cases("t"), atypical=cases("x", "y", "z"), unlabelled=cases("u"))


def test_two_study_subjects_and_one_atypical_scan_are_held_out_of_each_fold():
    folds = folds_of(FOUND)
    assert [fold.name for fold in folds] == ["fold0", "fold1", "fold2", "fold3"]
    assert [ids(fold.held_out) for fold in folds] == [["a", "e", "x"], ["b", "f", "y"], ["c", "g", "z"], ["d", "h"]]
    assert [fold.n_study for fold in folds] == [2, 2, 2, 2]
    assert ids(folds[1].cases) == ["a", "c", "d", "e", "g", "h", "x", "z"]


def test_no_fold_learns_what_measures_it_and_none_sees_the_test_scans():
    for fold in folds_of(FOUND):
        assert not set(fold.cases) & set(fold.held_out)
        assert len(fold.cases) + len(fold.held_out) == 11
        assert "t" not in ids(fold.cases + fold.held_out)


def test_scans_of_other_scanners_are_held_out_in_turn_and_all_learnt_by_the_shipped_ensemble():
    labelled = LabelledData(cases(*"abcdefgh"), other=cases(*"pqrst"))
    folds = folds_of(labelled)
    assert [ids(fold.held_out_other) for fold in folds] == [["p", "t"], ["q"], ["r"], ["s"]]
    assert ids(folds[0].other) == ["q", "r", "s"]
    assert ids(shipped_group(labelled).other) == [*"pqrst"]


def test_folds_of_networks_for_another_scanner_hold_out_its_scans_alone():
    folds = folds_of(LabelledData(cases(*"abcdefgh"), atypical=cases("x"), other=cases(*"pqrst")), kind=True)
    assert [(ids(fold.held_out), ids(fold.held_out_other)) for fold in folds] == [
        ([], list(one)) for one in ("pt", "q", "r", "s")
    ]
    assert [ids(fold.cases) for fold in folds] == [[*"abcdefgh", "x"]] * 4
    assert ids(folds[0].other) == ["q", "r", "s"]
    with pytest.raises(InputError, match="at least two labelled scans of it.*found 1 under"):
        folds_of(LabelledData(cases(*"abc"), other=cases("p")), kind=True)


def test_the_shipped_ensemble_learns_all_but_the_test_scans():
    group = shipped_group(FOUND)
    assert ids(group.cases) == [*"abcdefgh", "x", "y", "z"]
    assert ids(group.held_out) == ["t"]


def test_the_papers_last_step_learns_every_labelled_scan_and_measures_none():
    group = shipped_group(FOUND, with_test=True)
    assert ids(group.cases) == [*"abcdefgh", "x", "y", "z", "t"]
    assert group.held_out == ()


def test_fewer_than_four_subjects_give_fewer_folds():
    folds = folds_of(LabelledData(cases("a", "b", "c")))
    assert [ids(fold.held_out) for fold in folds] == [["a"], ["b"], ["c"]]
    with pytest.raises(InputError, match="at least two labelled study scans"):
        folds_of(LabelledData(cases("a")))
