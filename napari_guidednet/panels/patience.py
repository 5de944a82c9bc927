"""Waits without freezing: the window is drawn, a sentence says for what, nothing can be clicked meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication, QDialog, QLabel, QProgressBar, QVBoxLayout, QWidget

_QUIET_S = 0.3  # what is over by then needs no words
_LOOK_MS = 20


def wait_until(
    done: Callable[[], bool], text: str, parent: QWidget | None = None, at_most_s: float = 60.0
) -> bool:
    """Let Qt work until something is done; tell whether it is.

    Parameters
    ----------
    done : callable
        Asked again and again, on the main thread.
    text : str
        What is waited for, shown when it takes longer than a moment.
    parent : QWidget, optional
        Over whose window the sentence is shown.
    at_most_s : float
        Then it is given up.
    """
    end, quiet = time.monotonic() + at_most_s, time.monotonic() + _QUIET_S
    while not done() and time.monotonic() < quiet:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        time.sleep(0.002)
    if not done():
        _Sentence(done, text, parent, end).show_until_done()
    return done()


class _Sentence(QDialog):
    """A sentence and a busy bar over the window; it goes by itself and not before."""

    def __init__(self, done: Callable[[], bool], text: str, parent: QWidget | None, end_s: float) -> None:
        super().__init__(parent.window() if parent is not None else None)
        self._over = lambda: done() or time.monotonic() >= end_s
        self.setObjectName("patience")
        self.setWindowTitle("GuidedNet")
        self.setWindowFlag(Qt.WindowType.WindowCloseButtonHint, False)
        layout = QVBoxLayout(self)
        label = QLabel(text)
        label.setWordWrap(True)
        bar = QProgressBar()
        bar.setRange(0, 0)
        layout.addWidget(label)
        layout.addWidget(bar)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)

    def show_until_done(self) -> None:
        """Show it, and let Qt work, until it is over."""
        self._timer.start(_LOOK_MS)
        while not self._over():
            self.exec()
            time.sleep(0.002)  # at the end of the application no loop runs any more
        self._timer.stop()
        self.deleteLater()

    def reject(self) -> None:
        """Stay: there is nothing to be cancelled."""

    def _look(self) -> None:
        if self._over():
            self.accept()
