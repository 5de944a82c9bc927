"""What all panels share: the open project and case, its runs, its layers, and how work moves between them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from ..backend import PredictRequest, Project, TrainRequest, counted, events, make_sample_project
from ..layers.case_layers import CaseLayers
from ..state.correction import Correction
from ..state.forecast import Forecast
from ..state.jobs import Job, JobBoard
from ..state.merging import Merging, plan_merge
from ..state.session import OpenCase, Prediction, Session
from .autosave import Autosave
from .load import Loader, Outcome
from .opening import Opening
from .patience import wait_until
from .ticker import Ticker

if TYPE_CHECKING:
    import napari

    from .ask import Asker


class Desk(QObject):
    """Opens, shows and saves; panels ask it and listen to it.

    Parameters
    ----------
    viewer : napari.Viewer
        Where cases are shown.
    asker : Asker
        Who answers questions.
    """

    said = Signal(str, str, object)  # what happened; a button's name and what it does, or "" and None
    failed = Signal(object, str)  # error, what was being done
    offered = Signal(str, object)  # a way out of the error just shown: a button's name and what it does
    correction_changed = Signal(object)  # Correction | None: another case is open
    work_changed = Signal()  # anything that may change the next step
    busy = Signal(bool)

    def __init__(self, viewer: napari.Viewer, asker: Asker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.asker = asker
        self.session = Session()
        self.board = JobBoard()
        self.forecast = Forecast()
        self.layers = CaseLayers(viewer)
        self.correction: Correction | None = None
        self.loader = Loader(self)
        self.autosave = Autosave(lambda: self.session.project, self)
        self.opening = Opening(self)
        self.ticker = Ticker(self.board.poll, self.fail, self)
        self._closed = False
        self.loader.started.connect(lambda _title: self.busy.emit(True))
        self.loader.idle.connect(partial(self.busy.emit, False))
        self.autosave.failed.connect(partial(self.fail, doing="autosave"))
        self.autosave.saved.connect(lambda _case: self.session.cases_added())
        self.session.project_changed.connect(self._on_project)
        self.session.cases_changed.connect(self._on_work)
        self.session.bundles_changed.connect(self._on_work)
        self.session.case_changed.connect(self._on_work)
        self.board.changed.connect(self._on_work)
        self.board.started.connect(self._on_work)
        self.board.event.connect(self._on_event)
        self.board.ended.connect(self._on_ended)
        self.ticker.start()

    # telling

    def say(self, text: str, action: str = "", do: Callable[[], object] | None = None) -> None:
        """Tell the user what happened, with an optional button."""
        self.said.emit(text, action, do)

    def fail(self, error: Exception, doing: str = "") -> None:
        """Show an error: a user's mistake as message and hint, a bug as a report."""
        self.failed.emit(error, doing)

    def in_thread(
        self,
        title: str,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        key: str | None = None,
        otherwise: Callable[[], None] | None = None,
        quiet: bool = False,
        rescue: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run `work` in the worker thread, then `then(value)` here.

        Parameters
        ----------
        title : str
            Said at once unless `quiet`: "Reading phantom_01".
        key : str, optional
            A newer request with the same key replaces this one.
        otherwise : callable, optional
            Called after an error has been shown.
        rescue : callable, optional
            Called with the error after it has been shown; it may offer a way out.
        """

        def done(outcome: Outcome) -> None:
            if outcome.error is not None:
                self.fail(outcome.error, doing=title)
                if otherwise is not None:
                    otherwise()
                if rescue is not None:
                    rescue(outcome.error)
                return
            try:
                then(outcome.value)
            except Exception as error:  # every kind: a bug becomes a report that can be copied
                self.fail(error, doing=title)

        if not quiet:
            self.say(f"{title} …")
        self.loader.load(title, work, done, key)

    # project

    def open_project(self, folder: Path | str) -> None:
        """Open a project; runs of it that still go on are followed again."""
        project = self.session.project
        if project is None or project.folder != Path(folder).resolve():
            project = Project.open(folder, write=True)  # a wrong folder closes nothing
            self._enter(project)
        running = self.board.running()
        again = f" {running[0].title} still goes on." if running else ""
        self.say(f"Opened {project.name}: {counted(len(project.cases), 'case')}.{again}")

    def create_project(self, folder: Path, name: str, scheme: str) -> None:
        """Make a project and open it."""
        self._enter(Project.create(folder, name, scheme))
        self.say(f"Made the project {name} with the scheme {scheme}.")

    def open_sample(self, folder: Path) -> None:
        """Make the synthetic abdomen project and open it."""
        self.in_thread("Making synthetic abdomens", partial(make_sample_project, folder), self._adopt)

    def _enter(self, project: Project) -> None:
        """Leave the open case and take over a project."""
        try:
            self._leave_case()
        except Exception:
            project.close()  # or it would be locked until napari is closed
            raise
        self.session.adopt_project(project)

    def _adopt(self, project: Project) -> None:
        self._enter(project)
        self.say(f"Made {project.name}: {len(project.cases)} synthetic cases.")

    # case

    def open_case(self, case_id: str) -> None:
        """Read a case in the thread and show it; the open one is saved first."""
        self.opening.open(case_id)

    def show_case(
        self, correction: Correction, prediction: Prediction | None, plan: Merging | None, news: str = ""
    ) -> None:
        """Show a case that was read; the one before is saved whole in the thread.

        Parameters
        ----------
        plan : Merging, optional
            What taking the prediction would write, where it shall be taken.
        news : str, optional
            What to say instead of how far the case is.
        """
        case = correction.case
        self.autosave.watch(correction)
        self.correction = correction
        self.session.show_case(case)
        self.layers.show(case, correction)
        correction.states_changed.connect(self._on_work)
        correction.refused.connect(self._on_refused)
        self.correction_changed.emit(correction)
        held_out = " It is held out: it scores models and never trains them." if case.split != "train" else ""
        again = (
            f" The last session ended early; its journal gave back {counted(case.recovered, 'change')}."
            if case.recovered
            else ""
        )
        opened = f"Opened {case.id}: {counted(len(correction.confirmed), 'organ')} confirmed."
        self.say(f"{news or opened + again}{held_out}")
        if prediction is not None and plan is not None:
            self.use_prediction(prediction, plan)
        elif prediction is not None:
            self.show_prediction(prediction)
        self.work_changed.emit()

    def _leave_case(self) -> None:
        self.autosave.flush()
        self.autosave.watch(None)
        self._wait_for_saving("Saving the labels before another project opens …")
        self.correction = None
        self.layers.clear()
        self.session.close_case()
        self.correction_changed.emit(None)

    # segmenting

    def segment(self, cases: Sequence[str], bundle: str, device: str = "auto") -> Job:
        """Start a process that segments cases of the project."""
        project = self.session.opened
        request = PredictRequest(
            project=str(project.folder), cases=tuple(cases), bundle=bundle, device=device
        )
        job = self.board.launch(project, request)
        self.say(f"{job.title}: started with {bundle}. You can go on working.")
        return job

    def show_prediction(self, prediction: Prediction) -> None:
        """Show the maps of a prediction of the open case."""
        self.session.show_prediction(prediction)
        self.layers.show_prediction(prediction)

    def use_prediction(self, prediction: Prediction, plan: Merging | None = None) -> None:
        """Take the model's labels into the open case; confirmed, locked and corrected organs stay.

        Parameters
        ----------
        plan : Merging, optional
            What that would write; worked out in the thread where it is lacking or holds no more.
        """
        correction = self.correction
        if correction is None or correction.case.id != prediction.case:
            return
        report = None if plan is None else correction.merge_planned(plan)
        if report is None:
            work = partial(plan_merge, correction, prediction)
            title = f"Laying the labels of {prediction.bundle} under yours"
            self.in_thread(title, work, partial(self.use_prediction, prediction), key="merge")
            return
        self.show_prediction(prediction)
        self.say(f"{prediction.case}: {report.text}", "Undo", self._undo_merge)
        self.work_changed.emit()

    def _undo_merge(self) -> None:
        undone = self.correction is not None and self.correction.undo_merge()
        self.say(
            "The labels are as they were before." if undone else "You worked on since; use Ctrl+Z instead."
        )

    # training

    def retrain(self, request: TrainRequest) -> Job:
        """Start a training process; the open case is saved first, so that it takes part."""
        self.autosave.flush()
        job = self.board.launch(self.session.opened, request)
        self.say(f"{job.title}: started. napari may be closed; the training goes on.")
        return job

    # models

    @property
    def candidate(self) -> str | None:
        """A newly trained model that nobody has decided about."""
        project = self.session.project
        trained = [job.bundle for job in self.board.jobs if job.kind == "train" and job.bundle]
        if project is None or not trained or trained[-1] not in project.bundles():
            return None
        return None if trained[-1] in project.decided else trained[-1]

    def promote(self, name: str) -> None:
        """Put a model in use."""
        old = self.session.model_title
        self.session.promote(name)
        self.say(f"{name} is in use now, in place of {old}.", "Roll back", self.roll_back)

    def keep(self, name: str) -> None:
        """Leave the model in use as it is; the new one stays in the project."""
        self.session.decline(name)
        self.say(f"{self.session.model_title} stays in use; {name} can be promoted later.")

    def roll_back(self) -> None:
        """Put the model used before in use again."""
        self.session.roll_back()
        self.say(f"{self.session.model_title} is in use again.")

    # closing

    def save_before_closing(self) -> None:
        """Save the whole labels in the thread, and wait with a word on the screen until they are on disk."""
        self.flush()
        for _ in range(2):  # a save that was under way may not hold the newest changes
            self.autosave.save()
            self._wait_for_saving("Saving the labels; napari closes as soon as they are on disk …")

    def _wait_for_saving(self, text: str) -> None:
        parent = self.parent()
        wait_until(lambda: not self.autosave.busy, text, parent if isinstance(parent, QWidget) else None)

    def flush(self) -> None:
        """Have every change on disk, now."""
        try:
            self.autosave.flush()
        except Exception as error:  # every kind: closing goes on, the message is the last word
            self.fail(error, doing="saving before closing")

    def close(self) -> None:
        """Save, let go of the project and stop all timers; runs go on."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(
            RuntimeError
        ):  # Qt may have taken the signals already, the labels it has not
            self.flush()
        with contextlib.suppress(RuntimeError):
            self.ticker.stop()
            self.autosave.close()
            self.loader.close()
        self.forecast.close()
        session, board = self.session, self.board
        for signal in (
            session.project_changed, session.cases_changed, session.case_changed,
            session.prediction_changed, session.bundles_changed,
            board.started, board.changed, board.event, board.ended,
        ):  # fmt: skip
            signal.disconnect()  # the widgets may be gone: nobody is told
        self.session.close()

    # within

    def _on_project(self, project: Project | None) -> None:
        if project is None:
            self.board.clear()
        else:
            self.board.attach(project)
        self.work_changed.emit()

    def _on_work(self, *_: object) -> None:
        self.work_changed.emit()

    def _on_refused(self, _voxels: int) -> None:
        if self.correction is not None:
            self.say(f"{self.correction.case.id}: {self.correction.refusal}")

    def _on_event(self, _job: Job, event: events.Event) -> None:
        if isinstance(event, events.CaseDone):
            self.session.cases_added()  # a prediction of it is there now

    def _on_ended(self, job: Job) -> None:
        self.session.bundles_changed.emit()
        self.session.cases_added()
        case, done = self.session.case, job.cases_done if job.kind == "predict" else ()
        if case is not None and case.id in done:  # it may be, though the run was stopped
            self._take_segmented(job, case)
        elif job.state != "done":
            self.say(f"{job.title}: {job.message}")
        elif job.kind == "train":
            self.say(
                f"Training is done: {job.bundle}. Compare it with the model in use."
                if job.bundle
                else f"{job.title} is done."
            )
        else:
            self.say(f"{job.title}: done.")
        self.work_changed.emit()

    def _take_segmented(self, job: Job, case: OpenCase) -> None:
        bundle = job.request.bundle if isinstance(job.request, PredictRequest) else None
        read = partial(self.session.load_prediction, case.id, bundle)
        self.in_thread(f"Reading the labels of {case.id}", read, self.use_prediction, key="prediction")
