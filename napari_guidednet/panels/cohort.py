"""Where to look in all cases: the most worthwhile places of the project, and the search for them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..backend import counted, sentence
from ..state.cohort import CasePlace, cases_to_search, cohort_places, search_case
from ..state.tour import KIND_TITLES, rate_text
from .buttons import button
from .guard import guarded
from .tables import ROW_HEIGHT, PlainTable

if TYPE_CHECKING:
    from .desk import Desk

COLUMNS = ("Case", "Organ", "What", "Gain/min")
TIPS = (
    "A double click opens the case and goes to the place",
    "The organ that may be wrong",
    "Why it deserves a look",
    "Expected points of Dice of the organ (of 100) that a minute of work gains there",
)
EMPTY = "Nothing searched yet. Search all cases for doubt and odd anatomy; it goes on in the background."


class CohortBox(QWidget):
    """Searches the cases one after the other, so that other reading comes in between."""

    visited = Signal(object)  # CasePlace

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._found: tuple[CasePlace, ...] = ()
        self._left: list[str] = []
        self._all = 0
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.table = PlainTable(COLUMNS, TIPS)
        self.table.setFixedHeight(8 * ROW_HEIGHT)
        self.table.cellDoubleClicked.connect(lambda row, _column: self.visited.emit(self._found[row]))
        self.search = button("Search all cases", "Looks through every case that is not finished", self._turn)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addWidget(self.table)
        row = QHBoxLayout()
        row.addWidget(self.search)
        layout.addLayout(row)
        desk.session.project_changed.connect(self._on_project)
        desk.session.cases_changed.connect(self.refresh)
        self._on_project()

    @property
    def searching(self) -> bool:
        """Whether cases are being searched."""
        return self._all > 0

    def _on_project(self, *_: object) -> None:
        self._left, self._all, self._found = [], 0, ()
        self._show()
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Read anew what was found."""
        project = self.desk.session.project
        if project is not None and not self.searching:
            work = partial(cohort_places, project)
            self.desk.in_thread("Reading what was found", work, self._read, key="cohort", quiet=True)

    def _read(self, found: tuple[CasePlace, ...]) -> None:
        if self.desk.session.project is not None:
            self._found = found
            self._show()

    @guarded
    def _turn(self) -> None:
        if self.searching:
            self._left = []
            self.label.setText("Stopping after this case …")
            return
        self._left = list(cases_to_search(self.desk.session))
        self._all = len(self._left)
        if not self._left:
            self.desk.say("No case has labels or a prediction yet. Segment some in the step Segment.")
        self._search_next()

    def _search_next(self) -> None:
        if not self._left:
            self._all = 0
            self._show()
            self.refresh()
            self.desk.session.cases_added()  # their order may be another now
            return
        case = self._left.pop(0)
        number = self._all - len(self._left)
        self.search.setText("Stop")
        self.label.setText(f"Searching {case}, {number} of {self._all} …")
        self.desk.in_thread(
            f"Searching {case}",
            partial(search_case, self.desk.session, case),
            partial(self._searched, self.desk.session.project),
            otherwise=self._search_next,
            quiet=True,
        )

    def _searched(self, project: object, _count: int) -> None:
        if self.searching and self.desk.session.project is project:
            self._search_next()

    def _show(self) -> None:
        project = self.desk.session.project
        self.search.setText("Search all cases")
        self.search.setEnabled(project is not None)
        self.table.setRowCount(len(self._found))
        for row, (case, place) in enumerate(self._found):
            scheme = self.desk.session.opened.scheme
            organ = scheme.organ(scheme.value(place.organ)).title if place.organ else "Whole case"
            texts = (case, organ, KIND_TITLES[place.kind], rate_text(place))
            self.table.fill(row, texts, sentence(place, scheme))
        if project is None:
            self.label.setText("Open a project to see where its cases deserve a look.")
        elif not self._found:
            self.label.setText(EMPTY)
        else:
            cases = len({entry.case for entry in self._found})
            self.label.setText(
                f"{counted(len(self._found), 'place')} in {counted(cases, 'case')}, the most worthwhile "
                "first. A double click goes there."
            )
