"""One server over two phantom studies, for every test that only asks or adds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.cli.phantom import write_phantom
from phantoms_once import phantom_once
from serving import Server, as_program, serving

# the smallest on which networks and proposal work
SHAPE = (224, 224, 13)
CASES = {"p3": 3, "p4": 4}


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two cases, p3 and p4, each with its truth."""
    folder = tmp_path_factory.mktemp("studies")
    for case, seed in CASES.items():
        write_phantom(phantom_once(seed, SHAPE), folder / case)
    return folder


@pytest.fixture(scope="session")
def server(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over these studies, without login; a process as a site's, with what it imports late."""
    with serving(studies, tmp_path_factory.mktemp("work"), start=as_program) as running:
        yield running
