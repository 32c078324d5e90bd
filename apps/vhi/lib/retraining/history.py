"""The history of the networks: every version with its data and its Dice, as plain values for a page or a program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..versions import Manifest, list_versions, read_live, read_version
from ..versions.difference import case_changes

CROSS_VALIDATION = "cross-validation"
SLICES, WHOLE = "mean slice Dice", "3-D Dice"


def version_history(models: Path, live: str | None = None) -> list[dict[str, Any]]:
    """Every version of a model folder, oldest first.

    Parameters
    ----------
    models : Path
    live : str, optional
        The version that answers now; by default the one that the pointer names.

    Returns
    -------
    list of dict
        `version`, `created`, `parent`, `members`, `note`; `state`: "live", "earlier" or "rejected", and `reasons` of a rejection;
        `cases` that were learnt, and `added`, `removed`, `changed` against the parent where that is here; `dice`: by what it was
        measured on, see `dice_of`.

    Raises
    ------
    ModelError
        There is no live version.
    """
    live = live or read_live(models).manifest.version
    return [_entry(models, read_version(models, version).manifest, live) for version in list_versions(models)]


def is_rejected(manifest: Manifest) -> bool:
    """Whether the gate kept a version from becoming live."""
    return manifest.gate is not None and not manifest.gate["accepted"]


def _entry(models: Path, manifest: Manifest, live: str) -> dict[str, Any]:
    changes: dict[str, list[str]] = {"added": [], "removed": [], "label changed": []}
    try:
        if manifest.parent is not None:
            changes = case_changes(read_version(models, manifest.parent).manifest, manifest)
    except ModelError:
        pass  # it came from a version that this folder never held
    state = "live" if manifest.version == live else "rejected" if is_rejected(manifest) else "earlier"
    return {
        "version": manifest.version,
        "created": manifest.created,
        "parent": manifest.parent,
        "members": manifest.members,
        "note": manifest.note,
        "state": state,
        "reasons": list((manifest.gate or {}).get("reasons", [])),
        "cases": [case.case_id for case in manifest.training_cases],
        "added": changes["added"],
        "removed": changes["removed"],
        "changed": changes["label changed"],
        "dice": dice_of(manifest),
    }


def dice_of(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """By what a version was measured on: which Dice (`measure`: "mean slice Dice", or "3-D Dice" as the gate compares), the mean
    of its cases (`version`), that of the live one then (`before`, None where nothing was), and `cases`, how many there were."""
    by_set: dict[str, dict[str, Any]] = {}
    folds: Mapping[str, Any] | None = (manifest.metrics or {}).get("cross_validation")
    if folds and manifest.gate is None:
        cases = len(folds.get("cases") or {})
        by_set[CROSS_VALIDATION] = {"measure": SLICES, "version": folds["mean_slice_dice"], "before": None, "cases": cases}
    pairs = (manifest.gate or {}).get("cases", [])
    for case_set in dict.fromkeys(pair["what"] for pair in pairs):
        own = [pair for pair in pairs if pair["what"] == case_set]
        means = {name: round(float(np.mean([pair[key] for pair in own])), 4) for name, key in _MEANS.items()}
        by_set[case_set] = {"measure": WHOLE, **means, "cases": len(own)}
    return by_set


_MEANS = {"version": "candidate", "before": "live"}
