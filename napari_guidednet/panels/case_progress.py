"""Work that goes from case to case in the thread: how far it is, and a button to stop it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from .buttons import button

if TYPE_CHECKING:
    from .desk import Desk

Tell = Callable[[int, int, str], None]  # done, of how many, case


class _Stopped(Exception):
    """Raised between two cases once the user has had enough."""


class CaseProgress(QWidget):
    """A bar and a button, seen only while such work is under way."""

    counted = Signal(int, int, str)  # from the worker thread

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._stop = threading.Event()
        self.bar = QProgressBar()
        self.bar.setToolTip("Cases that are done")
        self.cancel = button("Cancel", "Stops after this case; nothing half done is left", self._stop.set)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar, 1)
        layout.addWidget(self.cancel)
        self.counted.connect(self._show)
        self.hide()

    def run(self, title: str, work: Callable[[Tell], Any], then: Callable[[Any], None], key: str) -> None:
        """Run `work` in the thread, then `then` with what it gives, unless it was stopped.

        Parameters
        ----------
        title : str
            What is done, in words: "Comparing the readers".
        work : callable
            Calls what it is given before each case.
        key : str
            A newer request with the same key replaces this one.
        """
        self._stop.clear()
        self.bar.setRange(0, 0)
        self.bar.setFormat("")
        self.show()
        done = partial(self._done, title, then)
        self.desk.in_thread(title, partial(self._attempt, work), done, key, otherwise=self.hide)

    def _attempt(self, work: Callable[[Tell], Any]) -> tuple[bool, Any]:
        try:
            return True, work(self._tell)
        except _Stopped:
            return False, None

    def _tell(self, done: int, total: int, case: str) -> None:
        if self._stop.is_set():
            raise _Stopped
        self.counted.emit(done, total, case)  # a signal may cross threads, a widget may not

    def _show(self, done: int, total: int, case: str) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.bar.setFormat(f"{case} (%v of %m)")

    def _done(self, title: str, then: Callable[[Any], None], outcome: tuple[bool, Any]) -> None:
        self.hide()
        whole, value = outcome
        if whole:
            then(value)
        else:
            self.desk.say(f"{title}: stopped; nothing was changed.")
