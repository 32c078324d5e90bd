"""Variables of the environment for the processes that are started meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def variables_set(wished: Mapping[str, str]) -> Iterator[None]:
    """Set these variables of this process, and put them back as they were."""
    before = {name: os.environ.get(name) for name in wished}
    os.environ |= wished
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
