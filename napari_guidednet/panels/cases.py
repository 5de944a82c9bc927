"""The Cases step: a table of all cases and their states; a double click opens one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from ..backend import Case, GuidedNetError, Project, ProjectError, Split, counted
from ..state.queue import RankedCase, rank_cases
from ..state.session import CaseRow, Session
from .buttons import button
from .cohort import CohortBox
from .guard import guarded
from .second_reading import SecondReadingBox
from .section import Section
from .tables import PlainTable

if TYPE_CHECKING:
    from .desk import Desk

COLUMNS = ("Case", "Set", "State", "Organs", "Sure", "Next")
TIPS = (
    "Double click to open",
    "train: teaches models. val and test: held out, they only score models",
    "new, predicted, partly labelled or labelled; damaged: open it to see what can be done",
    "Organs a person has confirmed",
    "Mean confidence of the newest prediction",
    "In this order a model would learn most from them; the reason stands in the tip of each number",
)
SET, ORGANS, SURE, NEXT = 1, 3, 4, 5
WIDEST = {SET: "train", ORGANS: "15 of 15", SURE: "100 %", NEXT: "Next"}  # the names get the rest
LEARN_MOST = "The case a model would learn most from: it is unsure of organs that few cases teach"
SETS = (
    ("as its name decides", None),
    ("train", "train"),
    ("validation", "val"),
    ("test", "test"),
)


class CasesPanel(QWidget):
    """Shows the cases; asks the desk to open one."""

    selection_changed = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.table = PlainTable(COLUMNS, TIPS, several=True)
        header = self.table.horizontalHeader()
        for column, longest in WIDEST.items():
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, self.fontMetrics().horizontalAdvance(longest) + 12)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # ct_0001 and ct_0002 differ at the end
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.table.cellDoubleClicked.connect(self._open_row)
        self.table.itemSelectionChanged.connect(self.selection_changed)
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.open = button("Open", "Open the selected case", self._open_selected)
        self.next_case = button(
            "Open the next",
            LEARN_MOST,
            self._open_next,
        )
        self.cohort = CohortBox(desk)
        self._order: dict[str, tuple[int, RankedCase]] = {}  # by case, as it was last worked out
        self.split = QComboBox()
        for title, name in SETS:
            self.split.addItem(title, name)
        self.split.setToolTip("The set that added cases go to; it cannot be changed later")
        self.add_files = button("Add CT files …", "NIfTI, NRRD, MHA or one DICOM file", self._add_files)
        self.add_folder = button("Add a DICOM folder …", "A folder that holds one series", self._add_folder)
        self.second = SecondReadingBox(desk)
        self._lay_out()
        desk.session.cases_changed.connect(self.refresh)
        desk.session.project_changed.connect(self.refresh)
        desk.session.case_changed.connect(self.refresh)
        self.refresh()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(self.count)
        layout.addWidget(self.table, 1)
        row = QHBoxLayout()
        row.addWidget(self.open)
        row.addWidget(self.next_case)
        layout.addLayout(row)
        adding = QHBoxLayout()
        adding.addWidget(self.add_files)
        adding.addWidget(self.add_folder)
        layout.addLayout(adding)
        choice = QHBoxLayout()
        choice.addWidget(QLabel("Added cases go to the set"))
        choice.addWidget(self.split, 1)
        layout.addLayout(choice)
        layout.addWidget(Section("Where to look in all cases", self.cohort))
        section = Section("Second reading", self.second)
        self.second.entered.connect(section.expand)
        layout.addWidget(section)

    @property
    def selected(self) -> tuple[str, ...]:
        """Ids of the selected cases."""
        return self.table.selected

    def select(self, cases: Sequence[str]) -> None:
        """Select cases by id."""
        self.table.select(cases)

    def refresh(self, *_: object) -> None:
        """Read the rows anew, keeping the selection."""
        chosen = self.selected
        project = self.desk.session.project
        rows = self.desk.session.case_rows() if project is not None else ()
        opened = self.desk.session.case
        self.table.blockSignals(True)
        self.table.setSortingEnabled(False)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            self._fill(number, row, opened is not None and opened.id == row.id)
        self.table.setSortingEnabled(True)
        self.select(chosen)
        self.table.blockSignals(False)
        self.selection_changed.emit()
        self._offer_next(rows)
        self._order_later()
        for widget in (self.add_files, self.add_folder):
            widget.setEnabled(project is not None)
        self.open.setEnabled(bool(rows))
        self.count.setText(_count(rows) if project is not None else "Open a project to see its cases.")

    def _fill(self, number: int, row: CaseRow, opened: bool) -> None:
        sure = "" if row.mean_confidence is None else f"{100 * row.mean_confidence:.0f} %"
        texts = (row.id, row.split, row.status, f"{row.confirmed} of {row.organs}", sure, "")
        self.table.fill(number, texts, f"{row.id} is open" if opened else f"Double click to open {row.id}")
        self._write_order(number, row.id)
        for column in range(len(texts)):
            item = self.table.cell(number, column)
            font = item.font()
            font.setBold(opened)
            item.setFont(font)

    def _offer_next(self, rows: Sequence[CaseRow]) -> None:
        known = any(row.mean_confidence is not None for row in rows)
        self.next_case.setEnabled(known)
        for column in (SURE, NEXT):
            self.table.setColumnHidden(column, not known)  # the names of the cases need the room
        self.next_case.setToolTip(LEARN_MOST if known else f"{LEARN_MOST}. Segment some cases first")

    def show_case(self, name: str) -> None:
        """Select a case and bring its row into sight."""
        self.select((name,))
        rows = self.table.selectionModel().selectedRows()
        if rows:
            self.table.scrollTo(rows[0])

    def _order_later(self) -> None:
        session = self.desk.session
        if session.project is not None:
            work = partial(rank_cases, session)
            self.desk.in_thread("Ordering the cases", work, self._ordered, key="order", quiet=True)

    def _ordered(self, ranks: tuple[RankedCase, ...]) -> None:
        """Write the order into the last column; a few cases may have come or gone meanwhile."""
        self._order = {rank.id: (number, rank) for number, rank in enumerate(ranks, start=1)}
        self.table.blockSignals(True)
        self.table.setSortingEnabled(False)
        for row in range(self.table.rowCount()):
            self._write_order(row, self.table.cell(row, 0).text())
        self.table.setSortingEnabled(True)
        self.table.blockSignals(False)

    def _write_order(self, row: int, case: str) -> None:
        item = self.table.cell(row, NEXT)
        number, rank = self._order.get(case, (0, None))
        item.setText(f"{number:3d}" if number else "")
        item.setToolTip(f"{case}: {rank.reason}" if rank is not None else "")

    @guarded
    def _open_row(self, row: int) -> None:
        self.desk.open_case(self.table.cell(row, 0).text())

    @guarded
    def _open_selected(self) -> None:
        if not self.selected:
            raise GuidedNetError("No case is selected.", "Click a case in the table first.")
        self.desk.open_case(self.selected[0])

    @guarded
    def _open_next(self) -> None:
        ranked = rank_cases(self.desk.session)
        if not ranked:
            raise GuidedNetError("No unlabelled case has a prediction yet.", "Segment some cases first.")
        opened = self.desk.session.case
        others = [rank for rank in ranked if opened is None or rank.id != opened.id]
        best = (others or ranked)[0]
        self.desk.open_case(best.id)
        self.desk.say(f"Opening {best.id}: {best.reason}")

    @guarded
    def _add_files(self) -> None:
        self._add(self.desk.asker.files("Add CT volumes"))

    @guarded
    def _add_folder(self) -> None:
        folder = self.desk.asker.folder("Add a DICOM folder")
        self._add((folder,) if folder is not None else ())

    def _add(self, paths: Sequence[Path]) -> None:
        session = self.desk.session
        for path in paths:
            work = partial(_add_case, session, session.opened, path, self.split.currentData())
            self.desk.in_thread(f"Adding {path.name}", work, self._added)

    def _added(self, case: object) -> None:
        self.desk.session.cases_added()
        added = getattr(case, "id", "")
        self.desk.say(f"Added {added} to the {getattr(case, 'split', '')} set.")


def _add_case(session: Session, project: Project, path: Path, split: Split | None) -> Case:
    """Add a CT to the project it was chosen for; another may have been opened while it waited."""
    if session.project is not project:
        raise ProjectError(
            f"{path.name} was not added: another project was opened before its turn came.",
            f"Open {project.name} and add it again.",
        )
    return session.add_case(path, split)


def _count(rows: Sequence[CaseRow]) -> str:
    if not rows:
        return "No cases yet. Add CT volumes here, or import a whole data set in the step Project."
    by_state: dict[str, int] = {}
    for row in rows:
        by_state[row.status] = by_state.get(row.status, 0) + 1
    states = ", ".join(f"{count} {state}" for state, count in by_state.items())
    held_out = sum(row.split != "train" for row in rows)
    return f"{counted(len(rows), 'case')}: {states}. {held_out} held out."
