"""Runs as the plugin sees them: launched as processes of their own, followed through their folders."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from psygnal import Signal

from ..backend import (
    AnyRequest,
    EvaluateRequest,
    EventTail,
    GuidedNetError,
    PredictRequest,
    Project,
    RunFolder,
    RunState,
    counted,
    events,
    run_state,
    spawn,
)
from .series import TrainingSeries

_STATE_PERIOD_S = 1.0  # looking whether a process is alive costs a lock and a file; events come sooner
OVER: frozenset[RunState] = frozenset({"done", "stopped", "failed", "lost"})


class Job:
    """One run: how it stands and what its events have said so far.

    Parameters
    ----------
    run : RunFolder
        Its request is read here.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.request: AnyRequest = run.request()
        self.tail = EventTail(run.folder)
        self.series = TrainingSeries()
        self.cases_done: list[str] = []
        self.notes: list[str] = []
        self.state: RunState = run_state(run.folder)
        self._forget()

    def _forget(self) -> None:
        self.stage = ""
        self.device = ""
        self.bundle: str | None = None
        self.failure: events.Failed | None = None
        self.finished: events.Finished | None = None
        self.progress: tuple[int, int] = (0, 0)  # done, total; 0 = unknown
        self._first: tuple[float, float] | None = None  # time and fraction when progress was first seen
        self._last: tuple[float, float] | None = None

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder

    @property
    def kind(self) -> str:
        """predict, train or evaluate."""
        return self.request.kind

    @property
    def alive(self) -> bool:
        """Whether it is still going on."""
        return self.state not in OVER

    @property
    def resumable(self) -> bool:
        """Whether a training that ended early can go on from its last checkpoint."""
        return self.kind == "train" and self.state in ("stopped", "failed", "lost") and self.bundle is None

    @property
    def title(self) -> str:
        """What it does, in plain words."""
        request = self.request
        if isinstance(request, PredictRequest):
            cases = request.cases
            return f"Segment {cases[0] if len(cases) == 1 else counted(len(cases), 'case')}"
        if isinstance(request, EvaluateRequest):
            return f"Score {' and '.join(request.bundles)} on the {request.split} cases"
        return f"Retrain from {request.parent}" if request.parent else "Train from scratch"

    @property
    def cases_ahead(self) -> tuple[str, ...]:
        """Cases that a segmentation has still to do."""
        request = self.request
        wanted = request.cases if isinstance(request, PredictRequest) and self.alive else ()
        return tuple(name for name in wanted if name not in self.cases_done)

    @property
    def fraction(self) -> float | None:
        """Share of the work done, or None when it cannot be told."""
        done, total = self.progress
        return min(1.0, done / total) if total else None

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the pace so far, or None."""
        if self._first is None or self._last is None or not self.alive:
            return None
        seconds, gained = self._last[0] - self._first[0], self._last[1] - self._first[1]
        return seconds * (1.0 - self._last[1]) / gained if gained > 0 else None

    @property
    def message(self) -> str:
        """How it stands, in one sentence."""
        if self.failure is not None:
            return f"{self.failure.message} {self.failure.hint}".strip()
        if self.state == "lost":
            again = " It can be resumed from its last checkpoint." if self.resumable else " Start it again."
            return f"The process ended without a last word (killed, or out of memory).{again}"
        words = {
            "starting": "Starting",
            "stopping": "Ending after the current step",
            "done": "Done",
            "stopped": "Stopped",
        }
        return words.get(self.state) or self.stage or "Running"

    def log_tail(self, lines: int = 40) -> str:
        """Give the last lines of everything the process printed."""
        try:
            with open(self.run.log_path, "rb") as file:
                file.seek(max(0, file.seek(0, 2) - 400 * lines))
                text = file.read().decode("utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def take(self, event: events.Event) -> None:
        """Learn from one event."""
        self.series.add(event)
        if isinstance(event, events.Started):
            self._forget()  # a resumed run begins anew in the same folder
            self.device = event.device
        elif isinstance(event, events.Stage):
            self.stage = event.title
            self._advance(event.done, event.total, event.time_s)
        elif isinstance(event, events.Step):
            self.stage = f"Step {event.step} of {event.steps}"
            self._advance(event.step, event.steps, event.time_s)
        elif isinstance(event, events.CaseDone):
            self.cases_done.append(event.case)
        elif isinstance(event, events.Note):
            self.notes.append(event.text)
        elif isinstance(event, events.Failed):
            self.failure = event
        elif isinstance(event, events.Finished):
            self.finished, self.bundle = event, event.bundle

    def _advance(self, done: int, total: int, time_s: float) -> None:
        if total != self.progress[1]:
            self._first = None  # another measure of progress: the pace starts over
        self.progress = (done, total)
        if total:
            self._last = (time_s, done / total)
            self._first = self._first or self._last


class JobBoard:
    """All runs of the open project; `poll` from one timer keeps it true.

    Parameters
    ----------
    clock : callable, optional
        Seconds, monotonic.
    """

    started = Signal(object)  # Job
    changed = Signal(object)  # Job: state, stage or progress
    event = Signal(object, object)  # Job, Event
    ended = Signal(object)  # Job, state in OVER

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs: dict[Path, Job] = {}
        self._clock = clock
        self._looked_s = float("-inf")

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Oldest first."""
        return tuple(self._jobs.values())

    def running(self, kind: str | None = None) -> tuple[Job, ...]:
        """Give the jobs going on, of one kind or of all."""
        return tuple(job for job in self.jobs if job.alive and kind in (None, job.kind))

    def launch(self, project: Project, request: AnyRequest) -> Job:
        """Write the request into a new run folder and start its process.

        Raises
        ------
        GuidedNetError
            When the folder cannot be written, or a training of this project is going on already.
        """
        if request.kind == "train" and self.running("train"):
            raise GuidedNetError("A training is going on already.", "Wait for it, or stop it first.")
        return self._start(project.new_run(request))

    def resume(self, job: Job) -> Job:
        """Let a training that ended early go on from its last checkpoint.

        Raises
        ------
        GuidedNetError
            When there is nothing to resume.
        """
        if not job.resumable:
            raise GuidedNetError(
                f"'{job.title}' cannot be resumed: it is {job.state}.", "Start a new training."
            )
        if self.running("train"):
            raise GuidedNetError("A training is going on already.", "Wait for it, or stop it first.")
        return self._start(job.run)

    def stop(self, job: Job) -> None:
        """Ask a run to end after its current step; what it has done is kept."""
        if job.alive:
            job.run.stop()
            self._set_state(job, "stopping")

    def attach(self, project: Project) -> tuple[Job, ...]:
        """Find the runs of a project; those still alive are followed from here on.

        Returns
        -------
        tuple of Job
            All runs whose request can be read, oldest first.
        """
        self.clear()
        for run in project.runs():
            try:
                job = Job(run)
            except GuidedNetError:
                continue  # a folder without a readable request is no run of ours
            for event in job.tail.poll():
                job.take(event)
            self._jobs[run.folder] = job
            if job.alive:
                job.failure = job.finished = None  # what an earlier launch said
                self.started.emit(job)
        return self.jobs

    def clear(self) -> None:
        """Forget all jobs; their processes go on."""
        self._jobs.clear()

    def poll(self) -> None:
        """Read what is new in every run that goes on, and tell."""
        look = self._clock() - self._looked_s >= _STATE_PERIOD_S
        if look:
            self._looked_s = self._clock()
        for job in self.running():
            self._poll(job, look)

    def _poll(self, job: Job, look: bool) -> None:
        state = run_state(job.folder) if look else job.state  # before the events: none is missed at the end
        new = job.tail.poll()
        for event in new:
            job.take(event)
            self.event.emit(job, event)
        if job.finished is not None:
            state = job.finished.outcome
        elif job.failure is not None:
            state = "failed"
        elif state == "starting" and new:
            state = "running"
        if state != job.state:
            self._set_state(job, state)
        elif new:
            self.changed.emit(job)

    def _set_state(self, job: Job, state: RunState) -> None:
        job.state = state
        self.changed.emit(job)
        if state in OVER:
            self.ended.emit(job)

    def _start(self, run: RunFolder) -> Job:
        spawn(run.folder)
        job = self._jobs.get(run.folder)
        if job is None:
            job = self._jobs[run.folder] = Job(run)
        job.failure = job.finished = None
        job.state = "starting"
        self.started.emit(job)
        return job
