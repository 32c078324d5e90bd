"""All commands, and how they end: 0 done, 1 a bug (with its traceback), 2 a request that cannot be served, 130 interrupted."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..errors import VhiError
from ..provenance import code_version
from .archive import archive
from .batch import batch
from .check_studies import check_studies
from .cohort import cohort
from .data import data
from .demo import demo
from .dicomize import dicomize
from .disease_region import disease_region
from .evaluate import evaluate
from .measure import measure
from .models import models
from .nifti_header import nifti_header
from .phantom import phantom
from .reproduce import reproduce
from .retrain import quarantine
from .serve import serve
from .settings import settings
from .sparcc import sparcc
from .train import train
from .train_cleaning import train_cleaning
from .trial import trial
from .users import users

_OBJECTS_BETWEEN_COLLECTIONS = 50_000
# where the table goes: a full disk under a redirected output is no bug
_FULL = (errno.ENOSPC, errno.EDQUOT)


class OneSentence(TyperGroup):
    """Expected problems end in one sentence on the error stream; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # as while all was imported
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except VhiError as error:
            typer.echo(" ".join(str(error).split()), err=True)
            raise typer.Exit(2) from error
        except ModuleNotFoundError as error:
            package = (error.name or "lib").split(".")[0]
            if package == __name__.split(".")[0]:
                raise
            typer.echo(
                f"This command needs the Python package {package}, which is not installed; those of the server are extra. "
                "Run make setup in a clone, or install what docs/deploy.md names.",
                err=True,
            )
            raise typer.Exit(2) from error
        except OSError as error:
            if error.errno not in _FULL:
                raise
            typer.echo(f"The output cannot be written: {error.strerror}. Free some space, or choose another place.", err=True)
            with suppress(OSError):  # or Python tries again when it ends, and ends with 120
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            typer.echo("Interrupted; nothing was written.", err=True)
            raise typer.Exit(130) from error


app = typer.Typer(
    cls=OneSentence,
    help="Volume of hyperintense inflammation (VHI) of the sacroiliac joints, from T1W and STIR MRI. Research use only.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help answers in half the time
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"{sys.argv[0]} {code_version()}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is, and end.")
    ] = False,
) -> None:
    """The options of every command."""


app.command("measure")(measure)
app.command("batch")(batch)
app.command("disease-region")(disease_region)
app.command("cohort")(cohort)
app.command("evaluate")(evaluate)
app.command("reproduce")(reproduce)
app.command("settings")(settings)
app.command("phantom")(phantom)
app.command("trial")(trial)
app.command("check-studies")(check_studies)
app.command("dicomize")(dicomize)
app.command("nifti-header")(nifti_header)
app.command("train")(train)
app.command("train-cleaning")(train_cleaning)
app.command("serve")(serve)
app.command("archive")(archive)
app.command("demo")(demo)
app.add_typer(data, name="data")
app.add_typer(models, name="models")
app.add_typer(quarantine, name="quarantine")
app.add_typer(sparcc, name="sparcc")
app.add_typer(users, name="users")


def main(name: str = "main.py") -> None:
    """Run the command line.

    Parameters
    ----------
    name : str
        How it was called: help and provenance say it.
    """
    sys.argv[0] = name
    # what a start imports is no garbage; looking through it every 700 objects, as Python 3.11 does, takes a tenth of a command
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 10, 10)
    # nor is it looked through, three times, as the process ends
    atexit.register(gc.freeze)
    # nothing here is large enough for numpy's threads, which look for work in circles; OpenVINO and torch have their own
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # a terminated command unwinds like an interrupted one, so that no half-written folder stays behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asked_for(sys.argv[1:])(prog_name=name)


def asked_for(words: Sequence[str]) -> typer.Typer:
    """The command line with the command alone that these words begin with; all of it where they begin with none.

    Each of the forty commands takes its share of a tenth of a second to be made, and one of them runs.
    """
    command = [registered for registered in app.registered_commands if words and registered.name == words[0]]
    if not command:
        return app
    alone = copy(app)
    alone.registered_commands, alone.registered_groups = command, []
    return alone
