"""The Train step: one click retrains on labelled and unlabelled cases; a live chart, stop, resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..backend import GuidedNetError, TrainRequest, Workload
from ..state.jobs import Job
from ..state.training import RetrainPlan, plan_retrain, suitable_method
from .buttons import button
from .chart import LossChart
from .choice import TrainChoice
from .cost import MEASURING, CostLine
from .focus import FocusChoice
from .guard import guarded
from .narrow import narrow
from .progress import JobProgress
from .settings import TrainSettings

if TYPE_CHECKING:
    from .desk import Desk

PAUSE_MS = 400  # after a key stroke, before what is typed is looked at
START = "Retrain"


class TrainPanel(QWidget):
    """Shows what a training would use and cost, starts it and follows it."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.plan: RetrainPlan | None = None
        self._waiting = False  # to start what is shown as soon as it has been measured
        self._trouble = ""  # why the settings cannot be used
        self.choice = TrainChoice()
        self.focus = FocusChoice()
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.cost = CostLine(desk)
        self.settings = TrainSettings()
        self.start = button(START, "Runs in a process of its own; napari may be closed", self._start)
        self.resume = button("Resume", "Goes on from the last checkpoint of this run", self._resume)
        self.run = narrow(QComboBox())
        self.run.setToolTip("The training whose curves are shown")
        self.run.currentIndexChanged.connect(self._show_run)
        self.progress = JobProgress(desk, "train")
        self.chart = LossChart()
        self._drawn: tuple[object, ...] = ()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PAUSE_MS)
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        for widget in (
            self.choice, self.focus, self.about, self.settings, self.cost, self.start, self.progress
        ):  # fmt: skip
            layout.addWidget(widget)
        row = QHBoxLayout()
        row.addWidget(self.run, 1)
        row.addWidget(self.resume)
        layout.addLayout(row)
        layout.addWidget(self.chart, 10)
        layout.addStretch(1)

    def _connect(self) -> None:
        session, board = self.desk.session, self.desk.board
        session.project_changed.connect(self._on_project)
        for signal in (session.project_changed, session.cases_changed, session.bundles_changed):
            signal.connect(self.refresh)
        session.project_changed.connect(self._list_runs)
        board.started.connect(self._on_started)
        board.changed.connect(self._on_changed)
        board.ended.connect(self._on_changed)
        self.choice.changed.connect(self._on_choice)
        self.settings.changed.connect(self._on_edit)
        self.focus.changed.connect(self._on_edit)
        self._soon.timeout.connect(self._reckon)
        self.desk.ticker.ticked.connect(self._draw)
        self.desk.ticker.ticked.connect(self._listen)
        self._list_runs()

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for methods and costs only when somebody looks."""
        super().showEvent(event)
        self.refresh()

    @guarded
    def refresh(self, *_: object) -> None:
        """Read anew what a training would use."""
        project, forecast = self.desk.session.project, self.desk.forecast
        if project is not None and self.isVisible():
            forecast.ask_methods()
        refs = self.desk.session.model_refs() if project is not None else ()
        self.choice.show_models(refs, self.desk.session.model_ref if project is not None else None)
        unlabelled = project is not None and bool(project.unlabelled_ids("train"))
        self.choice.show_methods(forecast.methods, suitable_method(forecast.methods, unlabelled))
        self._plan()

    @guarded
    def _plan(self) -> None:
        project = self.desk.session.project
        self.plan = None
        if project is None:
            self.about.setText("Open a project first.")
            self.focus.show_organs((), {})
        else:
            choice = self.choice
            self.plan = plan_retrain(project, choice.chosen_model, choice.chosen_method, choice.chosen_preset)
            self.about.setText("\n".join((self.plan.text, *self.plan.warnings)))
            self.settings.show_spec(self.plan.spec, self.plan.method, free=self.plan.parent is None)
            organs = [(organ.name, organ.title) for organ in project.scheme.organs]
            self.focus.show_organs(organs, self.plan.dice)
        self._reckon()

    @guarded
    def _reckon(self) -> None:
        """Say what the training would cost, or what is wrong with its settings."""
        request, self._trouble = None, ""
        if self.plan is not None and self.plan.ready:
            try:
                request = self._request()
            except GuidedNetError as error:
                self._trouble = str(error)
        self.cost.consider(request, self.plan.work if self.plan is not None else Workload())
        if self._trouble:
            self.cost.setText(f"⚠ {self._trouble}")
            self.cost.show()
        self._enable()

    def _on_project(self, *_: object) -> None:
        self._waiting = False  # nobody has asked for a training of this one

    def _on_choice(self) -> None:
        self._waiting = False  # something else may be wanted now
        self._plan()

    def _on_edit(self) -> None:
        self._waiting = False
        self._soon.start()

    def _request(self) -> TrainRequest:
        if self.plan is None:
            raise GuidedNetError("The training cannot start yet.", "Open a project first.")
        spec = self.settings.spec()
        learn = spec.learn.model_copy(update={"focus": self.focus.focus})
        return self.plan.request(spec=spec.model_copy(update={"learn": learn}))

    def _enable(self) -> None:
        ready = self.plan is not None and self.plan.ready
        refused = bool(self._trouble or self.cost.refusal)
        busy = bool(self.desk.board.running("train"))
        self.start.setEnabled(ready and not refused and not busy and not self._waiting)
        self.start.setText(MEASURING if self._waiting else START)
        self.settings.setEnabled(self.plan is not None)
        job = self._shown()
        self.resume.setVisible(job is not None and job.resumable)
        self.resume.setEnabled(not busy)
        for widget in (self.run, self.chart):
            widget.setVisible(job is not None)

    @guarded
    def _start(self) -> None:
        """Start, once it is known that the memory is enough."""
        self._soon.stop()
        self._reckon()
        self._advance()

    def _advance(self) -> None:
        """Start what is shown, or ask for what must be known before."""
        request, forecast = self._request(), self.desk.forecast
        self._waiting = not forecast.knows(request)
        if self._waiting and forecast.methods:
            forecast.ask_pace(request)
        elif self._waiting:
            forecast.ask_methods()
        self._enable()
        if self._waiting:
            self.desk.say("Measuring a few steps first; the training then starts by itself.")
        elif self.cost.refusal:
            raise GuidedNetError(self.cost.refusal)
        else:
            self.desk.retrain(request)

    @guarded
    def _listen(self) -> None:
        """Take what the child processes have answered."""
        try:
            if not self.desk.forecast.poll():
                return
        except GuidedNetError as error:
            self._waiting = self._waiting and bool(self.desk.forecast.methods)
            self.desk.fail(error, doing="asking the training package")
        self.refresh()
        if self._waiting:
            self._advance()

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
            self._reckon()

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
