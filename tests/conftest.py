"""Where the real scans are, and what a test needs of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# a rerun tries the same examples
settings.register_profile("seeded", derandomize=True)
settings.load_profile("seeded")

# the networks of tests are tiny: several threads in one operation would only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")

# a shell that runs the tests in the background makes them, and the programs that they interrupt, deaf to Ctrl-C
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def vhi_data() -> Path:
    """The folder of real scans."""
    return Path(os.environ["VHI_DATA"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    folder = os.environ.get("VHI_DATA")
    if folder and Path(folder).is_dir():
        return
    reason = "VHI_DATA is not set: it names the folder of real scans" if not folder else f"VHI_DATA={folder} is no folder"
    for item in items:
        if "data" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))
