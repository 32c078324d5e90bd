"""The text files of numbers that the authors publish beside their images, told apart by the comments at their beginning.

Each is what `numpy.savetxt` writes: comment lines (`#`) that name the columns, then rows of numbers. File and folder names are
used only for what the comments do not say: which two readings a table compares, and which partition a learning curve is of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import InputError

LARGEST_TEXT = 16 * 2**20
Kind = Literal["overlap", "similarity", "normal bone", "test overlap", "loss", "soft dice"]
# what the comments of each kind say, and its columns
_KINDS: tuple[tuple[Kind, re.Pattern[str], int], ...] = (
    ("similarity", re.compile(r"volume similarity", re.IGNORECASE), 4),
    ("overlap", re.compile(r"volume overlap", re.IGNORECASE), 2),
    ("test overlap", re.compile(r"area overlap", re.IGNORECASE), 3),
    ("normal bone", re.compile(r"intensities of voxels considered", re.IGNORECASE), 1),
    ("soft dice", re.compile(r"soft dice", re.IGNORECASE), 2),
    ("loss", re.compile(r"training loss", re.IGNORECASE), 2),
)
_PAIR = re.compile(r"(?<![A-Za-z])(R\d{1,2})_(R\d{1,2})(?!\d)")
_READING_FILES = re.compile(r"_inflammation_(R\d{1,2})(?:_LT)?\.nii")
_MASK_FILE = re.compile(r"mask:\s*(\S+?)_", re.IGNORECASE)
_PARTITION = re.compile(r"partition\D?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class PublishedText:
    """One text file of numbers.

    Parameters
    ----------
    path : Path
    kind : str
    of : str
        Which readings ("R11 R12"), scan ("1013") or partition ("1") it is about; "" where that is in its rows.
    rows : (n, columns) float64 array
    """

    path: Path
    kind: Kind
    of: str
    rows: np.ndarray


def read_published_text(path: Path) -> PublishedText | None:
    """A text file of numbers; None where its comments name none of the known tables.

    Raises
    ------
    InputError
        It cannot be read, or its comments name a known table and its rows are not that table's.
    """
    text = _text(path)
    comments = "\n".join(line for line in text.splitlines() if line.lstrip().startswith("#"))
    known = next(((kind, columns) for kind, pattern, columns in _KINDS if pattern.search(comments)), None)
    if known is None:
        return None
    kind, columns = known
    return PublishedText(path, kind, _subject(kind, path, comments), _rows(text, path, kind, columns))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_TEXT:
            raise InputError(f"{path} has more than {LARGEST_TEXT} bytes; the authors' tables are far smaller. It is not read.")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check the clone.") from error


def _rows(text: str, path: Path, kind: str, columns: int) -> np.ndarray:
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    wrong = next((n for n, cells in enumerate(lines, start=1) if len(cells) != columns), None)
    if wrong is not None or not lines:
        problem = f"row {wrong} has {len(lines[wrong - 1])} columns" if wrong else "there are no rows"
        raise InputError(f"{path} is a table of {kind} with {columns} columns by its comments, but {problem}; restore it.")
    try:
        rows = np.array(lines, dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{path} holds what is no number ({error}); restore it.") from error
    if not np.isfinite(rows).all():
        raise InputError(f"{path} holds numbers that are not finite; restore it.")
    return rows


def _subject(kind: Kind, path: Path, comments: str) -> str:
    if kind in ("overlap", "similarity"):
        named = list(dict.fromkeys(_READING_FILES.findall(comments)))
        pair = _PAIR.search(path.name)
        readings = list(pair.groups()) if pair else named
        if len(readings) != 2:
            raise InputError(f"{path} does not say which two readings it compares, neither in its name nor in its comments.")
        return " ".join(readings)
    if kind == "normal bone":
        mask = _MASK_FILE.search(comments)
        return mask[1] if mask else path.name.split("_")[0]
    if kind in ("loss", "soft dice"):
        partition = _PARTITION.search(path.name)
        return partition[1] if partition else path.stem
    return ""


def scan_id(number: float) -> str:
    """The id of a scan as the tables' first column gives it: 1003.0 is `1003`."""
    return f"{number:.0f}"
