"""Gestures and decisions as viewers send them and as submissions keep them.

Decisions are the use of the cleaning proposal and a list of gestures, in order: objects with `what` and `scope`.

| scope | beside `what` (remove, restore, only) |
|---|---|
| lesion, slice | `voxel` [i, j, k]: the lesion there, or what of it lies in that slice |
| several | `voxels`: the lesions there |
| lasso | `slice`, `polygon` [[i, j], ...], `inside` (true) |
| on slice | `slice`, `parts` (false) |
| beyond line | `line` [[i, j], [i, j]], `side` [i, j] |
| part | `part` (`lib.core.gestures.AREAS`), `side` (left, right, midline), either or both |
| smaller | `below_mm3` |
| bridge | what is split; `voxel` |
| stroke | what is split; `slice`, `stroke` [[i, j], ...] |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.gestures import (
    ACTIONS,
    MOST_CORNERS,
    SCOPES,
    AnyGesture,
    Beyond,
    Bridge,
    Click,
    Cut,
    InPart,
    Lasso,
    OnSlice,
    Several,
    Smaller,
)
from ..errors import InputError, RequestError
from .proposals import OFF, checked_mode

MOST_GESTURES = 10_000
MOST_SPLITS = 100  # each takes a while to find, at every request anew
MOST_VOXELS = 10_000  # of one gesture
FARTHEST = 100_000.0  # voxels
ToStir = Callable[[np.ndarray], np.ndarray]
SPLIT = "split"
_KEYS = {
    "lesion": {"voxel"},
    "slice": {"voxel"},
    "several": {"voxels"},
    "lasso": {"slice", "polygon", "inside"},
    "on slice": {"slice", "parts"},
    "beyond line": {"line", "side"},
    "part": {"part", "side"},
    "smaller": {"below_mm3"},
    "bridge": {"voxel"},
    "stroke": {"slice", "stroke"},
}
_SPLITS = ("bridge", "stroke")


def parse_gestures(value: Any, name: str, to_stir: ToStir) -> tuple[AnyGesture, ...]:
    """Gestures from JSON, on the grid of STIR.

    Parameters
    ----------
    value : object
        A list of objects as the module says; voxels of the series that was asked for.
    name : str
        What the list is called in a refusal.
    to_stir : callable
        `(n, 3)` float indices of that series to those of STIR.

    Raises
    ------
    RequestError
        No list, too long, with too many splits, or one of them is unknown or malformed.
    """
    if not isinstance(value, list | tuple) or len(value) > MOST_GESTURES:
        raise RequestError(f"{name} must be a list of at most {MOST_GESTURES} gestures.")
    gestures = tuple(_gesture(item, name, to_stir) for item in value)
    splits = sum(isinstance(gesture, Bridge | Cut) for gesture in gestures)
    if splits > MOST_SPLITS:
        raise RequestError(f"{name}: {splits} splits were sent; at most {MOST_SPLITS} are replayed. Undo some of them.")
    return gestures


def gesture_as_dict(gesture: AnyGesture) -> dict[str, Any]:
    """A gesture as JSON, the way it came."""
    if isinstance(gesture, Bridge):
        return {"what": SPLIT, "scope": "bridge", "voxel": list(gesture.voxel)}
    if isinstance(gesture, Cut):
        return {"what": SPLIT, "scope": "stroke", "slice": gesture.slice, "stroke": _listed(gesture.stroke)}
    facts = _facts(gesture)
    return {"what": gesture.what, "scope": facts.pop("scope"), **facts}


def _facts(gesture: AnyGesture) -> dict[str, Any]:
    match gesture:
        case Click():
            return {"scope": gesture.scope, "voxel": list(gesture.voxel)}
        case Several():
            return {"scope": "several", "voxels": [list(voxel) for voxel in gesture.voxels]}
        case Lasso():
            polygon = _listed(gesture.polygon)
            return {"scope": "lasso", "slice": gesture.slice, "polygon": polygon, "inside": gesture.inside}
        case OnSlice():
            return {"scope": "on slice", "slice": gesture.slice, "parts": gesture.parts}
        case Beyond():
            return {"scope": "beyond line", "line": _listed(gesture.line), "side": list(gesture.side)}
        case InPart():
            return {"scope": "part", "part": gesture.area, "side": gesture.side}
        case Smaller():
            return {"scope": "smaller", "below_mm3": gesture.below_mm3}
    raise TypeError(f"no form of {type(gesture).__name__}")


def _listed(points: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [list(point) for point in points]


def _gesture(value: Any, name: str, to_stir: ToStir) -> AnyGesture:
    given = value if isinstance(value, Mapping) else {}
    what, scope = given.get("what"), given.get("scope", SCOPES[0])
    whats = (SPLIT,) if scope in _SPLITS else ACTIONS
    if not isinstance(scope, str) or scope not in _KEYS or what not in whats or set(given) - _KEYS[scope] - {"what", "scope"}:
        raise RequestError(
            f"{name}: a click is what (remove or restore), voxel [i, j, k] and scope (lesion or slice), and other gestures have "
            f"what ({', '.join(ACTIONS)}, or {SPLIT} with {' and '.join(_SPLITS)}) and scope ({', '.join(_KEYS)}), each with its "
            f"own keys; found {_words(value, 80)!r}."
        )
    reader = _Reader(given, name, to_stir)
    try:
        return _built(what, scope, reader)
    except InputError as error:
        raise RequestError(f"{name}: {error}") from error


def _built(what: Any, scope: str, of: _Reader) -> AnyGesture:
    match scope:
        case "lesion" | "slice":
            return Click(what, of.voxel(), "lesion" if scope == "lesion" else "slice")
        case "several":
            return Several(what, of.voxels())
        case "lasso":
            k, polygon = of.in_slice("polygon", 3, MOST_CORNERS)
            return Lasso(what, k, polygon, of.flag("inside", True))
        case "on slice":
            return OnSlice(what, of.in_slice("", 0, 0)[0], of.flag("parts", False))
        case "beyond line":
            return of.beyond(what)
        case "part":
            return InPart(what, of.fields.get("part"), of.fields.get("side"))
        case "smaller":
            return Smaller(what, of.number("below_mm3", 0.0, 1e9))
        case "bridge":
            return Bridge(of.voxel())
    k, stroke = of.in_slice("stroke", 2, MOST_CORNERS)
    return Cut(k, stroke)


class _Reader:
    """Takes the parts of one gesture from its object, onto the grid of STIR."""

    def __init__(self, fields: Mapping[str, Any], name: str, to_stir: ToStir) -> None:
        self.fields, self.name, self.to_stir = fields, name, to_stir

    def _value(self, key: str) -> Any:
        return self.fields.get(key)

    def _refuse(self, key: str, needed: str) -> RequestError:
        return RequestError(f"{self.name}: {key} is {_words(self.fields.get(key))!r}; it must be {needed}.")

    def flag(self, key: str, default: bool) -> bool:
        value = self.fields.get(key, default)
        if not isinstance(value, bool):
            raise self._refuse(key, "true or false")
        return value

    def number(self, key: str, least: float, most: float) -> float:
        value = self._value(key)
        if not _is_number(value) or not least < value <= most:
            raise self._refuse(key, f"a number above {least:g} and at most {most:g}")
        return float(value)

    def voxel(self) -> tuple[int, int, int]:
        value = self._value("voxel")
        if not _is_voxel(value):
            raise self._refuse("voxel", "a voxel [i, j, k] of three whole numbers")
        return self._on_stir([value])[0]

    def voxels(self) -> tuple[tuple[int, int, int], ...]:
        value = self._value("voxels")
        if not isinstance(value, list) or not 0 < len(value) <= MOST_VOXELS or not all(map(_is_voxel, value)):
            raise self._refuse("voxels", f"a list of 1 to {MOST_VOXELS} voxels [i, j, k]")
        return tuple(self._on_stir(value))

    def _on_stir(self, voxels: Sequence[Sequence[float]]) -> list[tuple[int, int, int]]:
        moved = np.rint(self.to_stir(np.array(voxels, dtype=np.float64).reshape(-1, 3)))
        return [(int(i), int(j), int(k)) for i, j, k in moved]

    def in_slice(self, key: str, least: int, most: int) -> tuple[int, tuple[tuple[float, float], ...]]:
        """A slice, and points in it."""
        k = self._value("slice")
        if not _is_whole(k):
            raise self._refuse("slice", "the number of a slice, from 0")
        points = self._points(key, least, most) if key else [(0.0, 0.0)]
        moved = self._plane(points, float(k), key)
        return round(moved[0][2]), tuple((float(i), float(j)) for i, j, _ in moved) if key else ()

    def beyond(self, what: Any) -> Beyond:
        line, side = self._points("line", 2, 2), self._value("side")
        if not _is_point(side):
            raise self._refuse("side", "a point [i, j] on the side that is taken")
        moved = self._plane([*line, (float(side[0]), float(side[1]))], 0.0, "line")
        a, b, c = ((float(i), float(j)) for i, j, _ in moved)
        if a == b:
            raise self._refuse("line", "two points apart")
        return Beyond(what, (a, b), c)

    def _points(self, key: str, least: int, most: int) -> list[tuple[float, float]]:
        value = self._value(key)
        if not isinstance(value, list) or not least <= len(value) <= most or not all(map(_is_point, value)):
            raise self._refuse(key, f"a list of {least} to {most} points [i, j]" if least < most else f"{least} points [i, j]")
        return [(float(i), float(j)) for i, j in value]

    def _plane(self, points: Sequence[tuple[float, float]], k: float, key: str) -> np.ndarray:
        moved = self.to_stir(np.array([[i, j, k] for i, j in points]))
        if np.ptp(moved[:, 2]) > 0.5:
            raise self._refuse(key, "drawn on STIR, whose slices are none of this series'")
        return moved


def _words(value: Any, most: int = 60) -> str:
    try:
        return str(value)[:most]
    except ValueError:  # an integer of more digits than Python writes
        return "a number of very many digits"


def _is_number(value: Any) -> bool:
    # compared before anything takes it as a float, which an integer of 400 digits is none
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= FARTHEST * FARTHEST


def _is_whole(value: Any) -> bool:
    return _is_number(value) and abs(value) <= FARTHEST and value == int(value)


def _is_voxel(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(map(_is_whole, value))


def _is_point(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(_is_number(n) and abs(n) <= FARTHEST for n in value)


@dataclass(frozen=True)
class Decisions:
    """Mode of the cleaning proposal ("off", "show", "apply") and the gestures that stand, in order, on the grid of STIR.

    A click is the commonest gesture; viewers and submissions list all of them under `clicks`. `automatic_id` is that of the
    automatic result which they are about; None for the one that was shown last.
    """

    mode: str = OFF
    clicks: tuple[AnyGesture, ...] = ()
    automatic_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The decisions as viewers send them; voxels on the grid of STIR."""
        clicks = [gesture_as_dict(gesture) for gesture in self.clicks]
        return {"proposal": self.mode, "clicks": clicks, "automatic_id": self.automatic_id}


def on_stir(points: np.ndarray) -> np.ndarray:
    """`(n, 3)` points that lie on STIR's grid already, in voxels along i, j and k, as they are."""
    return points


def parse_decisions(value: Any, to_stir: ToStir = on_stir) -> Decisions:
    """Decisions as a viewer sends them.

    Parameters
    ----------
    value : object
        `{"proposal": mode, "automatic_id": id, "clicks": [gesture, ...]}`, each as the module says.
    to_stir : callable
        `(n, 3)` float indices of the series that was asked for to those of STIR.

    Raises
    ------
    RequestError
    """
    if not isinstance(value, Mapping) or set(value) - {"proposal", "clicks", "automatic_id"}:
        raise RequestError(f"decisions is an object with proposal, clicks and automatic_id; found {str(value)[:60]!r}.")
    automatic_id = value.get("automatic_id")
    if automatic_id is not None and not isinstance(automatic_id, str):
        raise RequestError(f"decisions: automatic_id is that of an answer; found {str(automatic_id)[:60]!r}.")
    clicks = parse_gestures(value.get("clicks", []), "decisions: clicks", to_stir)
    return Decisions(checked_mode(value.get("proposal", OFF)), clicks, automatic_id)
