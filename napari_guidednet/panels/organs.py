"""The organ table: colour, name, shown, locked, confirmed, state, volume and confidence of each organ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from qtpy.QtCore import QPoint, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QCursor, QMouseEvent
from qtpy.QtWidgets import QMenu, QTableWidgetItem, QWidget

from ..backend import OrganState
from ..state.review import OrganRow
from .swatch import SIDE, swatch
from .tables import CELL, ROW_HEIGHT, PlainTable

ORGAN, SHOW, LOCK, CONFIRM, STATE, VOLUME, SURE = range(7)
LEAST_ROWS = 10  # seen without scrolling in the table itself; the panel scrolls as a whole
LARGE_SCREEN = 1000  # px high: all organs are seen at once, and the buttons below them still are
COLUMNS = ("Organ", "Show", "Lock", "OK", "State", "ml", "Sure")
_SWATCH_WIDTH = SIDE + 8  # with what surrounds it
TIPS = (
    "Click to paint this organ; double click to go to it, or on its colour to change that;\n"
    "right click to see it alone and for all about its colour",
    "Show or hide the organ's labels; a click up here shows or hides them all",
    "Lock: no brush, tool or model can change it (Shift+L)",
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
    colour_requested = Signal(str)  # organ that is to have another colour
    colour_reset = Signal(str)  # organ that is to have the scheme's colour
    scheme_colours_requested = Signal()  # for all organs
    safe_colours_requested = Signal()  # for all organs: easy to tell apart for the colour-blind

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(COLUMNS, TIPS, parent=parent)
        self._names: tuple[str, ...] = ()
        self._own_colours: frozenset[str] = frozenset()
        self.itemChanged.connect(self._ticked)
        self.itemSelectionChanged.connect(self._picked)
        self.horizontalHeader().sectionClicked.connect(self._on_header)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(lambda place: self.menu(place).exec(QCursor.pos()))
        self.cellDoubleClicked.connect(lambda row, _column: self.visited.emit(self._names[row]))

    @property
    def current(self) -> str | None:
        """The organ whose row is selected."""
        rows = self.selectionModel().selectedRows()
        return self._names[rows[0].row()] if rows else None

    def row_of(self, name: str) -> int:
        """Give the row of an organ."""
        return self._names.index(name)

    def title_of(self, name: str) -> str:
        """Give an organ's name for people."""
        return self.cell(self.row_of(name), ORGAN).text()

    def begin(self, rows: Sequence[OrganRow]) -> None:
        """Show another case, its organs in the order of the scheme: all of them visible."""
        large = self.screen().availableGeometry().height() >= LARGE_SCREEN
        self.setMinimumHeight(ROW_HEIGHT * (1 + (len(rows) if large else min(len(rows), LEAST_ROWS))))
        with QSignalBlocker(self):
            self.clearSelection()
            self.setRowCount(len(rows))
            self._names = tuple(row.name for row in rows)
            for number in range(len(rows)):
                for column in range(len(COLUMNS)):
                    self.setItem(number, column, _item(column))
                self.cell(number, SHOW).setCheckState(Qt.CheckState.Checked)
        self.show_rows(rows, frozenset())

    def show_colours(self, colours: Mapping[str, str], own: frozenset[str]) -> None:
        """Show the colours of the organs.

        Parameters
        ----------
        colours : mapping
            Organ name to "#rrggbb".
        own : frozenset of str
            Organs whose colour is not the scheme's.
        """
        self._own_colours = own
        with QSignalBlocker(self):
            for row, name in enumerate(self._names):
                self.cell(row, ORGAN).setData(Qt.ItemDataRole.DecorationRole, swatch(colours[name]))
        self.viewport().update()

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

    def show_alone(self, name: str) -> None:
        """Untick the Show box of every other organ."""
        with QSignalBlocker(self):
            for row, other in enumerate(self._names):
                self.cell(row, SHOW).setCheckState(_check(other == name))
        self.shown_changed.emit(self.shown)

    def menu(self, place: QPoint) -> QMenu:
        """Give the menu of a right click at a place of the table."""
        menu, row = QMenu(self), self.rowAt(place.y())
        if 0 <= row < len(self._names):
            title, name = self.cell(row, ORGAN).text(), self._names[row]
            menu.addAction(f"Show only {title}", partial(self.show_alone, name))
            menu.addAction(f"Go to {title}", partial(self.visited.emit, name))
        menu.addAction("Show all organs", partial(self.show_all, True))
        menu.addSeparator()
        if 0 <= row < len(self._names):
            menu.addAction(f"Colour of {title} …", partial(self.colour_requested.emit, name))
            reset = menu.addAction(f"Reset the colour of {title}", partial(self.colour_reset.emit, name))
            reset.setEnabled(name in self._own_colours)
        self._add_palettes(menu)
        return menu

    def _add_palettes(self, menu: QMenu) -> None:
        palettes = menu.addMenu("Colours of all organs")
        reset = palettes.addAction("Reset to the scheme's", lambda: self.scheme_colours_requested.emit())
        reset.setEnabled(bool(self._own_colours))
        palettes.addAction(
            "Easy to tell apart for the colour-blind", lambda: self.safe_colours_requested.emit()
        )

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ask for another colour where the colour of an organ was double clicked."""
        place = event.position().toPoint()
        item = self.itemAt(place)
        edge = self.visualItemRect(item).left() if item is not None else 0
        if item is not None and item.column() == ORGAN and place.x() - edge < _SWATCH_WIDTH:
            self.colour_requested.emit(self._names[item.row()])
        else:
            super().mouseDoubleClickEvent(event)

    @property
    def shown(self) -> frozenset[str]:
        """Names of the organs whose Show box is ticked."""
        ticked = Qt.CheckState.Checked
        return frozenset(
            n for row, n in enumerate(self._names) if self.cell(row, SHOW).checkState() == ticked
        )

    def _on_header(self, column: int) -> None:
        if column == SHOW:
            self.show_all(len(self.shown) < len(self._names))

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
