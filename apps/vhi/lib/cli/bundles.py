"""`models export-bundle` and `models import-bundle`: to and from the bundles of MONAI."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .ensemble import MODEL_DIR

if TYPE_CHECKING:
    from ..retraining.challenger import Measured
    from ..retraining.gate import DicePair
    from ..versions import Version

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
    from .status import status

    version_read = read_version(model_dir, version)
    with status("Writing the bundle"):
        from ..bundles.export import export_bundle as write

        written = write(version_read, folder)
    typer.echo(f"written  {folder}, version {version}, sha256 {version_read.manifest.sha256[:12]}")
    if written["torchscript"] is not None:
        typer.echo(f"note     no models/model.ts: TorchScript cannot express the network ({written['torchscript']})", err=True)
    for name in written["large"]:
        typer.echo(f"note     models/{name} is larger than the 25 MB that MONAI's model zoo takes in one file", err=True)


def import_bundle(  # noqa: PLR0913 options of a command
    folder: Annotated[Path, typer.Argument(help="Folder of the bundle.", metavar="DIR", show_default=False)],
    as_member: Annotated[bool, typer.Option("--as-member", help="Its networks beside the live version's.")] = False,
    as_version: Annotated[bool, typer.Option("--as-version", help="Its networks as an ensemble of their own.")] = False,
    foreground: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Which of several classes is the disease region.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Network that is not MONAI's but installed here, by its full name; repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Id of the new version.", show_default="<bundle>-<sha256>")] = None,
    studies: Annotated[
        Path | None,
        typer.Option(
            help="Studies of a server: its hold-out is measured too, and its own versions get the new one.", exists=True
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The server's data folder.", show_default=".vhi in STUDIES", exists=True)
    ] = None,
    model_dir: _ModelDir = MODEL_DIR,
) -> None:
    """Take up the networks of a MONAI bundle, measured beside the live version by the gate of retraining.

    The new version does not become the live one. Nothing of the bundle is run. Exit code 2 when the gate rejects it; it is kept
    then, as a rejected version.
    """
    from dataclasses import replace

    from ..errors import InputError, ModelError
    from ..provenance import code_version, now
    from ..versions import list_versions, publish
    from .status import status

    if as_member == as_version:
        raise InputError("Pass either --as-member or --as-version.")
    live, held_out = _site(studies, data, model_dir)
    root = live.folder.parent.parent
    with status("Reading the bundle"):
        from ..bundles.foreign import read_bundle
        from ..bundles.importing import import_id, members_of, version_of, with_members
        from ..engine.members import load_members
        from ..retraining.challenger import decide_between, phantom_cases
        from ..retraining.config import TrainConfig

        imported = read_bundle(folder, foreground=foreground, allowed=allow or ())
        origin = {"version": name or import_id(imported, folder), "created": now(), "code_version": code_version()}
        if origin["version"] in list_versions(root):
            raise ModelError(
                f"Version {origin['version']} exists in {root}; versions are never overwritten, pass another --name."
            )
        manifest, weights = with_members(live, imported, **origin) if as_member else version_of(imported, **origin)
        before, after = load_members(root, live.manifest.version), members_of(manifest, weights)
    decision = decide_between(before, after, chain(held_out, phantom_cases()), TrainConfig(), _print_case)
    note = manifest.note if decision.accepted else f"Rejected: {' '.join(decision.reasons)} {manifest.note}"
    publish(root, replace(manifest, gate=decision.as_dict(), note=note), weights, live=False)
    for what, compared in decision.compared.items():
        typer.echo(f"{what}: {compared['cases']} cases, mean Dice {compared['mean_gain']:+.4f} against {live.manifest.version}")
    typer.echo(f"imported  {manifest.version}, {manifest.members} members, in {root}")
    if not decision.accepted:
        raise ModelError(
            f"Version {manifest.version} was rejected, {live.manifest.version} stays live. {' '.join(decision.reasons)}"
        )
    typer.echo(f"It is not live; to use it: models use {manifest.version}")


def _site(studies: Path | None, data: Path | None, model_dir: Path) -> tuple[Version, Iterator[Measured]]:
    """The live version to be measured against, and the cases of a site's hold-out."""
    from ..versions import read_live

    if studies is None:
        return read_live(model_dir), iter(())
    from ..readings.store import ReadingStore
    from ..retraining.challenger import holdout_cases
    from ..retraining.config import TrainConfig
    from ..retraining.patients import patients_of, public_cases
    from ..studies.pairing import CaseFinder
    from ..versions.site import adopt_live
    from .retrain import DATA_FOLDER

    data = data or studies / DATA_FOLDER
    source, live = CaseFinder(studies), adopt_live(data, model_dir)
    cases = public_cases(source, data)
    store = ReadingStore(data, read_only=True)
    return live, holdout_cases(store, source, cases, live, patients_of(data, source, cases), TrainConfig())


def _print_case(pair: DicePair) -> None:
    typer.echo(f"{pair.what} {pair.case_id}: Dice {pair.candidate:.4f}, live version {pair.live:.4f}", err=True)
