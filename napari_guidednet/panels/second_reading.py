"""Second readings: draw a share of the cases, have them read blind in a project of their own, compare."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from ..backend import (
    Agreement,
    Draw,
    Project,
    Reading,
    Start,
    agreements,
    counted,
    current_author,
    draw_cases,
    first_folder,
    read_plan,
    readings,
)
from .adjudication import AdjudicationBox
from .buttons import button
from .case_progress import CaseProgress
from .guard import guarded
from .tables import ROW_HEIGHT, PlainTable

if TYPE_CHECKING:
    from .desk import Desk

COLUMNS = ("Case", "For", "Confirmed", "Dice", "NSD")
TIPS = (
    "Cases that were drawn",
    "Login name of the person it was drawn for",
    "Organs that the second reader has confirmed, of those of the first",
    "Agreement of the two readers, mean over the organs that both confirmed",
    "Share of the surfaces that lie within 2 mm of each other, mean over the organs",
)
STARTS: tuple[tuple[str, Start], ...] = (("empty labels", "nothing"), ("the model's labels", "model"))
_ROWS = 5  # shown without scrolling


class SecondReadingBox(QWidget):
    """Draws, leads into the second reading and back, and shows how far the readers agree."""

    entered = Signal()  # the project that was opened is a second reading

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.readings: tuple[Reading, ...] = ()
        self.agreed: dict[str, Agreement] = {}
        self._stale = True
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.form = _DrawForm()
        self.draw = button(
            "Draw cases",
            "Their first labels are kept as they are now; the reader does not see them",
            self._draw,
        )
        self.open = button("Open the second reading", "The drawn cases, without the first labels", self._open)
        self.back = button("Back to the first reading", "Opens the project with the first labels", self._back)
        self.table = PlainTable(COLUMNS, TIPS)
        self.table.setMaximumHeight((_ROWS + 1) * ROW_HEIGHT + 8)
        self.table.itemSelectionChanged.connect(self._on_selected)
        self.compare = button("Compare the readers", "Dice and NSD of every case read twice", self._compare)
        self.progress = CaseProgress(desk)
        self.adjudication = AdjudicationBox(desk)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.text, self.form, self.draw, self.open, self.back, self.table, self.compare,
            self.progress, self.adjudication,
        ):  # fmt: skip
            layout.addWidget(widget)
        desk.session.project_changed.connect(self._on_project)
        desk.session.cases_changed.connect(self.refresh)
        self._on_project(desk.session.project)

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened out of sight."""
        super().showEvent(event)
        if self._stale:
            self.refresh()

    @guarded
    def _on_project(self, project: Project | None) -> None:
        if project is not None and first_folder(project.folder) is not None:
            self.entered.emit()
        self.readings, self.agreed = (), {}
        self.adjudication.show_reading(None)
        self._show()
        self.refresh()

    @guarded
    def refresh(self) -> None:
        """Read how far the second readings are; put off while nobody can see it."""
        self._stale = True
        project = self.desk.session.project
        if not self.isVisibleTo(self.window()):
            return
        self._stale = False
        first = None if project is None else first_folder(project.folder)
        self.readings = () if project is None or first is not None else readings(project)
        self._show()

    def _show(self) -> None:
        project = self.desk.session.project
        inside = project is not None and first_folder(project.folder) is not None
        for widget in (self.form, self.draw):
            widget.setVisible(not inside)
            widget.setEnabled(project is not None)
        self.open.setVisible(not inside and bool(self.readings))
        self.back.setVisible(inside)
        for part in (self.table, self.compare, self.adjudication):
            part.setVisible(bool(self.readings))
        self.compare.setEnabled(any(reading.both for reading in self.readings))
        self._fill()
        self.text.setText(_sentence(project, inside, self.readings))

    def _fill(self) -> None:
        chosen = self.table.selected
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(self.readings))
            for number, reading in enumerate(self.readings):
                both, all_organs = len(reading.both), len(reading.both) + len(reading.waiting)
                agreed = self.agreed.get(reading.case)
                texts = (
                    reading.case, reading.draw.reader or "anybody", f"{both} of {all_organs}",
                    _mean(agreed, "dice"), _mean(agreed, "nsd"),
                )  # fmt: skip
                self.table.fill(number, texts, _tip(reading, agreed))
            self.table.select(chosen)
        self._on_selected()

    @guarded
    def _on_selected(self) -> None:
        chosen = self.table.selected
        found = next((reading for reading in self.readings if reading.case in chosen), None)
        self.adjudication.show_reading(found)

    @guarded
    def _draw(self) -> None:
        project = self.desk.session.opened
        self.desk.autosave.flush()
        work = partial(draw_cases, project, *self.form.values)
        self.progress.run("Drawing cases for a second reading", work, self._drawn, "draw")

    def _drawn(self, draw: Draw) -> None:
        self.refresh()
        self.desk.say(
            f"Drew {counted(len(draw.cases), 'case')} for {draw.reader or 'anybody'} to read again: "
            f"{', '.join(draw.cases)}.",
            "Open the second reading",
            self._open,
        )

    @guarded
    def _open(self) -> None:
        project = self.desk.session.opened
        readers = {draw.reader for draw in read_plan(project).draws if draw.reader}
        self.desk.open_project(project.second_folder)
        me = current_author()
        if readers and me not in readers:
            self.desk.say(
                f"These cases are drawn for {' and '.join(sorted(readers))}, and you are {me}: what you "
                "confirm counts as yours."
            )
        else:
            self.desk.say("The second reading is open. Double click a case; the first labels are hidden.")

    @guarded
    def _back(self) -> None:
        folder = first_folder(self.desk.session.opened.folder)
        if folder is not None:
            self.desk.open_project(folder)

    @guarded
    def _compare(self) -> None:
        project = self.desk.session.opened
        self.progress.run(
            "Comparing the readers", partial(agreements, project), partial(self._compared, project), "readers"
        )

    def _compared(self, project: Project, found: Sequence[Agreement]) -> None:
        if self.desk.session.project is not project:
            return
        self.agreed = {agreed.case: agreed for agreed in found}
        self._show()
        dice = [score.dice for agreed in found for score in agreed.organs.values() if score.dice is not None]
        mean = f", mean Dice {sum(dice) / len(dice):.3f}" if dice else ""
        self.desk.say(
            f"Compared {counted(len(found), 'case')} read twice{mean}. Select one to settle its differences."
        )


class _DrawForm(QWidget):
    """How many cases, by which lot, beginning with what, for whom."""

    def __init__(self) -> None:
        super().__init__()
        self.share = QSpinBox()
        self.share.setRange(1, 100)
        self.share.setValue(10)
        self.share.setSuffix(" %")
        self.share.setToolTip("Of the cases with a confirmed organ; at least one. Drawn ones count")
        self.seed = QSpinBox()
        self.seed.setRange(0, 9999)
        self.seed.setToolTip("The same number draws the same cases")
        self.start = QComboBox()
        for title, name in STARTS:
            self.start.addItem(title, name)
        self.start.setToolTip(
            "Empty labels show what a reader finds alone; the model's labels show what a reader corrects"
        )
        self.reader = QLineEdit()
        self.reader.setPlaceholderText("anybody")
        self.reader.setToolTip("Login name of the second reader; empty for anybody, you yourself included")
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow("Share", self.share)
        layout.addRow("Lot", self.seed)
        layout.addRow("Begin with", self.start)
        layout.addRow("Reader", self.reader)

    @property
    def values(self) -> tuple[float, int, Start, str]:
        """Share, seed, start and reader."""
        return (
            self.share.value() / 100,
            self.seed.value(),
            self.start.currentData(),
            self.reader.text().strip(),
        )


def _sentence(project: Project | None, inside: bool, found: Sequence[Reading]) -> str:
    if project is None:
        return "Open a project first."
    if inside:
        return (
            f"This is {project.name}: paint and confirm as usual. The first labels are hidden and stay as "
            "they are."
        )
    if not found:
        return (
            "Have some cases read twice to learn how far two readers agree: draw them here, then the second "
            "reader opens them without seeing the first labels."
        )
    read = sum(bool(reading.both) for reading in found)
    done = sum(bool(reading.both) and not reading.waiting for reading in found)
    return f"Drawn: {counted(len(found), 'case')}, {read} of them begun, {done} read to the end."


def _mean(agreed: Agreement | None, metric: str) -> str:
    scores = () if agreed is None else agreed.organs.values()
    values = [value for score in scores if (value := getattr(score, metric)) is not None]
    return f"{sum(values) / len(values):.3f}" if values else ""


def _tip(reading: Reading, agreed: Agreement | None) -> str:
    """Who read what, and the organs from the least agreed on."""
    begun = "the model's labels" if reading.draw.start == "model" else "empty labels"
    lines = [f"{reading.first_reader} first, then {reading.second_reader or 'nobody yet'}, from {begun}"]
    scored = [] if agreed is None else [(s.dice, o) for o, s in agreed.organs.items() if s.dice is not None]
    return "\n".join(
        [*lines, *(f"{organ.replace('_', ' ')}: Dice {dice:.3f}" for dice, organ in sorted(scored))]
    )
