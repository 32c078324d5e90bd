"""The effort of a reading: seconds, clicks and edited boundaries, as a viewer counts them, or else the server's own seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import RequestError

_MOST = {"seconds": 7 * 24 * 3600.0, "clicks": 1_000_000.0, "boundary_edits": 1_000_000.0}
COUNTS = ("clicks", "boundary_edits")
QUANTITIES = tuple(_MOST)


def checked_effort(value: Any) -> dict[str, float | int]:
    """The effort as a viewer counts it: `seconds`, `clicks`, `boundary_edits`, each or none of them.

    Raises
    ------
    RequestError
        Another quantity, no number, or one that cannot be.
    """
    if not isinstance(value, Mapping):
        raise RequestError(
            f"effort is an object with {', '.join(QUANTITIES)}; found {str(value)[:60]!r}. Leave it out, or correct it."
        )
    effort: dict[str, float | int] = {}
    for name, number in value.items():
        if name not in QUANTITIES:
            raise RequestError(f"effort holds {str(name)[:60]!r}; it may hold {', '.join(QUANTITIES)}.")
        usable = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        if not usable or not 0 <= number <= _MOST[name] or (name in COUNTS and number != int(number)):
            kind = "a whole number" if name in COUNTS else "a number"
            raise RequestError(f"effort: {name} is {str(number)[:60]!r}; it must be {kind} from 0 to {_MOST[name]:.0f}.")
        effort[name] = int(number) if name in COUNTS else float(number)
    return effort


def effort_of(value: Any, opened_s_ago: float | None) -> dict[str, Any]:
    """The effort to store: the viewer's numbers, with the server's seconds where the viewer has none.

    Parameters
    ----------
    value : object
        As it came with a submission, or None.
    opened_s_ago : float or None
        Seconds since the reader opened the case, or last submitted it; None where the server does not know.

    Returns
    -------
    dict
        `seconds`, `clicks`, `boundary_edits` as far as they are known, and `seconds_by`, "viewer" or "server".

    Raises
    ------
    RequestError
    """
    effort: dict[str, Any] = {} if value is None else dict(checked_effort(value))
    if "seconds" in effort:
        return {**effort, "seconds_by": "viewer"}
    if opened_s_ago is None:
        return effort
    return {**effort, "seconds": round(opened_s_ago, 1), "seconds_by": "server"}
