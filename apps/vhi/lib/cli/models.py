"""`models`: the trained versions of the disease-region ensemble: list, compare, switch, verify, import, model card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .bundles import export_bundle, import_bundle
from .card import card
from .ensemble import MODEL_DIR
from .proposal import CLEANING_DIR
from .retrain import decisions_of

if TYPE_CHECKING:
    from ..versions import Manifest, Version

models = typer.Typer(
    help="Trained versions: list, compare, switch, verify, import, engine files, model card.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Data = Annotated[
    Path | None, typer.Option(help="Of a server's own versions, in place of --model-dir: its data folder.", exists=True)
]
_DataNeeded = Annotated[Path, typer.Option(help="The server's data folder: .vhi in the folder of studies.", exists=True)]
_ModelDir = Annotated[Path, typer.Option(help="Folder of the trained ensemble.", show_default="the shipped one")]


@models.command("list")
def list_models(
    model_dir: _ModelDir = MODEL_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all metrics.")] = False,
) -> None:
    """List the versions, oldest first."""
    live = _live_id(model_dir)
    rows = [_described(model_dir, name, live) for name in _names(model_dir)]
    rows.sort(key=lambda row: (row["created"] or "", row["version"]))
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table: list[tuple[str, ...]] = [
        ("", "version", "created", "verified", "members", "parent", "training cases", "size", "mean slice Dice")
    ]
    table += [
        (
            *_heading(row),
            _or_none(row["members"]),
            _or_none(row["parent"]),
            _or_none(row["training_cases"] or None),
            f"{row['size_bytes'] / 1e6:.1f} MB",
            _headline(row["metrics"]),
        )
        for row in rows
    ]
    _print_table(table)
    for row in rows:
        for text in (row["problem"], row["note"]):
            if text:
                typer.echo(f"{row['version']}: {text}")
    if not any(row["live"] for row in rows):
        typer.echo(f"No version is live{f' ({live} is not there)' if live else ''}; choose one with models use.")
    if model_dir == MODEL_DIR:
        _print_cleaning(CLEANING_DIR)


def _heading(row: dict[str, Any]) -> tuple[str, ...]:
    """The cells that every list of versions begins with."""
    created = "?" if row["created"] is None else row["created"][:16].replace("T", " ")
    return "*" if row["live"] else "", row["version"], created, "yes" if row["verified"] else "NO"


def _print_cleaning(root: Path) -> None:
    """The versions of the cleaning proposal, which lie in a folder of their own."""
    live = _live_id(root)
    rows = [_described(root, name, live) for name in _names(root)]
    typer.echo(f"Cleaning proposal (other commands: --model-dir {root}):")
    table: list[tuple[str, ...]] = [("", "version", "created", "verified", "parent", "training cases", "patients left out")]
    table += [
        (
            *_heading(row),
            _or_none(row["parent"]),
            _or_none(row["training_cases"] or None),
            _cleaning_headline(row["metrics"]),
        )
        for row in rows
    ]
    _print_table(table)


def _cleaning_headline(metrics: dict[str, Any] | None) -> str:
    proposal = (metrics or {}).get("leave_one_patient_out", {}).get("proposal")
    if not proposal:
        return "not measured"
    return f"sensitivity {proposal['sensitivity']:.2f} by volume, {proposal['false_keeps']:.1f} false keeps a scan"


@models.command("diff")
def diff(
    a: Annotated[str, typer.Argument(help="Version id.", show_default=False)],
    b: Annotated[str, typer.Argument(help="Version id.", show_default=False)],
    model_dir: _ModelDir = MODEL_DIR,
) -> None:
    """Show what differs between two versions.

    Training cases by the sha256 of their masks, settings, seeds, metrics.
    """
    from ..versions.difference import case_changes, metric_rows, setting_changes

    first, second = (_known(model_dir, version).manifest for version in (a, b))
    typer.echo(f"training cases: {_case_count(first)} in {a}, {_case_count(second)} in {b}")
    for what, ids in case_changes(first, second).items():
        if ids:
            typer.echo(f"  {what}: {', '.join(ids)}")
    settings = setting_changes(first, second)
    typer.echo("settings and seeds" if settings else "settings and seeds: no difference")
    if settings:
        _print_table([("  field", a, b), *((f"  {name}", _shown(x), _shown(y)) for name, x, y in settings)])
    metrics = metric_rows(first, second)
    typer.echo("metrics" if metrics else "metrics: none recorded")
    if metrics:
        shown = ((f"  {name}", _shown(x), _shown(y), "" if d is None else f"{d:+g}") for name, x, y, d in metrics)
        _print_table([("  metric", a, b, "difference"), *shown])


models.command("card")(card)
models.command("export-bundle")(export_bundle)
models.command("import-bundle")(import_bundle)


@models.command("use")
def use(
    version: Annotated[str, typer.Argument(help="Version id.", show_default=False)],
    model_dir: _ModelDir = MODEL_DIR,
    rejected: Annotated[bool, typer.Option("--rejected", help="Even one that the gate of retraining rejected.")] = False,
    data: _Data = None,
) -> None:
    """Make a version the live one.

    It is verified first. Also the way back to an older version.
    """
    from ..errors import ModelError
    from ..retraining.history import is_rejected
    from ..versions import make_live
    from ..versions.site import models_in_use

    data = data or _data_folder_of(model_dir)
    decisions = None if data is None else decisions_of(data)
    if data is not None and decisions is not None:
        model_dir = models_in_use(data, decisions.shipped)
    if is_rejected(_known(model_dir, version).manifest) and not rejected:
        raise ModelError(f"Version {version} was rejected by the gate of retraining; pass --rejected to use it all the same.")
    before = _live_id(model_dir)
    if decisions is not None:
        decisions.make_live(version, rejected=rejected)
    else:
        make_live(model_dir, version)
    typer.echo(f"live    {version}")
    typer.echo(f"before  {'the same' if before == version else before or 'none'}")


@models.command("compare")
def compare(
    a: Annotated[str, typer.Argument(help="Version id.", show_default=False)],
    b: Annotated[str, typer.Argument(help="Version id.", show_default=False)],
    studies: Annotated[Path, typer.Option(help="Studies of a server: its hold-out is measured.", exists=True)],
    data: Annotated[
        Path | None, typer.Option(help="The server's data folder.", show_default=".vhi in STUDIES", exists=True)
    ] = None,
) -> None:
    """Compare two versions case by case, on cases that neither learnt, with a picture of each."""
    from itertools import chain

    from ..readings.store import ReadingStore
    from ..retraining.challenger import holdout_cases, phantom_cases
    from ..retraining.comparison import by_file, compare_versions
    from ..retraining.config import TrainConfig
    from ..retraining.patients import patients_of, public_cases
    from ..retraining.retraining_folder import RetrainingFolder
    from ..studies.pairing import CaseFinder
    from ..versions.site import models_in_use
    from .retrain import DATA_FOLDER

    data = data or studies / DATA_FOLDER
    decisions = decisions_of(data)
    models_dir = models_in_use(data, decisions.shipped)
    first, second = (_known(models_dir, version) for version in (a, b))
    source, store = CaseFinder(studies), ReadingStore(data, read_only=True)
    cases = public_cases(source, data)
    own = holdout_cases(store, source, cases, first, patients_of(data, source, cases), TrainConfig(), second)
    place = compare_versions(
        RetrainingFolder(data), (a, b), (by_file(models_dir, a), by_file(models_dir, b)), chain(own, phantom_cases()),
        lambda case: typer.echo(f"{case.what}, case {case.case}: Dice {case.dice_a:.4f} ({a}), {case.dice_b:.4f} ({b})"),
    )  # fmt: skip
    decisions.audit.append("models compared", reader=decisions.who, versions=[a, b])
    typer.echo(f"Pictures: {place}")


@models.command("pin")
def pin_version(version: Annotated[str, typer.Argument(help="Version id.", show_default=False)], data: _DataNeeded) -> None:
    """Keep the live version live, whatever is trained."""
    decisions_of(data).pin(version)
    typer.echo(f"pinned  {version}")


@models.command("unpin")
def unpin_version(data: _DataNeeded) -> None:
    """Let training replace the live version again."""
    typer.echo(f"unpinned  {decisions_of(data).unpin()['unpinned']}")


@models.command("verify")
def verify_models(
    version: Annotated[str | None, typer.Argument(help="Version id.", show_default="all")] = None,
    model_dir: _ModelDir = MODEL_DIR,
) -> None:
    """Check the files against their sha256.

    Exit code 2 when one is missing, corrupt or swapped with another version's.
    """
    from ..errors import ModelError
    from ..versions import read_live

    names = _names(model_dir)
    if version is not None:
        _check_known(model_dir, version)
        names = (version,)
    problems = {name: _problem(model_dir, name) for name in names}
    if version is None:
        try:
            read_live(model_dir)
        except ModelError as error:
            problems["live"] = str(error)
    _print_table((name, "WRONG" if text else "verified", text or "") for name, text in problems.items())
    wrong = [text for text in problems.values() if text]
    if wrong:
        raise ModelError(wrong[0] if len(wrong) == 1 else f"{wrong[0]} ({len(wrong)} problems in all.)")


@models.command("add-engine")
def add_engine(
    version: Annotated[str, typer.Argument(help="Version id.", show_default=False)],
    model_dir: _ModelDir = MODEL_DIR,
) -> None:
    """Make the engine file of a version that has none, or has a damaged one.

    Without it scans are measured by torch, several times slower. The file is written from the weights and checked against torch.
    """
    from ..nets.engine_file import add_engine_file

    _check_known(model_dir, version)
    made = add_engine_file(model_dir, version)
    typer.echo(f"made    {made.engine}, sha256 {(made.manifest.engine or {})['sha256'][:12]}")


@models.command("import")
def import_models(
    files: Annotated[
        tuple[Path, Path, Path], typer.Argument(help="The three state dicts (.pt).", metavar="FILE FILE FILE", show_default=False)
    ],
    name: Annotated[str | None, typer.Option(help="Id of the new version.", show_default="published-<sha256>")] = None,
    model_dir: _ModelDir = MODEL_DIR,
) -> None:
    """Import the authors' three networks.

    Turns the state dicts that the authors of the method released into a version, which does not become the live one.
    """
    from ..nets.published import import_published
    from ..provenance import code_version, now

    manifest = import_published(files, model_dir, code_version=code_version(), created=now(), version=name).manifest
    typer.echo(f"imported  {manifest.version}, {manifest.members} members, sha256 {manifest.sha256[:12]}")
    for recipe in manifest.recipes:
        typer.echo(f"  from    {recipe['source_file']}, sha256 {recipe['source_sha256'][:12]}")
    typer.echo(f"note      {manifest.note}")
    typer.echo(f"It is not live; to use it: models use {manifest.version}")


def _data_folder_of(model_dir: Path) -> Path | None:
    """The data folder that a model folder belongs to; None where it is not a site's own."""
    from ..versions.site import own_models

    data = model_dir.resolve().parent.parent
    return data if own_models(data) == model_dir.resolve() and (data / "audit.jsonl").exists() else None


def _names(root: Path) -> tuple[str, ...]:
    """Folders of all versions, damaged ones too, so that these can be shown.

    Raises
    ------
    ModelError
        There are none.
    """
    from ..errors import ModelError

    # hidden folders are publications that have not finished
    names = sorted(p.name for p in (root / "versions").glob("*") if p.is_dir() and not p.name.startswith("."))
    if not names:
        raise ModelError(f"There is no trained version in {root / 'versions'}; pass the right --model-dir, or train one.")
    return tuple(names)


def _check_known(root: Path, version: str) -> None:
    from ..errors import ModelError

    names = _names(root)
    if version not in names:
        live = _live_id(root)
        known = ", ".join(f"{name} (live)" if name == live else name for name in names)
        raise ModelError(f"There is no version {version} in {root}; known are {known}.")


def _known(root: Path, version: str) -> Version:
    """A version by id; an unknown one is refused with the known ones."""
    from ..versions import read_version

    _check_known(root, version)
    return read_version(root, version)


def _live_id(root: Path) -> str | None:
    """The version that the pointer names, whether it exists or not; None without a readable pointer."""
    from ..versions.store import POINTER

    try:
        return str(json.loads((root / POINTER).read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _problem(root: Path, name: str) -> str | None:
    """The damage to a version, as a sentence that names the file; None if its bytes are those of its manifest."""
    from ..errors import ModelError
    from ..files import sha256_of
    from ..versions import read_version, verify, verify_engine

    try:
        version = read_version(root, name)
    except ModelError as error:
        return str(error)
    try:
        verify(version)
    except ModelError as error:
        if not version.weights.is_file():
            return str(error)
        owner = _owner(root, sha256_of(version.weights))
        return str(error) if owner is None else f"{version.weights} was swapped: it is the file of version {owner}. Restore it."
    try:
        if version.manifest.engine is not None:
            verify_engine(version)
    except ModelError as error:
        return str(error)
    return None


def _owner(root: Path, sha256: str) -> str | None:
    """The version whose weights these are."""
    from ..errors import ModelError
    from ..versions import read_version

    for name in _names(root):
        try:
            if read_version(root, name).manifest.sha256 == sha256:
                return name
        except ModelError:
            continue  # its own line says what is wrong with it
    return None


def _described(root: Path, name: str, live: str | None) -> dict[str, Any]:
    """One version for the table and for JSON; null for what a damaged manifest cannot tell."""
    from ..errors import ModelError
    from ..versions import read_version

    try:
        manifest: Manifest | None = read_version(root, name).manifest
    except ModelError:
        manifest = None
    problem = _problem(root, name)
    return {
        "version": name,
        "live": name == live,
        "created": manifest and manifest.created,
        "verified": problem is None,
        "problem": problem,
        "members": manifest and manifest.members,
        "parent": manifest and manifest.parent,
        "training_cases": manifest and len(manifest.training_cases),
        "unlabelled_cases": manifest and len(manifest.unlabelled_cases),
        "metrics": manifest and manifest.metrics,
        "note": manifest and manifest.note,
        "size_bytes": sum(p.stat().st_size for p in (root / "versions" / name).rglob("*") if p.is_file()),
    }


def _headline(metrics: dict[str, Any] | None) -> str:
    """The mean slice Dice of each evaluation."""
    means = [
        f"{name} {entry['mean_slice_dice']:.4f}"
        for name, entry in (metrics or {}).items()
        if isinstance(entry, dict) and isinstance(entry.get("mean_slice_dice"), float)
    ]
    return ", ".join(means) or "not measured"


def _case_count(manifest: Manifest) -> str:
    return str(len(manifest.training_cases)) if manifest.training_cases else "none recorded"


def _shown(value: Any) -> str:
    return "none" if value is None or value == [] else json.dumps(value) if isinstance(value, list | bool) else str(value)


def _or_none(value: object) -> str:
    return "-" if value is None else str(value)


def _print_table(rows: Iterable[Sequence[str]]) -> None:
    """Rows of text with aligned columns; never cut, so that the output can be searched and piped."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
