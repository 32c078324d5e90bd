"""Stand-in for `slicer`, as far as the MONAI Label module needs it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from . import util  # noqa: F401  (the module reaches it as slicer.util)
from .nodes import vtkMRMLMarkupsNode, vtkMRMLSegmentEditorNode  # noqa: F401
from .scene import Scene
from .segmentations import SegmentationsLogic


class _Application:
    """The program: where it caches downloads, and its settings dialog."""

    cache = ""

    def connect(self, signal: str, slot: Any) -> None:
        self.after_startup = slot

    def processEvents(self) -> None:
        pass


mrmlScene = Scene()
app = _Application()
modules = SimpleNamespace(segmentations=SimpleNamespace(logic=SegmentationsLogic))
