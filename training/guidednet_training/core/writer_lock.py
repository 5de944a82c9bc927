"""One writer per project: a lock that the system frees however the writer ends, and who holds it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import FileError, GuidedNetError, ProjectError
from .files import read_text, write_text
from .project_file import utc_now
from .record import Record

_LOCK, _HOLDER = "project.lock", "writer.json"


class _Writer(Record):
    """Who has the project open for writing (`writer.json`)."""

    pid: int
    host: str
    since: str


def take_writer_lock(folder: Path) -> FileLock:
    """Take the lock of a project folder and leave word of who holds it.

    Raises
    ------
    ProjectError
        When another process, or another part of this one, holds it.
    FileError
        When the folder is read-only.
    """
    lock = FileLock(folder / _LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ProjectError(
            f"{folder} is already open for writing {_holder(folder)}.",
            "Close it there first.",
        ) from error
    except OSError as error:
        raise FileError(
            f"{folder} cannot be opened for writing: {error.strerror or error}.",
            "Check the rights of the folder.",
        ) from error
    try:
        me = _Writer(pid=os.getpid(), host=socket.gethostname(), since=utc_now())
        write_text(folder / _HOLDER, me.to_json())
    except FileError:
        lock.release()
        raise
    return lock


def _holder(folder: Path) -> str:
    path = folder / _HOLDER
    try:
        writer = _Writer.parse(read_text(path), str(path))
    except GuidedNetError:  # just written or just gone, or damaged
        return "by another process"
    return f"by process {writer.pid} on {writer.host} since {writer.since}"


def free_writer_lock(folder: Path, lock: FileLock) -> None:
    """Let others write."""
    try:
        (folder / _HOLDER).unlink(missing_ok=True)
    except OSError:  # read-only by now: who comes next writes its own
        pass
    finally:
        lock.release()
