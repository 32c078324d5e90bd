"""A small study on disk, and the command line run in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from drawing import Pair, pair
from lib.cli.app import app
from lib.studies.nifti import write_mask, write_volume


@dataclass(frozen=True)
class Study:
    """Files of a made-up scan, and the scan."""

    folder: Path
    scan: Pair
    options: dict[str, str] = field(default_factory=dict)

    def arguments(self, out: Path, **changes: str | Path | None) -> list[str]:
        """Those of `measure`; an option is changed by its name with underscores, and left out by None."""
        options = self.options | {"out": str(out)} | {name: value and str(value) for name, value in changes.items()}
        return ["measure", *(part for name, value in options.items() if value for part in (f"--{name.replace('_', '-')}", value))]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """T1W, STIR and both masks in `tmp_path/in`, so that nothing needs a network."""
    scan = pair(np.random.default_rng(7))
    folder = tmp_path / "in"
    folder.mkdir()
    write_volume(folder / "t1w.nii.gz", scan.t1w)
    write_volume(folder / "stir.nii.gz", scan.stir)
    write_mask(folder / "region.nii.gz", scan.disease_region)
    write_mask(folder / "bone.nii.gz", scan.normal_bone)
    files = {"t1w": "t1w", "stir": "stir", "disease_region": "region", "normal_bone": "bone"}
    return Study(folder, scan, {option: str(folder / f"{name}.nii.gz") for option, name in files.items()})


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    error: str


@pytest.fixture
def run() -> Callable[[list[str]], Ended]:
    def _run(arguments: list[str]) -> Ended:
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return _run
