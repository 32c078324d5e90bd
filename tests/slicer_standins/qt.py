"""Stand-in for Slicer's `qt`: the widgets that the MONAI Label module uses, with what they hold and the signals that they send.

As PythonQt does, texts come back as `str`, and a slot is given as many of a signal's arguments as it has parameters.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar


def call(slot: Callable[..., Any], *arguments: Any) -> None:
    """Call a slot as PythonQt does: with as many arguments as it takes, defaulted ones included."""
    takes = [one for one in inspect.signature(slot).parameters.values() if one.kind == one.POSITIONAL_OR_KEYWORD]
    slot(*arguments[: len(takes)])


class _Signal:
    def __init__(self, widget: QWidget, name: str) -> None:
        self._widget, self._name = widget, name

    def connect(self, slot: Callable[..., Any]) -> None:
        self._widget.connect(f"{self._name}()", slot)


class QWidget:
    """Any widget. What only changes its looks is taken and forgotten; anything else that is not known here is an error."""

    LOOKS = frozenset(
        [
            "setIcon",
            "setStyleSheet",
            "setMRMLScene",
            "setLayout",
            "addWidget",
            "addStretch",
            "addRow",
            "setSegmentationNodeSelectorVisible",
            "setSourceVolumeNodeSelectorVisible",
            "setWindowTitle",
            "setPlaceholderText",
            "setButtonsVisible",
            "activateWindow",
            "setColumnWidth",
            "setColumnCount",
            "setHorizontalHeaderLabels",
            "setMRMLSegmentEditorNode",
        ]
    )
    SIGNALS = frozenset({"clicked", "stateChanged", "currentIndexChanged", "toggled", "valueChanged", "timeout"})

    def __init__(self, *_: Any) -> None:
        self._slots: dict[str, list[Callable[..., Any]]] = defaultdict(list)
        self._blocked = False
        self.enabled = self.visible = True
        self.text = self.toolTip = self.title = ""
        self.value: Any = 0
        self.collapsed = self.buttonsVisible = self.placeModeEnabled = False
        self.node: Any = None

    def __getattr__(self, name: str) -> Any:
        if name in type(self).LOOKS:
            return lambda *_: None
        if name in type(self).SIGNALS:
            return _Signal(self, name)
        raise AttributeError(f"{type(self).__name__} of the stand-ins has no {name}")

    # signals
    def connect(self, signal: str, slot: Callable[..., Any]) -> None:
        self._slots[signal.partition("(")[0]].append(slot)

    def emit(self, signal: str, *arguments: Any) -> None:
        if not self._blocked:
            for slot in self._slots[signal]:
                call(slot, *arguments)

    def blockSignals(self, blocked: bool) -> bool:
        before, self._blocked = self._blocked, blocked
        return before

    def click(self) -> None:
        """Click as a user does; nothing happens where the button is grey or hidden."""
        if not (self.enabled and self.visible):
            raise AssertionError("that button cannot be pressed")
        self.emit("clicked", False)

    # what any widget may be told
    def setEnabled(self, enabled: Any) -> None:
        self.enabled = bool(enabled)

    def setVisible(self, visible: Any) -> None:
        self.visible = bool(visible)

    def show(self) -> None:
        self.visible = True

    def hide(self) -> None:
        self.visible = False

    def setText(self, text: str | None) -> None:
        self.text = str(text or "")

    def setToolTip(self, text: str) -> None:
        self.toolTip = str(text)

    def setValue(self, value: float) -> None:
        self.value = value

    # a place widget of Slicer's
    def placeButton(self) -> QWidget:
        return QWidget()

    deleteButton = placeButton

    def setPlaceModeEnabled(self, enabled: bool) -> None:
        self.placeModeEnabled = enabled

    def setCurrentNode(self, node: Any) -> None:
        self.node = node

    def currentNode(self) -> Any:
        return self.node

    # Slicer's segment editor
    def setSegmentationNode(self, node: Any) -> None:
        self.segmentation_node = node

    def setSourceVolumeNode(self, node: Any) -> None:
        self.source_volume_node = node


class QLineEdit(QWidget):
    Normal = 0


class QCheckBox(QWidget):
    checked = False

    def setChecked(self, checked: bool) -> None:
        self.checked = checked

    def checkState(self) -> int:
        return 2 if self.checked else 0


class QPushButton(QCheckBox):
    pass


class QComboBox(QWidget):
    """Changes of the index are told as Qt tells them: also the first entry of an empty box, and its clearing."""

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self._items: list[tuple[str, Any]] = []
        self._index = -1
        self._edited: str | None = None

    count = property(lambda self: len(self._items))
    currentIndex = property(lambda self: self._index)

    @property
    def currentText(self) -> str:
        return self._edited if self._edited is not None else self.itemText(self._index)

    @currentText.setter
    def currentText(self, text: str) -> None:
        self.setCurrentText(text)

    def addItem(self, *what: Any) -> None:
        """An icon may come first, and data last."""
        text, data = (*(what[1:] if isinstance(what[0], QIcon) else what), None)[:2]
        self._items.append((str(text), data))
        if self._index < 0:
            self.setCurrentIndex(0)

    def addItems(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.addItem(text)

    def clear(self) -> None:
        self._items, self._edited = [], None
        self.setCurrentIndex(-1)

    def setItemData(self, index: int, data: Any, role: int) -> None:
        self._items[index] = self._items[index][0], data

    def itemText(self, index: int) -> str:
        return self._items[index][0] if 0 <= index < len(self._items) else ""

    def findText(self, text: str) -> int:
        return next((n for n, (one, _) in enumerate(self._items) if one == text), -1)

    def setCurrentIndex(self, index: int) -> None:
        index = index if -1 <= index < len(self._items) else -1
        self._edited = None
        if index != self._index:
            self._index = index
            self.emit("currentIndexChanged", index)

    def setCurrentText(self, text: str | None) -> None:
        index = self.findText(text or "")
        if index >= 0:
            self.setCurrentIndex(index)
        else:
            self._edited = text or ""

    def lineEdit(self) -> QLineEdit:
        return QLineEdit()


class QTableWidgetItem:
    def __init__(self, text: str) -> None:
        self._text, self._flags = str(text), Qt.ItemIsEditable

    def text(self) -> str:
        return self._text

    def setText(self, text: str) -> None:
        self._text = text

    def flags(self) -> int:
        return self._flags

    def setFlags(self, flags: int) -> None:
        self._flags = flags


class QTableWidget(QWidget):
    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.rowCount = 0
        self._cells: dict[tuple[int, int], Any] = {}

    def clear(self) -> None:
        self._cells = {}

    def setRowCount(self, count: int) -> None:
        self.rowCount = count

    def setItem(self, row: int, column: int, item: QTableWidgetItem) -> None:
        self._cells[row, column] = item

    setCellWidget = setItem

    def item(self, row: int, column: int) -> QTableWidgetItem | None:
        cell = self._cells.get((row, column))
        return cell if isinstance(cell, QTableWidgetItem) else None

    def cellWidget(self, row: int, column: int) -> QWidget | None:
        cell = self._cells.get((row, column))
        return cell if isinstance(cell, QWidget) else None


class QDialog(QWidget):
    """A dialog that a test answers: `answer(dialog)` fills it in."""

    answer: ClassVar[Callable[[Any], None]] = staticmethod(lambda dialog: None)

    def exec(self) -> None:
        type(self).answer(self)

    def close(self) -> None:
        self.visible = False


class QTimer(QWidget):
    active = False

    def setInterval(self, ms: int) -> None:
        self.interval_ms = ms

    def start(self) -> None:
        self.active = True

    def stop(self) -> None:
        self.active = False


class QSettings:
    """One set of settings for the whole program."""

    values: ClassVar[dict[str, Any]] = {}

    def value(self, key: str) -> Any:
        return self.values.get(key)

    def setValue(self, key: str, value: Any) -> None:
        self.values[key] = value

    def contains(self, key: str) -> bool:
        return key in self.values


class QApplication:
    waiting = 0  # wait cursors that stand

    @classmethod
    def setOverrideCursor(cls, cursor: int) -> None:
        cls.waiting += 1

    @classmethod
    def restoreOverrideCursor(cls) -> None:
        cls.waiting = max(0, cls.waiting - 1)


class QIcon:
    def __init__(self, *_: Any) -> None:
        pass


class Qt:
    ItemIsEditable, ToolTipRole, WaitCursor = 2, 3, 3


QLabel = QProgressBar = QVBoxLayout = QFormLayout = QWidget


def SIGNAL(signature: str) -> str:
    return signature
