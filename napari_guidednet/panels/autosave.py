"""Saves painted labels shortly after a change, in a thread of its own, and at once before a case is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer, Signal

from ..backend import Project
from ..state.correction import Correction, Snapshot
from .load import Loader, Outcome

DELAY_MS = 2000
RETRY_MS = 30_000  # after a failed save


class Autosave(QObject):
    """Watches a correction and keeps its labels on disk.

    Signals `said(text)` for the indicator, `saved(case)` after each save, `failed(error)`.
    """

    said = Signal(str)
    saved = Signal(str)
    failed = Signal(object)

    def __init__(self, project: Callable[[], Project | None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project = project
        self._correction: Correction | None = None
        self._saving: Snapshot | None = None
        self._loader = Loader(self)  # its own: a save never waits behind a long import
        self._timer = QTimer(self)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.save)

    def watch(self, correction: Correction | None) -> None:
        """Save this correction from now on; the earlier one is flushed first."""
        self.flush()
        if self._correction is not None:
            self._correction.dirty_changed.disconnect(self._on_dirty)
        self._correction = correction
        self.said.emit("")
        if correction is None:
            self._timer.stop()
            return
        correction.dirty_changed.connect(self._on_dirty)
        self._on_dirty(correction.dirty)
        self._timer.start()

    def save(self) -> None:
        """Save in the thread if something changed and no save is under way."""
        project, correction = self._project(), self._correction
        if project is None or correction is None or self._saving is not None or not correction.dirty:
            return
        snapshot = self._saving = correction.snapshot()
        self.said.emit("saving …")
        self._loader.load(f"Saving {snapshot.case}", lambda: snapshot.save(project), self._done)

    def flush(self) -> None:
        """Save now, on this thread, and come back when it is on disk.

        Raises
        ------
        FileError, ProjectError
            When it cannot be written; the earlier labels on disk are untouched.
        """
        self._loader.wait()  # an older snapshot must not land after this one
        self._saving = None
        project, correction = self._project(), self._correction
        if project is None or correction is None or not correction.dirty:
            return
        snapshot = correction.snapshot()
        correction.saved(snapshot, snapshot.save(project))
        self._tell_saved(snapshot.case)

    def close(self) -> None:
        """Watch nothing any more; call `flush` before."""
        self._timer.stop()
        self._loader.close()

    def _done(self, outcome: Outcome) -> None:
        snapshot, self._saving = self._saving, None
        if outcome.error is not None:
            self._timer.setInterval(RETRY_MS)
            self.said.emit("NOT SAVED")
            self.failed.emit(outcome.error)
            return
        if snapshot is None or self._correction is None or snapshot.case != self._correction.case.id:
            return  # flushed meanwhile
        self._correction.saved(snapshot, outcome.value)
        self._tell_saved(snapshot.case)

    def _tell_saved(self, case: str) -> None:
        self._timer.setInterval(DELAY_MS)
        self.said.emit(f"saved {time.strftime('%H:%M:%S')}")
        self.saved.emit(case)

    def _on_dirty(self, dirty: bool) -> None:
        if dirty:
            self.said.emit("unsaved changes")
