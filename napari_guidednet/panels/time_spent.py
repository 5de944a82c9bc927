"""What the corrections have cost: this case, today, organ by organ, and a report for the whole project."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices, QShowEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ..backend import Project, agreements, counted, span_text, work_of, write_report
from ..state.correction import Correction
from ..state.timekeeping import TimeKeeper, TimeSpent
from .buttons import button
from .case_progress import CaseProgress, Tell
from .guard import guarded
from .tables import ROW_HEIGHT, PlainTable

if TYPE_CHECKING:
    from .desk import Desk

COLUMNS = ("Organ", "Time", "Strokes", "Voxels")
TIPS = (
    "Organs that were worked on in this case",
    "Idle time is left out; a stroke's time is shared among the organs it changed",
    "Movements of a brush and uses of a tool that changed voxels",
    "Voxels that strokes changed",
)
REFRESH_MS = 3000  # reading the newest changes must not go on between the strokes
_SHORT_S = 1.0  # an organ that cost less, as one of many that were confirmed at once, is not listed
_ROWS = 6  # shown without scrolling


class TimeBox(QWidget):
    """Shows the work on the open case as it grows, while it can be seen."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.spent: TimeSpent | None = None
        self._keeper: TimeKeeper | None = None
        self._stale = True
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setToolTip("From the journal of the case; pauses are left out")
        self.table = PlainTable(COLUMNS, TIPS)
        self.table.setMaximumHeight((_ROWS + 1) * ROW_HEIGHT + 8)
        self.report = button(
            "Report on the project …",
            "A page and CSV files: minutes per case and day, strokes and voxels per organ, Dice against "
            "minutes, agreement of two readers",
            self._report,
        )
        self.progress = CaseProgress(desk)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.text, self.table, self.report, self.progress):
            layout.addWidget(widget)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(REFRESH_MS)
        self._later.timeout.connect(self.refresh)
        desk.correction_changed.connect(self._begin)
        desk.session.project_changed.connect(self._on_project)
        self._on_project(desk.session.project)
        self._begin(desk.correction)

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened out of sight."""
        super().showEvent(event)
        if self._stale:
            self.refresh()

    def _on_project(self, project: Project | None) -> None:
        self.report.setEnabled(project is not None)

    @guarded
    def _begin(self, correction: Correction | None) -> None:
        self.spent, project = None, self.desk.session.project
        self._keeper = None
        if correction is not None and project is not None:
            self._keeper = TimeKeeper(project, correction.case.id)
            correction.changed.connect(self._on_work)
            correction.states_changed.connect(self._on_work)
        self._show()
        self.refresh()

    def _on_work(self, *_: object) -> None:
        self._stale = True
        if not self._later.isActive():  # every few seconds, however fast the strokes follow
            self._later.start()

    @guarded
    def refresh(self) -> None:
        """Read what the journal has gained, in the worker; put off while nobody can see it."""
        keeper = self._keeper
        if keeper is None or not self.isVisibleTo(self.window()):
            return
        self._stale = False
        self.desk.in_thread(
            f"Adding up the work on {keeper.case}",
            keeper.read,
            partial(self._read, keeper),
            "time",
            quiet=True,
        )

    def _read(self, keeper: TimeKeeper, spent: TimeSpent) -> None:
        if keeper is self._keeper:
            self.spent = spent
            self._show()

    def _show(self) -> None:
        spent = self.spent
        known = {} if spent is None else spent.effort.organs
        organs = {name: work for name, work in known.items() if work.strokes or work.seconds >= _SHORT_S}
        self.table.setVisible(bool(organs))
        if self._keeper is None:
            self.text.setText("Open a case: the time you work on it is counted here.")
        elif spent is None or not spent.effort.last:
            self.text.setText(
                f"Nobody has worked on {self._keeper.case} yet. The clock runs while you paint."
            )
        else:
            self.text.setText(_sentence(spent))
        self.table.setRowCount(len(organs))
        rows = sorted(organs.items(), key=lambda item: -item[1].seconds)
        for number, (name, work) in enumerate(rows):
            texts = (name.replace("_", " "), span_text(work.seconds), f"{work.strokes:,}", f"{work.voxels:,}")
            self.table.fill(number, texts)

    @guarded
    def _report(self) -> None:
        project = self.desk.session.opened
        self.desk.autosave.flush()
        self.progress.run(
            f"Adding up the work on {project.name}", partial(_write, project), self._written, "report"
        )

    def _written(self, page: Path) -> None:
        self.desk.say(f"The report is in {page.parent}.", "Open it", partial(_open, page))


def _write(project: Project, tell: Tell) -> Path:
    works, agreed = work_of(project, tell), agreements(project, tell)
    return write_report(project.new_report_folder(), project.name, project.scheme, works, agreed)


def _open(page: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(page)))


def _sentence(spent: TimeSpent) -> str:
    total = spent.effort.total
    return (
        f"{spent.effort.case}: {span_text(total.seconds)} of work, "
        f"{counted(total.strokes, 'stroke')}, {counted(total.voxels, 'voxel')}. "
        f"Today: {span_text(spent.today_s)} in {counted(spent.today_cases, 'case')}."
    )
