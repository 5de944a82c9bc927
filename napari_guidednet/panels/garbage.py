"""Keeps Python's garbage collector to the GUI thread while another thread works.

The collector runs in whichever thread happens to allocate. If that is not the GUI thread and it finds a
widget that nobody holds any more, Qt's object is destroyed there, and the program crashes.
"""

from __future__ import annotations

import gc
from functools import cache

from qtpy.QtCore import QObject, QTimer, Signal, Slot

EVERY_MS = 1000  # meanwhile the GUI thread collects itself


class _Keeper(QObject):
    """Lives in the GUI thread; counts the threads at work."""

    ended = Signal()  # from any thread

    def __init__(self) -> None:
        super().__init__()
        self._working = 0
        self._was_on = False
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._collect)
        self.ended.connect(self._end)

    def begin(self) -> None:
        self._working += 1
        if self._working == 1:
            self._was_on = gc.isenabled()
            gc.disable()
            self._timer.start()

    @Slot()
    def _end(self) -> None:
        self._working -= 1
        if self._working == 0:
            self._timer.stop()
            gc.collect(1)  # the thread's last lines of Python must not find the threshold passed
            if self._was_on:
                gc.enable()

    @Slot()
    def _collect(self) -> None:
        if gc.get_count()[0] > gc.get_threshold()[0]:
            gc.collect(1)


@cache
def _keeper() -> _Keeper:
    return _Keeper()


def begin_thread() -> None:
    """Stop automatic collection; to be called in the GUI thread before another one starts to work."""
    _keeper().begin()


def end_thread() -> None:
    """Let it go on; to be called once, in that thread, when its work is over."""
    _keeper().ended.emit()
