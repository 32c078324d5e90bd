"""The cleaning proposal of `measure`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.pipeline import VhiResult

CLEANING_DIR = Path(__file__).resolve().parents[2] / "model" / "cleaning"
MODES = ("off", "show", "apply")


def check_mode(mode: str) -> None:
    """Refuse a word that is no mode.

    Raises
    ------
    InputError
    """
    from ..errors import InputError

    if mode not in MODES:
        raise InputError(f"--proposal is {mode!r}; it must be {', '.join(MODES[:-1])} or {MODES[-1]}.")


def proposed(result: VhiResult, mode: str, root: Path = CLEANING_DIR) -> VhiResult:
    """An automatic result with what the live version proposes, and with `apply` what is left when that is followed.

    Raises
    ------
    ModelError
        There is no usable version.
    """
    if mode == "off":
        return result
    from ..cleaning.model import load_cleaning, proposer
    from ..core.cleaning import measure_proposed

    decide = proposer(result, load_cleaning(root))
    return replace(result, proposal=decide(result)) if mode == "show" else measure_proposed(result, decide)
