"""Past corrections that a new model does not keep: how many it does, and a list to go through the rest."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ..backend import counted
from ..state.comparison import Comparison, LostFix
from .section import Section
from .tables import PlainTable

COLUMNS = ("Correction", "Case", "ml", "Old", "New")
TIPS = (
    "What a person made of a place where a model was wrong",
    "Double click a row to go there",
    "Size of the place",
    "How much of the place the old model gets right",
    "How much of the place the new model gets right",
)


class LostFixes(QWidget):
    """Says how past corrections fare and lists those that are lost; a double click asks to go there."""

    visit_requested = Signal(object)  # LostFix

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lost: tuple[LostFix, ...] = ()
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.table = PlainTable(COLUMNS, TIPS)
        self.table.setMinimumHeight(140)
        self.table.cellActivated.connect(self._visit)  # by a double click, or by Enter
        self.section = Section("Show the rest", self.table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.count)
        layout.addWidget(self.section)
        self.show_comparison(None)

    def show_comparison(self, comparison: Comparison | None) -> None:
        """Show the corrections of a comparison; nothing where there are none."""
        tally = None if comparison is None else comparison.fixes
        self.setVisible(tally is not None)
        self._lost = () if comparison is None else comparison.lost
        if tally is None:
            return
        lost = tally.total - tally.kept
        old = "" if tally.kept_before is None else f" The old model keeps {tally.kept_before}."
        self.count.setText(
            f"{counted(tally.total, 'past correction')}: {tally.kept} kept by the new model.{old}"
        )
        self.section.setVisible(bool(lost))
        self.section.setText(f"Show the {lost} not kept")
        self.table.setRowCount(len(self._lost))
        for row, item in enumerate(self._lost):
            before = "" if item.before is None else f"{100 * item.before:.0f} %"
            texts = (
                item.text,
                item.fix.case,
                f"{item.fix.volume_ml:.1f}",
                before,
                f"{100 * item.agreement:.0f} %",
            )
            self.table.fill(row, texts, f"{item.text}. Double click to go there in {item.fix.case}")

    def _visit(self, row: int, _column: int) -> None:
        if 0 <= row < len(self._lost):
            self.visit_requested.emit(self._lost[row])
