"""The work of a command's workers, shown while they do it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..batch.workers import Case, Outcome


@contextmanager
def batch_progress(what: str, total: int, result: Callable[[Case], str]) -> Iterator[Callable[[Outcome[Case]], None]]:
    """A bar on a terminal, else one line per case that ended, with its result; failures are always said."""
    if not sys.stderr.isatty():
        count = 0

        def line(outcome: Outcome[Case]) -> None:
            nonlocal count
            count += 1
            typer.echo(f"{count}/{total}  {outcome.case.name}  {outcome.failure or result(outcome.case)}")
            _unexpected(outcome)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)

        def advance(outcome: Outcome[Case]) -> None:
            bar.advance(task)
            if outcome.failure:
                bar.console.print(f"{outcome.case.name}: {outcome.failure}", markup=False, highlight=False, soft_wrap=True)
            _unexpected(outcome)

        yield advance


def _unexpected(outcome: Outcome[Case]) -> None:
    if outcome.unexpected:
        typer.echo(outcome.unexpected, err=True)
