"""The journal of a case: each change of its labels, sparse, in order; what is written stays as it is."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .case import OrganState
from .errors import DamagedError, FileError, SpecError
from .record import Record

JOURNAL = "journal"  # folder in that of a case
SUFFIX = ".changes"
LOST = "lost"  # tool of a record that stands for changes before it that were damaged, see `journal_repair`
_MARK = b"CHG1"
_FRAME = struct.Struct("<4sIIII")  # mark, bytes of header, bytes of payload, their CRC, CRC of these 16 bytes
_RUN = np.dtype([("step", "<i8"), ("length", "<u4"), ("old", "u1"), ("new", "u1")])
_MOST_VOXELS = 1 << 32  # more than any CT; a damaged number must not ask for all memory


@dataclass(frozen=True, eq=False)
class Change:
    """One change of the labels of a case, or of what is known of them.

    Attributes
    ----------
    number : int
        1, 2, 3, ... in the order of writing.
    author : str
    when : str
        UTC, ISO 8601.
    tool : str
        "paint", "erase", "fill", "grow", "model", "import", "confirm", "reopen", "lock", "unlock",
        "undo", "redo", ... in words.
    organs : tuple of str
        Organs whose voxels or state changed.
    bundle : str or None
        The model whose labels these are.
    seconds : float
        Of work since the change before, idle time left out.
    index : array (n,) of int64
        Ascending places in the flattened (z, y, x) grid; empty when only a state changed.
    old, new : array (n,) of uint8
        Labels before and after.
    states : mapping of organ to (before, after)
        Organs whose state changed.
    slices : tuple of int
        Slices that were confirmed or reopened, counted along the axial axis of the grid.
    of : int or None
        The change that this one takes back or does again.
    continues : bool
        It is the rest of the stroke that the change before began.
    """

    number: int
    author: str
    when: str
    tool: str
    organs: tuple[str, ...]
    bundle: str | None
    seconds: float
    index: NDArray[np.int64]
    old: NDArray[np.uint8]
    new: NDArray[np.uint8]
    states: Mapping[str, tuple[OrganState, OrganState]] = field(default_factory=dict)
    slices: tuple[int, ...] = ()
    of: int | None = None
    continues: bool = False

    @property
    def voxels(self) -> int:
        """How many voxels changed."""
        return int(self.index.size)


class Header(Record):
    """What a record of the journal says before its voxels; fields as in `Change`."""

    number: int = Field(description="1, 2, 3, ... in the order of writing")
    author: str
    when: str = Field(description="UTC, ISO 8601")
    tool: str = Field(description="what wrote: paint, model, confirm, undo, ...")
    organs: tuple[str, ...] = Field((), description="whose voxels or state changed")
    bundle: str | None = Field(None, description="the model whose labels these are")
    seconds: float = Field(0.0, description="of work since the change before, idle time left out")
    voxels: int = Field(0, description="how many changed")
    states: dict[str, tuple[OrganState, OrganState]] = Field(
        default_factory=dict, description="organs whose state changed: before, after"
    )
    slices: tuple[int, ...] = Field((), description="slices confirmed or reopened, along the axial axis")
    of: int | None = Field(None, description="the change that this one takes back or does again")
    continues: bool = Field(False, description="the rest of the stroke that the change before began")


@dataclass(frozen=True, eq=False)
class Entry:
    """A change as it lies in the journal: its header read, its voxels still packed."""

    header: Header
    payload: bytes

    def change(self) -> Change:
        """Unpack the voxels.

        Raises
        ------
        DamagedError
            When they are not what the header says.
        """
        index, old, new = _unpacked(self.payload, self.header.voxels)
        return Change(index=index, old=old, new=new, **_common(self.header))

    def to_bytes(self) -> bytes:
        """Give the record as it is written: frame, header, payload."""
        text = self.header.model_dump_json(exclude_defaults=True).encode()
        content = text + self.payload
        frame = struct.pack("<4sIII", _MARK, len(text), len(self.payload), zlib.crc32(content))
        return frame + struct.pack("<I", zlib.crc32(frame)) + content


def packed(change: Change) -> Entry:
    """Pack a change: runs of neighbouring voxels with the same old and new label, compressed."""
    header = Header(voxels=change.voxels, **(_common(change) | {"states": dict(change.states)}))
    if not change.voxels:
        return Entry(header, b"")
    index, old, new = change.index, change.old, change.new
    breaks = (np.diff(index) != 1) | (np.diff(old) != 0) | (np.diff(new) != 0)
    first = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    runs = np.empty(first.size, _RUN)
    runs["step"] = np.diff(index[first], prepend=0)
    runs["length"] = np.diff(first, append=index.size)
    runs["old"], runs["new"] = old[first], new[first]
    columns = b"".join(runs[name].tobytes() for name in _RUN.names or ())
    return Entry(header, zlib.compress(columns, 1))


def read_journal(folder: Path, after: int = 0) -> Iterator[Change]:
    """Read the changes of a case, oldest first.

    Parameters
    ----------
    folder : Path
        The journal folder of the case; may be missing.
    after : int
        Leave out the changes up to this number.

    Raises
    ------
    DamagedError
        When a record is damaged that sound ones follow, some are missing, or a file cannot be read. A torn
        last record was being written when the power went; it is left out.
    """
    return (entry.change() for entry in read_entries(folder, after))


def read_entries(folder: Path, after: int = 0) -> Iterator[Entry]:
    """Read the changes of a case with their voxels still packed; see `read_journal`."""
    if after and last_number(folder) <= after:
        return
    expected = None
    for path in _later_segments(folder, after):
        for entry in _segment(path):
            number = entry.header.number
            if expected is not None and number < expected:
                continue  # written again after a full disk
            if expected not in (None, number) and entry.header.tool != LOST:
                raise _damaged(path, f"change {expected} is missing")
            expected = number + 1
            if number > after:
                yield entry


def last_number(folder: Path) -> int:
    """Give the number of the last sound change, 0 for none; only the newest files are read."""
    for path in reversed(segments(folder)):
        try:
            now = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from error
        if number := _last_in(path, now.st_size, now.st_mtime_ns):
            return number
    return 0


def segments(folder: Path) -> tuple[Path, ...]:
    """Give the files of a journal, oldest first; each is named after the first change in it."""
    return tuple(sorted(path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit()))


def segment_name(first: int) -> str:
    """Give the name of the file that begins with this change."""
    return f"{first:09d}{SUFFIX}"


@lru_cache(maxsize=4096)  # the overview of a large project asks for all its cases again and again
def _last_in(path: Path, _size: int, _mtime_ns: int) -> int:
    number = 0
    for entry in _segment(path):
        number = entry.header.number
    return number


def _later_segments(folder: Path, after: int) -> tuple[Path, ...]:
    files = segments(folder)
    following = [int(path.stem) for path in files[1:]]
    done = sum(first <= after + 1 for first in following)
    return files[done:]


def sound_entries(path: Path) -> Iterator[tuple[Entry, int, int]]:
    """Read every sound record of one file of a journal, past what is damaged.

    Yields
    ------
    entry : Entry
    start, end : int
        The bytes of the file that hold it.

    Raises
    ------
    DamagedError
        When the file cannot be read at all.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    start = 0
    while start >= 0:
        found = _entry_at(content, start)
        if found is None:
            start = content.find(_MARK, start + 1)
            continue
        entry, end = found
        yield entry, start, end
        start = end


def _segment(path: Path) -> Iterator[Entry]:
    read = 0
    for entry, start, end in sound_entries(path):
        if start != read:
            raise _damaged(path, f"what is at byte {read} cannot be read, and sound changes follow")
        read = end
        yield entry


def _entry_at(content: bytes, start: int) -> tuple[Entry, int] | None:
    """Give the record at a place and where it ends, or None where no whole and sound one is."""
    if len(content) < start + _FRAME.size:
        return None
    mark, text, payload, crc, own = _FRAME.unpack_from(content, start)
    if mark != _MARK or zlib.crc32(content[start : start + _FRAME.size - 4]) != own:
        return None
    middle = start + _FRAME.size + text
    end = middle + payload
    if len(content) < end or zlib.crc32(content[start + _FRAME.size : end]) != crc:
        return None
    try:
        header = Header.parse(content[start + _FRAME.size : middle], "journal")
    except SpecError as error:
        raise FileError(f"A change in the journal cannot be understood: {error}", _NEWER) from error
    return Entry(header, content[middle:end]), end


_NEWER = "It may come from a newer version of this program; update it."


def _unpacked(payload: bytes, voxels: int) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    if not voxels:
        return np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.uint8)
    columns = _decompressed(payload, voxels)
    count = len(columns) // _RUN.itemsize
    step, length, old, new = _columns(columns, count)
    if int(length.sum(dtype=np.int64)) != voxels or not length.all():
        raise DamagedError("A change in the journal does not hold the voxels it speaks of.", _HINT)
    length = length.astype(np.int64)
    first = np.cumsum(length) - length
    index = np.ones(voxels, np.int64)  # from one voxel to the next, and at the start of a run from the last
    index[first] = step
    index[first[1:]] -= length[:-1] - 1
    return np.cumsum(index, out=index), np.repeat(old, length), np.repeat(new, length)


def _decompressed(payload: bytes, voxels: int) -> bytes:
    most = voxels * _RUN.itemsize
    try:
        if voxels > _MOST_VOXELS:
            raise zlib.error("too many voxels")
        return zlib.decompressobj().decompress(payload, most)
    except zlib.error as error:
        raise DamagedError(f"A change in the journal cannot be unpacked: {error}.", _HINT) from error


def _columns(content: bytes, count: int) -> list[NDArray[Any]]:
    columns: list[NDArray[Any]] = []
    start = 0
    for name in _RUN.names or ():
        dtype = _RUN[name]
        columns.append(np.frombuffer(content, dtype, count, start))
        start += count * dtype.itemsize
    return columns


def _common(source: Change | Header) -> dict[str, Any]:
    names = (
        "number",
        "author",
        "when",
        "tool",
        "organs",
        "bundle",
        "seconds",
        "states",
        "slices",
        "of",
        "continues",
    )
    return {name: getattr(source, name) for name in names}


def _damaged(path: Path, what: str) -> DamagedError:
    return DamagedError(f"The journal {path} was damaged: {what}.", _HINT)


def _unreadable(path: Path, error: OSError) -> DamagedError:
    return DamagedError(f"The journal {path} cannot be read: {error.strerror or error}.", _HINT)


_HINT = "The labels as last saved are untouched. `guidednet repair` opens the case with what is whole."
