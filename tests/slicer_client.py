"""3D Slicer's MONAI Label module, from the installed wheel, at work without the program: what a user does, and what they see.

The module's own code runs, `MONAILabel.py` and `MONAILabelLib`, over the stand-ins in `tests/slicer_standins`.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

STANDINS = Path(__file__).parent / "slicer_standins"
_NAMES = ("qt", "ctk", "vtk", "vtkSegmentationCore", "sitkUtils", "SampleData", "slicer", "MONAILabel", "MONAILabelLib")
# the sentence of a refusal, as MONAI Label's client hands it on
DETAIL = 'Response: {"detail": '
SECTIONS = {"models": "infer", "trainers": "train", "strategies": "activelearning"}


def module_folder() -> Path:
    """Where the wheel puts the module, below the prefix of the environment."""
    return Path(sys.prefix) / "monailabel/plugins/slicer/MONAILabel"


@contextmanager
def slicer_modules() -> Iterator[Any]:
    """The module `MONAILabel`, imported anew over the stand-ins, which are gone again afterwards."""
    paths, hidden = [str(STANDINS), str(module_folder())], sys.dont_write_bytecode
    sys.path[:0] = paths
    sys.dont_write_bytecode = True  # nothing is written into the environment
    try:
        yield importlib.import_module("MONAILabel")
    finally:
        sys.dont_write_bytecode = hidden
        sys.path[:] = [one for one in sys.path if one not in paths]
        for name in [one for one in sys.modules if one.partition(".")[0] in _NAMES]:
            del sys.modules[name]


class Slicer:
    """The program with the module open."""

    def __init__(self, module: Any, folder: Path) -> None:
        import qt
        import slicer
        from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget

        self.qt, self.slicer = qt, slicer
        qt.QSettings.values.clear()
        qt.QApplication.waiting = 0
        qt.QDialog.answer = staticmethod(lambda dialog: None)
        slicer.util.shown.clear()
        slicer.mrmlScene.__init__()
        slicer.app.cache = str(folder)
        ScriptedLoadableModuleWidget.folder = module_folder()
        self.module = module.MONAILabelWidget()
        self.module.setup()
        self.ui = self.module.ui

    # what is set once
    def setting(self, name: str, value: Any) -> None:
        self.qt.QSettings().setValue(f"MONAILabel/{name}", value)

    def log_in_as(self, name: str, password: str) -> None:
        """How the login dialog is answered from now on."""

        def answer(dialog: Any) -> None:
            dialog.ui.username.setText(name)
            dialog.ui.password.setText(password)
            dialog.ui.loginButton.click()

        self.qt.QDialog.answer = staticmethod(answer)

    def connect(self, url: str, reader: str | None = None) -> None:
        """Type the address, press the round arrow."""
        if reader:
            self.setting("clientId", reader)
        self.ui.serverComboBox.setCurrentText(url)
        self.press("fetchServerInfo")

    # what a reader does
    def press(self, button: str) -> None:
        getattr(self.ui, f"{button}Button").click()
        assert self.qt.QApplication.waiting == 0

    def next_sample(self, strategy: str = "first") -> None:
        choose(self.ui.strategyBox, strategy)
        self.press("nextSample")

    def run(self, model: str) -> None:
        choose(self.ui.segmentationModelSelector, model)
        self.press("segmentation")

    def click(self, voxel: Sequence[int], *, background: bool = False) -> None:
        """Place a point with the click tool, in the middle of a voxel of the series."""
        module = self.module
        points = module.dgNegativePointListNode if background else module.dgPositivePointListNode
        points.AddControlPoint((module._volumeNode.affine @ [*voxel, 1])[:3])

    def table_of(self, section: str, name: str) -> dict[str, Any]:
        """Open the option table of a model, strategy or trainer; the cells by key."""
        choose(self.ui.optionsSection, SECTIONS[section])
        choose(self.ui.optionsName, name)
        table = self.ui.configTable
        return {table.item(n, 0).text(): table.cellWidget(n, 1) or table.item(n, 1) for n in range(table.rowCount)}

    # what is to be seen
    def shown(self) -> list[tuple[str, str, str]]:
        """Message boxes since the last look: kind, text, what unfolds under "Show details"."""
        boxes = list(self.slicer.util.shown)
        self.slicer.util.shown.clear()
        return boxes

    def refusal(self) -> str:
        """The server's sentence in the one box that was shown since the last look."""
        ((kind, text, details),) = self.shown()
        assert kind == "error", text
        assert DETAIL in text, (text, details)
        return str(json.loads(text[text.index('{"detail"') :])["detail"])

    def saved(self) -> dict[str, Any]:
        """The answer to a submission, in the one box that was shown since the last look."""
        ((kind, text, details),) = self.shown()
        assert (kind, text) == ("info", "Label-Mask saved into MONAI Label Server"), (text, details)
        return dict(json.loads(details))

    def segments(self) -> dict[str, np.ndarray]:
        """`(I, J, K)` bool masks by name, in the order of the list."""
        return {one.name: one.mask for one in self.module._segmentNode.GetSegmentation().segments.values()}


def choose(box: Any, text: str) -> None:
    """Choose from a list as a user does: only its entries can be chosen."""
    index = box.findText(text)
    assert index >= 0, f"{text} is not on offer"
    box.setCurrentIndex(index)


def change(cell: Any) -> str | bool:
    """Change a cell of the option table, once; what it then holds."""
    if hasattr(cell, "setCurrentIndex"):
        cell.setCurrentIndex(cell.count - 1)
        return str(cell.currentText)
    if hasattr(cell, "setChecked"):
        cell.setChecked(not cell.checked)
        return bool(cell.checked)
    raise TypeError("what is typed into a text is the test's to say")
