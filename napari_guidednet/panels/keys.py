"""The window that shows every key, as it is bound now."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from .shortcuts import Shortcuts


class KeysWindow(QWidget):
    """A table of what can be done by a key; typing narrows it.

    Parameters
    ----------
    shortcuts : Shortcuts
        Asked each time the window is shown.
    """

    def __init__(self, shortcuts: Shortcuts, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Tool)
        self.setWindowTitle("GuidedNet: keys")
        self._shortcuts = shortcuts
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find: paint, next, undo ...")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._narrow)
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["Key", "What it does"])
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setStretchLastSection(True)
        note = QLabel(
            "Keys work while the picture has the focus. Change them in File > Preferences > Shortcuts."
        )
        note.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.search)
        layout.addWidget(self.table, 1)
        layout.addWidget(note)
        self.resize(560, 620)

    def open(self) -> None:
        """Show the keys as they are now, in front; hide them if they are shown."""
        if self.isVisible():
            self.hide()
            return
        rows = self._shortcuts.rows()
        self.table.setRowCount(len(rows))
        for index, (title, keys) in enumerate(rows):
            self.table.setItem(index, 0, QTableWidgetItem(keys or "no key"))
            self.table.setItem(index, 1, QTableWidgetItem(title))
        self._narrow(self.search.text())
        self.show()
        self.raise_()

    def _narrow(self, text: str) -> None:
        words = text.lower().split()
        for row in range(self.table.rowCount()):
            cells = (self.table.item(row, column) for column in range(2))
            line = " ".join(cell.text().lower() for cell in cells if cell is not None)
            self.table.setRowHidden(row, not all(word in line for word in words))
