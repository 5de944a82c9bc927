"""Files and folders that are whole or not there: temporary name, flush, rename."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import FileError

PARTIAL = ".partial-"  # every unfinished file or folder carries this in its name
_ADVICE = "Check that the folder may be written and the disk has room; what was there before is untouched."


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Give a temporary sibling of `target`; on success flush it and rename it into place.

    Parameters
    ----------
    target : Path
        The file to write. Its suffixes are kept on the temporary name, because
        image writers choose the format by them.

    Yields
    ------
    Path
        The temporary file to write to; removed when the block raises.

    Raises
    ------
    FileError
        When the folder is read-only or the disk is full.
    """
    target = Path(target)
    partial = _partial_name(target)
    try:
        make_folder(target.parent)
        yield partial
        _flush(partial)
        with suppress(OSError):  # rights stay as they were, where the share knows any
            shutil.copymode(target, partial)
        os.replace(partial, target)
        flush_folder(target.parent)
    except OSError as error:
        raise FileError(f"Could not write {target}: {error.strerror or error}.", _ADVICE) from error
    finally:
        with suppress(OSError):  # nothing was created in a read-only folder
            partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path | str) -> Iterator[Path]:
    """Give a temporary sibling folder; on success flush all its files and rename it to `target`.

    Parameters
    ----------
    target : Path
        The folder to make; it must not exist yet.

    Yields
    ------
    Path
        The temporary folder to fill; removed when the block raises.

    Raises
    ------
    FileError
        When the target exists, the parent is read-only or the disk is full.
    """
    target = Path(target)
    partial = _partial_name(target)
    if target.exists():
        raise FileError(f"{target} exists already.", "Choose another name; nothing was changed.")
    try:
        make_folder(partial)
        yield partial
        for path in partial.rglob("*"):
            flush_folder(path) if path.is_dir() else _flush(path)
        flush_folder(partial)
        os.rename(partial, target)
        flush_folder(target.parent)
    except OSError as error:
        raise FileError(f"Could not write {target}: {error.strerror or error}.", _ADVICE) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_bytes(target: Path | str, content: bytes) -> None:
    """Write a whole file atomically (see `atomic_path`)."""
    with atomic_path(target) as partial:
        partial.write_bytes(content)


def write_text(target: Path | str, content: str) -> None:
    """Write a whole UTF-8 text file atomically (see `atomic_path`)."""
    write_bytes(target, content.encode("utf-8"))


def read_text(path: Path | str) -> str:
    """Read a UTF-8 text file.

    Raises
    ------
    FileError
        When it is missing, unreadable or not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"Could not read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not a text file (UTF-8).") from error


def remove_folder(folder: Path | str) -> None:
    """Remove a folder with all it holds; it is gone at once, never seen half empty.

    Raises
    ------
    FileError
        When it is missing or may not be removed.
    """
    folder = Path(folder)
    doomed = _partial_name(folder)
    try:
        os.rename(folder, doomed)
    except OSError as error:
        raise FileError(f"Could not remove {folder}: {error.strerror or error}.") from error
    shutil.rmtree(doomed, ignore_errors=True)  # what stays is swept later


def sweep_partials(folder: Path | str, older_than_s: float = 0.0) -> int:
    """Remove what a killed process left unfinished directly in `folder`; return how many.

    Parameters
    ----------
    folder : Path
        Looked at without its subfolders; may be missing.
    older_than_s : float
        Spare what was touched within this time: it may belong to a living process.
    """
    swept = 0
    for path in Path(folder).glob(f"{PARTIAL}*"):
        with suppress(OSError):  # gone already, or not ours to remove
            if older_than_s and time.time() - path.stat().st_mtime < older_than_s:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            swept += 1
    return swept


def _partial_name(target: Path) -> Path:
    return target.with_name(f"{PARTIAL}{secrets.token_hex(4)}-{target.name}")


def _flush(path: Path) -> None:
    with open(path, "r+b") as file:  # a writable handle: Windows refuses to flush a read-only one
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make a folder and those it lies in, so that a power failure takes neither them nor what is in them."""
    if folder.is_dir():
        return
    if folder != folder.parent:  # a drive that is not there has no parent
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder as safe as what they name."""
    if os.name != "posix":  # only there can a folder be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):  # shares that cannot do it, as PostgreSQL finds
            raise
    finally:
        os.close(descriptor)
