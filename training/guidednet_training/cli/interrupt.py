"""Ctrl-C once: end after the current step and keep everything; twice: end now."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def gentle_interrupt(meaning: str) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag; the second raises KeyboardInterrupt as usual.

    Parameters
    ----------
    meaning : str
        What the first one does, said when it comes.

    Yields
    ------
    callable
        Tells whether Ctrl-C was pressed.
    """
    pressed = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        print(f"\n{meaning} Press Ctrl-C again to end at once.", file=sys.stderr, flush=True)

    earlier = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, earlier)
