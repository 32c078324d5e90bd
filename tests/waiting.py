"""Waiting in tests for what happens in another process or thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any], within_s: float, what: str = "it", every_s: float = 0.2) -> Any:
    """The first true answer of a condition; it is only how long a broken program is waited for that hangs on the clock."""
    until = time.monotonic() + within_s
    while not (answer := condition()):
        assert time.monotonic() < until, f"{what} did not happen within {within_s:g} s"
        time.sleep(every_s)
    return answer
