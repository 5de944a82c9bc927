"""The one timer: asks the job board for news four times a second, on the main thread."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer, Signal

INTERVAL_MS = 250


class Ticker(QObject):
    """Calls `poll` regularly and announces each tick.

    Parameters
    ----------
    poll : callable
        Usually `JobBoard.poll`.
    failed : callable
        Gets an exception that `poll` raised; the ticking goes on.
    """

    ticked = Signal()

    def __init__(
        self, poll: Callable[[], object], failed: Callable[[Exception], None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._poll = poll
        self._failed = failed
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.tick)

    def start(self) -> None:
        """Begin to tick."""
        self._timer.start()

    def stop(self) -> None:
        """Tick no more."""
        self._timer.stop()

    def tick(self) -> None:
        """Ask once, now."""
        try:
            self._poll()
        except Exception as error:  # shown to the user; a broken run must not stop the clock
            self._failed(error)
        self.ticked.emit()
