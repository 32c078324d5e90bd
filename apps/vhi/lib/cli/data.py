"""`data`: whether a server's data folder is whole, and what can be mended of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .ensemble import MODEL_DIR

if TYPE_CHECKING:
    from ..datafolder.check import Problem

data = typer.Typer(help="A server's data folder: check, repair.", no_args_is_help=True, rich_markup_mode=None)
_Folder = Annotated[Path, typer.Argument(help="The data folder that serve uses.", show_default=False)]


@data.command("check")
def check(folder: _Folder) -> None:
    """Check every file: hashes, records, audit log, networks, outbox; say what a restore must bring. Nothing is changed.

    A server may be using the folder. Ends with 0 where all is well, else with 2.
    """
    from ..datafolder.check import problems_of

    _print_problems(folder, problems_of(folder))


@data.command("repair")
def repair(
    folder: _Folder,
    studies: Annotated[Path | None, typer.Option(help="Folder of the studies; reports are made again from its scans.")] = None,
    model_dir: Annotated[Path, typer.Option(help="Folder of the trained ensemble.", show_default="the shipped one")] = MODEL_DIR,
) -> None:
    """Mend what can be made anew from what is whole, check again, and say what only a backup can bring. Stop the server first."""
    from ..datafolder.check import problems_of
    from ..datafolder.repair import repair_folder

    for line in repair_folder(folder, studies, model_dir):
        typer.echo(line)
    _print_problems(folder, problems_of(folder))


def _print_problems(folder: Path, problems: tuple[Problem, ...]) -> None:
    from ..errors import InputError

    for problem in problems:
        typer.echo(f"{problem.file}: {problem.reason}; {problem.remedy}.")
    if problems:
        restore = sum(problem.needs_backup for problem in problems)
        raise InputError(f"{folder}: damaged files: {len(problems)}, of which a restore must bring {restore}.")
    typer.echo(f"{folder}: every file is whole.")
