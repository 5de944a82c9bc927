"""Files that are whole or not there: temporary name, flush, rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import FileError

PARTIAL = ".partial-"  # every unfinished file or folder carries this in its name


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
    partial = target.with_name(f"{PARTIAL}{secrets.token_hex(4)}-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _flush(partial)
        os.replace(partial, target)
        _flush(target.parent)
    except OSError as error:
        raise FileError(
            f"Could not write {target}: {error.strerror or error}.",
            "Check that the folder may be written and the disk has room; the earlier file is untouched.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(target: Path | str, content: bytes) -> None:
    """Write a whole file atomically (see `atomic_path`)."""
    with atomic_path(target) as partial:
        partial.write_bytes(content)


def write_text(target: Path | str, content: str) -> None:
    """Write a whole UTF-8 text file atomically (see `atomic_path`)."""
    write_bytes(target, content.encode("utf-8"))


def sweep_partials(folder: Path) -> int:
    """Remove what a killed process left unfinished directly in `folder`; return how many."""
    leftovers = [path for path in folder.glob(f"{PARTIAL}*") if path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
