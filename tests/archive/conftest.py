"""An embedded archive for a test, and objects to store in it; helpers are in `tests/embedded.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from embedded import Served, make_objects
from lib.archive import EmbeddedArchive, open_archive

# they look through their folder only when a test says so
QUIET_S = 1e6


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files by what they hold, see `make_objects`."""
    return make_objects(tmp_path_factory.mktemp("coders"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts archives."""
    running: list[EmbeddedArchive] = []

    def start(folder: Path | None = None, look_every_s: float = QUIET_S, **options: Any) -> Served:
        folder = folder or tmp_path / "archive"
        folder.mkdir(exist_ok=True)
        running.append(replace(open_archive(folder, **options), look_every_s=look_every_s).start())
        return Served(running[-1], folder)

    yield start
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An archive for all tests of a module: it is filled once, and then only read."""
    folder = tmp_path_factory.mktemp("archive")
    running = replace(open_archive(folder), look_every_s=QUIET_S).start()
    yield Served(running, folder)
    running.stop()


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    """An empty archive."""
    return serve()
