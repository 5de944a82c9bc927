"""The Models step: all models, old against new organ by organ, and the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from ..backend import EvaluateRequest, GuidedNetError
from ..state.comparison import Comparison, LostFix, comparison_of
from ..state.correction import Correction
from ..state.jobs import Job
from ..state.rows import STARTER
from .buttons import button
from .guard import guarded
from .lost_fixes import LostFixes
from .progress import JobProgress
from .tables import PlainTable

if TYPE_CHECKING:
    from .desk import Desk

MODELS = ("Model", "From", "Method", "Dice", "Cases", "In use")
MODEL_TIPS = (
    "Click one to compare it with the model in use",
    "The model it was trained from",
    "How the cases taught it",
    "Mean Dice on the validation cases",
    "Labelled + unlabelled cases it learnt from",
    "✔: the model that segments now",
)
ORGANS = ("Organ", "Old", "New", "Change", "Likely", "Cases")
ORGAN_TIPS = (
    "Mean Dice over the held-out cases that have the organ",
    "The model in use",
    "The selected model",
    "New minus old",
    "The change over all patients like these lies here with 95 % certainty; wide where cases are few",
    "Held-out cases that both were scored on",
)
PROMOTED = "segments from now on; can be rolled back"
SELECTED = f"The selected model {PROMOTED}"
TO_STARTER = "Rolling back leads to the starter model"
OWN = "; its Dice is that on the cases it came with, not on yours"
BETTER, WORSE = QColor("#2e9e4f"), QColor("#d9483b")  # readable on dark and on light ground
NOTICEABLE = 0.005  # a smaller change of Dice is left uncoloured


class ModelsPanel(QWidget):
    """Lists models and compares one of them with the model in use."""

    step_requested = Signal(str)  # a place of a case is shown: turn to that step

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.comparison: Comparison | None = None
        self.models = PlainTable(MODELS, MODEL_TIPS)
        self.models.itemSelectionChanged.connect(self._on_selected)
        self.table = PlainTable(ORGANS, ORGAN_TIPS)
        self.fixes = LostFixes()
        self.fixes.visit_requested.connect(self._visit)
        self._on_the_way: LostFix | None = None
        self._arriving = QTimer(self)  # once whoever opens the case has said so
        self._arriving.setSingleShot(True)
        self._arriving.timeout.connect(self._arrive)
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.score = button(
            "Score both on the held-out cases", "Segments the validation cases with both models", self._score
        )
        self.promote = button("Promote", SELECTED, self._promote)
        self.keep = button("Keep the old one", "The new model stays in the project, unused", self._keep)
        self.roll_back = button("Roll back", "The model used before takes over again", self._roll_back)
        self.progress = JobProgress(desk, "evaluate")
        self._lay_out()
        session = desk.session
        for signal in (session.project_changed, session.bundles_changed):
            signal.connect(self.refresh)
        desk.board.ended.connect(self._on_ended)
        desk.board.started.connect(self._on_ended)
        desk.correction_changed.connect(self._on_case)
        self.refresh()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(self.models, 1)
        layout.addWidget(self.verdict)
        layout.addWidget(self.table, 2)
        layout.addWidget(self.fixes)
        layout.addWidget(self.score)
        layout.addWidget(self.progress)
        row = QHBoxLayout()
        for widget in (self.promote, self.keep, self.roll_back):
            row.addWidget(widget)
        layout.addLayout(row)

    @property
    def selected(self) -> str | None:
        """Name of the selected model."""
        return next(iter(self.models.selected), None)

    def select(self, name: str) -> None:
        """Select a model by name."""
        self.models.select([name])

    def refresh(self, *_: object) -> None:
        """Read the models anew; a candidate is selected by itself."""
        starter = self.desk.session.starter_row()
        rows = (*self.desk.session.bundle_rows(), *(() if starter is None else (starter,)))
        wanted = self.desk.candidate or self.selected
        with QSignalBlocker(self.models):
            self.models.setRowCount(len(rows))
            for number, row in enumerate(rows):
                dice = "" if row.mean_dice is None else f"{row.mean_dice:.3f}"
                cases = f"{row.labelled} + {row.unlabelled}"
                texts = (
                    row.name,
                    row.parent or "scratch",
                    row.method,
                    dice,
                    cases,
                    "✔" if row.current else "",
                )
                self.models.fill(
                    number, texts, f"{row.name}, made {row.created}{OWN if row is starter else ''}"
                )
            self.models.clearSelection()
            if wanted is not None:
                self.select(wanted)
        self._on_selected()

    def _on_ended(self, _job: Job) -> None:
        self._on_selected()

    @guarded
    def _on_selected(self) -> None:
        session, name = self.desk.session, self.selected
        self.comparison = self._find(name) if name is not None and name != session.model_ref else None
        self._show(name)
        other = name is not None and name != session.model_ref
        promotable = other and name != STARTER
        self.promote.setEnabled(promotable)
        no = TO_STARTER if other else SELECTED
        self.promote.setToolTip(f"{name} {PROMOTED}" if promotable else no)
        self.keep.setEnabled(other and name == self.desk.candidate)
        earlier = session.earlier_title
        self.roll_back.setEnabled(earlier is not None)
        self.roll_back.setToolTip(
            f"Puts {earlier} in use again" if earlier else "No model has been promoted: nothing to go back to"
        )
        busy = bool(self.desk.board.running("evaluate"))
        self.score.setVisible(other and self.comparison is None)
        self.score.setEnabled(not busy and bool(self._held_out()))

    def _held_out(self) -> tuple[str, ...]:
        if self.desk.session.project is None:
            return ()
        return tuple(r.id for r in self.desk.session.case_rows() if r.split == "val" and r.confirmed)

    def _find(self, name: str) -> Comparison | None:
        current = self.desk.session.model_ref
        for job in reversed(self.desk.board.jobs):
            if job.kind == "predict" or job.alive:
                continue
            found = comparison_of(job.folder)
            if found is not None and found.new == name and found.old in (None, current):
                return found
        return None

    def _show(self, name: str | None) -> None:
        comparison = self.comparison
        self.table.setVisible(comparison is not None)
        self.fixes.show_comparison(comparison)
        if comparison is None:
            self.verdict.setText(self._why_nothing(name))
            return
        old = comparison.old or "no model yet"
        self.verdict.setText(f"{comparison.new} against {old}. {comparison.verdict}")
        means = ("Mean over organs", comparison.old_mean, comparison.new_mean, comparison.likely, None)
        rows: list[tuple[str, float | None, float | None, tuple[float, float] | None, int | None]] = [means]
        rows += [(row.title, row.old, row.new, row.likely, row.cases) for row in comparison.rows]
        self.table.setRowCount(len(rows))
        for number, (title, before, now, likely, cases) in enumerate(rows):
            change = None if before is None or now is None else now - before
            count = "" if cases is None else str(cases)
            texts = (title, _dice(before), _dice(now), _change(change), _likely(likely, before), count)
            self.table.fill(number, texts, f"Mean Dice of {title} over the held-out cases that have it")
            colour = None if change is None or abs(change) < NOTICEABLE else BETTER if change > 0 else WORSE
            # the row may have shown another comparison before
            self.table.cell(number, 3).setData(Qt.ItemDataRole.ForegroundRole, colour)

    @guarded
    def _visit(self, lost: LostFix) -> None:
        """Go to a correction that is not kept, opening its case first."""
        self._on_the_way = lost
        correction = self.desk.correction
        if correction is not None and correction.case.id == lost.fix.case:
            self._arrive()
        else:
            self.desk.open_case(lost.fix.case)

    def _on_case(self, correction: Correction | None) -> None:
        if self._on_the_way is not None and correction is not None:
            self._arriving.start()

    @guarded
    def _arrive(self) -> None:
        lost, self._on_the_way = self._on_the_way, None
        correction = self.desk.correction
        if lost is None or correction is None or correction.case.id != lost.fix.case:
            return  # another case was opened meanwhile
        self.desk.layers.go_to(lost.fix.centre, lost.fix.extent)
        if lost.organ is not None:
            self.desk.layers.select_organ(lost.organ)
        self.step_requested.emit("Correct")
        self.desk.say(
            f"{lost.fix.case}: {lost.text}. The new model agrees in {100 * lost.agreement:.0f} % of it."
        )

    def _why_nothing(self, name: str | None) -> str:
        session = self.desk.session
        if session.project is None:
            return "Open a project to see its models."
        if name is None and not session.project.bundles():
            return f"In use: {session.model_title}. Confirm organs of some cases; then Train makes a model."
        if name is None:
            return f"In use: {session.model_title}. Select a model to compare it."
        if name == session.model_ref:
            return f"{name} is the model in use."
        if not self._held_out():
            return f"{name} cannot be compared: no validation case has a confirmed organ."
        return f"{name} and {session.model_title} were not scored on the same held-out cases yet."

    @guarded
    def _score(self) -> None:
        session, name = self.desk.session, self.selected
        if name is None:
            raise GuidedNetError("No model is selected.", "Select the model to compare.")
        bundles = tuple(ref for ref in (session.model_ref, name) if ref)
        request = EvaluateRequest(project=str(session.opened.folder), bundles=bundles, split="val")
        job = self.desk.board.launch(session.opened, request)
        self.desk.say(f"{job.title}: started.")

    @guarded
    def _promote(self) -> None:
        name = self.selected
        if name is not None:
            self.desk.promote(name)

    @guarded
    def _keep(self) -> None:
        if self.selected is not None:
            self.desk.keep(self.selected)

    @guarded
    def _roll_back(self) -> None:
        self.desk.roll_back()


def _dice(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _likely(ends: tuple[float, float] | None, before: float | None) -> str:
    """Say the interval, as far as a Dice can fall or rise from where it was."""
    if ends is None:
        return ""
    least, most = (-1.0, 1.0) if before is None else (-before, 1.0 - before)
    return f"{max(ends[0], least):+.2f} to {min(ends[1], most):+.2f}"


def _change(value: float | None) -> str:
    if value is None:
        return ""
    sign = "▲" if value >= NOTICEABLE else "▼" if value <= -NOTICEABLE else " "
    return f"{sign} {value:+.3f}"
