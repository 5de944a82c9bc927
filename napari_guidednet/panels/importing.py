"""Importing a data set: the plan is shown as a table first, then carried out in the worker thread."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from ..backend import ImportPlan, apply_import, counted, plan_import
from .buttons import button
from .guard import guarded
from .narrow import narrow
from .tables import PlainTable

if TYPE_CHECKING:
    from .desk import Desk

LAYOUTS = {
    "find out by itself": "auto",
    "nnU-Net (imagesTr, labelsTr, dataset.json)": "nnunet",
    "FLARE22": "flare22",
    "AMOS": "amos",
    "pairs of image and label files": "pairs",
}
COLUMNS = ("Case", "Set", "Organs", "Notes")


class ImportBox(QGroupBox):
    """Choose a folder, look at the plan, import."""

    progressed = Signal(int, int, str)  # from the worker thread

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__("Import a data set", parent)
        self.desk = desk
        self.plan: ImportPlan | None = None
        self.layout_kind = narrow(QComboBox())
        for title, name in LAYOUTS.items():
            self.layout_kind.addItem(title, name)
        self.layout_kind.setToolTip("How the folder is laid out; organs are always matched by name")
        self.choose = button(
            "Choose the folder …", "Nothing is changed before you have seen the plan", self._choose
        )
        self.problems = QLabel()
        self.problems.setWordWrap(True)
        self.table = PlainTable(COLUMNS)
        self.table.setMinimumHeight(160)
        self.go = button("Import", "Adds the cases of the plan to the project", self._go)
        self.cancel = button("Cancel", "Forget this plan", self._forget)
        self.bar = QProgressBar()
        self.progressed.connect(self._show_progress)
        layout = QVBoxLayout(self)
        row = QHBoxLayout()
        row.addWidget(self.layout_kind, 1)
        row.addWidget(self.choose)
        layout.addLayout(row)
        layout.addWidget(self.problems)
        layout.addWidget(self.table)
        deciding = QHBoxLayout()
        deciding.addWidget(self.go, 1)
        deciding.addWidget(self.cancel)
        layout.addLayout(deciding)
        layout.addWidget(self.bar)
        desk.session.project_changed.connect(self._forget)
        self._forget()

    def _forget(self, *_: object) -> None:
        self.plan = None
        for widget in (self.table, self.problems, self.go, self.cancel, self.bar):
            widget.hide()
        self.choose.setEnabled(True)

    @guarded
    def _choose(self) -> None:
        folder = self.desk.asker.folder("The folder of the data set")
        if folder is not None:
            self.look_at(folder)

    def look_at(self, folder: Path) -> None:
        """Make the plan for a folder and show it."""
        scheme = self.desk.session.opened.scheme
        work = partial(plan_import, folder, layout=self.layout_kind.currentData(), scheme=scheme)
        self.desk.in_thread(f"Looking at {folder.name}", work, self._show_plan, key="plan")

    def _show_plan(self, plan: ImportPlan) -> None:
        self.plan = plan
        self.table.setRowCount(len(plan.rows))
        for number, row in enumerate(plan.rows):
            organs = f"{len(row.organs)} annotated" if row.labels is not None else "no labels"
            tip = f"{row.image}\n{row.labels or 'no labels'}\n{', '.join(row.organs)}"
            self.table.fill(number, (row.id, row.split, organs, "; ".join(row.notes)), tip)
        words = (*plan.problems, *plan.notes)
        self.problems.setText("\n".join(words))
        self.problems.setVisible(bool(words))
        self.go.setText(f"Import {counted(len(plan.rows), 'case')}")
        self.go.setEnabled(bool(plan.rows))
        for widget in (self.table, self.go, self.cancel):
            widget.show()
        self.desk.say(
            f"This is what would be imported: {counted(len(plan.rows), 'case')}. "
            "Nothing has been changed yet."
        )

    @guarded
    def _go(self) -> None:
        if self.plan is None:
            return
        work = partial(apply_import, self.desk.session.opened, self.plan, self._progress)
        self.go.setEnabled(False)
        self.cancel.hide()
        self.choose.setEnabled(False)
        self.desk.in_thread(
            f"Importing {counted(len(self.plan.rows), 'case')}", work, self._imported, otherwise=self._forget
        )

    def _progress(self, done: int, total: int, text: str) -> None:
        self.progressed.emit(done, total, text)  # a signal may cross threads, a widget may not

    def _show_progress(self, done: int, total: int, text: str) -> None:
        self.bar.show()
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.bar.setFormat(text)

    def _imported(self, result: Any) -> None:
        self._forget()
        self.desk.session.cases_added()
        there = f" {len(result.there_before)} were there before." if result.there_before else ""
        problems = "".join(f"\n{problem}" for problem in result.problems)
        self.desk.say(f"Imported {counted(len(result.added), 'case')}.{there}{problems}")
