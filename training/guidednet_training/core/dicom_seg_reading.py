"""Segmentations in DICOM (SEG) of any program, read with pydicom alone; nothing is interpolated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dicom_object import read_object
from .errors import FileError, GeometryError, GuidedNetError
from .geometry import Geometry, lps_to_ras
from .stream import DAMAGED
from .structures import NEAR_VOXELS, Structure, StructureSet

SEG_STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # the second: label map


def read_seg(path: Path, geometry: Geometry) -> StructureSet:
    """Read the segments of a segmentation onto the grid of a CT; voxels are never interpolated.

    Parameters
    ----------
    path : Path
        Binary, fractional (from half on) or label map, of any program.
    geometry : Geometry
        Of the CT that it was drawn on; its axes may run otherwise.

    Raises
    ------
    FileError
        When it is no segmentation or damaged.
    GeometryError
        When its voxels do not lie on those of the CT.
    """
    data = read_object(path, SEG_STORAGE, "DICOM segmentation")
    names = _segment_names(data, path)
    parts: dict[int, list[NDArray[np.int64]]] = {number: [] for number in names}
    outside = dict.fromkeys(names, 0)
    for number, mask, frame in _frames(data, path):
        if number is None:
            found = [(int(value), mask == value) for value in np.unique(mask[mask > 0])]
        else:
            found = [(number, mask > 0)]
        place = _Placing(data, frame, mask.shape, geometry, path)
        for own, inside in found:
            if own not in parts:
                raise FileError(f"{path} has voxels of a segment {own} that it does not describe.", DAMAGED)
            voxels, beyond = place.voxels(inside)
            parts[own].append(voxels)
            outside[own] += beyond
    structures = tuple(
        Structure(number, name, _sorted(parts[number]), outside[number]) for number, name in names.items()
    )
    return StructureSet(path, "DICOM-SEG", geometry, structures, _seg_notes(data))


def _segment_names(data: Any, path: Path) -> dict[int, str]:
    try:
        segments = [(int(item.SegmentNumber), item) for item in data.SegmentSequence]
        names = {number: _name_of(item) for number, item in segments}
    except (AttributeError, TypeError, ValueError) as error:
        raise FileError(f"{path} does not say which segments it has.", DAMAGED) from error
    if len(names) != len(segments):
        raise FileError(f"{path} gives a segment number twice.", DAMAGED)
    return {number: name for number, name in names.items() if number != 0}  # 0: background of a label map


def _name_of(item: Any) -> str:
    """Give the label, with the side that a code beside it may name."""
    code = next(iter(item.get("SegmentedPropertyTypeCodeSequence") or ()), None)
    name = str(
        item.get("SegmentLabel") or (code.get("CodeMeaning") if code is not None else "") or ""
    ).strip()
    side = next(
        iter((code.get("SegmentedPropertyTypeModifierCodeSequence") if code is not None else None) or ()),
        None,
    )
    meaning = str(side.get("CodeMeaning")).lower() if side is not None else ""
    words = name.lower().replace("_", " ").split()
    return f"{meaning.capitalize()} {name}" if meaning in ("left", "right") and meaning not in words else name


def _frames(data: Any, path: Path) -> Iterator[tuple[int | None, NDArray[Any], Any]]:
    """Give segment (None: the pixels say it), pixels and functional groups of each frame."""
    count = int(data.get("NumberOfFrames") or 1)
    groups = data.get("PerFrameFunctionalGroupsSequence") or []
    if len(groups) != count:
        raise FileError(f"{path} has {count} frames and describes {len(groups)}.", DAMAGED)
    kind = str(data.get("SegmentationType"))
    half = float(data.get("MaximumFractionalValue") or 255) / 2.0
    try:
        for pixels, frame in zip(_pixels(data), groups, strict=True):
            if kind == "LABELMAP":
                yield None, pixels, frame
            else:
                item = _group(data, frame, "SegmentIdentificationSequence")
                yield (
                    int(item.ReferencedSegmentNumber),
                    pixels >= half if kind == "FRACTIONAL" else pixels != 0,
                    frame,
                )
    except GuidedNetError:
        raise
    except Exception as error:  # whatever the damage happens to cause
        raise FileError(f"The pixels of {path} cannot be read.", DAMAGED) from error


def _pixels(data: Any) -> Iterator[NDArray[Any]]:
    from pydicom.pixels import iter_pixels

    if int(data.BitsAllocated) != 1 or data.file_meta.TransferSyntaxUID.is_compressed:
        yield from iter_pixels(data, raw=True)
        return
    rows, columns = int(data.Rows), int(data.Columns)
    packed = np.frombuffer(data.PixelData, np.uint8)
    for number in range(int(data.get("NumberOfFrames") or 1)):  # a frame need not begin with a byte
        first, end = number * rows * columns, (number + 1) * rows * columns
        bits = np.unpackbits(packed[first // 8 : -(-end // 8)], bitorder="little")
        yield bits[first % 8 : first % 8 + rows * columns].reshape(rows, columns)


def _group(data: Any, frame: Any, name: str) -> Any:
    """Give a functional group of a frame, or the one that all frames share."""
    shared: Any = next(iter(data.get("SharedFunctionalGroupsSequence") or ()), {})
    for place in (frame, shared):
        if items := place.get(name):
            return items[0]
    raise FileError(f"The segmentation lacks its {name}.", DAMAGED)


class _Placing:
    """Where the pixels of a frame are on a grid.

    Raises
    ------
    GeometryError
        When they do not lie on voxels of it.
    """

    def __init__(self, data: Any, frame: Any, shape: tuple[int, ...], geometry: Geometry, path: Path) -> None:
        affine = np.linalg.inv(geometry.affine) @ lps_to_ras(_frame_affine(data, frame))
        way = np.rint(affine[:3]).astype(np.int64)  # z, y, x: a step down, a step right, the first pixel
        rows, columns = shape
        ends = np.array([[0, 0, 1], [rows - 1, 0, 1], [0, columns - 1, 1], [rows - 1, columns - 1, 1]])
        if (
            np.abs((affine[:3] - way) @ ends.T).max() > NEAR_VOXELS
            or (np.abs(way[:, :2]).sum(axis=0) != 1).any()
        ):
            raise GeometryError(
                f"The segmentation {path.name} is on another grid than the CT.",
                "Import it where its own CT is the case, or resample it onto the CT first.",
            )
        strides = np.array([geometry.shape[1] * geometry.shape[2], geometry.shape[2], 1])
        self._down, self._right, self._first = (int(step) for step in strides @ way)
        self._rows, self._columns = slice(0, rows), slice(0, columns)
        for size, (down, right, first) in zip(geometry.shape, way, strict=True):
            if not down and not right and not 0 <= first < size:
                self._rows = slice(0, 0)
            self._rows = _within(self._rows, int(down), int(first), size)
            self._columns = _within(self._columns, int(right), int(first), size)

    def voxels(self, mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], int]:
        """Give the flat indices of the pixels of a mask, and how many lie beyond the grid."""
        width = self._columns.stop - self._columns.start
        rows, columns = np.divmod(np.flatnonzero(mask[self._rows, self._columns]), max(width, 1))
        first = self._first + self._rows.start * self._down + self._columns.start * self._right
        voxels: NDArray[np.int64] = first + rows * self._down + columns * self._right
        return voxels, int(np.count_nonzero(mask)) - voxels.size


def _within(pixels: slice, step: int, first: int, size: int) -> slice:
    """Cut off the pixels whose place `first + step * pixel` is not below `size`; step is -1, 0 or 1."""
    if step == 0:
        return pixels
    low, high = (-first, size - first) if step > 0 else (first - size + 1, first + 1)
    start, stop = max(pixels.start, low), min(pixels.stop, high)
    return slice(start, max(stop, start)) if start < pixels.stop else slice(0, 0)


def _sorted(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    voxels: NDArray[np.int64] = np.concatenate([np.zeros(0, np.int64), *parts])
    return voxels if (np.diff(voxels) > 0).all() else np.unique(voxels)


def _frame_affine(data: Any, frame: Any) -> NDArray[np.float64]:
    """Map (row, column, 1) of a frame to millimetres (L, P, S, 1): shape (4, 3)."""
    try:
        position = np.array(_group(data, frame, "PlanePositionSequence").ImagePositionPatient, np.float64)
        cosines = np.array(
            _group(data, frame, "PlaneOrientationSequence").ImageOrientationPatient, np.float64
        )
        height, width = np.array(_group(data, frame, "PixelMeasuresSequence").PixelSpacing, np.float64)
    except (AttributeError, TypeError, ValueError) as error:
        raise FileError("The segmentation does not say where its frames lie.", DAMAGED) from error
    if not np.isfinite([*position, *cosines, height, width]).all():
        raise FileError("The segmentation does not say where its frames lie.", DAMAGED)
    affine = np.zeros((4, 3))
    affine[:3, 0], affine[:3, 1] = cosines[3:] * height, cosines[:3] * width
    affine[:3, 2], affine[3, 2] = position, 1.0
    return affine


def _seg_notes(data: Any) -> tuple[str, ...]:
    if str(data.get("SegmentationType")) == "FRACTIONAL":
        return ("the segmentation is fractional; voxels from one half on were taken",)
    return ()
