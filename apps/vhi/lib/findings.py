"""Findings about a running server: what is wrong, for its health page and its administrators."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    name : "share", "archive", "damaged", "calibration", "patients", "disk", "model", "accounts" or "unlogged"
    sentence : for anybody: no id, no path
    files : below the data folder, for administrators alone
    """

    name: str
    sentence: str
    files: tuple[str, ...] = ()
