"""Imports put off until somebody uses what they bring: MONAI Label imports much, as it starts, that no request here ever calls.

While MONAI Label is imported, the modules below are empty stand-ins; what is taken from them by name is a `PostponedName`. After
that the stand-ins are gone: `import torch` brings torch. Whoever uses a stand-in or a name, MONAI Label above all, has
the real module imported then, and goes on with what is really in it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# What MONAI Label imports for bundles, for its own datastores, for a cloud, and to ask for the graphics card.
MONAI_LABEL_POSTPONES = (
    "torch",
    "monai",
    "monailabel.tasks.train.bundle",
    "monailabel.datastore.dicom",
    "monailabel.datastore.dsa",
    "monailabel.datastore.local",
    "monailabel.datastore.xnat",
    "monailabel.datastore.utils.convert",
    "dicomweb_client",
    "google.auth",
)


class PostponedName:
    """A name taken from a postponed module: a function, a class, a value. The module is imported at the first use."""

    def __init__(self, module: PostponedModule, name: str) -> None:
        self._module, self._name = module, name

    def _real(self) -> Any:
        return getattr(self._module._real(), self._name)

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._real()(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._real(),)

    def __instancecheck__(self, value: object) -> bool:
        # nothing is an instance of a class that was never made
        return self._module._is_imported() and isinstance(value, self._real())


class PostponedModule(ModuleType):
    """The stand-in of a module."""

    def __init__(self, name: str, finder: _PostponedFinder) -> None:
        super().__init__(name)
        self._finder = finder

    def _is_imported(self) -> bool:
        return not isinstance(sys.modules.get(self.__name__, self), PostponedModule)

    def _real(self) -> ModuleType:
        self._finder.end()
        return importlib.import_module(self.__name__)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by the import itself
            raise AttributeError(name)
        return PostponedName(self, name) if self._finder.active else getattr(self._real(), name)


class _PostponedFinder(MetaPathFinder, Loader):
    """Finds a stand-in for each of some modules, and for all below them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names, self._made, self.active = tuple(names), dict[str, PostponedModule](), True

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if self.active and any(fullname == name or fullname.startswith(f"{name}.") for name in self._names):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._made.setdefault(spec.name, PostponedModule(spec.name, self))

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""

    def end(self) -> None:
        """From here on, imports are what they say."""
        if not self.active:
            return
        self.active = False
        sys.meta_path.remove(self)
        for name, module in self._made.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


@contextmanager
def postponed(names: Sequence[str]) -> Iterator[None]:
    """Within it, importing these modules, or what is below them, brings stand-ins; one that is imported already stays.

    A stand-in that is used within it, as by a class that inherits from what it brings, ends it for all: the start takes longer
    then, and nothing else changes.

    Parameters
    ----------
    names : sequence of str
        Full names of modules.
    """
    finder = _PostponedFinder([name for name in names if name not in sys.modules])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        finder.end()
