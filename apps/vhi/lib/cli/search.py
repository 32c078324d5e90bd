"""`train --search`: the paper's model selection, side by side, on this machine or on a cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .batch import SOME_FAILED
from .batch_progress import batch_progress

if TYPE_CHECKING:
    from ..studies.labelled import LabelledData
    from ..training.search import SearchNetwork, SettingResult

MARK, TABLE, FIGURE = "search.json", "search.csv", "search"


def run_search(  # noqa: PLR0913 the options of its command
    data: Path,
    out: Path,
    *,
    steps: int | None,
    cpu_minutes: float | None,
    members: int,
    jobs: int,
    cluster: str | None,
    atypical: bool = False,
) -> None:
    """Train and measure every network of the search in `out`, or go on; then one table and one figure.

    Raises
    ------
    VhiError
        Data, options or workers are not what they must be.
    typer.Exit
        3 when networks failed, 130 when interrupted.
    """
    from ..batch.batch_folder import batch_folder
    from ..batch.workers import run_anywhere
    from ..errors import InputError
    from ..files import sha256_of
    from ..nets.recipes import paper_recipe
    from ..studies.labelled import find_labelled
    from ..training.search import networks_of, read_results, train_network

    # workers of a cluster have working folders of their own
    cases, out = find_labelled(data.resolve()), out.resolve()
    if atypical and not cases.atypical:
        raise InputError(f"{data} holds no labelled atypical scans; leave --with-atypical out, or add them (docs/models.md).")
    asked: dict[str, Any] = {"steps": steps, "cpu_minutes": cpu_minutes, **({"atypical": True} if atypical else {})}
    total = _steps(cases, out, asked)
    networks = networks_of(cases, total, members, atypical=atypical)
    learnt = cases.study + (cases.atypical if atypical else ())
    scans = {case.case_id: [sha256_of(file) for file in (case.t1w, case.disease_region) if file] for case in learnt}
    failed = 0
    with batch_folder(out, {"asked": asked, "steps": total, "scans": scans}, MARK):
        to_do = [network for network in networks if not network.is_finished(out)]
        typer.echo(f"{len(networks)} networks of {total} steps, {len(networks) - len(to_do)} of them finished before")
        try:
            showing = batch_progress("Training", len(to_do), partial(_reached, out))
            work = partial(train_network, out=out)
            with showing as show, closing(run_anywhere(to_do, work, jobs, cluster)) as outcomes:
                for outcome in outcomes:
                    failed += bool(outcome.failure)
                    show(outcome)
        except KeyboardInterrupt as error:
            typer.echo(f"Interrupted. What was trained is kept in {out}: the same command goes on from there.", err=True)
            raise typer.Exit(130) from error
        finally:
            results = read_results(out, networks)
            if results:
                _write(out, results)
    _print(results)
    if failed:
        typer.echo(f"{failed} networks failed; the same command tries them again.", err=True)
        raise typer.Exit(SOME_FAILED)
    best = results[0]
    recipe = paper_recipe(best.setting.levels, best.setting.kernel).name
    typer.echo(f"Best: {best.setting}. Train it with --recipe {recipe} --steps {networks[0].steps_of(best.setting.epochs)}.")


def _steps(cases: LabelledData, out: Path, asked: dict[str, Any]) -> int:
    """Of the longest training: those that the search in `out` began with, or what is asked for."""
    from ..nets.recipes import PLANS
    from ..training.search import steps_in

    try:
        kept = json.loads((out / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.get("asked") == asked:
        return int(kept["steps"])
    if asked["cpu_minutes"] is not None:
        return max(2, steps_in(asked["cpu_minutes"], cases.study))
    return asked["steps"] if asked["steps"] is not None else PLANS["paper"].members[0].steps


def _reached(out: Path, network: SearchNetwork) -> str:
    from ..training.search import read_results

    return ", ".join(
        f"{result.setting.epochs} epochs {result.mean_slice_dice:.3f}"
        for result in sorted(read_results(out, [network]), key=lambda result: result.setting)
    )


def _write(out: Path, results: Sequence[SettingResult]) -> None:
    from ..batch.batch_folder import write_table
    from ..figures.canvas import png_bytes, svg_bytes
    from ..figures.search import search_figure
    from ..files import write_atomically

    rows = [result.as_row() for result in results]
    write_table(out / TABLE, list(dict.fromkeys(name for row in rows for name in row)), rows)
    figure = search_figure(
        {
            (result.setting.epochs, result.setting.levels, result.setting.kernel): list(result.fold_dice.values())
            for result in results
        }
    )
    write_atomically(out / f"{FIGURE}.png", png_bytes(figure, 200))
    write_atomically(out / f"{FIGURE}.svg", svg_bytes(figure))


def _print(results: Sequence[SettingResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    rows = [result.as_row() for result in results]
    if not rows:
        return
    table = Table(box=None, header_style="bold")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        cells = (row.get(name, "") for name in rows[0])
        table.add_row(*(f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in cells))
    console = Console()
    # a redirected table must not be cut at 80 columns
    Console(width=None if console.is_terminal else 200).print(table)
