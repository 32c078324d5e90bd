"""Cores of this machine that this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Fewer than the machine's in a container, where the system tells it; macOS and Windows do not."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_cores() -> int:
    """Those that networks compute on: `OMP_NUM_THREADS` asks for fewer than this process may use."""
    cores = usable_cores()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) > 0 else cores
