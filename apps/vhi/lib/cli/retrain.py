"""`train --studies`: the ensemble learns from what readers of a server corrected; `quarantine`: labels that were set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..provenance import code_version
from .ensemble import MODEL_DIR
from .settings import parse_changes
from .training_progress import TrainingProgress, training_progress

if TYPE_CHECKING:
    from ..retraining.administrator_decisions import AdministratorDecisions
    from ..retraining.config import TrainConfig, TrainOptions

# as VhiService has it, which takes longer to import
DATA_FOLDER = ".vhi"
quarantine = typer.Typer(
    help="Labels that retraining set aside: list, release, set aside.", no_args_is_help=True, rich_markup_mode=None
)
_Data = Annotated[Path, typer.Option(help="The server's data folder: .vhi in the folder of studies by default.", exists=True)]


def retrain(
    studies: Path, data: Path | None, model_dir: Path | None, changes: Sequence[str], *, steps: int | None, go_on: bool
) -> None:
    """Begin a session from what readers of a folder of studies submitted, or go on with the one that waits; see it through.

    Raises
    ------
    VhiError
    """
    from ..readings.store import ReadingStore
    from ..retraining.patients import StudyCases
    from ..retraining.prepare import prepare
    from ..retraining.resuming import resume_with
    from ..retraining.retraining_session import run
    from ..studies.pairing import CaseFinder
    from ..versions.site import start_of

    data = data or studies / DATA_FOLDER
    values = parse_changes(changes, "docs/retraining.md lists the names")
    config, asked = _settings(values | ({} if steps is None else {"steps": str(steps)}))
    if not go_on:
        session = prepare(
            ReadingStore(data, read_only=True),
            StudyCases.of(data, CaseFinder(studies)),
            start_of(data, model_dir, MODEL_DIR),
            code_version=code_version(),
            config=config,
            options=asked,
        )
        typer.echo(f"{len(session.entries)} labelled cases, from version {session.parent}")
        for label in session.skipped:
            typer.echo(f"left out {label['case']}: {label['reason']}", err=True)
    else:
        resume_with(data, asked)
    try:
        with training_progress() as shown:
            result = run(data, on_progress=_Teller(shown))
    except KeyboardInterrupt:
        typer.echo("Interrupted. What was trained is kept: the same command with --go-on goes on from there.", err=True)
        raise typer.Exit(130) from None
    _print_result(result, data)


def _settings(given: Mapping[str, str]) -> tuple[TrainConfig, TrainOptions]:
    """The site's decisions and the wishes for this session, by name."""
    from ..core.setting import fields_from
    from ..retraining.config import TrainConfig
    from ..trainers.training_options import options_from

    config = fields_from(TrainConfig, given)
    options, _ = options_from({name: value for name, value in given.items() if name not in config})
    return TrainConfig(**config), options


def _print_result(result: Mapping[str, Any], data: Path) -> None:
    from ..errors import ModelError
    from ..retraining.retraining_folder import RetrainingFolder

    state = result["state"]
    if state == "stopped":
        typer.echo(f"Stopped. {result['message']}")
        return
    for case in result["held"]:
        typer.echo(f"set aside {case}: see `quarantine list --data {data}`", err=True)
    for what, comparison in result["compared"].items():
        typer.echo(f"{what}: {comparison['cases']} cases, mean Dice {comparison['mean_gain']:+.4f} against {result['parent']}")
    if state == "accepted":
        typer.echo(f"Version {result['version']} is {'live' if result['live'] else 'published, not live'}.")
        return
    why = " ".join(result["reasons"])
    if state in ("nothing", "waits"):
        raise ModelError(f"Nothing was learnt. {why}")
    place = RetrainingFolder(data).history / result["session"]
    raise ModelError(f"Version {result['version']} was rejected, {result['parent']} stays live. {why} Pictures: {place}")


@quarantine.command("list")
def list_held(data: _Data) -> None:
    """List the labels that were set aside, with the reasons."""
    from ..retraining.retraining_folder import RetrainingFolder

    held = RetrainingFolder(data).held()
    for label in held:
        typer.echo(f"{label['case']}  {label['submission']}  {' '.join(label['reasons'])}")
    if not held:
        typer.echo("No label is in quarantine.")


@quarantine.command("release")
def release(
    case: Annotated[str, typer.Argument(help="Case id.", show_default=False)],
    submission: Annotated[str, typer.Argument(help="Submission id, as listed.", show_default=False)],
    data: _Data,
) -> None:
    """Have a label learnt in the next session, whatever the check said; one that was never checked is checked there first."""
    state = decisions_of(data).release(case, submission)["state"]
    later = "; the next session checks it, which none has done yet" if state != "released" else ""
    typer.echo(f"released {submission} of case {case}{later}")


@quarantine.command("set-aside")
def set_aside(
    case: Annotated[str, typer.Argument(help="Case id.", show_default=False)],
    submission: Annotated[str, typer.Argument(help="Submission id.", show_default=False)],
    data: _Data,
) -> None:
    """Have a label not be learnt, also one that was released, trusted or learnt before."""
    decisions_of(data).set_aside(case, submission)
    typer.echo(f"set aside {submission} of case {case}")


quarantine.command("take-back", help="The same as set-aside, of a label that was released.")(set_aside)


def decisions_of(data: Path) -> AdministratorDecisions:
    """The decisions of the person at this terminal about a data folder."""
    import getpass

    from ..readings.audit import AuditLog
    from ..readings.store import ReadingStore
    from ..retraining.administrator_decisions import AdministratorDecisions
    from ..versions.site import start_of

    store = ReadingStore(data, read_only=True)
    return AdministratorDecisions(store, AuditLog(data / "audit.jsonl"), start_of(data, None, MODEL_DIR), getpass.getuser())


class _Teller:
    """Shows what a session reports, each thing once."""

    def __init__(self, shown: TrainingProgress) -> None:
        self._progress_shown = shown
        self._state = ""
        self._steps: dict[str, int] = {}

    def __call__(self, progress: Mapping[str, Any]) -> None:
        if progress["state"] != self._state:
            self._state = progress["state"]
            self._progress_shown.log_line(self._state)
        for member in progress.get("members", ()):
            if member["step"] != self._steps.get(member["name"], 0):
                self._steps[member["name"]] = member["step"]
                line = f"loss {member['loss']:.3f}, soft Dice {member['dice']:.3f}, {progress['left_s'] / 60:.1f} min left in all"
                self._progress_shown.show(member["name"], member["step"], member["steps"], line)
