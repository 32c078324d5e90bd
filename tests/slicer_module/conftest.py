"""3D Slicer's module over stand-ins, and two real servers: one as `make demo` starts it, one with accounts and a blinded study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.cli.phantom import write_phantom
from lib.post_transforms.chain_file import PAPER_FILE
from phantoms_once import phantom_once
from serving import APP, Server, serving
from slicer_client import Slicer, slicer_modules
from standin import write_known_accounts

# the smallest on which networks and proposal work; one scan under several names
SHAPE = (224, 224, 13)
CASES = ("miller", "smith", "jones", "brown")
STRICT = {"_target_": "vhi.transforms.DropSmallComponentsd", "keys": "grade", "min_pixels": 8}


@pytest.fixture(scope="session")
def module() -> Iterator[Any]:
    """`MONAILabel.py` of the installed wheel."""
    with slicer_modules() as loaded:
        yield loaded


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One phantom, with its truth."""
    folder = tmp_path_factory.mktemp("scan") / "phantom"
    write_phantom(phantom_once(3, SHAPE), folder)
    return folder


def studies_of(scan: Path, folder: Path) -> Path:
    for case in CASES:
        shutil.copytree(scan, folder / case)
    return folder


def command(studies: Path, *words: str) -> list[str]:
    return [str(APP), "serve", "--studies", str(studies), "--port", "{port}", *words]


@pytest.fixture(scope="session")
def server(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As `make demo` starts it: no accounts, this machine alone. A chain of the site can be chosen; readings begin with the paper's."""
    work = tmp_path_factory.mktemp("open")
    studies = studies_of(scan, work / "studies")
    strict = work / "strict.json"
    strict.write_text(json.dumps({"postprocessing": [STRICT]}))
    chains = ("--post-transforms", str(PAPER_FILE), "--post-transforms", str(strict))
    with serving(studies, work, command=command(studies, "--set", "several_readers=true", *chains)) as running:
        yield running


@pytest.fixture(scope="session")
def guarded(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With accounts, and a study in which nobody may learn which case it is."""
    work = tmp_path_factory.mktemp("guarded")
    studies = studies_of(scan, work / "studies")
    accounts = work / "accounts.json"
    write_known_accounts(accounts)
    words = ("--accounts", str(accounts), "--set", "blinded=true")
    with serving(studies, work, command=command(studies, *words)) as running:
        yield running


@pytest.fixture
def slicer(module, tmp_path) -> Iterator[Callable[..., Slicer]]:
    """Opens the module, connected as a reader who has set their name: `slicer("anna")`."""
    made: list[Slicer] = []

    def start(server: Server, reader: str | None = None, login: tuple[str, str] | None = None) -> Slicer:
        (tmp_path / "cache").mkdir(exist_ok=True)
        opened = Slicer(module, tmp_path / "cache")
        made.append(opened)
        opened.setting("autoRunSegmentationOnNextSample", False)
        if login:
            opened.log_in_as(*login)
        opened.connect(server.url, reader)
        return opened

    yield start
    for one in made:
        one.module.cleanup()
