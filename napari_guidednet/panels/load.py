"""The one worker thread: reads volumes off the GUI thread and brings the result back to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, Signal, Slot
from superqt.utils import create_worker

from .garbage import begin_thread, end_thread


@dataclass(frozen=True)
class Outcome:
    """What a piece of work gave: a value or the error it raised."""

    title: str
    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True)
class _Job:
    title: str
    work: Callable[[], Any]
    done: Callable[[Outcome], None]
    key: str | None


class Loader(QObject):
    """Runs one piece of work at a time in a thread, in the order asked.

    Signals `started(title)` and `idle()` are for a busy sign; results go to the callback given with
    the work, always on the main thread.
    """

    started = Signal(str)
    idle = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: Any = None
        self._running: _Job | None = None
        self._waiting: list[_Job] = []
        self._closed = False
        self._claim = threading.Lock()  # of the work under way; who holds it does it
        self._resting = threading.Event()
        self._resting.set()

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._running is not None

    def load(
        self, title: str, work: Callable[[], Any], done: Callable[[Outcome], None], key: str | None = None
    ) -> None:
        """Run `work` in the thread, then call `done` with its outcome.

        Parameters
        ----------
        title : str
            What is being read, in words: "Reading phantom_01".
        work : callable
            Must not touch Qt or napari.
        done : callable
            Called with the outcome, unless replaced.
        key : str, optional
            A newer request with the same key replaces this one: its result is dropped.
        """
        if self._closed:
            return
        if key is not None:
            self._waiting = [job for job in self._waiting if job.key != key]
        self._waiting.append(_Job(title, work, done, key))
        if not self.busy:
            self._next()

    def wait(self, timeout_s: float = 60.0) -> bool:
        """Block until the work under way is over (its callback comes later); tell whether it is."""
        return self._resting.wait(timeout_s)

    def finish_here(self, timeout_s: float = 60.0) -> None:
        """Block until all work is done: what is under way ends in its thread, what waits is done here.

        For the end of the application, when no events come any more.
        """
        waiting, self._waiting = self._waiting, []
        if self._running is not None and self._claim.acquire(blocking=False):
            # superqt starts a thread by a timer, and no timer runs while this one blocks
            waiting, self._running = [self._running, *waiting], None
            end_thread()
        self._resting.wait(timeout_s if self._running is not None else 0)
        for job in waiting:
            job.done(_attempt(job.title, job.work, self._resting))

    def close(self) -> None:
        """Take no more work and forget what is under way; its result is dropped."""
        self._closed = True
        self._waiting = []

    def _next(self) -> None:
        self._running = job = self._waiting.pop(0)
        self.started.emit(job.title)
        # Errors come back as values: the worker class of superqt swallows a RuntimeError.
        self._resting.clear()
        begin_thread()
        self._claim = threading.Lock()
        self._worker = create_worker(
            _in_thread, job.title, job.work, self._resting, self._claim, _start_thread=False
        )
        self._worker.returned.connect(self._finish)  # a bound method of a QObject: on the main thread
        self._worker.start()

    @Slot(object)
    def _finish(self, outcome: Outcome) -> None:
        job, self._running = self._running, None
        if self._closed or job is None:
            return
        replaced = job.key is not None and any(other.key == job.key for other in self._waiting)
        if self._waiting:
            self._next()
        else:
            self.idle.emit()
        if not replaced:
            job.done(outcome)


def _in_thread(
    title: str, work: Callable[[], Any], resting: threading.Event, claim: threading.Lock
) -> Outcome:
    if not claim.acquire(blocking=False):
        return Outcome(title)  # done elsewhere already
    try:
        return _attempt(title, work, resting)
    finally:
        end_thread()


def _attempt(title: str, work: Callable[[], Any], resting: threading.Event) -> Outcome:
    try:
        return Outcome(title, work())
    except Exception as error:  # carried to the main thread, where it is shown
        return Outcome(title, error=error)
    finally:
        resting.set()
