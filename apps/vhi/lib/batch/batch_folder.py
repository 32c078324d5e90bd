"""The progress of a batch: the folder of its results is the only record of it, so it cannot contradict itself.

A case is finished when its result folder stands there, which `lib.files` puts in place whole. Whoever goes on with a batch,
after an interruption or beside a worker that was believed dead, looks there first.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..files import RESULT_MARK, output_error, write_atomically
from ..locks import locked
from .case_list import BatchCase

MARK = "batch.json"
RESULTS, FAILURES = "results.csv", "failures.csv"
_LOCK = ".batch.lock"


def result_of(folder: Path, case: str) -> Path:
    """The result folder of a case."""
    return folder / case


def is_finished(folder: Path, case: BatchCase) -> bool:
    """Whether the result of a case stands there and is of the files that the case names now, as they are now.

    A result that is older than one of its files, or was made of files with other names or by other choices, is not finished: it
    is made again.
    """
    mark = result_of(folder, case.name) / RESULT_MARK
    try:
        made = mark.stat().st_mtime
        provenance = json.loads(mark.read_text(encoding="utf-8"))["provenance"]
        inputs, choices = provenance["inputs"], provenance.get("choices", {})
        # a file that is gone since then cannot have changed the result
        if any(path.exists() and path.stat().st_mtime > made for path in case.files.values()):
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    names = {path.name or path.resolve().name for path in case.files.values()}
    return {one["file"] for one in inputs} == names and choices == case.choices


@contextmanager
def batch_folder(folder: Path, plan: Mapping[str, Any], mark: str = MARK) -> Iterator[None]:
    """Hold a folder of results for one batch.

    Parameters
    ----------
    folder : Path
        New, empty, or of the same batch.
    plan : mapping
        What results rest on besides their files (settings, model): strict JSON. A batch that goes on must have the same.
    mark : str
        The file that keeps the plan, and tells such a folder from others.

    Raises
    ------
    OutputError
        The folder holds something else, results of another plan, or another process is at work in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in folder.iterdir()} - {_LOCK}
        if names and mark not in names:
            raise OutputError(f"{folder} is not empty and holds no earlier batch ({mark}); pass a new folder.")
    except OSError as error:
        raise output_error(folder, error) from error
    with locked(folder / _LOCK, wait_s=0) as free:
        if not free:
            raise OutputError(f"Another batch is at work in {folder}; wait for it, or pass a new folder.")
        _check_plan(folder / mark, plan)
        yield


def _check_plan(mark: Path, plan: Mapping[str, Any]) -> None:
    if not mark.exists():
        write_atomically(mark, (json.dumps(plan, indent=2, allow_nan=False) + "\n").encode())
        return
    try:
        before = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{mark} cannot be read; the folder is no earlier batch, or a damaged one. Pass a new one.") from error
    now = json.loads(json.dumps(plan))
    different = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if different:
        raise OutputError(
            f"{mark.parent} holds results with another {' and '.join(different)}; results of one folder must be alike. "
            "Repeat the earlier call, or pass a new folder."
        )


def sweep(folder: Path, cases: Iterable[BatchCase]) -> int:
    """Take away what workers that died left behind: half results under hidden names. Only while no worker is at work.

    Returns
    -------
    int
        How many there were.
    """
    names = {case.name[:100] for case in cases}
    count = 0
    for entry in folder.iterdir():
        left = re.fullmatch(r"\.(.+)\.(?:partial|old)-\w+", entry.name)
        if left and left[1] in names and entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
            count += 1
    return count


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV file, whole; None becomes an empty cell.

    Raises
    ------
    OutputError
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        # a spreadsheet takes text that begins with one of these for a formula
        writer.writerow({key: f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@" else cell for key, cell in row.items()})
    write_atomically(path, text.getvalue().encode("utf-8"))
