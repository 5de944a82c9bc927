"""Keeps work on disk: each change is journaled at once, whole labels are saved in pauses; all in threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QObject, QTimer, Signal

from ..backend import Change, JournalWriter, Project
from ..state.correction import Correction, Snapshot
from .load import Loader, Outcome

TICK_MS = 300  # a stroke that goes on is journaled this often
PAUSE_S = 10.0  # after the last change the whole labels are saved
AT_MOST_S = 180.0  # and while somebody works without a pause: then little is to be replayed
RETRY_S = 30.0
_URGENT = frozenset({"confirm", "reopen", "confirm slice", "reopen slice"})


class Autosave(QObject):
    """Watches a correction and keeps its labels on disk.

    Signals `said(text)` for the indicator, `saved(case)` after each save of whole labels,
    `failed(error)`.
    """

    said = Signal(str)
    saved = Signal(str)
    failed = Signal(object)

    def __init__(
        self,
        project: Callable[[], Project | None],
        parent: QObject | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._project = project
        self._clock = clock
        self._correction: Correction | None = None
        self._writer: JournalWriter | None = None
        self._saving: Snapshot | None = None
        self._due_s = self._latest_s = float("inf")
        self._told = ""
        self._failure: Exception | None = None  # of the last save of whole labels
        self._loader = Loader(self)  # its own: a save never waits behind a long import
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.tick)

    @property
    def busy(self) -> bool:
        """Whether whole labels are being saved, of this case or of one that was left."""
        return self._loader.busy

    @property
    def waiting(self) -> bool:
        """Whether a change of the open case is not in its journal yet."""
        return self._writer is not None and self._writer.waiting > 0

    def watch(self, correction: Correction | None) -> None:
        """Keep this correction on disk from now on; the earlier one is saved whole in the thread."""
        self._leave()
        self._correction = correction
        self._failure = None
        self._say("")
        project = self._project()
        if correction is None or project is None:
            return
        self._due_s = self._latest_s = float("inf")
        if project.writable:
            folder, known = project.journal_folder(correction.case.id), correction.annotation.change or 0
            self._writer = JournalWriter(folder, correction.history.packed, known)
            correction.journaled.connect(self._journal)
        if correction.dirty:  # changes that only the journal has
            self._due_s = self._clock()
        self._timer.start()

    def tick(self) -> None:
        """Journal what a long stroke wrote so far; save the whole labels when it is time."""
        correction, writer = self._correction, self._writer
        if correction is None:
            return
        correction.commit()
        if writer is None:
            if correction.dirty:
                self._say("read only: NOT SAVED")
            return
        failure = writer.error or self._failure
        if failure is not None:
            self._tell_failure(failure)
        elif not writer.waiting and self._told in ("saving …", "NOT SAVED"):
            self._say(f"saved {time.strftime('%H:%M:%S')}")
        if self._clock() >= min(self._due_s, self._latest_s):
            self.save()

    def save(self) -> None:
        """Save the whole labels in the thread if something changed and no save is under way."""
        project, correction = self._project(), self._correction
        if project is None or correction is None or self._saving is not None:
            return
        snapshot = correction.snapshot()
        self._due_s = self._latest_s = float("inf")
        if correction.dirty:
            self._saving = snapshot
            title = f"Saving {snapshot.case}"
            work = partial(_save, snapshot, project, self._writer)
            self._loader.load(title, work, partial(self._done, snapshot))

    def flush(self) -> None:
        """Have every change on disk, now; whoever reads the labels finds them as they are.

        Raises
        ------
        FileError
            When they cannot be written; they stay in memory.
        """
        self.flushing()()

    def flushing(self) -> Callable[[], None]:
        """Hand every change to the journal, and give what waits until they are on disk (for a worker)."""
        if self._correction is not None:
            self._correction.repair()
            self._correction.end()
        return _nothing if self._writer is None else self._writer.flush

    def close(self) -> None:
        """Save the open case whole and watch nothing any more; blocks, for no events come any more."""
        self._leave()
        self._loader.finish_here()
        self._loader.close()

    def _leave(self) -> None:
        """Let go of a correction; the thread has its changes on disk, and then the whole labels."""
        self._timer.stop()
        correction, writer, project = self._correction, self._writer, self._project()
        if correction is not None:
            correction.repair()
            correction.end()
        self._correction = self._writer = self._saving = None
        if correction is None or writer is None or project is None:
            return
        correction.journaled.disconnect(self._journal)
        snapshot = correction.snapshot() if correction.dirty else None
        work = partial(_save_last, snapshot, project, writer)
        self._loader.load(f"Saving {correction.case.id}", work, self._left)

    def _journal(self, change: Change) -> None:
        if self._writer is None:
            return
        self._writer.append(change)
        if self._told != "NOT SAVED":  # that stays until all is saved
            self._say("saving …")
        now_s = self._clock()
        self._due_s = now_s + (0.0 if change.tool in _URGENT else PAUSE_S)
        if self._latest_s == float("inf"):
            self._latest_s = now_s + AT_MOST_S

    def _done(self, snapshot: Snapshot, outcome: Outcome) -> None:
        watched = snapshot is self._saving
        if watched:
            self._saving, self._failure = None, outcome.error
        if outcome.error is None:
            if watched and self._correction is not None:
                self._correction.saved(snapshot)
            self.saved.emit(snapshot.case)
        elif watched:  # the save of a case that was left is followed by its last one, which tells
            self._due_s = self._clock() + RETRY_S
            self._tell_failure(outcome.error)

    def _left(self, outcome: Outcome) -> None:
        if outcome.error is not None:  # the journal has it all: the next reading takes it from there
            self.failed.emit(outcome.error)
        elif outcome.value is not None:
            self.saved.emit(outcome.value.case)

    def _tell_failure(self, error: Exception) -> None:
        if self._told != "NOT SAVED":
            self._say("NOT SAVED")
            self.failed.emit(error)

    def _say(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self.said.emit(text)


def _save(snapshot: Snapshot, project: Project, writer: JournalWriter | None) -> Snapshot:
    if writer is not None:
        writer.flush()  # the labels never hold a change that the journal lacks
    snapshot.save(project)
    return snapshot


def _save_last(snapshot: Snapshot | None, project: Project, writer: JournalWriter) -> Snapshot | None:
    writer.flush()  # where it fails, the writer is not closed and goes on trying
    writer.close()
    if snapshot is not None:
        snapshot.save(project)
    return snapshot


def _nothing() -> None:
    """There is nothing to wait for."""
