"""Where two readers of a case differ, region by region: look, take the first or the second, go on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from ..backend import (
    Change,
    Difference,
    Differences,
    Project,
    Reading,
    Side,
    Volume,
    counted,
    differences_of,
    note_settled,
    settlements,
)
from ..state.adjudication import Taking, beside, give_back, take
from ..state.correction import Correction
from ..state.history import REDO, UNDO
from .buttons import button
from .guard import guarded
from .tables import ROW_HEIGHT, PlainTable

if TYPE_CHECKING:
    from .desk import Desk

COLUMNS = ("First says", "Second says", "ml", "Taken")
TIPS = (
    "The first reader's answer in this region, as it was when the case was drawn",
    "The second reader's answer there",
    "Volume of the region",
    "Whose answer was taken; empty while it is open",
)
SECOND = "the second reading"
_ROWS = 6  # shown without scrolling


class AdjudicationBox(QWidget):
    """Lists the differences of one case that was read twice, deepest first."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.reading: Reading | None = None
        self.found: Differences | None = None
        self._second: Volume | None = None
        self._taken: dict[str, Side] = {}
        self._takings: dict[int, Taking] = {}  # of the open case, by the change that each made
        self._waits = False  # for the case to be opened, to go to the selected region
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.list = button("List the differences", "Regions where the two readings differ", self._find)
        self.table = PlainTable(COLUMNS, TIPS)
        self.table.setMaximumHeight((_ROWS + 1) * ROW_HEIGHT + 8)
        self.table.itemSelectionChanged.connect(self._go)
        self.first = button(
            "Take the first",
            "The first reader's answer becomes the label there",
            partial(self._take, "first"),
        )
        self.second = button(
            "Take the second",
            "The second reader's answer becomes the label there",
            partial(self._take, "second"),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.text, self.list, self.table):
            layout.addWidget(widget)
        row = QHBoxLayout()
        row.addWidget(self.first)
        row.addWidget(self.second)
        layout.addLayout(row)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._go)
        desk.correction_changed.connect(self._on_case)
        self.show_reading(None)

    @property
    def selected(self) -> Difference | None:
        """The region whose row is selected."""
        rows = self.table.selectionModel().selectedRows()
        return self.found.regions[rows[0].row()] if rows and self.found is not None else None

    def show_reading(self, reading: Reading | None) -> None:
        """Turn to another case that was read twice, or to none."""
        if reading is not None and self.reading is not None and reading.case == self.reading.case:
            self.reading = reading
            return
        self.reading, self.found, self._second, self._waits = reading, None, None, False
        self._show()

    @guarded
    def _find(self) -> None:
        reading, project = self.reading, self.desk.session.opened
        if reading is not None:
            self.desk.in_thread(
                f"Looking for what the readers of {reading.case} differ about",
                partial(differences_of, project, reading),
                partial(self._show_found, project, reading),
                key="adjudication",
            )

    def _show_found(self, project: Project, reading: Reading, found: tuple[Differences, Volume]) -> None:
        if self.reading is None or self.reading.case != reading.case:
            return
        (self.found, self._second), self._taken = found, settlements(project, reading.case).taken
        self._show()
        self.desk.say(self.text.text())
        self._select_next()
        QTimer.singleShot(0, self, self._bring_into_view)  # once the table has its height

    def _bring_into_view(self) -> None:
        """Scroll the page until the list and the two answers are seen: on a small screen they lie below."""
        page = self.parentWidget()
        while page is not None and not isinstance(page, QScrollArea):
            page = page.parentWidget()
        if page is not None:
            page.ensureWidgetVisible(self.second)

    def _show(self) -> None:
        regions = () if self.found is None else self.found.regions
        with QSignalBlocker(self.table):
            self.table.clearSelection()
            self.table.setRowCount(len(regions))
            for number, region in enumerate(regions):
                texts = (self._name(region.first), self._name(region.second), f"{region.volume_ml:.2f}")
                self.table.fill(
                    number,
                    (*texts, self._taken.get(region.key, "")),
                    f"{region.deepest_mm:.1f} mm deep. Click to go there.",
                )
        self.table.setVisible(bool(regions))
        self.text.setText(self._sentence())
        self.list.setEnabled(self.reading is not None and bool(self.reading.both))
        self._enable()

    def _sentence(self) -> str:
        if self.reading is None:
            return "Select a case in the table above to see where its two readers differ."
        if not self.reading.both:
            return f"The second reader has not confirmed an organ of {self.reading.case} yet."
        if self.found is None:
            return f"{self.reading.case}: both readers confirmed {counted(len(self.reading.both), 'organ')}."
        count, small = len(self.found.regions), ""
        if self.found.small:
            listed = counted(self.found.small, "small difference")
            small = f" Not listed: {listed} ({self.found.small_ml:.2f} ml)."
        if not count:
            return f"The readers of {self.reading.case} agree wherever it matters.{small}"
        settled = sum(region.key in self._taken for region in self.found.regions)
        return f"{self.reading.case}: {settled} of {count} regions are settled.{small}"

    def _enable(self) -> None:
        ready = self.selected is not None and self._correction() is not None
        self.first.setEnabled(ready)
        self.second.setEnabled(ready)

    def _correction(self) -> Correction | None:
        """The work on the case of the list, where that case is the open one."""
        correction = self.desk.correction
        if correction is None or self.reading is None or correction.case.id != self.reading.case:
            return None
        return correction

    @guarded
    def _go(self) -> None:
        region = self.selected
        self._enable()
        if region is None or self.reading is None:
            return
        if self._correction() is None:
            self._waits = True
            self.desk.open_case(self.reading.case)
            return
        self._show_second()
        self.desk.layers.go_to(region.centre_zyx, [cut.stop - cut.start for cut in region.box])
        organ = self._organ(region.first) or self._organ(region.second)
        if organ is not None:
            self.desk.layers.select_organ(organ)
        self.desk.say(
            f"{self.reading.case}: the first reader says {self._name(region.first).lower()}, the second "
            f"{self._name(region.second).lower()} ({region.volume_ml:.2f} ml). Shift+X blinks."
        )

    def _show_second(self) -> None:
        """Lay the second reader's labels beside those of the case, with their difference in colours."""
        compare, correction, reading = self.desk.layers.compare, self._correction(), self.reading
        if self._second is None or correction is None or reading is None or compare.title == SECOND:
            return
        values = [correction.scheme.value(name) for name in reading.both]
        compare.take(SECOND, beside(correction.labels, self._second.array, values))
        compare.show("difference")

    def _on_case(self, correction: Correction | None) -> None:
        waits, self._waits = self._waits, False
        self._takings = {}
        if correction is not None:
            correction.journaled.connect(self._follow)
        self._enable()
        if waits and self._correction() is not None:
            self._soon.start()  # the desk has its own word about the case first

    @guarded
    def _take(self, side: Side) -> None:
        region, correction = self.selected, self._correction()
        if region is None or correction is None:
            return
        taking = take(correction, region, side)
        if taking.change is not None:
            self._takings[taking.change] = taking
        if taking.refused:
            self.desk.say(
                f"{counted(taking.refused, 'voxel')} of {correction.case.id} locked and left as before: "
                "unlock the organ or reopen the slice, then take the answer again.",
                "Undo",
                partial(self._undo, correction, taking),
            )
            return
        self._note(region, side)
        self._select_next()
        self.desk.say(
            f"Took the {side} reader's answer in {correction.case.id}: {counted(taking.written, 'voxel')} "
            f"changed. Open: {counted(self._open(), 'region')}.",
            "Undo",
            partial(self._undo, correction, taking),
        )

    @guarded
    def _undo(self, correction: Correction, taking: Taking) -> None:
        if self._correction() is not correction:
            self.desk.say("Another case is open; the answer stays as it was taken.")
            return
        give_back(correction, taking)
        self._note(taking.difference, None)
        self.desk.say(f"The region in {correction.case.id} is open again, its labels are as before.")

    @guarded
    def _follow(self, change: Change) -> None:
        """Open a region again whose answer is taken back by Ctrl+Z; settle it when that is done again."""
        taking = self._takings.get(change.of or 0)
        if taking is not None and change.tool in (UNDO, REDO) and self._correction() is not None:
            settled = change.tool == REDO and not taking.refused
            self._note(taking.difference, taking.side if settled else None)

    def _note(self, region: Difference, side: Side | None) -> None:
        if self.reading is not None:
            noted = note_settled(self.desk.session.opened, self.reading.case, [region], side)
            self._taken = noted.taken
        self._show()
        if side is None:
            self._select(region)  # it is what one looks at

    def _open(self) -> int:
        regions = () if self.found is None else self.found.regions
        return sum(region.key not in self._taken for region in regions)

    def _select_next(self) -> None:
        regions = () if self.found is None else self.found.regions
        self._select(next((region for region in regions if region.key not in self._taken), None))

    def _select(self, wanted: Difference | None) -> None:
        regions = () if self.found is None else self.found.regions
        for number, region in enumerate(regions):
            if wanted is not None and region.key == wanted.key:
                self.table.selectRow(number)

    def _organ(self, value: int) -> str | None:
        scheme = self.desk.session.opened.scheme
        return scheme.organ(value).name if 0 < value < scheme.n_classes else None

    def _name(self, value: int) -> str:
        organ = self._organ(value)
        return "Background" if organ is None else organ.replace("_", " ").capitalize()
