"""Steps that are kept: an interrupted run goes on, changed input is done again."""

import pytest

from lib.errors import OutputError
from lib.reproduction.kept import check_output, kept_steps


def test_a_step_is_done_once_until_what_it_rests_on_changes(tmp_path):
    source = tmp_path / "a.txt"
    source.write_text("1")
    calls = []

    def run(program: str, rests_on: str):
        with kept_steps(tmp_path / "out", program) as kept:
            return kept.step("s", [source], [rests_on], lambda: calls.append(1) or {"n": len(calls)})

    assert run("1", "m") == run("1", "m") == {"n": 1}
    assert run("1", "other model") == {"n": 2}
    assert run("2", "other model") == {"n": 3}
    source.write_text("2")
    assert run("2", "other model") == {"n": 4}


def test_a_step_that_was_cut_off_is_done_again(tmp_path):
    with kept_steps(tmp_path / "out", "1") as kept:
        kept.step("s", [], [], lambda: 1)
    path = tmp_path / "out" / "work" / "s.json"
    path.write_text(path.read_text()[:10])
    with kept_steps(tmp_path / "out", "1") as kept:
        assert kept.step("s", [], [], lambda: 2) == 2
        assert (kept.done, kept.again) == (1, 0)


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.docx").write_text("")
    with pytest.raises(OutputError, match=r"not of an earlier run of reproduce \(thesis.docx is there\)"):
        check_output(tmp_path)


def test_two_runs_do_not_work_in_one_folder(tmp_path):
    with (
        kept_steps(tmp_path / "out", "1"),
        pytest.raises(OutputError, match="Another run of reproduce is at work"),
        kept_steps(tmp_path / "out", "1"),
    ):
        pass
