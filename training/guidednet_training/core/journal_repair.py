"""A damaged journal is made to read again: its sound changes go on, the damaged files stay beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .errors import DamagedError, FileError
from .files import atomic_path
from .journal import LOST, Entry, Header, read_entries, segments, sound_entries
from .new_case import current_author
from .project_file import utc_now


@dataclass(frozen=True, eq=False)
class Salvage:
    """What of a journal can be trusted.

    Attributes
    ----------
    last : int
        Number of the last change up to which labels and journal agree without a gap.
    header : Header or None
        That change, where it is sound; it may be one that only the saved labels hold.
    newest : int
        Number of the newest change that is known of, trusted or not; at least `last`.
    files : tuple of (Path, tuple of Entry)
        Each file that must change, and what it shall hold.
    """

    last: int
    header: Header | None
    newest: int
    files: tuple[tuple[Path, tuple[Entry, ...]], ...]


def is_whole(folder: Path, voxels: int | None = None) -> bool:
    """Tell whether every change of a journal can be read.

    Parameters
    ----------
    folder : Path
        The journal folder of a case; may be missing.
    voxels : int, optional
        Of the grid of the case.
    """
    try:
        return all(_fits(entry, voxels) for entry in read_entries(folder))
    except DamagedError:
        return False


def salvage(folder: Path, saved: int, voxels: int | None = None) -> Salvage:
    """Find out what of a damaged journal can be trusted; nothing is written.

    Trusted are the changes that the saved labels hold and those that follow them without a gap. What comes
    after a gap was done to labels that nobody has any more.

    Parameters
    ----------
    saved : int
        Number of the last change that the saved labels hold.

    Raises
    ------
    FileError
        When a sound change comes from a newer version of this program.
    """
    found = {path: tuple(_sound(path, voxels)) for path in segments(folder)}
    begun = [int(path.stem) for path, entries in found.items() if not entries]
    headers = {e.header.number: e.header for entries in found.values() for e, _ in entries}
    last = saved
    while last + 1 in headers:
        last += 1
    wanted = _bridged({path: [e for e, _ in entries] for path, entries in found.items()}, last)
    changed = tuple(
        (path, entries) for path, entries in wanted.items() if not _holds_just(path, found[path], entries)
    )
    return Salvage(last, headers.get(last), max((last, *headers, *begun)), changed)


def set_right(found: Salvage) -> tuple[Path, ...]:
    """Write what was found; give the damaged files, which now lie beside the journal under another name.

    Killed at any moment, the journal is still damaged or already whole, and repairing goes on from there.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return tuple(_replace(path, entries, stamp) for path, entries in found.files)


def set_aside(path: Path, stamp: str) -> Path:
    """Give a file a second name beside it, its content as it is; the first name may then be written anew."""
    names = (f"{path.name}.damaged-{stamp}{more}" for more in ("", *(f"-{n}" for n in range(2, 100))))
    kept = next(path.with_name(name) for name in names if not path.with_name(name).exists())
    try:
        try:
            os.link(path, kept)
        except OSError:  # a file system without hard links, or a file of somebody else
            os.rename(path, kept)
    except OSError as error:
        raise FileError(
            f"The damaged file {path} could not be kept under another name: {error.strerror or error}.",
            "Check that the folder may be written; nothing was changed.",
        ) from error
    return kept


def _replace(path: Path, entries: tuple[Entry, ...], stamp: str) -> Path:
    if entries:
        with atomic_path(path) as partial:
            partial.write_bytes(b"".join(entry.to_bytes() for entry in entries))
            return set_aside(path, stamp)  # last: until then nothing has changed
    kept = set_aside(path, stamp)
    path.unlink(missing_ok=True)  # it may have been renamed
    return kept


def _sound(path: Path, voxels: int | None) -> Iterator[tuple[Entry, tuple[int, int]]]:
    with suppress(DamagedError):  # a file that cannot be read holds nothing sound
        for entry, start, end in sound_entries(path):
            if _fits(entry, voxels):
                yield entry, (start, end)


def _fits(entry: Entry, voxels: int | None) -> bool:
    """Tell whether the voxels of a change can be read and lie on the grid."""
    try:
        index = entry.change().index
    except DamagedError:
        return False
    return not index.size or (index[0] >= 0 and (voxels is None or int(index[-1]) < voxels))


def _bridged(found: dict[Path, list[Entry]], last: int) -> dict[Path, tuple[Entry, ...]]:
    """Give what each file shall hold: the changes up to the last, in order, a record for each gap."""
    wanted: dict[Path, tuple[Entry, ...]] = {}
    before: int | None = None
    newest: Path | None = None
    for path, entries in found.items():
        kept: list[Entry] = []
        for entry in entries:
            number = entry.header.number
            if number > last or (before is not None and number <= before):
                continue
            if before is not None and number > before + 1 and entry.header.tool != LOST:
                kept.append(_lost(number - 1))
            kept.append(entry)
            before, newest = number, path
        wanted[path] = tuple(kept)
    if newest is not None and before is not None and before < last:  # the saved labels hold more
        wanted[newest] += (_lost(last),)
    return wanted


def _lost(number: int) -> Entry:
    header = Header(number=number, author=current_author(), when=utc_now(), tool=LOST)
    return Entry(header, b"")


def _holds_just(
    path: Path, found: tuple[tuple[Entry, tuple[int, int]], ...], wanted: tuple[Entry, ...]
) -> bool:
    """Tell whether a file reads well and holds these changes and no others."""
    if [e for e, _ in found] != list(wanted):
        return False
    ends = [0, *(end for _, (_, end) in found)]
    return bool(found) and [start for _, (start, _) in found] == ends[:-1]
