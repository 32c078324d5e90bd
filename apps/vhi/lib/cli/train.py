"""`train`: an ensemble from a folder of labelled scans."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..provenance import code_version
from .ensemble import MODEL_DIR
from .retrain import retrain
from .search import run_search
from .training_progress import TrainingProgress, training_progress

if TYPE_CHECKING:
    from ..nets.fit import Progress
    from ..nets.recipes import Plan
    from ..training.run import Measured, Network


def train(  # noqa: PLR0913 options of a command
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of labelled scans, see docs/models.md; with --studies the server's data folder.", exists=True),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Working folder: checkpoints, learning curves, results. Resumed if not empty.")
    ] = None,
    studies: Annotated[
        Path | None,
        typer.Option(help="Instead, learn from what readers of these studies corrected (docs/retraining.md).", exists=True),
    ] = None,
    model_dir: Annotated[
        Path | None,
        typer.Option(
            help="Model folder that receives the new version; with --studies the one that a site without versions starts from.",
            show_default="the shipped one; with --studies the server's",
        ),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="vhi, scanners (goes on from it, on other scanners too), kind (networks for another scanner alone, beside it), "
            "quick (minutes) or paper (the published one; hours)."
        ),
    ] = "vhi",
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="In place of the recipe's U-Nets a 2-D network of MONAI: SegResNet, ...; docs/monai.md."
        ),
    ] = None,
    network_args: Annotated[
        str | None, typer.Option(metavar="JSON", help="With --network: its arguments, as a JSON object, over our own.")
    ] = None,
    folds: Annotated[bool, typer.Option("--folds", help="Also measure by four-fold cross-validation over subjects.")] = False,
    first_folds: Annotated[int | None, typer.Option(help="With --folds: only so many of the folds.", min=1, max=4)] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="The ensemble goes on from this version's networks, not from random ones."),
    ] = None,
    start_folds: Annotated[
        Path | None,
        typer.Option(
            help="With --folds: each goes on from its networks in this working folder of a --folds training.", exists=True
        ),
    ] = None,
    ensemble: Annotated[bool, typer.Option(help="Train and publish the ensemble of all labelled scans.")] = True,
    with_test: Annotated[
        bool,
        typer.Option(
            "--with-test", help="The ensemble learns the test scans too: the paper's last step; nothing measures it then."
        ),
    ] = False,
    members: Annotated[int | None, typer.Option(help="Only the first so many members of the recipe.", min=1, max=3)] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of each network, instead of the recipe's.", min=1)] = None,
    cpu_minutes: Annotated[float | None, typer.Option(help="CPU minutes of each network, instead of steps.", min=0.01)] = None,
    version: Annotated[str | None, typer.Option(help="Id of the new version; by default recipe and time.")] = None,
    parent: Annotated[
        str | None, typer.Option(help="Id of the version it comes from; recipe kind: beside whose networks the new ones stand.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="Working folder of another recipe's --folds: its results go into the manifest, for comparison.", exists=True
        ),
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            help="Without --folds: working folder of --folds by the same recipe, whose results stand for it.", exists=True
        ),
    ] = None,
    live: Annotated[bool, typer.Option(help="Make the new version the live one.")] = True,
    jobs: Annotated[int, typer.Option(help="Networks trained at a time; 0 for one per core.", min=0)] = 0,
    search: Annotated[
        bool,
        typer.Option("--search", help="Instead, compare the networks that the paper chose from (docs/models.md)."),
    ] = False,
    with_atypical: Annotated[
        bool,
        typer.Option("--with-atypical", help="With --search: folds have the atypical scans too, as --folds has them."),
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="With --search: scheduler of a dask cluster (docs/batch.md)."),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the curves as events for TensorBoard, into OUT/tensorboard.")
    ] = False,
    mlflow: Annotated[
        str | None, typer.Option(metavar="URI", help="Also send the curves to this tracking server or store of MLflow.")
    ] = None,
    go_on: Annotated[bool, typer.Option("--go-on", help="With --studies: go on with the session that was stopped.")] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="With --studies: budget, guards, see docs/retraining.md; repeatable."),
    ] = None,
) -> None:
    """Train a disease-region ensemble and publish it as a new version."""
    if studies is not None:
        retrain(studies, data, model_dir, change or [], steps=steps, go_on=go_on)
        return
    model_dir = model_dir or MODEL_DIR
    if data is None or out is None:
        raise typer.BadParameter("pass --data DATA --out WORK, or --studies FOLDER.")
    from datetime import UTC, datetime

    from ..cores import available_cores
    from ..errors import InputError
    from ..nets.recipes import PLANS
    from ..studies.labelled import find_labelled
    from ..training.initial_weights import RESULT, Start
    from ..training.tracking import trackers
    from ..training.training_session import Wanted, read_results, train_ensemble
    from ..training.version import NewVersion, publish_trained
    from ..versions import read_version

    if recipe not in PLANS:
        raise InputError(f"There is no recipe {recipe!r}; choose one of {', '.join(PLANS)}.")
    if steps is not None and cpu_minutes is not None:
        raise InputError("Both --steps and --cpu-minutes were given; choose one budget.")
    if search and (network or tensorboard or mlflow):
        raise InputError("--search trains the paper's networks into a table; leave out --network, --tensorboard and --mlflow.")
    if search:
        run_search(
            data, out, steps=steps, cpu_minutes=cpu_minutes, members=members or 1, jobs=jobs, cluster=cluster,
            atypical=with_atypical,
        )  # fmt: skip
        return
    if with_atypical:
        raise InputError("--with-atypical is for --search; leave it out, --folds and the ensemble learn them anyway.")
    if cluster is not None:
        raise InputError("--cluster is for --search; leave it out, or search.")
    created = datetime.now(UTC)
    version = version or f"{network or recipe}-{created:%Y%m%d-%H%M%S}"
    if ensemble and (model_dir / "versions" / version).exists():
        raise InputError(f"Version {version} exists in {model_dir}; versions are never overwritten, choose another id.")
    if parent is not None:
        read_version(model_dir, parent)
    if folds and measured is not None:
        raise InputError("--measured is for a training without --folds, which measures for itself; leave one of them out.")
    other, folds_elsewhere = (None if work is None else read_results(work) for work in (baseline, measured))
    asked: dict[str, float] = {name: n for name, n in (("steps", steps), ("cpu_minutes", cpu_minutes)) if n is not None}
    plan = PLANS[recipe] if members is None else PLANS[recipe].first(members)
    if plan.kind and (network or with_test or start_folds or baseline or measured):
        raise InputError(
            f"The recipe {recipe} goes on from the networks of --start, and its folds are all that measures it: leave out "
            "--network, --with-test, --start-folds, --baseline and --measured."
        )
    if network is not None or network_args is not None:
        plan = _with_network(plan, network, network_args)
    begun = Start(model_dir, start, start_folds) if start or start_folds else None
    wanted = Wanted(plan, asked, folds, ensemble, jobs or available_cores(), with_test, first_folds, begun)
    try:
        tracking = trackers(out, tensorboard=tensorboard, mlflow=mlflow, name=plan.name, warn=partial(typer.echo, err=True))
        with training_progress() as shown, tracking as track:
            display = _Display(shown)

            def progressed(network: Network, progress: Progress) -> None:
                display.progress(network, progress)
                track(network)

            trained = train_ensemble(find_labelled(data), out, wanted, on_progress=progressed, on_measured=display.measured)
    except KeyboardInterrupt:
        typer.echo(f"Interrupted. What was trained is kept in {out}: the same command goes on from there.", err=True)
        raise typer.Exit(130) from None
    if folds:
        typer.echo(f"Cross-validation: {out / RESULT}")
    if trained.ensemble is not None:
        made = created.isoformat(timespec="seconds")
        new = NewVersion(version, made, code_version(), parent, live, baseline=other, measured=folds_elsewhere)
        published = publish_trained(trained, trained.ensemble, model_dir, new)
        typer.echo(f"Version {version} is {'live' if live else 'published, not live'}: {published.folder}")


def _with_network(plan: Plan, network: str | None, arguments: str | None) -> Plan:
    """The plan with networks of MONAI.

    Raises
    ------
    InputError
        Arguments without a network, or such that are no JSON object.
    ModelError
        There is no such network, or not with these arguments.
    """
    import json

    from ..errors import InputError
    from ..nets.named import slice_layout

    if network is None:
        raise InputError("--network-args are those of --network; pass that too.")
    try:
        given = json.loads(arguments or "{}")
    except ValueError as error:
        raise InputError(f"--network-args is not JSON ({error}); pass an object such as '{{\"init_filters\": 16}}'.") from error
    if not isinstance(given, dict):
        raise InputError("--network-args must be a JSON object such as '{\"init_filters\": 16}'.")
    return plan.with_network(slice_layout(network, given))


class _Display:
    """The progress of training, on the terminal."""

    def __init__(self, shown: TrainingProgress) -> None:
        self._progress_shown = shown

    def progress(self, network: Network, progress: Progress) -> None:
        self._progress_shown.show(network.name, progress.step, progress.steps, _line(progress))

    def measured(self, group: str, measured: Mapping[str, Measured]) -> None:
        from ..studies.labelled import LabelledCase
        from ..training.results import summary

        reached = summary("", measured, [LabelledCase(case_id, Path()) for case_id in measured])
        if reached is None:
            return
        cases = ", ".join(f"{case} {entry['mean_slice_dice']:.3f}" for case, entry in reached["cases"].items())
        members = ", ".join(f"{dice:.3f}" for dice in reached["member_mean_slice_dice"])
        self._progress_shown.log_line(
            f"{group} measured: mean slice Dice {reached['mean_slice_dice']:.4f}, lowest {reached['lowest_slice_dice']:.3f}; "
            f"members {members}; {cases}"
        )


def _line(progress: Progress) -> str:
    held_out = "" if progress.validation_dice != progress.validation_dice else f", held out {progress.validation_dice:.3f}"
    return f"loss {progress.loss:.3f}, soft Dice {progress.soft_dice:.3f}{held_out}, {progress.left_s / 60:.0f} min left"
