"""SPARCC score of sacroiliac bone marrow oedema: the score sheet, what may stand in it, and the total.

Six consecutive slices; in each, eight quadrants are scored for oedema, and each of the two joints for depth (10 mm or more)
and for intensity (as bright as cerebrospinal fluid): 48 + 12 + 12 = 72. Maksymowych et al. 2005, doi 10.1002/art.21337;
Hepburn et al. 2023, section 2.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError

N_SLICES = 6
SIDES = ("right", "left")
QUADRANTS = ("upper_ilium", "lower_ilium", "upper_sacrum", "lower_sacrum")
HIGHEST = 72
# one row of a sheet is one slice: the columns after `slice`, in order
COLUMNS = tuple(f"{side}_{what}" for side in SIDES for what in (*QUADRANTS, "depth", "intensity"))


@dataclass(frozen=True, eq=False)
class SparccSheet:
    """One scan as one reader scored it.

    Parameters
    ----------
    oedema : (6, 2, 4) bool array
        Slice, side (`SIDES`), quadrant (`QUADRANTS`).
    depth, intensity : (6, 2) bool arrays
        Slice, side. Only where that joint has oedema in that slice.
    """

    oedema: np.ndarray
    depth: np.ndarray
    intensity: np.ndarray

    def __post_init__(self) -> None:
        shapes = {"oedema": (N_SLICES, 2, 4), "depth": (N_SLICES, 2), "intensity": (N_SLICES, 2)}
        for name, shape in shapes.items():
            array = np.asarray(getattr(self, name))
            if array.shape != shape or array.dtype != np.bool_:
                raise InputError(f"{name} of a SPARCC sheet is a {shape} array of True and False, found {array.shape}.")
        without = ~self.oedema.any(axis=2)
        for name in ("depth", "intensity"):
            wrong = np.argwhere(getattr(self, name) & without)
            if len(wrong):
                k, side = wrong[0]
                raise InputError(
                    f"Slice {k + 1}, column {SIDES[side]}_{name}: it is scored, but no quadrant of the {SIDES[side]} joint has "
                    "oedema in that slice. Score the quadrant, or set this cell to 0."
                )

    @property
    def total(self) -> int:
        """The score, 0 to 72."""
        return int(self.oedema.sum() + self.depth.sum() + self.intensity.sum())

    def rows(self) -> list[dict[str, int]]:
        """Six rows, slice 1 to 6, of `slice` and `COLUMNS`, in zeros and ones."""
        table = np.concatenate([self.oedema, self.depth[:, :, np.newaxis], self.intensity[:, :, np.newaxis]], axis=2)
        return [{"slice": k + 1, **dict(zip(COLUMNS, map(int, table[k].ravel()), strict=True))} for k in range(N_SLICES)]


def empty_rows() -> list[dict[str, str]]:
    """A sheet to be filled in: six rows of `slice` and empty `COLUMNS`."""
    return [{"slice": str(k + 1), **dict.fromkeys(COLUMNS, "")} for k in range(N_SLICES)]


def sheet_from_rows(rows: Sequence[Mapping[str, str]], name: str, numbers: Sequence[int] | None = None) -> SparccSheet:
    """Check a filled-in sheet.

    Parameters
    ----------
    rows : sequence of mappings
        Cells by column, as text: `slice` 1 to 6, each once, and 0 or 1 in every one of `COLUMNS`. Other columns are ignored.
    name : str
        How messages call it.
    numbers : sequence of int, optional
        By which messages call the rows; from 2 when absent, as below a header.

    Raises
    ------
    InputError
        By row and column: a slice that is missing or twice, a cell that is empty or neither 0 nor 1, depth or intensity of a
        joint without oedema. A sheet that is not filled in has no score; it is refused, not counted as 0.
    """
    by_slice: dict[int, tuple[int, Mapping[str, str]]] = {}
    for number, row in zip(range(2, 2 + len(rows)) if numbers is None else numbers, rows, strict=True):
        cell = row.get("slice", "").strip()
        if cell not in {str(k + 1) for k in range(N_SLICES)}:
            raise _refusal(name, number, "slice", cell, f"a slice from 1 to {N_SLICES}")
        k = int(cell) - 1
        if k in by_slice:
            raise _refusal(name, number, "slice", cell, f"each slice once; it is also in row {by_slice[k][0]}")
        by_slice[k] = number, row
    missing = [str(k + 1) for k in range(N_SLICES) if k not in by_slice]
    if missing:
        raise InputError(f"{name}: slice {', '.join(missing)} is not there; a SPARCC sheet has slices 1 to {N_SLICES}.")
    table = np.zeros((N_SLICES, 2, 6), dtype=bool)
    for k, (number, row) in by_slice.items():
        for position, column in enumerate(COLUMNS):
            cell = row.get(column, "").strip()
            if cell not in ("0", "1"):
                raise _refusal(name, number, column, cell, "0 or 1")
            table[k].flat[position] = cell == "1"
    try:
        return SparccSheet(table[:, :, :4], table[:, :, 4], table[:, :, 5])
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _refusal(name: str, row: int, column: str, cell: str, needed: str) -> InputError:
    shown = f"{cell[:40]!r}" if cell else "nothing"
    return InputError(f"{name}, row {row}, column {column}: found {shown}; needed is {needed}. Correct the cell.")
