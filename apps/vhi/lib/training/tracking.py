"""Learning curves in the tools that people have: events for TensorBoard, a run of MLflow.

Both read the curve that a network's training keeps, so that a training that was interrupted shows as one. Neither package is
needed otherwise, nor imported.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..nets.fit import Progress
from .network_training import NetworkTraining, NewReports

EVENTS = "tensorboard"
_NOT_METRICS = ("step", "steps")
Track = Callable[[NetworkTraining], None]


@contextmanager
def trackers(out: Path, *, tensorboard: bool, mlflow: str | None, name: str, warn: Callable[[str], None]) -> Iterator[Track]:
    """The listeners to each network's progress.

    Parameters
    ----------
    out : Path
        Working folder of the training; events go into `tensorboard/<group>/<member>` there, and are written anew by each call.
    mlflow : str, optional
        Tracking URI of MLflow.
    name : str
        Of the recipe: the experiment's name in MLflow.
    warn : callable
        Told in one sentence when MLflow fails later on; the training goes on without it.

    Raises
    ------
    InputError
        A package is not installed, or MLflow cannot be reached at the start.
    """
    with ExitStack() as closing:
        listeners: list[Track] = []
        if tensorboard:
            _check_installed("tensorboard", "--tensorboard")
            listeners.append(closing.enter_context(_tensorboard(out / EVENTS)))
        if mlflow is not None:
            _check_installed("mlflow", "--mlflow")
            listeners.append(closing.enter_context(_mlflow(mlflow, name, warn)))

        def track(network: NetworkTraining) -> None:
            for listener in listeners:
                listener(network)

        yield track


def _check_installed(package: str, option: str) -> None:
    if find_spec(package) is None:
        raise InputError(f"{option} needs the package {package}, which is not installed: pip install {package} (docs/monai.md).")


@contextmanager
def _tensorboard(folder: Path) -> Iterator[Track]:
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder, ignore_errors=True)
    writers: dict[str, Any] = {}
    new = NewReports()

    def track(network: NetworkTraining) -> None:
        if network.name not in writers:  # each writer opens a file and a thread
            writers[network.name] = SummaryWriter(str(folder / network.name))
        writer = writers[network.name]
        for point in new(network):
            for key, value in _metrics(point).items():
                writer.add_scalar(key, value, point.step)
        writer.flush()

    try:
        yield track
    finally:
        for writer in writers.values():
            writer.close()


@contextmanager
def _mlflow(uri: str, name: str, warn: Callable[[str], None]) -> Iterator[Track]:
    import mlflow

    try:
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(f"vhi {name}")
        client, experiment = mlflow.MlflowClient(), mlflow.get_experiment_by_name(f"vhi {name}")
    except Exception as error:  # of its store or its connection, which are many
        raise InputError(f"MLflow cannot write to {uri} ({error}); check the address of --mlflow.") from error
    runs: dict[str, str] = {}
    new = NewReports()

    def send(network: NetworkTraining) -> None:
        if network.name not in runs:
            run = client.create_run(experiment.experiment_id, run_name=network.name)
            runs[network.name] = run.info.run_id
            for key, value in {**network.recipe.as_dict(), "seed": network.seed}.items():
                client.log_param(run.info.run_id, key, value)
        for point in new(network):
            for key, value in _metrics(point).items():
                client.log_metric(runs[network.name], key, value, step=point.step)

    attempt = _until_failure(f"MLflow at {uri}", warn)
    ended = "KILLED"
    try:
        yield lambda network: attempt(send, network)
        ended = "FINISHED"
    finally:
        for run_id in runs.values():
            attempt(client.set_terminated, run_id, ended)


def _until_failure(receiver: str, warn: Callable[[str], None]) -> Callable[..., None]:
    """A way to call functions that stops at the first failure: no training of hours ends because a server went away."""
    failed = False

    def attempt(send: Callable[..., Any], *arguments: Any) -> None:
        nonlocal failed
        if failed:
            return
        try:
            send(*arguments)
        except Exception as error:  # of a store or a connection, which are many
            failed = True
            reason = " ".join(str(error).split())[:200].rstrip(".")
            warn(
                f"{receiver} failed ({reason}): nothing more is sent to it. The training goes on; its curves are in the files "
                "curve.csv."
            )

    return attempt


def _metrics(point: Progress) -> dict[str, float]:
    return {key: value for key, value in asdict(point).items() if key not in _NOT_METRICS and not math.isnan(value)}
