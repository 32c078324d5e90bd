"""Stand-in for `slicer.ScriptedLoadableModule`: the base classes of modules."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import qt

from .nodes import ParameterNode

__all__ = ["ScriptedLoadableModule", "ScriptedLoadableModuleLogic", "ScriptedLoadableModuleTest", "ScriptedLoadableModuleWidget"]


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    folder = Path()  # of the module

    def __init__(self, parent: Any = None) -> None:
        self.parent = parent or SimpleNamespace(isEntered=True)
        self.layout = qt.QVBoxLayout()

    def setup(self) -> None:
        pass

    def resourcePath(self, name: str) -> str:
        return str(self.folder / "Resources" / name)


class ScriptedLoadableModuleLogic:
    def getParameterNode(self) -> ParameterNode:
        import slicer

        return slicer.mrmlScene.GetSingletonNode("module", "ParameterNode") or slicer.mrmlScene.AddNewNodeByClass("ParameterNode")


class ScriptedLoadableModuleTest:
    pass
