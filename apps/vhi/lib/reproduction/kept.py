"""Results of single steps, kept as files so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..files import output_error, sha256_of, write_atomically
from ..locks import locked

WORK, REPORT = "work", "report"
_LOCK = ".reproduce.lock"


class StepCache:
    """The steps of one output folder.

    A step's result is strict JSON in a file of its own, which also says of what it was made: the contents of its files, and what
    else it rests on. A step whose file says the same is not done again.
    """

    def __init__(self, folder: Path, program: str) -> None:
        self.folder, self._program = folder, program
        self._hashes: dict[Path, str] = {}
        self.done = self.again = 0

    def step(self, name: str, files: Sequence[Path], rests_on: Sequence[str], compute: Callable[[], Any]) -> Any:
        """The result of a step, as it was kept or as `compute` gives it now.

        Parameters
        ----------
        name : str
            Of the step's file, without suffix.
        files : sequence of Path
            Whose contents the result rests on.
        rests_on : sequence of str
            What else it rests on: a model, a setting.
        compute : callable
            Gives strict JSON.

        Raises
        ------
        OutputError
            The result cannot be kept.
        """
        made_of = self._made_of(files, rests_on)
        path = self.folder / f"{name}.json"
        record = _read(path)
        if record is not None and record.get("made_of") == made_of:
            self.again += 1
            return record["result"]
        result = compute()
        write_atomically(path, (json.dumps({"made_of": made_of, "result": result}, allow_nan=False) + "\n").encode())
        self.done += 1
        return result

    def forget(self, name: str) -> None:
        """Have a step done again: something that it left beside its result is gone."""
        (self.folder / f"{name}.json").unlink(missing_ok=True)

    def _made_of(self, files: Sequence[Path], rests_on: Sequence[str]) -> str:
        parts = [self._program, *rests_on, *(f"{path.name} {self._sha256(path)}" for path in files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _sha256(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = sha256_of(path)
        return self._hashes[path]


def _read(path: Path) -> dict[str, Any] | None:
    """A step's file; None where there is none, or one that this program did not write."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and "result" in content else None


def check_output(folder: Path) -> None:
    """Refuse, before any work is done, a folder that is neither new, nor empty, nor of this command.

    Raises
    ------
    OutputError
    """
    if not folder.exists():
        return
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise output_error(folder, error) from error
    foreign = sorted(names - {WORK, REPORT, _LOCK})
    if foreign or (names and not (folder / WORK).is_dir()):
        raise OutputError(
            f"{folder} is not empty and not of an earlier run of reproduce ({(foreign or sorted(names))[0]} is there); pass a "
            "new folder."
        )


@contextmanager
def kept_steps(folder: Path, program: str) -> Iterator[StepCache]:
    """Hold an output folder for one run.

    Raises
    ------
    OutputError
        It holds something else, cannot be written, or another run is at work in it.
    """
    check_output(folder)
    try:
        (folder / WORK).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    with locked(folder / _LOCK, wait_s=0) as free:
        if not free:
            raise OutputError(f"Another run of reproduce is at work in {folder}; wait for it, or pass another folder.")
        yield StepCache(folder / WORK, program)
