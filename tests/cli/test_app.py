"""The command line as a program: it answers at once, and ends with the right code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lib.cli.app import OneSentence, app, asked_for
from lib.core.settings import VhiSettings
from lib.errors import InputError
from serving import free_port

pytestmark = pytest.mark.slow  # seconds in all

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "scipy", "torch", "monai", "monailabel", "matplotlib", "nibabel", "reportlab", "jinja2", "rich")


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments], capture_output=True, text=True, cwd="/", check=False
    )


def test_the_commands_load_without_what_they_compute_with():
    code = f"import sys; sys.path.insert(0, 'apps/vhi'); import lib.cli.app; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_ctrl_c_while_a_command_is_still_imported_is_no_traceback(tmp_path):
    (tmp_path / "typer.py").write_text("import time\nprint('imported', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, str(ROOT / "main.py"), "batch", "no-such-table.csv", "--out", "none"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", env=environment
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "imported\n"
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=50)
    assert (started.returncode, said) == (-signal.SIGINT, "")


def test_help_lists_the_commands_from_any_folder():
    ended = program("--help")
    assert ended.returncode == 0
    assert ended.stderr == ""
    for command in ("measure", "disease-region", "settings", "phantom", "train"):
        assert f"\n  {command} " in ended.stdout


def test_a_refusal_of_the_program_is_one_line_and_code_2():
    ended = program("measure", "--t1w", "/no/t1w.nii", "--stir", "/no/stir.nii", "--out", "/tmp/no-such-result")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == "T1W: there is no file /no/t1w.nii; check the path.\n"
    assert not Path("/tmp/no-such-result").exists()


def test_settings_lists_every_setting():
    result = CliRunner().invoke(app, ["settings"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for info in VhiSettings.describe():
        assert f"\n{info.name} " in result.stdout
    assert "mm2" in result.stdout


def ending_with(error: BaseException) -> typer.Typer:
    def command() -> None:
        raise error

    one = typer.Typer(cls=OneSentence, pretty_exceptions_enable=False)
    one.callback()(lambda: None)
    one.command("run")(command)
    return one


def test_an_expected_problem_is_its_sentence_on_one_line():
    result = CliRunner().invoke(ending_with(InputError("T1W is\n not there.")), ["run"])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "T1W is not there.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_output_is_told():
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), "settings"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 2
    assert ended.stderr == "The output cannot be written: No space left on device. Free some space, or choose another place.\n"


def test_an_interruption_ends_with_130():
    result = CliRunner().invoke(ending_with(KeyboardInterrupt()), ["run"])
    assert result.exit_code == 130
    assert "Interrupted; nothing was written" in result.stderr


def test_a_bug_keeps_its_traceback():
    result = CliRunner().invoke(ending_with(ZeroDivisionError("a bug")), ["run"])
    assert isinstance(result.exception, ZeroDivisionError)
    assert result.exit_code == 1
    with pytest.raises(ZeroDivisionError, match="a bug"):
        ending_with(ZeroDivisionError("a bug"))(["run"])


def test_a_command_without_its_packages_says_which_one_is_missing(tmp_path):
    # as after `pip install .`, which brings no server
    code = (
        "import runpy, sys; sys.modules['monailabel'] = None; "
        f"sys.argv = ['main.py', 'serve', '--studies', {str(tmp_path)!r}, '--port', '{free_port()}']; "
        f"runpy.run_path({str(ROOT / 'apps' / 'vhi')!r}, run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "needs the Python package monailabel, which is not installed" in ended.stderr


@pytest.mark.parametrize("words", [["measure", "--help"], ["measure"], ["settings", "--no-such"], ["archive", "--help"]])
def test_a_command_that_is_made_alone_says_what_it_says_among_all(words):
    alone, among = (CliRunner().invoke(one, words, prog_name="vhi") for one in (asked_for(words), app))
    assert asked_for(words) is not app
    assert (alone.exit_code, alone.output) == (among.exit_code, among.output)


@pytest.mark.parametrize("words", [[], ["--help"], ["--version", "measure"], ["measur"], ["models", "list"], ["users"]])
def test_anything_else_is_answered_with_all_commands_at_hand(words):
    assert asked_for(words) is app
