"""The one worker thread: reads volumes off the GUI thread and brings the result back to it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from functools import cache
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal, Slot

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


class _Task:
    """Work and what came of it; all that the thread holds.

    The main thread empties it: a widget that the work or its outcome belongs to must not be destroyed in the
    thread, though its window was closed meanwhile.
    """

    def __init__(self, title: str, work: Callable[[], Any]) -> None:
        self.title = title
        self.work: Callable[[], Any] | None = work
        self.outcome: Outcome | None = None

    def run(self) -> None:
        try:
            if self.work is not None:
                self.outcome = _attempt(self.title, self.work)
        finally:
            end_thread()

    def ring(self, _future: object) -> None:
        _bell().rung.emit(self)

    def empty(self) -> None:
        self.work = self.outcome = None


class _Bell(QObject):
    """Rung in a thread, heard by every loader on the main thread; outlives them all."""

    rung = Signal(object)  # the task that is over
    heard = Signal(object)  # the same, on the main thread

    def __init__(self) -> None:
        super().__init__()
        self.rung.connect(self._hear, Qt.ConnectionType.QueuedConnection)

    @Slot(object)
    def _hear(self, task: _Task) -> None:
        self.heard.emit(task)
        task.empty()


@cache
def _bell() -> _Bell:
    return _Bell()


class Loader(QObject):
    """Runs one piece of work at a time in a thread, in the order asked.

    Signals `started(title)` and `idle()` are for a busy sign; results go to the callback given with
    the work, always on the main thread.
    """

    started = Signal(str)
    idle = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = futures.ThreadPoolExecutor(1, thread_name_prefix="guidednet")
        self._task: _Task | None = None  # under way
        self._future: futures.Future[None] | None = None  # of the task
        self._running: _Job | None = None
        self._waiting: list[_Job] = []
        self._closed = False
        _bell().heard.connect(self._hear)

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
        return self._future is None or bool(futures.wait([self._future], timeout_s).done)

    def finish_here(self, timeout_s: float = 60.0) -> None:
        """Block until all work is done: what is under way ends in its thread, what waits is done here.

        For the end of the application, when no events come any more: every callback has been called when
        this returns, but that of work which takes longer than `timeout_s`.
        """
        ended = self.wait(timeout_s)
        (running, task), waiting = self._take(), self._waiting
        self._waiting = []
        if running is not None and ended and task is not None and task.outcome is not None:
            running.done(task.outcome)
        for job in waiting:
            job.done(_attempt(job.title, job.work))

    def close(self) -> None:
        """Take no more work and forget what is under way; its result is dropped."""
        self._closed = True
        self._waiting = []
        self._thread.shutdown(wait=False)

    def _next(self) -> None:
        self._running = job = self._waiting.pop(0)
        self.started.emit(job.title)
        begin_thread()
        self._task = task = _Task(job.title, job.work)
        self._future = self._thread.submit(task.run)
        self._future.add_done_callback(task.ring)

    @Slot(object)
    def _hear(self, task: _Task) -> None:
        if task is not self._task:  # another loader's, or finished already
            return
        job, _ = self._take()
        if self._closed or job is None:
            return
        replaced = job.key is not None and any(other.key == job.key for other in self._waiting)
        if self._waiting:
            self._next()
        else:
            self.idle.emit()
        if not replaced and task.outcome is not None:
            job.done(task.outcome)

    def _take(self) -> tuple[_Job | None, _Task | None]:
        taken = self._running, self._task
        self._running = self._task = self._future = None
        return taken


def _attempt(title: str, work: Callable[[], Any]) -> Outcome:
    try:
        return Outcome(title, work())
    except Exception as error:  # carried to the main thread, where it is shown
        return Outcome(title, error=error)
