"""What is wrong with a running server, for its health and its administrators."""

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
