"""Progress of many small parts as Stage events, at most four a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..core.events import Stage
from .running import Emit

_PERIOD_S = 0.25  # what a progress bar can show and a log can bear


def staged(emit: Emit, title: str) -> Callable[[int, int], None]:
    """Give a function of (done, total) that emits a Stage of this title now and then, and at the end."""
    last_s = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s >= _PERIOD_S or done == total:
            last_s = now_s
            emit(Stage(title=title, done=done, total=total))

    return progress
