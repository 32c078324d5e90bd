"""A reader's decisions about the lesions on the screen: how the cleaning proposal was used, and the gestures, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.gestures import AnyGesture
from ..errors import RequestError
from .gestures import ToStir, gesture_as_dict, parse_gestures
from .proposals import OFF, checked_mode


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
    """`(n, 3)` points that lie on STIR's grid already, as they are."""
    return points


def parse_decisions(value: Any, to_stir: ToStir = on_stir) -> Decisions:
    """Decisions as a viewer sends them.

    Parameters
    ----------
    value : object
        `{"proposal": mode, "automatic_id": id, "clicks": [gesture, ...]}`, each as `lib.service.gestures` says.
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
