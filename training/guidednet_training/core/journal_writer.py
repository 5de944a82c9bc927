"""Puts changes on disk within a second, in a thread of its own: nobody who paints waits for the disk."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .errors import FileError
from .files import flush_folder, make_folder
from .journal import Change, Entry, last_number, packed, segment_name

_SEGMENT_BYTES = 4 << 20  # then the next file begins: who wants the newest changes reads little
_RETRY_S = 3.0  # after a full disk
_CLOSE_S = 30.0


class JournalWriter:
    """Appends changes to the journal of a case; one writer at a time.

    Parameters
    ----------
    folder : Path
        The journal folder of the case; made when the first change comes.
    tell : callable, optional
        Called in the writing thread with each change once it is on disk, packed.
    after : int
        Numbers go on after this one, or after that of the last change that is there.

    Attributes
    ----------
    last : int
        Number of the last change given.
    error : FileError or None
        Why the newest changes are not on disk; they are kept and tried again.

    Raises
    ------
    FileError
        When the journal that is there is damaged.
    """

    def __init__(self, folder: Path, tell: Callable[[Entry], None] | None = None, after: int = 0) -> None:
        self.folder = folder
        self._tell = tell
        self.last = max(last_number(folder), after)
        self.error: FileError | None = None
        self._waiting: deque[Change] = deque()
        self._file: BinaryIO | None = None
        self._news = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, change: Change) -> None:
        """Take a change; it is flushed to the disk within a second, unless `error` says why not.

        Raises
        ------
        ValueError
            When it does not carry the next number.
        """
        if change.number != self.last + 1:
            raise ValueError(f"change {self.last + 1} was expected, not {change.number}")
        with self._news:
            if self._closed:
                raise ValueError("the journal is closed")
            self.last = change.number
            self._waiting.append(change)
            self._news.notify_all()

    @property
    def waiting(self) -> int:
        """How many changes are not on disk yet."""
        return len(self._waiting)

    def flush(self, timeout_s: float = _CLOSE_S) -> None:
        """Wait until all that was given is on disk.

        Raises
        ------
        FileError
            When it cannot be written.
        """
        with self._news:
            self._news.notify_all()
            done = self._news.wait_for(lambda: not self._waiting or self.error is not None, timeout_s)
            if self._waiting:
                raise self.error or FileError(f"{self.folder} does not answer.", "Check the disk.")
        if not done:
            raise FileError(f"{self.folder} does not answer.", "Check the disk.")

    def close(self) -> None:
        """Write what waits, then take no more.

        Raises
        ------
        FileError
            When something could not be written.
        """
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._thread.join(_CLOSE_S)
        if self._waiting:
            raise self.error or FileError(f"{self.folder} does not answer.", "Check the disk.")

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._closed)
                batch = tuple(self._waiting)
            if batch and not self._write(batch):
                with self._news:
                    if self._closed:
                        break
                    self._news.wait(_RETRY_S)
                continue
            with self._news:
                for _ in batch:
                    self._waiting.popleft()
                self._news.notify_all()
                if self._closed and not self._waiting:
                    break
        if self._file is not None:
            self._file.close()

    def _write(self, batch: tuple[Change, ...]) -> bool:
        start = None
        try:
            entries = [packed(change) for change in batch]
            content = b"".join(entry.to_bytes() for entry in entries)
            file = self._opened(batch[0].number)
            start = file.tell()
            rest = memoryview(content)
            while rest:  # a raw file may take less than it is given
                rest = rest[file.write(rest) or 0 :]
            os.fsync(file.fileno())
        except (OSError, MemoryError) as error:
            self._take_back(start)
            why = (getattr(error, "strerror", None) or str(error) or "not enough memory").rstrip(".")
            self.error = FileError(
                f"The last changes are not on disk ({self.folder}): {why}.",
                "Make room on the disk or in memory; they are kept and tried again.",
            )
            return False
        self.error = None
        self._tell_of(entries)
        return True

    def _tell_of(self, entries: list[Entry]) -> None:
        """Tell what is on disk; whoever is told wrongly must not end the saving of later changes."""
        if self._tell is None:
            return
        try:
            for entry in entries:
                self._tell(entry)
        except Exception:
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), self._thread)))

    def _opened(self, number: int) -> BinaryIO:
        if self._file is not None and self._file.tell() > _SEGMENT_BYTES:
            self._file.close()
            self._file = None
        if self._file is None:
            make_folder(self.folder)
            # Unbuffered: nothing half written waits in this process. A file of this name holds no
            # sound change, or the number would be taken.
            self._file = open(self.folder / segment_name(number), "wb", buffering=0)  # noqa: SIM115
            flush_folder(self.folder)
        return self._file

    def _take_back(self, start: int | None) -> None:
        """Leave no torn record in front of those to come."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if start is not None:
                file.truncate(start)
        except OSError:
            pass  # the next changes go to a new file
        finally:
            file.close()
