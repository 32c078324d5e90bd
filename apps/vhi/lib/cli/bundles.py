"""`models export-bundle` and `models import-bundle`: to and from the bundles of MONAI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .ensemble import MODEL_DIR

_ModelDir = Annotated[Path, typer.Option(help="Folder of the trained ensemble.", show_default="the shipped one")]


def export_bundle(
    version: Annotated[str, typer.Argument(help="Version id.", show_default=False)],
    folder: Annotated[
        Path, typer.Argument(help="Folder of the bundle, new or an earlier one.", metavar="DIR", show_default=False)
    ],
    model_dir: _ModelDir = MODEL_DIR,
) -> None:
    """Write a version as a MONAI bundle, which needs nothing of this program to run."""
    from ..versions import read_version
    from .steps import step

    found = read_version(model_dir, version)
    with step("Writing the bundle"):
        from ..bundles.export import export_bundle as write

        told = write(found, folder)
    typer.echo(f"written  {folder}, version {version}, sha256 {found.manifest.sha256[:12]}")
    if told["torchscript"] is not None:
        typer.echo(f"note     no models/model.ts: TorchScript cannot express the network ({told['torchscript']})", err=True)
    for name in told["large"]:
        typer.echo(f"note     models/{name} is larger than the 25 MB that MONAI's model zoo takes in one file", err=True)
