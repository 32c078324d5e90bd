"""Where the real scans are, what a test needs of them, and how tests are shared out to processes (`make test`)."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import phantoms_once
import serving
from programs import forks

# a rerun tries the same examples
settings.register_profile("seeded", derandomize=True)
settings.load_profile("seeded")

# the networks of tests are tiny: several threads in one operation would only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")

# what stays in one process: folders whose tests share a server, an archive or trained networks. Where several name a file, the
# first counts. What takes minutes comes first
TOGETHER = (
    "tests/ohif/",
    "tests/retraining/",
    "tests/pacs/",
    "tests/app/test_training.py",
    "tests/cli/test_train.py",
    "tests/core/test_plausibility.py",
    "tests/app/",
    "tests/slicer_module/",
    "tests/archive/",
    "tests/service/",
)

# of those folders, what starts servers of its own and so need not wait for the others
ALONE = "accessible beside blinded keyboard language node prefix review sign_on_page training worklist"
APART = tuple(f"tests/ohif/test_{name}.py" for name in ALONE.split())

# a shell that runs the tests in the background makes them, and the programs that they interrupt, deaf to Ctrl-C
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def vhi_data() -> Path:
    """The folder of real scans."""
    return Path(os.environ["VHI_DATA"])


@pytest.fixture(scope="session", autouse=True)
def servers_forked() -> Iterator[None]:
    """Servers start from a process that has imported the libraries of others, in a fifth of the time (`programs.py`)."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(serving, "START", lambda *asked: forks().start(*asked))
        yield


@pytest.fixture(scope="session", autouse=True)
def disk_not_waited_for() -> Iterator[None]:
    """Nothing here cuts the power: what is written need not have reached the disk, which takes milliseconds a file."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def phantoms_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder for all processes of the run, see `phantoms_once.py`."""
    folder = folder_of_run(tmp_path_factory, "phantoms-made-once")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(phantoms_once.FOLDER, str(folder))
        yield


@pytest.fixture(scope="session")
def made_phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gate's phantoms are kept, see `pooling.small_reference`."""
    return folder_of_run(tmp_path_factory, "made-phantoms")


def folder_of_run(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """One folder for all processes of the run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def forking_context(made_phantoms: Path) -> Any:
    from pooling import forking

    return forking(made_phantoms)


@pytest.fixture
def forked_pools(made_phantoms: Path, forking_context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training processes are forked from one that has imported torch, and the gate's phantoms are small ones, made once."""
    from pooling import small_reference

    monkeypatch.setattr("lib.training.process_pool.get_context", lambda method: forking_context)
    monkeypatch.setattr("lib.retraining.phantom_regression.reference_phantom", partial(small_reference, made_phantoms))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Processes of `pytest -n auto`: the cores that this one may use and one more, as browsers and servers are often waited for."""
    from lib.cores import usable_cores

    return usable_cores() + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares out folders and files; the marks by which pytest-xdist 3.8 keeps tests together are not seen under pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Scheduling(config, log)


def group_of(nodeid: str) -> str:
    """The entry of TOGETHER that names a test, or else its file."""
    return next((name for name in (*APART, *TOGETHER) if nodeid.startswith(name)), nodeid.partition("::")[0])


def pytest_collection_finish() -> None:
    """Objects of imported modules stay to the end: the garbage collector need not look through them again and again."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_without_data(items)
    if "PYTEST_XDIST_WORKER" in os.environ:
        places = {name: place for place, name in enumerate((*TOGETHER, *APART))}
        items.sort(key=lambda item: places.get(group_of(item.nodeid), len(places)))


def skip_without_data(items: list[pytest.Item]) -> None:
    """Skip tests of real scans, with the reason, where there are none."""
    folder = os.environ.get("VHI_DATA")
    if folder and Path(folder).is_dir():
        return
    reason = "VHI_DATA is not set: it names the folder of real scans" if not folder else f"VHI_DATA={folder} is no folder"
    for item in items:
        if "data" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))
