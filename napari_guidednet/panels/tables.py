"""A table of text: fixed columns with explanations, rows filled from tuples, whole rows selected."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

CELL = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
ROW_HEIGHT = 25  # fifteen organs fit on a small screen


class PlainTable(QTableWidget):
    """Shows rows; nothing in it is edited by typing.

    Parameters
    ----------
    columns : sequence of str
        Headers; the first column takes the room that is left.
    tips : sequence of str, optional
        Tooltip of each header.
    several : bool
        Whether more than one row may be selected.
    """

    def __init__(
        self,
        columns: Sequence[str],
        tips: Sequence[str] = (),
        several: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(0, len(columns), parent)
        self.setHorizontalHeaderLabels(list(columns))
        for column, tip in enumerate(tips):
            header_item = self.horizontalHeaderItem(column)
            if header_item is not None:
                header_item.setToolTip(tip)
        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.ExtendedSelection if several else mode.SingleSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(28)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def cell(self, row: int, column: int) -> QTableWidgetItem:
        """Give a cell, made if needed."""
        item = self.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            item.setFlags(CELL)
            self.setItem(row, column, item)
        return item

    def fill(self, row: int, texts: Sequence[str], tip: str = "") -> None:
        """Write a row; all columns but the first are centred."""
        for column, text in enumerate(texts):
            item = self.cell(row, column)
            item.setText(text)
            item.setToolTip(tip)
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)

    @property
    def selected(self) -> tuple[str, ...]:
        """Texts of the first column of the selected rows."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return tuple(self.cell(row, 0).text() for row in rows)

    def select(self, names: Sequence[str]) -> None:
        """Select the rows whose first column reads so."""
        mode, several = self.selectionMode(), QAbstractItemView.SelectionMode.MultiSelection
        self.clearSelection()
        self.setSelectionMode(several if len(names) > 1 else mode)
        for row in range(self.rowCount()):
            if self.cell(row, 0).text() in names:
                self.selectRow(row)
        self.setSelectionMode(mode)
