"""The organ table: colour, name, shown, locked, confirmed, state, volume and confidence of each organ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QTableWidgetItem, QWidget

from ..backend import OrganState
from ..state.review import OrganRow
from .tables import CELL, PlainTable

ORGAN, SHOW, LOCK, CONFIRM, STATE, VOLUME, SURE = range(7)
COLUMNS = ("Organ", "Show", "Lock", "OK", "State", "ml", "Sure")
TIPS = (
    "Click to paint this organ; double click to go to it",
    "Show or hide the organ's labels",
    "Lock: no brush, tool or model can change it (Alt+L)",
    "Confirm: you vouch for this organ in this case, present or absent.\n"
    "It is protected and used for training. Untick to reopen it.",
    "untouched, predicted, corrected or confirmed",
    "Volume of the labels as they are now",
    "Mean confidence of the model in its own labels of this organ",
)


class OrganTable(PlainTable):
    """A view: what the user ticks goes out as signals; `show_rows` brings the truth in."""

    picked = Signal(str)  # organ to paint
    visited = Signal(str)  # organ to go to
    shown_changed = Signal(object)  # frozenset of the names shown
    lock_requested = Signal(str, bool)
    confirm_requested = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(COLUMNS, TIPS, parent=parent)
        self._names: tuple[str, ...] = ()
        self.itemChanged.connect(self._ticked)
        self.itemSelectionChanged.connect(self._picked)
        self.cellDoubleClicked.connect(lambda row, _column: self.visited.emit(self._names[row]))

    @property
    def current(self) -> str | None:
        """The organ whose row is selected."""
        rows = self.selectionModel().selectedRows()
        return self._names[rows[0].row()] if rows else None

    def row_of(self, name: str) -> int:
        """Give the row of an organ."""
        return self._names.index(name)

    def begin(self, rows: Sequence[OrganRow], colours: Mapping[str, str]) -> None:
        """Show another case: all organs visible.

        Parameters
        ----------
        rows : sequence of OrganRow
            In the order of the scheme.
        colours : mapping
            Organ name to "#rrggbb".
        """
        with QSignalBlocker(self):
            self.clearSelection()
            self.setRowCount(len(rows))
            self._names = tuple(row.name for row in rows)
            for number, row in enumerate(rows):
                for column in range(len(COLUMNS)):
                    self.setItem(number, column, _item(column))
                self.cell(number, ORGAN).setData(Qt.ItemDataRole.DecorationRole, _chip(colours[row.name]))
                self.cell(number, SHOW).setCheckState(Qt.CheckState.Checked)
        self.show_rows(rows, frozenset())

    def show_rows(self, rows: Sequence[OrganRow], locks: frozenset[str]) -> None:
        """Show the organs as they are now."""
        with QSignalBlocker(self):
            for number, row in enumerate(rows):
                confirmed = row.state is OrganState.CONFIRMED
                sure = "" if row.mean_confidence is None else f"{100 * row.mean_confidence:.0f} %"
                volume = f"{row.volume_ml:.1f}" if row.volume_ml else "-"
                texts = {ORGAN: row.title, STATE: str(row.state), VOLUME: volume, SURE: sure}
                for column, text in texts.items():
                    self.cell(number, column).setText(text)
                self.cell(number, ORGAN).setToolTip(f"{row.title}. {TIPS[ORGAN]}")
                self.cell(number, LOCK).setCheckState(_check(row.name in locks))
                self.cell(number, CONFIRM).setCheckState(_check(confirmed))

    def pick(self, name: str) -> None:
        """Select an organ's row without announcing it."""
        with QSignalBlocker(self):
            self.selectRow(self.row_of(name))

    def show_all(self, on: bool) -> None:
        """Tick or untick every organ's Show box."""
        with QSignalBlocker(self):
            for row in range(self.rowCount()):
                self.cell(row, SHOW).setCheckState(_check(on))
        self.shown_changed.emit(self.shown)

    @property
    def shown(self) -> frozenset[str]:
        """Names of the organs whose Show box is ticked."""
        ticked = Qt.CheckState.Checked
        return frozenset(
            n for row, n in enumerate(self._names) if self.cell(row, SHOW).checkState() == ticked
        )

    def _ticked(self, item: QTableWidgetItem) -> None:
        name, on = self._names[item.row()], item.checkState() == Qt.CheckState.Checked
        if item.column() == SHOW:
            self.shown_changed.emit(self.shown)
        elif item.column() == LOCK:
            self.lock_requested.emit(name, on)
        elif item.column() == CONFIRM:
            self.confirm_requested.emit(name, on)

    def _picked(self) -> None:
        if self.current is not None:
            self.picked.emit(self.current)


def _item(column: int) -> QTableWidgetItem:
    item = QTableWidgetItem()
    flags = CELL
    if column in (SHOW, LOCK, CONFIRM):
        flags |= Qt.ItemFlag.ItemIsUserCheckable
        item.setCheckState(Qt.CheckState.Unchecked)
    if column in (VOLUME, SURE):
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    item.setFlags(flags)
    item.setToolTip(TIPS[column])
    return item


def _check(on: bool) -> Qt.CheckState:
    return Qt.CheckState.Checked if on else Qt.CheckState.Unchecked


def _chip(colour: str) -> QPixmap:
    chip = QPixmap(12, 12)
    chip.fill(QColor(colour))
    return chip
