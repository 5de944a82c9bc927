"""The bytes of an image file, read to their very end: truncation, damage and bombs are found, not used."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .errors import FileError

MAX_VOXEL_BYTES = 8 << 30  # 4096 slices of 1024 x 1024 in 16 bits; more is a wrong header
EASY_BYTES = 1 << 30  # up to here an all but empty label map may compress as well as deflate can
DEFLATE_RATIO = 1032  # no deflate stream expands further
LARGE_RATIO = 200  # real CT reaches 10, a label map 100; beyond EASY_BYTES more is a bomb
CHUNK = 4 << 20
DAMAGED = "The file is damaged: fetch or export it again."


class ImageStream:
    """An image file opened at its header; gzip is recognised by its content.

    Attributes
    ----------
    path : Path
        The file, for messages.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self._body: Any = file

    def inflate(self) -> None:
        """Read on as gzip if the bytes at this position are gzip."""
        here = self._file.tell()
        magic = self._file.read(2)
        self._file.seek(here)
        if magic == b"\x1f\x8b":
            self._body = gzip.GzipFile(fileobj=self._file)

    @property
    def is_compressed(self) -> bool:
        """Whether gzip is being read."""
        return isinstance(self._body, gzip.GzipFile)

    def read(self, size: int) -> bytes:
        """Give exactly `size` bytes; FileError when the file ends before."""
        content: bytes = self._body.read(size)
        if len(content) < size:
            raise FileError(f"{self.path} ends inside its header.", DAMAGED)
        return content

    def line(self, longest: int = 4096) -> bytes:
        """Give the next line of a text header, with its end; empty at the end of the file."""
        content: bytes = self._body.readline(longest)
        if len(content) == longest:
            raise FileError(f"{self.path} has a header line of more than {longest} characters.", DAMAGED)
        return content

    def rest(self, most: int) -> bytes:
        """Give what follows as it is stored, at most `most` bytes."""
        return self._file.read(most)

    def body(self, size: int) -> NDArray[np.uint8]:
        """Give the last `size` bytes of the file, after checking that it can and does hold just those.

        Raises
        ------
        FileError
            When the header claims more than the file can hold, the file is cut short, holds more than
            its header says, or fails the checksum of its compression.
        """
        stored = self.path.stat().st_size - (0 if self.is_compressed else self._file.tell())
        check_claim(self.path, size, stored, self.is_compressed)
        content = np.empty(size, np.uint8)
        filled = 0
        while filled < size:
            count = self._body.readinto(content.data[filled : filled + CHUNK])
            if not count:
                raise FileError(
                    f"{self.path} ends after {filled} of the {size} voxel bytes its header promises.", DAMAGED
                )
            filled += count
        if self._body.read(1):  # at the end of gzip this is what compares the checksum
            raise FileError(f"{self.path} holds more bytes than its header says.", DAMAGED)
        return content


@contextmanager
def open_stream(path: Path) -> Iterator[ImageStream]:
    """Open an image file; whatever fails while reading it becomes a FileError.

    Parameters
    ----------
    path : Path
        The file.
    """
    if path.is_dir():
        raise FileError(f"{path} is a folder; an image file was wanted.")
    if not path.exists():
        raise FileError(f"There is no file {path}.", "Check the path.")
    try:
        with path.open("rb") as file:
            yield ImageStream(path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileError(f"The compressed data of {path} is cut short or damaged.", DAMAGED) from error
    except OSError as error:
        raise FileError(f"Could not read {path}: {error.strerror or error}.") from error
    except MemoryError as error:
        raise FileError(f"There is not enough memory for the voxels of {path}.") from error


def check_claim(path: Path, claimed: int, stored: int, compressed: bool) -> None:
    """Refuse a header that claims more voxel bytes than its file can hold, before they are allocated.

    Parameters
    ----------
    path : Path
        The file, for the message.
    claimed : int
        Bytes the header promises.
    stored : int
        Bytes the file has for them.
    compressed : bool
        Whether those are deflated.
    """
    ratio = (LARGE_RATIO if claimed > EASY_BYTES else DEFLATE_RATIO) if compressed else 1
    if claimed > MAX_VOXEL_BYTES or claimed > stored * ratio:
        raise FileError(
            f"The header of {path} claims {claimed} bytes of voxels, but {stored} bytes are in the file"
            f"{', compressed' if compressed else ''}.",
            DAMAGED,
        )


def inflate_bytes(path: Path, content: bytes, size: int) -> NDArray[np.uint8]:
    """Decompress a zlib stream that must hold exactly `size` bytes; its checksum is compared."""
    check_claim(path, size, len(content), compressed=True)
    engine = zlib.decompressobj()
    try:
        voxels = engine.decompress(content, size + 1)
        rest = b"" if engine.eof else engine.decompress(engine.unconsumed_tail, 1)
    except zlib.error as error:
        raise FileError(f"The compressed data of {path} is damaged.", DAMAGED) from error
    if len(voxels) != size or rest or not engine.eof or engine.unused_data:
        raise FileError(f"The data of {path} is not the {size} bytes its header promises.", DAMAGED)
    return np.frombuffer(bytearray(voxels), np.uint8)
