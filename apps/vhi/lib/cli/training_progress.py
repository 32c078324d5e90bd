"""How far networks are, shown while they train: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


class TrainingProgress:
    """One bar per network."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console, self._progress = console, progress
        self._tasks: dict[str, int] = {}

    def show(self, name: str, step: int, steps: int, line: str) -> None:
        """Move a network's bar; it disappears at the end, when the line stays."""
        from rich.progress import TaskID

        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=steps, text="")
        ended = step == steps
        self._progress.update(TaskID(self._tasks[name]), completed=step, text=line, visible=not ended)
        if ended or not self._console.is_terminal:
            self.log_line(f"{name} {step}/{steps} {line}")

    def log_line(self, text: str) -> None:
        """A line above the bars."""
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)


@contextmanager
def training_progress() -> Iterator[TrainingProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console()
    counter = TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[text]}")
    hidden = not console.is_terminal
    with Progress(TextColumn("{task.description:16}"), BarColumn(), counter, console=console, disable=hidden) as progress:
        yield TrainingProgress(console, progress)
