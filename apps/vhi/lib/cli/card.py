"""`models card`: a version's model card, with the pictures that its readers need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .ensemble import MODEL_DIR

CARD, PLOT, CURVES = "model-card.md", "model-card-dice.svg", "model-card-curves.svg"
_LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "safetensors")


def card(  # noqa: PLR0913 options of a command
    out: Annotated[Path, typer.Option(help=f"Folder that receives {CARD} and its pictures.", show_default=False)],
    version: Annotated[str | None, typer.Argument(help="Version id.", show_default="the live one")] = None,
    model_dir: Annotated[Path, typer.Option(help="Folder of the trained ensemble.", show_default="the shipped one")] = MODEL_DIR,
    notes: Annotated[Path | None, typer.Option(help="Markdown on data and limits, put into the card.", exists=True)] = None,
    data: Annotated[Path | None, typer.Option(help="Labelled scans, to draw the lowest slices.", exists=True)] = None,
    results: Annotated[
        Path | None, typer.Option(help="Working folder of train --folds: learning curves; with --data those slices.", exists=True)
    ] = None,
    most: Annotated[int, typer.Option(help="Slices to draw.", min=0)] = 6,
    baseline: Annotated[
        Path | None,
        typer.Option(help="Working folder of another recipe's train --folds, to stand beside the version's.", exists=True),
    ] = None,
) -> None:
    """Write the model card of a version.

    With --data and --results the slices with the lowest Dice are drawn too, from the ensembles that did not learn them. These
    pictures show scans: keep them out of a public repository unless the data allow it.
    """
    from dataclasses import replace
    from importlib.metadata import version as installed

    from ..errors import InputError
    from ..files import output_error, write_atomically
    from ..versions import read_live, read_version
    from ..versions.card import card_text

    if data is not None and results is None:
        raise InputError("Pictures of slices need --results beside --data: the working folder of train --folds.")
    manifest = (read_live(model_dir) if version is None else read_version(model_dir, version)).manifest
    metrics = manifest.metrics or {}
    if baseline is not None:
        from ..training.training_session import read_results

        metrics = metrics | {"baseline": read_results(baseline, whole=False)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        text = "" if notes is None else notes.read_text(encoding="utf-8")
    except OSError as error:
        raise output_error(out, error) from error
    plot = _write_plot(out, metrics)
    curves = None if results is None else _copy_curves(out, results)
    pictures = [] if data is None or results is None else _write_pictures(out, metrics, data, results, most)
    libraries = {name: installed(name) for name in _LIBRARIES}
    content = card_text(replace(manifest, metrics=metrics), libraries, text, plot=plot, curves=curves, pictures=pictures)
    write_atomically(out / CARD, content.encode())
    typer.echo(f"{out / CARD}")


def _cases(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every scan that was measured slice by slice."""
    return {
        case_id: case
        for entry in metrics.values()
        if isinstance(entry, dict) and "mean_slice_dice" in entry
        for case_id, case in entry.get("cases", {}).items()
        if "slice_dice" in case
    }


def _write_plot(out: Path, metrics: dict[str, Any]) -> str | None:
    import numpy as np

    from ..figures.canvas import svg_bytes
    from ..figures.slice_dice import slice_dice_figure
    from ..files import write_atomically

    cases = _cases(metrics)
    if not cases:
        return None
    panels = {
        f"{case_id}: {case['mean_slice_dice']:.3f}": (
            np.array(case["slice_dice"], dtype=float),
            [np.array(member, dtype=float) for member in case["member_slice_dice"]],
        )
        for case_id, case in cases.items()
    }
    write_atomically(out / PLOT, svg_bytes(slice_dice_figure(panels)))
    return PLOT


def _copy_curves(out: Path, results: Path) -> str:
    """The learning curves of the folds, as `train` drew them."""
    from ..errors import InputError
    from ..files import write_atomically
    from ..training.training_session import CURVES as DRAWN

    try:
        drawn = (results / f"{DRAWN}.svg").read_bytes()
    except OSError as error:
        raise InputError(f"{results} holds no learning curves ({error}); run train --folds into it first.") from error
    write_atomically(out / CURVES, drawn)
    return CURVES


def _write_pictures(out: Path, metrics: dict[str, Any], data: Path, results: Path, most: int) -> list[tuple[str, str]]:
    """The lowest slices of the folds, with both outlines: caption and file name."""
    import numpy as np

    from ..core.orientation import DisplayOrientation
    from ..errors import InputError
    from ..figures.canvas import png_bytes
    from ..figures.slice_dice import failure_figure
    from ..files import write_atomically
    from ..studies.labelled import find_labelled
    from ..training.run import PREDICTIONS
    from ..training.scans import read_labelled

    cases = find_labelled(data)
    labelled = {case.case_id: case for case in (*cases.study, *cases.atypical, *cases.test)}
    slices = sorted(
        (dice, case_id, k)
        for case_id, one in _cases(metrics).items()
        for k, dice in enumerate(one["slice_dice"])
        if dice is not None and case_id in labelled
    )[:most]
    pictures = []
    for dice, case_id, k in slices:
        path = results / _cases(metrics)[case_id]["fold"] / PREDICTIONS / f"{case_id}.npz"
        if not path.exists():
            raise InputError(f"{path} is missing: {results} is not the working folder that this version was trained in.")
        t1w, manual = read_labelled(labelled[case_id])
        hanging = DisplayOrientation.of(t1w.grid)
        with np.load(path) as kept:
            image, drawn, answer = (hanging.hang(array)[k] for array in (t1w.data, manual.data, kept["mask"]))
        caption = f"{case_id}, slice {k + 1}: Dice {dice:.2f}"
        name = f"failure-{case_id}-{k + 1}.png"
        write_atomically(out / name, png_bytes(failure_figure(image, drawn, answer, caption), 150))
        pictures.append((caption, name))
    return pictures
