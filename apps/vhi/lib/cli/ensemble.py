"""The disease-region ensemble that commands use."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.disease_region import Member
    from ..core.plausibility import Reference
    from ..core.volume import Grid
    from ..versions import Manifest

MODEL_DIR = Path(__file__).resolve().parents[2] / "model" / "disease_region"


def load_ensemble(model_dir: Path) -> tuple[tuple[Member, ...], Manifest]:
    """The live version's members, and what its manifest says.

    Raises
    ------
    ModelError
        Missing, corrupt or swapped.
    """
    from ..versions import read_live

    manifest = read_live(model_dir).manifest
    from ..engine.members import load_members  # after the pointer was found good

    return load_members(model_dir, manifest.version), manifest


def begin_loading(model_dir: Path) -> Callable[[], tuple[tuple[Member, ...], Manifest]]:
    """`load_ensemble` in two steps: OpenVINO compiles the networks from now on, and the call of what comes back waits for them.

    Networks without an engine file, which torch computes, are loaded by that call.

    Raises
    ------
    ModelError
        There is no live version, or its manifest is damaged. The rest comes from the call.
    """
    from ..versions import read_live

    if read_live(model_dir).manifest.engine is None:
        return partial(load_ensemble, model_dir)
    from ..engine import members, runtime  # noqa: F401 here, so that two threads never import the same package at once

    pool = ThreadPoolExecutor(1, "vhi-networks")
    loading = pool.submit(load_ensemble, model_dir)
    pool.shutdown(wait=False)
    return loading.result


def reference_of(manifest: Manifest | None, grid: Grid) -> Reference | None:
    """The reference values of a version for a scan on this grid; None where no networks are used or they came without.

    Raises
    ------
    ModelError
        Damaged ones.
    """
    from ..core.plausibility import Reference

    return None if manifest is None else Reference.from_dict(manifest.for_scan(grid).reference)
