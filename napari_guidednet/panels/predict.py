"""The Segment step: which cases, which model, progress, cancel, and taking the model's labels over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from ..backend import GuidedNetError
from ..state.jobs import Job
from ..state.session import Prediction
from .buttons import button
from .guard import guarded
from .narrow import narrow
from .progress import JobProgress

if TYPE_CHECKING:
    from .desk import Desk

THIS, SELECTED, UNLABELLED = "this", "selected", "unlabelled"


class PredictPanel(QWidget):
    """Starts a segmentation process and follows it.

    Parameters
    ----------
    selected : callable
        Gives the ids of the cases selected in the table.
    """

    def __init__(
        self, desk: Desk, selected: Callable[[], tuple[str, ...]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.desk = desk
        self._selected = selected
        self.model = narrow(QComboBox())
        self.model.setToolTip("The model that proposes the labels")
        self.model.activated.connect(self._choose_model)
        self._chosen: str | None = None  # by the user; otherwise the model in use
        self.which = narrow(QComboBox())
        self.which.activated.connect(self._choose_cases)
        self._kind = THIS  # chosen by the user; the open case unless told otherwise
        self.which.setToolTip("The cases to segment; labels a person made are never overwritten")
        self.start = button("Segment", "Runs in a process of its own; you can go on working", self._start)
        self.take = button(
            "Take the model's labels over",
            "Confirmed, locked and corrected organs stay as they are; can be undone",
            self._take,
        )
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.progress = JobProgress(desk, "predict")
        layout = QVBoxLayout(self)
        form = QFormLayout()
        form.addRow("Model", self.model)
        form.addRow("Cases", self.which)
        layout.addLayout(form)
        layout.addWidget(self.start)
        layout.addWidget(self.progress)
        layout.addWidget(self.about)
        layout.addWidget(self.take)
        layout.addStretch(1)
        session = desk.session
        for signal in (session.project_changed, session.bundles_changed):
            signal.connect(self._list_models)
        for signal in (session.cases_changed, session.case_changed):
            signal.connect(self.refresh_cases)
        session.prediction_changed.connect(self._describe)
        desk.board.started.connect(self._on_job)
        desk.board.ended.connect(self._on_job)
        self._list_models()
        self.refresh_cases()
        self._describe(session.prediction)

    def refresh_cases(self, *_: object) -> None:
        """Offer the cases that can be segmented now."""
        self.which.clear()
        for kind in (THIS, SELECTED, UNLABELLED):
            cases = self._cases(kind)
            if cases:
                self.which.addItem(_title(kind, cases), kind)
        self.which.setCurrentIndex(max(0, self.which.findData(self._kind)))
        self._enable()

    def _choose_cases(self, *_: object) -> None:
        self._kind = self.which.currentData()

    def _cases(self, kind: str) -> tuple[str, ...]:
        session = self.desk.session
        if session.project is None:
            return ()
        if kind == THIS:
            return (session.case.id,) if session.case is not None else ()
        if kind == SELECTED:
            return self._selected()
        return tuple(row.id for row in session.case_rows() if row.status == "new")

    def _list_models(self, *_: object) -> None:
        self.model.clear()
        if self.desk.session.project is not None:
            for ref, title in self.desk.session.model_refs():
                self.model.addItem(title, ref)
        found = self.model.findData(self._chosen) if self._chosen else -1
        in_use = self.model.findData(self.desk.session.model_ref)
        self.model.setCurrentIndex(found if found >= 0 else max(0, in_use))
        self._enable()

    def _choose_model(self, *_: object) -> None:
        self._chosen = self.model.currentData()

    def _enable(self) -> None:
        running = bool(self.desk.board.running("predict"))
        self.start.setEnabled(self.model.count() > 0 and self.which.count() > 0 and not running)
        if not self.model.count():
            self.start.setToolTip("There is no model yet: label a few cases and train one")
        elif not self.which.count():
            self.start.setToolTip("Open a case or select some in Cases")
        elif running:
            self.start.setToolTip("Cases are being segmented; the next can start when they are done")
        else:
            self.start.setToolTip("Runs in a process of its own; you can go on working")

    def _on_job(self, _job: Job) -> None:
        self._enable()

    @guarded
    def _start(self) -> None:
        cases = self._cases(self.which.currentData())
        if not cases:
            raise GuidedNetError("No case was chosen.", "Open a case or select some in Cases.")
        self.desk.segment(cases, self.model.currentData())

    @guarded
    def _take(self) -> None:
        prediction = self.desk.session.prediction
        if prediction is not None:
            self.desk.use_prediction(prediction)

    def _describe(self, prediction: Prediction | None) -> None:
        self.take.setVisible(prediction is not None)
        if prediction is None:
            self.about.setText("")
            return
        record = prediction.record
        sure = (
            ""
            if record.mean_confidence is None
            else f", {100 * record.mean_confidence:.0f} % sure on average"
        )
        self.about.setText(
            f"{prediction.case} was segmented by {prediction.bundle}{sure}. "
            "Its confidence maps can be shown in the step Correct."
        )


def _title(kind: str, cases: tuple[str, ...]) -> str:
    if kind == THIS:
        return f"the open case ({cases[0]})"
    word = "selected in Cases" if kind == SELECTED else "all new cases"
    return f"{word} ({len(cases)})"
