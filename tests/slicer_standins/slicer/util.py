"""Stand-in for `slicer.util`: what is shown to the user is kept in `shown`, for tests to read."""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ctk
import qt
import SimpleITK as sitk

shown: list[tuple[str, str, str]] = []  # kind, text, what unfolds under "Show details"
questions: list[str] = []  # all are answered with OK


def errorDisplay(text: str, detailedText: str = "") -> None:
    shown.append(("error", text, detailedText))


def warningDisplay(text: str, detailedText: str = "") -> None:
    shown.append(("warning", text, detailedText))


def infoDisplay(text: str, detailedText: str = "") -> None:
    shown.append(("info", text, detailedText))


def confirmOkCancelDisplay(text: str, dontShowAgainSettingsKey: str = "") -> bool:
    questions.append(text)
    return True


def settingsValue(key: str, default: Any, converter: Callable[[Any], Any] = lambda value: value) -> Any:
    settings = qt.QSettings()
    return converter(settings.value(key)) if settings.contains(key) else default


def toBool(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes")


def tempDirectory(key: str) -> str:
    return tempfile.mkdtemp(prefix=key)


def loadUI(path: str) -> qt.QWidget:
    """The widgets of a Qt Designer file, by their names, ticked as the file says."""
    root = qt.QWidget()
    root.named = {one.attrib["name"]: _widget(one) for one in ET.parse(path).getroot().iter("widget")}
    return root


def _widget(element: ET.Element) -> qt.QWidget:
    name = element.attrib["class"]
    made = getattr(qt, name, None) or getattr(ctk, name, qt.QWidget)
    widget = made()
    for one in element.findall("property"):
        if one.attrib["name"] in ("checked", "enabled"):
            setattr(widget, one.attrib["name"], one.findtext("bool") == "true")
    return widget


def childWidgetVariables(widget: qt.QWidget) -> SimpleNamespace:
    return SimpleNamespace(**widget.named)


def createProgressDialog(windowTitle: str, maximum: int) -> qt.QWidget:
    return qt.QWidget()


def getNodesByClass(name: str) -> list[Any]:
    return _scene().nodes_of(name)


def loadVolume(path: str, name: str = "") -> Any:
    """A series from a file; by default it is called as the file is, as Slicer does."""
    from .nodes import volume_of, vtkMRMLScalarVolumeNode

    node = volume_of(sitk.ReadImage(path), vtkMRMLScalarVolumeNode())
    node.SetName(name or path.rpartition("/")[2].partition(".nii")[0])
    return _scene().AddNode(node)


def saveNode(node: Any, path: str) -> bool:
    sitk.WriteImage(node.image(), path)
    return True


def _scene() -> Any:
    import slicer

    return slicer.mrmlScene


class VTKObservationMixin:
    def __init__(self) -> None:
        self._observed: list[tuple[Any, str, int]] = []

    def addObserver(self, observed: Any, event: str, method: Callable[..., Any]) -> None:
        self._observed.append((observed, event, observed.AddObserver(event, method)))

    def removeObserver(self, observed: Any, event: str, method: Callable[..., Any]) -> None:
        for one, name, tag in [one for one in self._observed if one[0] is observed and one[1] == event]:
            one.RemoveObserver(tag)
            self._observed.remove((one, name, tag))

    def removeObservers(self) -> None:
        for observed, _, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed = []
