"""A reader's decisions about lesions, as data: each gesture takes some lesions, and removes, restores or keeps only them.

A gesture decides whole lesions, by a rule that each class states; two scopes take what of a lesion lies in one slice. Gestures
are replayed in order over the lesions of an automatic result: a list of them gives the same voxels wherever it is replayed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from ..errors import InputError
from .anatomy import SIDES, Partition, Side, part_of_lesions, side_of_lesions
from .lesions import voxels_of
from .partition import PARTS
from .polygon import Point, inside_polygon, left_of_line
from .splitting import drawn_stroke, in_its_box, split_along, split_at_bridge
from .volume import Grid

Scope = Literal["lesion", "slice"]
SCOPES: tuple[Scope, ...] = ("lesion", "slice")
Action = Literal["remove", "restore", "only"]
Voxel = tuple[int, int, int]
ACTIONS: tuple[Action, ...] = ("remove", "restore", "only")
ABOVE_S1 = "above L5/S1"
AREAS = {**{name: (name,) for name in PARTS}, ABOVE_S1: ("lumbar vertebrae", "disc", "facet joint")}
HALF = 0.5  # of a lesion's voxels: then it counts as inside
MOST_CORNERS = 100


@dataclass(frozen=True, eq=False)
class LesionField:
    """Lesions as gestures see them.

    Parameters
    ----------
    labels : (I, J, K) int array
        Ids from 1; 0 where there is none.
    grid : Grid
    anatomy : callable, optional
        Gives the anatomy and the midline (RAS+ x [mm]), asked for where a gesture needs a part or a side.
    """

    labels: np.ndarray
    grid: Grid
    anatomy: Callable[[], tuple[Partition | None, float]] | None = None

    @cached_property
    def index(self) -> np.ndarray:
        """`(n, 3)` indices of the voxels of all lesions."""
        return voxels_of(self.labels)

    @cached_property
    def lesion(self) -> np.ndarray:
        """`(n,)` ids, from 1, of the lesions that those voxels are of."""
        return self.labels[tuple(self.index.T)]

    @cached_property
    def count(self) -> int:
        return int(self.labels.max(initial=0))

    @cached_property
    def voxels(self) -> np.ndarray:
        """`(lesions + 1,)` voxels of each, by id."""
        return np.bincount(self.lesion, minlength=self.count + 1)

    def mostly_in(self, where: np.ndarray) -> np.ndarray:
        """`(lesions + 1,)` bool: lesions with at least half of their voxels inside `where`, `(n,)` bool."""
        return self.half_in(where, self.voxels)

    def half_in(self, where: np.ndarray, of: np.ndarray) -> np.ndarray:
        """`(lesions + 1,)` bool: lesions with at least half of `of`, `(lesions + 1,)` voxels, inside `where`, `(n,)` bool."""
        hit = np.bincount(self.lesion[where], minlength=self.count + 1)
        taken: np.ndarray = (hit > 0) & (hit >= HALF * of)
        taken[0] = False
        return taken

    @cached_property
    def _places(self) -> tuple[Partition | None, float]:
        return self.anatomy() if self.anatomy else (None, float("nan"))

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Part of the pelvis of each lesion, as the list of lesions states it.

        Raises
        ------
        InputError
            The anatomy is not known.
        """
        anatomy, _ = self._places
        if anatomy is None or not anatomy.is_known:
            raise InputError(
                "The joints were not found on this scan, so that no lesion has a part; take the lesions by side, click, lasso or "
                "line."
            )
        return part_of_lesions(anatomy.part[tuple(self.index.T)], self.lesion, self.count)

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """Side of each lesion, as the list of lesions states it: by the midline alone.

        Raises
        ------
        InputError
            The midline is not known.
        """
        _, midline = self._places
        if math.isnan(midline):
            raise InputError(
                "The midline is not known without a disease region, so that no lesion has a side; take the lesions by click, "
                "lasso or line."
            )
        return side_of_lesions(self.grid.world_mm(self.index)[:, 0], self.lesion, self.count, midline)


@dataclass(frozen=True)
class Gesture(ABC):
    """A decision about the lesions that a gesture takes: `only` restores them and removes every other lesion of the scan."""

    what: Action

    @property
    def in_slice(self) -> int | None:
        """The slice whose part of the lesions is decided; None for whole lesions."""
        return None

    @abstractmethod
    def taken(self, field: LesionField) -> np.ndarray:
        """`(lesions + 1,)` bool: the lesions that it takes, by id; False for id 0.

        Raises
        ------
        InputError
            Its place lies outside the grid, or takes no lesion.
        """


@dataclass(frozen=True)
class Click(Gesture):
    """One click, at a voxel of the grid of STIR: it takes the lesion there, or what of it lies in the clicked slice."""

    voxel: Voxel
    scope: Scope = "lesion"

    def __post_init__(self) -> None:
        check_scope(self.scope)

    @property
    def in_slice(self) -> int | None:
        return self.voxel[2] if self.scope == "slice" else None

    def taken(self, field: LesionField) -> np.ndarray:
        lesion = lesion_at(field.labels, self.voxel)
        if not lesion:
            raise InputError(f"There is no lesion at voxel {tuple(self.voxel)}; that click changed nothing.")
        taken = np.zeros(field.count + 1, dtype=bool)
        taken[lesion] = True
        return taken


def clicks(remove: Sequence[Voxel], restore: Sequence[Voxel], scope: Scope = "lesion") -> tuple[Click, ...]:
    """Clicks on lesions, as gestures: first all that remove, then all that restore.

    Raises
    ------
    InputError
        Unknown scope.
    """
    check_scope(scope)
    asked: tuple[tuple[Action, Sequence[Voxel]], ...] = (("remove", remove), ("restore", restore))
    return tuple(Click(what, voxel, scope) for what, voxels in asked for voxel in voxels)


@dataclass(frozen=True)
class Several(Gesture):
    """The lesions at some voxels, as they are selected in a list."""

    voxels: tuple[Voxel, ...]

    def taken(self, field: LesionField) -> np.ndarray:
        taken = np.zeros(field.count + 1, dtype=bool)
        taken[[lesion_at(field.labels, voxel) for voxel in self.voxels]] = True
        taken[0] = False
        return taken


@dataclass(frozen=True)
class Lasso(Gesture):
    """Lesions of one slice, inside or outside a closed polygon.

    A lesion counts as inside where at least half of its voxels of that slice have their centre in the polygon, and is then taken
    whole, in all slices; one that is cut with less than half inside is left as it is. Lesions that do not reach that slice are
    none of either side.
    """

    slice: int
    polygon: tuple[Point, ...]
    inside: bool = True

    def taken(self, field: LesionField) -> np.ndarray:
        check_slice(self.slice, field.labels)
        here = field.index[:, 2] == self.slice
        within = here.copy()
        within[here] = inside_polygon(field.index[here, :2], self.polygon)
        of_slice = np.bincount(field.lesion[here], minlength=field.count + 1)
        taken = field.half_in(within, of_slice)
        return taken if self.inside else (of_slice > 0) & ~taken


@dataclass(frozen=True)
class OnSlice(Gesture):
    """All on one slice: whole lesions of which at least half the voxels lie there, or, with `parts`, what of any lies there."""

    slice: int
    parts: bool = False

    @property
    def in_slice(self) -> int | None:
        return self.slice if self.parts else None

    def taken(self, field: LesionField) -> np.ndarray:
        check_slice(self.slice, field.labels)
        here = field.index[:, 2] == self.slice
        if not self.parts:
            return field.mostly_in(here)
        taken = np.zeros(field.count + 1, dtype=bool)
        taken[field.lesion[here]] = True
        return taken


@dataclass(frozen=True)
class Beyond(Gesture):
    """Lesions of all slices with at least half of their voxels on one side of a line, which is carried through all slices.

    `line` are two points of the line, `side` one on the side that is taken, in voxels along I and J.
    """

    line: tuple[Point, Point]
    side: Point

    def taken(self, field: LesionField) -> np.ndarray:
        return field.mostly_in(left_of_line(field.index[:, :2], self.line) * left_of_line(np.array([self.side]), self.line) > 0)


@dataclass(frozen=True)
class InPart(Gesture):
    """Lesions by the part of the pelvis and the side that most of them lies in; either may be None for all."""

    area: str | None = None
    side: Side | None = None

    def __post_init__(self) -> None:
        if self.area is not None and not (isinstance(self.area, str) and self.area in AREAS):
            raise InputError(f"There is no part {str(self.area)[:60]!r}; parts are {', '.join(AREAS)}.")
        if self.side is not None and self.side not in SIDES:
            raise InputError(f"There is no side {str(self.side)[:60]!r}; sides are {', '.join(SIDES)}.")
        if self.area is None and self.side is None:
            raise InputError("A gesture by part needs a part, a side, or both.")

    def taken(self, field: LesionField) -> np.ndarray:
        taken: np.ndarray = field.voxels > 0
        taken[0] = False
        if self.area is not None:
            taken[1:] &= np.isin(field.parts, AREAS[self.area])
        if self.side is not None:
            taken[1:] &= np.array(field.sides) == self.side
        return taken


@dataclass(frozen=True)
class Smaller(Gesture):
    """Lesions smaller than a volume [mm3]."""

    below_mm3: float

    def taken(self, field: LesionField) -> np.ndarray:
        volume = field.voxels * field.grid.voxel_volume_mm3
        taken: np.ndarray = (volume > 0) & (volume < self.below_mm3)
        taken[0] = False
        return taken


@dataclass(frozen=True)
class Bridge:
    """The lesion under a voxel, split at its narrowest bridge (`lib.core.splitting`)."""

    voxel: Voxel

    def pieces(self, field: LesionField) -> dict[int, np.ndarray | None]:
        """Its pieces by the lesion's id, `(I, J, K)` int as `split_at_bridge` numbers them; None for one without a bridge."""
        lesion = lesion_at(field.labels, self.voxel)
        if not lesion:
            raise InputError(f"There is no lesion at voxel {tuple(self.voxel)}; nothing was split.")
        return {lesion: in_its_box(field.labels == lesion, lambda part, _: split_at_bridge(part, field.grid.spacing_mm))}


@dataclass(frozen=True)
class Cut:
    """Lesions that a stroke on a slice crosses there, each split along it (`lib.core.splitting`)."""

    slice: int
    stroke: tuple[Point, ...]

    def pieces(self, field: LesionField) -> dict[int, np.ndarray | None]:
        """Their pieces by the lesion's id, `(I, J, K)` int as `split_along` numbers them; None for a lesion that stays whole."""
        check_slice(self.slice, field.labels)
        crossed = np.unique(field.labels[:, :, self.slice][drawn_stroke(self.stroke, field.labels.shape[:2])])
        if not crossed.any():
            raise InputError(f"That stroke on slice {self.slice} crosses no lesion; nothing was split.")
        return {int(lesion): in_its_box(field.labels == lesion, self._split) for lesion in crossed if lesion}

    def _split(self, part: np.ndarray, corner: tuple[int, int]) -> np.ndarray | None:
        return split_along(part, [(i - corner[0], j - corner[1]) for i, j in self.stroke])


AnyGesture = Gesture | Bridge | Cut


@dataclass(frozen=True, eq=False)
class Replayed:
    """The lesions after gestures.

    Parameters
    ----------
    labels : (I, J, K) int array
        Lesions by id. Of a split lesion the first piece keeps the id, the others have ids beyond those of all lesions.
    parent : (pieces + 1,) int array
        The lesion that each id is, or is a piece of.
    keep : (pieces + 1, K) bool array
        What is left, by id and slice; False throughout for id 0, which is no lesion.
    messages : tuple of str
        One for each gesture that took no lesion.
    """

    labels: np.ndarray
    parent: np.ndarray
    keep: np.ndarray
    messages: tuple[str, ...]


def lesion_at(labels: np.ndarray, voxel: Voxel) -> int:
    """The lesion under a voxel; 0 where there is none.

    Parameters
    ----------
    labels : (I, J, K) int array
    voxel : (i, j, k)
        Index on the same grid, from 0.

    Raises
    ------
    InputError
        Outside the grid.
    """
    if not all(0 <= index < length for index, length in zip(voxel, labels.shape, strict=True)):
        grid = " x ".join(map(str, labels.shape))
        raise InputError(
            f"The click at voxel {tuple(voxel)} lies outside the scan's grid of {grid} voxels; clicks are voxel indices of the "
            "original series, from 0."
        )
    return int(labels[voxel])


def check_slice(number: int, labels: np.ndarray) -> None:
    """Refuse a slice that the scan, which has labels of shape `(I, J, K)`, does not have.

    Raises
    ------
    InputError
    """
    if not 0 <= number < labels.shape[2]:
        raise InputError(f"Slice {number} is none of the scan's {labels.shape[2]} slices, which count from 0.")


def check_scope(scope: str) -> None:
    """Refuse what no click takes.

    Raises
    ------
    InputError
    """
    if scope not in SCOPES:
        raise InputError(f"The scope of a click is {scope!r}; it must be {' or '.join(SCOPES)}.")


def replay(field: LesionField, gestures: Sequence[AnyGesture], start: np.ndarray) -> Replayed:
    """Apply gestures, the one after the other; they leave all, some or none of each lesion in each slice.

    Parameters
    ----------
    field : LesionField
    gestures : sequence of Gesture, Bridge or Cut
    start : (lesions + 1,) bool array
        Which lesions are there before the first gesture, by id.
    """
    keep, parent, messages = np.repeat(start[:, np.newaxis], field.labels.shape[2], axis=1), np.arange(start.size), list[str]()
    for gesture in gestures:
        try:
            if isinstance(gesture, Gesture):
                _decide(gesture, gesture.taken(field), keep)
            else:
                field, parents = _divided(field, gesture.pieces(field))
                keep, parent = np.concatenate([keep, keep[parents]]), np.concatenate([parent, parent[parents]])
        except InputError as error:
            messages.append(str(error))
    keep[0] = False
    return Replayed(field.labels, parent, keep, tuple(messages))


def _decide(gesture: Gesture, taken: np.ndarray, keep: np.ndarray) -> None:
    if not taken.any():
        raise InputError("That gesture takes no lesion; it changed nothing.")
    if gesture.what == "only":
        keep[:] = False
    keep[taken, slice(None) if gesture.in_slice is None else gesture.in_slice] = gesture.what != "remove"


def _divided(field: LesionField, pieces: dict[int, np.ndarray | None]) -> tuple[LesionField, list[int]]:
    """The lesions with pieces beyond them, and the id that each of these had."""
    split = {lesion: numbers for lesion, numbers in pieces.items() if numbers is not None}
    if not split:
        raise InputError("That lesion hangs together as before: it has no bridge there. Draw a stroke right across it.")
    labels, parents = field.labels.copy(), list[int]()
    for lesion, numbers in split.items():
        for piece in range(2, int(numbers.max()) + 1):
            parents.append(lesion)
            labels[numbers == piece] = field.count + len(parents)
    return replace(field, labels=labels), parents
