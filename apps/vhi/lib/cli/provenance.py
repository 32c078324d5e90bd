"""Where a result came from: programs, model, settings, inputs, time."""

from __future__ import annotations

import platform
import shlex
import sys
import tomllib
from collections.abc import Mapping
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


def provenance_of(inputs: Mapping[str, Path], settings: VhiSettings, model: Manifest | None) -> dict[str, Any]:
    """Provenance of a measurement, as it goes into `vhi.json`.

    Parameters
    ----------
    inputs : mapping
        What each file is for, and the file. Names without folders are kept, and hashes.
    settings : VhiSettings
    model : Manifest, optional
        Of the ensemble that found the disease region; none was used when absent.
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
        "inputs": [{"role": role, "file": path.name, "sha256": sha256_of(path)} for role, path in inputs.items()],
    }
