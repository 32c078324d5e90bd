"""What a reader decided of the lesions on the screen: how the cleaning proposal was used, and the clicks, in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.cleaning import SCOPES, Click
from ..errors import RequestError
from .answers import Voxel
from .proposals import OFF, checked_mode

MOST_CLICKS = 10_000


@dataclass(frozen=True)
class Decisions:
    """Mode of the cleaning proposal ("off", "show", "apply") and the clicks that stand, in order, on the grid of STIR.

    `automatic_id` is that of the automatic result which they are about; None for the one that was shown last.
    """

    mode: str = OFF
    clicks: tuple[Click, ...] = ()
    automatic_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As viewers send them; voxels on the grid of STIR."""
        clicks = [{"what": one.what, "voxel": list(one.voxel), "scope": one.scope} for one in self.clicks]
        return {"proposal": self.mode, "clicks": clicks, "automatic_id": self.automatic_id}


def parse_decisions(value: Any, to_stir: Callable[[Sequence[Voxel]], Sequence[Voxel]] = list) -> Decisions:
    """Decisions as a viewer sends them.

    Parameters
    ----------
    value : object
        `{"proposal": mode, "automatic_id": id, "clicks": [{"what": "remove" or "restore", "voxel": [i, j, k], "scope": "lesion"
        or "slice"}, ...]}`.
    to_stir : callable
        Voxels of the series that was asked for to those of STIR.

    Raises
    ------
    RequestError
    """
    if not isinstance(value, Mapping) or set(value) - {"proposal", "clicks", "automatic_id"}:
        raise RequestError(f"decisions is an object with proposal, clicks and automatic_id; found {str(value)[:60]!r}.")
    automatic_id = value.get("automatic_id")
    if automatic_id is not None and not isinstance(automatic_id, str):
        raise RequestError(f"decisions: automatic_id is that of an answer; found {str(automatic_id)[:60]!r}.")
    clicks = value.get("clicks", [])
    if not isinstance(clicks, list | tuple) or len(clicks) > MOST_CLICKS:
        raise RequestError(f"decisions: clicks must be a list of at most {MOST_CLICKS} clicks.")
    parsed = [_click(one) for one in clicks]
    voxels = to_stir([one.voxel for one in parsed])
    moved = (Click(one.what, voxel, one.scope) for one, voxel in zip(parsed, voxels, strict=True))
    return Decisions(checked_mode(value.get("proposal", OFF)), tuple(moved), automatic_id)


def _click(value: Any) -> Click:
    found = value if isinstance(value, Mapping) else {}
    what, voxel, scope = found.get("what"), found.get("voxel"), found.get("scope", SCOPES[0])
    numbers = voxel if isinstance(voxel, list | tuple) and len(voxel) == 3 else [None]
    if what not in ("remove", "restore") or scope not in SCOPES or not all(map(_is_whole, numbers)):
        raise RequestError(
            "decisions: a click is what (remove or restore), voxel [i, j, k] and scope (lesion or slice); found "
            f"{str(value)[:80]!r}."
        )
    i, j, k = (int(n) for n in numbers if n is not None)
    return Click(what, (i, j, k), scope)


def _is_whole(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number) and number == int(number)
