"""scipy.ndimage as it computes, loaded without what it does for readers of its documentation and for tests.

As it is loaded, scipy parses the documentation of 170 functions, to add a table to each, and has numpy load its Fortran wrappers
and its tools for tests: 0.25 s of CPU time, where a whole measurement takes less than four. The functions are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..absent import later


class _AsWritten:
    """In place of scipy's parser of documentation: gives back what is written there."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._text = function.__doc__ or ""

    def __getitem__(self, section: str) -> list[str]:
        return []

    def __str__(self) -> str:
        return f"\n{self._text}"


with later("numpy.f2py", "numpy.testing"):
    from scipy._lib import _array_api

    parser = _array_api.FunctionDoc
    _array_api.FunctionDoc = _AsWritten
    try:
        from scipy import ndimage
    finally:
        _array_api.FunctionDoc = parser

__all__ = ["ndimage"]
