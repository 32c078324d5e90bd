"""Where a result came from: programs, model, settings, inputs, time, in the words of `vhi.json`."""

from __future__ import annotations

import hashlib
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .files import sha256_of

if TYPE_CHECKING:
    from .core.disease_region import DiseaseRegion
    from .core.settings import VhiSettings
    from .versions import Manifest

_LIBRARIES = ("numpy", "scipy", "scikit-image", "nibabel")
_MONAI_LIBRARIES = ("monai", "torch")


def provenance_of(
    command: str,
    settings: VhiSettings,
    model: Mapping[str, Any] | None,
    inputs: Sequence[Mapping[str, str]],
    choices: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Provenance of a measurement.

    Parameters
    ----------
    command : str
        The call that made it.
    settings : VhiSettings
    model : mapping, optional
        The ensemble that found the disease region, see `ensemble_of`; none was used when absent.
    inputs : sequence of mappings
        `role`, `file` (a name without folders) and `sha256` of each.
    choices : mapping, optional
        What a user chose where the files leave a choice: a series, a segment, a transform.
    """
    return {
        "created": now(),
        "command": command,
        "versions": method_versions(model) | (versions(*_MONAI_LIBRARIES) if settings.chain.names_monai else {}),
        "model": None if model is None else dict(model),
        **settings.recorded(),
        "inputs": [dict(entry) for entry in inputs],
        **({"choices": dict(choices)} if choices else {}),
    }


def now() -> str:
    """The time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def code_version() -> str:
    """The version of this program."""
    return __version__


@cache
def versions(*libraries: str) -> dict[str, str]:
    """Versions of this program, of Python and of those libraries."""
    return {"vhi": code_version(), "python": platform.python_version(), **{name: version(name) for name in libraries}}


def method_versions(model: Mapping[str, Any] | None) -> dict[str, str]:
    """Versions of this program and of what its numbers rest on; `model` as `ensemble_of` gives it."""
    # an ensemble that says nothing was computed before engines were recorded, by torch
    engines = () if model is None else tuple(str(model.get("engine", "torch")).split(" and "))
    return dict(versions(*_LIBRARIES, *engines))


def command_line() -> str:
    """How this program was called."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def ensemble_of(manifest: Manifest, region: DiseaseRegion) -> dict[str, Any]:
    """Which ensemble found a disease region, how many members answered, and what computed it: `engine` and `precision`."""
    members = manifest.for_scan(region.mask.grid).members
    made = {"name": "disease_region", "version": manifest.version, "sha256": manifest.sha256, "members": members}
    return made | dict(region.computed_by or {})


def input_files(files: Mapping[str, Path], series: Mapping[str, Sequence[Path]]) -> list[dict[str, str]]:
    """Inputs that are files or folders, with their hashes.

    Parameters
    ----------
    files : mapping
        What each is for, and the file or folder.
    series : mapping
        The files of an input that is a folder, in the order of the slices.
    """
    return [
        {"role": role, "file": path.name or path.resolve().name, "sha256": _sha256(path, series.get(role, ()))}
        for role, path in files.items()
    ]


def _sha256(path: Path, files: Sequence[Path]) -> str:
    """Of a file; of a series the sha256 of its files' sha256, one line each, in the order of the slices.

    A DICOMDIR names files and holds none: what counts is the series that was found by it.
    """
    if not path.is_dir() and not path.name.upper().startswith("DICOMDIR"):
        return sha256_of(path)
    return hashlib.sha256("".join(f"{sha256_of(file)}\n" for file in files).encode("ascii")).hexdigest()
