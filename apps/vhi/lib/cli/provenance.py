"""Where a result came from: programs, model, settings, inputs, time."""

from __future__ import annotations

import hashlib
import platform
import shlex
import sys
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.files import sha256_of

if TYPE_CHECKING:
    from lib.core.settings import VhiSettings
    from lib.versions import Manifest

_LIBRARIES = ("numpy", "scipy", "scikit-image", "nibabel")
_NETWORK_LIBRARIES = ("torch",)


def code_version() -> str:
    """The version of this program, from pyproject.toml."""
    project = Path(__file__).resolve().parents[4] / "pyproject.toml"
    return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def provenance_of(
    inputs: Mapping[str, Path],
    settings: VhiSettings,
    model: Manifest | None,
    series: Mapping[str, Sequence[Path]] | None = None,
) -> dict[str, Any]:
    """Provenance of a measurement, as it goes into `vhi.json`.

    Parameters
    ----------
    inputs : mapping
        What each file is for, and the file. Names without folders are kept, and hashes.
    settings : VhiSettings
    model : Manifest, optional
        Of the ensemble that found the disease region; none was used when absent.
    series : mapping, optional
        The files of an input that is a folder, in the order of the slices.
    """
    libraries = _LIBRARIES + (_NETWORK_LIBRARIES if model else ())
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["main.py", *sys.argv[1:]]),
        "versions": {
            "vhi": code_version(),
            "python": platform.python_version(),
            **{name: version(name) for name in libraries},
        },
        "model": None
        if model is None
        else {"name": "disease_region", "version": model.version, "sha256": model.sha256, "members": model.members},
        "settings": settings.values(),
        "inputs": [
            {"role": role, "file": path.name or path.resolve().name, "sha256": _sha256(path, (series or {}).get(role, ()))}
            for role, path in inputs.items()
        ],
    }


def _sha256(path: Path, files: Sequence[Path]) -> str:
    """Of a file; of a series the sha256 of its files' sha256, one line each, in the order of the slices."""
    if not path.is_dir():
        return sha256_of(path)
    return hashlib.sha256("".join(f"{sha256_of(one)}\n" for one in files).encode("ascii")).hexdigest()
