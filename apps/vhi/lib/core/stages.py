"""The names of the number at its stages: only the volume that a reader kept is VHI.

Hepburn et al. 2023, section 2.5.1: VHI is the volume of "the final corrected segmentation". What the program measured before a
reader cleaned it, or after a model did, has a name of its own, and says so wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .pipeline import VhiResult
from .proposal import Stage
from .segment_names import INFLAMMATION

STAGES: tuple[Stage, ...] = ("raw", "proposed", "cleaned")
NAMES: dict[Stage, str] = {"raw": "Uncleaned volume", "proposed": "Proposed volume", "cleaned": "VHI"}
WARNINGS: dict[Stage, str] = {
    "raw": "This volume is uncleaned: no reader has removed vessels, joint fluid or artefacts. It is not VHI, and may be several "
    "times as large.",
    "proposed": "This volume is proposed: a model has left lesions out, and no reader has checked what it kept. It is not VHI.",
}
_MANUAL = "manual"


def name_of(stage: Stage) -> str:
    """The name of a stage's number in a sentence, on an axis or of a column."""
    return NAMES[stage]


def title_of(stage: Stage, reader: str = "", method: str = "", *, submitted: bool = True, unchanged: str = "") -> str:
    """The title of a number, the same in every form and client.

    Parameters
    ----------
    stage : "raw", "proposed" or "cleaned"
    reader : str
        Who cleaned it, as readers are called there; "" where that is not known.
    method : str
        "manual" where the reader drew the lesions instead of cleaning the automatic result.
    submitted : bool
        False while the reader is still at work on it.
    unchanged : str
        What the reader handed in as it was, see `unchanged_in`: the number is VHI, as a reader answers for it, but the reader has
        cleaned nothing.
    """
    if stage != "cleaned":
        return NAMES[stage]
    who, is_drawn = reader.strip() or "a reader", method == _MANUAL
    if unchanged and submitted and not is_drawn:
        return f"{NAMES[stage]} (submitted by {who}, {unchanged})"
    return f"{NAMES[stage]} ({'drawn' if is_drawn else 'cleaned'} by {who}{'' if submitted else ', not submitted'})"


def unchanged_in(changes: Mapping[str, Any], corrections: Mapping[str, Any]) -> str:
    """Whether the reader handed in the lesions as the program showed them, in words, from `changes` and `corrections`.

    Returns
    -------
    str
        "nothing removed" of an automatic result, "proposal unchanged" of one that the cleaning proposal took lesions out of;
        "" where the reader removed, restored or painted a voxel, and where it is not known.
    """
    change = changes.get(INFLAMMATION)
    if change is None or not {"proposal", "clicks", "hand"} <= corrections.keys():
        return ""
    if any(any(corrections[by].values()) for by in ("clicks", "hand")):
        return ""
    if corrections["proposal"]["removed"]:
        return "proposal unchanged"
    # a version that did not say who did what: then the reader did
    is_as_measured = not any(change.get(what) for what in ("lesions_removed", "boundary_edits", "painted_outside"))
    return "nothing removed" if is_as_measured else ""


def warnings_of(result: VhiResult) -> tuple[str, ...]:
    """Warnings for the reader of the number: first that it is no VHI, where that is so, then those of the measurement."""
    own = WARNINGS.get(result.stage)
    return result.warnings if own is None else (own, *result.warnings)
