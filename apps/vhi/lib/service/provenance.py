"""Where an answer of the server came from, in the words of `vhi.json`."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lib.core.settings import VhiSettings
from lib.readings.store import now
from lib.service.scans import Scans
from lib.studies.pairing import ROLES

_LIBRARIES = ("numpy", "scipy", "scikit-image", "nibabel")
_NETWORK_LIBRARIES = ("torch",)


def provenance_of(scans: Scans, settings: VhiSettings, model: Mapping[str, Any] | None, command: str) -> dict[str, Any]:
    """Programs, model, settings, inputs and time of a measurement; the inputs by the case's public id, with their hashes."""
    return {
        "created": now(),
        "command": command,
        "versions": versions(with_networks=model is not None),
        "model": None if model is None else dict(model),
        "settings": settings.values(),
        "inputs": [{"role": role, "file": scans.case.image_id(role), "sha256": scans.sha256[role]} for role in ROLES],
    }


@cache
def versions(with_networks: bool) -> dict[str, str]:
    """Of this program and of what its numbers rest on."""
    project = Path(__file__).resolve().parents[4] / "pyproject.toml"
    own = str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    names = _LIBRARIES + (_NETWORK_LIBRARIES if with_networks else ())
    return {"vhi": own, "python": platform.python_version(), **{name: version(name) for name in names}}
