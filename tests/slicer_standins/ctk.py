"""Stand-in for Slicer's `ctk`."""

from __future__ import annotations

from typing import Any

from qt import QComboBox, QLineEdit, QWidget


class ctkSettingsPanel(QWidget):
    """Keeps what is registered: the keys under which the program stores what the user enters."""

    def registerProperty(self, key: str, widget: Any, name: str, signal: str) -> None:
        self.__dict__.setdefault("properties", {})[key] = widget


class ctkBooleanMapper(QWidget):
    def __init__(self, widget: Any, name: str, signal: str) -> None:
        super().__init__()
        self.widget = widget


class ctkPathLineEdit(QLineEdit):
    currentPath = ""


ctkCollapsibleButton = ctkCollapsibleGroupBox = ctkSliderWidget = QWidget
ctkComboBox = QComboBox
