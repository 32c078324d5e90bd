"""An embedded archive for a test, and objects to store in it; helpers are in `tests/embedded.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded import Served, make_objects
from lib.archive import EmbeddedArchive, open_archive

# they look through their folder only when a test says so
QUIET = {"look_every_s": 1e6}


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files by what they hold, see `make_objects`."""
    return make_objects(tmp_path_factory.mktemp("coders"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts archives."""
    running: list[EmbeddedArchive] = []

    def start(folder: Path | None = None, **options: Any) -> Served:
        folder = folder or tmp_path / "archive"
        folder.mkdir(exist_ok=True)
        running.append(open_archive(folder, **{**QUIET, **options}).start())
        return Served(running[-1], folder)

    yield start
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An archive for all tests of a module: it is filled once, and then only read."""
    folder = tmp_path_factory.mktemp("archive")
    running = open_archive(folder, **QUIET).start()
    yield Served(running, folder)
    running.stop()


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    """An empty archive."""
    return serve()
