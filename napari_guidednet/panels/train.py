"""The Train step: one click retrains on labelled and unlabelled cases; a live chart, stop, resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..backend import GuidedNetError
from ..state.jobs import Job
from ..state.training import SCRATCH, RetrainPlan, plan_retrain
from .buttons import button
from .chart import LossChart
from .guard import guarded
from .progress import JobProgress
from .settings import TrainSettings

if TYPE_CHECKING:
    from .desk import Desk


class TrainPanel(QWidget):
    """Shows what a training would use, starts it and follows it."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.plan: RetrainPlan | None = None
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.parent_model = QComboBox()
        self.parent_model.setToolTip("A training that starts from a model needs far fewer steps")
        self.parent_model.activated.connect(self._choose_parent)
        self._chosen: str | None = None  # by the user; otherwise the model in use is started from
        self.settings = TrainSettings(desk)
        self.start = button("Retrain", "Runs in a process of its own; napari may be closed", self._start)
        self.resume = button("Resume", "Goes on from the last checkpoint of this run", self._resume)
        self.run = QComboBox()
        self.run.setToolTip("The training whose curves are shown")
        self.run.currentIndexChanged.connect(self._show_run)
        self.progress = JobProgress(desk, "train")
        self.chart = LossChart()
        self._drawn: tuple[object, ...] = ()
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        form = QFormLayout()
        form.addRow("Start from", self.parent_model)
        layout.addLayout(form)
        layout.addWidget(self.about)
        layout.addWidget(self.settings)
        layout.addWidget(self.start)
        layout.addWidget(self.progress)
        row = QHBoxLayout()
        row.addWidget(self.run, 1)
        row.addWidget(self.resume)
        layout.addLayout(row)
        layout.addWidget(self.chart, 10)
        layout.addStretch(1)

    def _connect(self) -> None:
        session, board = self.desk.session, self.desk.board
        for signal in (session.project_changed, session.cases_changed, session.bundles_changed):
            signal.connect(self.refresh)
        session.project_changed.connect(self._list_runs)
        board.started.connect(self._on_started)
        board.changed.connect(self._on_changed)
        board.ended.connect(self._on_changed)
        self.desk.ticker.ticked.connect(self._draw)
        self._list_runs()

    def refresh(self, *_: object) -> None:
        """Read anew what a training would use."""
        project = self.desk.session.project
        refs = self.desk.session.model_refs() if project is not None else ()
        with QSignalBlocker(self.parent_model):
            self.parent_model.clear()
            for ref, title in refs:
                self.parent_model.addItem(title, ref)
            self.parent_model.addItem("nothing (train from scratch)", SCRATCH)
            found = self.parent_model.findData(self._chosen) if self._chosen else -1
            in_use = self.parent_model.findData(self.desk.session.model_ref)
            self.parent_model.setCurrentIndex(found if found >= 0 else max(0, in_use))
        self._plan()

    def _choose_parent(self, *_: object) -> None:
        self._chosen = self.parent_model.currentData()
        self._plan()

    @guarded
    def _plan(self) -> None:
        project = self.desk.session.project
        self.plan = None
        if project is None:
            self.about.setText("Open a project first.")
        else:
            parent = self.parent_model.currentData()
            self.plan = plan_retrain(project, parent)
            self.about.setText("\n".join((self.plan.text, *self.plan.warnings)))
            self.settings.show_spec(self.plan.spec, free=parent == SCRATCH)
        self._enable()

    def _enable(self) -> None:
        ready = self.plan is not None and self.plan.ready
        self.start.setEnabled(ready and not self.desk.board.running("train"))
        self.settings.setEnabled(self.plan is not None)
        job = self._shown()
        self.resume.setVisible(job is not None and job.resumable)
        self.resume.setEnabled(not self.desk.board.running("train"))
        for widget in (self.run, self.chart):
            widget.setVisible(job is not None)

    @guarded
    def _start(self) -> None:
        if self.plan is None:
            raise GuidedNetError("The training cannot start yet.", "Open a project first.")
        self.desk.retrain(self.plan.request(spec=self.settings.spec()))

    @guarded
    def _resume(self) -> None:
        job = self._shown()
        if job is not None:
            self.desk.board.resume(job)
            self.desk.say(f"{job.title}: resumed from its last checkpoint.")

    def _shown(self) -> Job | None:
        folder = self.run.currentData()
        return next((job for job in self.desk.board.jobs if str(job.folder) == folder), None)

    def _list_runs(self, *_: object) -> None:
        trainings = [job for job in self.desk.board.jobs if job.kind == "train"]
        with QSignalBlocker(self.run):
            self.run.clear()
            for job in trainings:
                self.run.addItem(f"{job.folder.name}: {job.title}", str(job.folder))
            self.run.setCurrentIndex(self.run.count() - 1)
        self._show_run()

    def _on_started(self, job: Job) -> None:
        if job.kind == "train":
            self._list_runs()
            self.run.setCurrentIndex(self.run.findData(str(job.folder)))

    def _on_changed(self, job: Job) -> None:
        if job.kind == "train" and not job.alive:
            self._draw()
            self._enable()

    def _show_run(self, *_: object) -> None:
        self.chart.clear()
        self._drawn = ()
        job = self._shown()
        self.progress.follow(job)
        self._draw()
        self._enable()

    def _draw(self) -> None:
        job = self._shown()
        if job is None:
            return
        series = job.series
        dice = series.dice
        state = (job, series.step, sum(len(steps) for steps, _ in dice.values()))
        if state != self._drawn:
            self._drawn = state
            self.chart.show_series({**series.terms, **series.rates, **series.gradients}, dice)
