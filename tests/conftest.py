"""Where the real scans are, what a test needs of them, and how tests are shared out to processes (`make test`)."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings

# a rerun tries the same examples
settings.register_profile("seeded", derandomize=True)
settings.load_profile("seeded")

# the networks of tests are tiny: several threads in one operation would only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")

# what takes minutes, the longest first: a folder whose tests share something, or a file
LONGEST = ("ohif", "retraining", "pacs", "app/test_training.py", "cli/test_train.py", "core/test_plausibility.py")

# a shell that runs the tests in the background makes them, and the programs that they interrupt, deaf to Ctrl-C
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def vhi_data() -> Path:
    """The folder of real scans."""
    return Path(os.environ["VHI_DATA"])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Processes of `pytest -n auto`: the cores that this one may use."""
    from lib.cores import usable_cores

    return usable_cores()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_without_data(items)
    if "PYTEST_XDIST_WORKER" in os.environ:
        share_out(items)


def share_out(items: list[pytest.Item]) -> None:
    """Keep together what shares something, and begin with what takes long: at the end no process waits long for another."""
    sharing = {item.path for item in items if shares_of_session(item)}
    groups = defaultdict(list)
    for item in items:
        name = item.path.parent.name if item.path in sharing else f"{item.path.parent.name}/{item.path.name}"
        item.add_marker(pytest.mark.xdist_group(name))
        groups[name].append(item)
    first = [name for name in LONGEST if name in groups]
    items[:] = [item for name in dict.fromkeys((*first, *groups)) for item in groups[name]]


def shares_of_session(item: pytest.Item) -> bool:
    """Whether a test takes what its folder makes once in a session: a server, an archive, trained networks."""
    fixtures = (known[-1] for known in item._fixtureinfo.name2fixturedefs.values())
    return any(one.scope == "session" and one.baseid.endswith(f"/{item.path.parent.name}") for one in fixtures)


def skip_without_data(items: list[pytest.Item]) -> None:
    """Skip tests of real scans, with the reason, where there are none."""
    folder = os.environ.get("VHI_DATA")
    if folder and Path(folder).is_dir():
        return
    reason = "VHI_DATA is not set: it names the folder of real scans" if not folder else f"VHI_DATA={folder} is no folder"
    for item in items:
        if "data" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))
