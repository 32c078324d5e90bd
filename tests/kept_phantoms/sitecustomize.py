"""Python runs this as it starts where the folder is on PYTHONPATH: the processes that train for a server of the tests.

In place of the gate's phantoms they read smaller ones from the folder that their environment names, see `pooling.py`.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any


class Keeping(MetaPathFinder):
    """Sees to it when the gate's phantoms are imported, and not before: most programs never do."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != "lib.retraining.phantom_regression":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        assert spec
        assert spec.loader
        plain = spec.loader.exec_module

        def executed(module: Any) -> None:
            plain(module)
            from pooling import PHANTOMS, small_reference

            module.reference_phantom = partial(small_reference, Path(os.environ[PHANTOMS]))

        spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Keeping())
