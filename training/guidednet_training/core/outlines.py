"""Outlines of flat masks and back, exactly: vertices lie half way between a voxel inside and one outside."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Polygon = NDArray[np.float64]

_SNAP = 0.01  # of a voxel: what files round away from whole numbers


def outlines(mask: Mask) -> list[Polygon]:
    """Give closed polygons around the pieces of a mask; a hole is joined to its rim by a keyhole.

    Parameters
    ----------
    mask : array of bool, shape (rows, columns)

    Returns
    -------
    list of array, shape (n, 2)
        Row and column of each vertex, the first not repeated at the end. A voxel is in the mask where its
        centre is inside one of them. Pieces that touch at a corner only are apart.
    """
    from skimage.measure import find_contours

    if not mask.any():
        return []
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = np.pad(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    rings = [ring[:-1] for ring in find_contours(window.astype(np.float32), 0.5)]
    corner = np.array([rows[0] - 1, columns[0] - 1])
    return [_without_needless(ring) + corner for ring in _with_keyholes(rings)]


def filled(polygons: Iterable[Polygon], shape: tuple[int, int]) -> Mask:
    """Give the voxels whose centre is inside an odd number of polygons, or on an edge.

    So a polygon within another is a hole, a keyhole leads to one, and what is drawn through the centres of
    the outermost voxels holds them.

    Parameters
    ----------
    polygons : iterable of array, shape (n, 2)
        Row and column of each vertex.
    shape : (int, int)
        Rows and columns; what lies beyond is cut off.
    """
    odd = np.zeros((shape[0], shape[1] + 1), np.int32)
    edge = np.zeros(shape, bool)
    for polygon in polygons:
        _add(_snapped(np.asarray(polygon, np.float64)), odd, edge)
    inside: Mask = (np.cumsum(odd[:, :-1], axis=1) & 1).astype(bool) | edge
    return inside


def _with_keyholes(rings: list[Polygon]) -> list[Polygon]:
    """Join each hole, along the line between two rows of voxels, to the ring that line meets first.

    From the leftmost of its topmost vertices the line runs to the left, between voxels of the mask only.
    Sorted so, a hole comes after the ring that it meets.
    """
    outer = [ring for ring in rings if _area(ring) > 0]
    holes = [_from_top(_with_middles(ring)) for ring in rings if _area(ring) < 0]
    if not holes:
        return outer
    holes.sort(key=lambda ring: _key(ring[0]))
    every = [*map(_with_middles, outer), *holes]
    owner = {_key(vertex): (n, at) for n, ring in enumerate(every) for at, vertex in enumerate(ring)}
    joined: list[list[tuple[int, int]]] = [[] for _ in every]  # of each ring: at which vertex, which hole
    for number in range(len(outer), len(every)):
        ring, at = _first_met(every[number][0], owner)
        joined[ring].append((at, number))
    paths: list[list[Polygon]] = [[] for _ in every]
    for number in reversed(range(len(every))):  # what is joined to a ring comes after it
        paths[number] = _path(every[number], [(at, paths[hole]) for at, hole in sorted(joined[number])])
    return [np.concatenate(path) for path in paths[: len(outer)]]


def _path(ring: Polygon, holes: list[tuple[int, list[Polygon]]]) -> list[Polygon]:
    """Give the pieces of a way around a ring that turns aside at some vertices, around a hole, and back."""
    pieces, last = [], 0
    for at, way in holes:
        pieces += [ring[last : at + 1], *way, way[0][:1]]
        last = at
    return [*pieces, ring[last:]]


def _with_middles(ring: Polygon) -> Polygon:
    """Add the middle of every edge along a column: there a line between two rows can meet it."""
    ahead = np.roll(ring, -1, axis=0)
    upright = np.flatnonzero(ring[:, 1] == ahead[:, 1])
    return np.insert(ring, upright + 1, (ring[upright] + ahead[upright]) / 2.0, axis=0)


def _first_met(start: Polygon, owner: dict[tuple[float, float], tuple[int, int]]) -> tuple[int, int]:
    row, column = _key(start)
    while column > 0:
        column -= 0.5
        if (row, column) in owner:
            return owner[row, column]
    raise ValueError("a hole lies in no piece")  # cannot be: the mask is padded


def _key(vertex: Polygon) -> tuple[float, float]:
    return float(vertex[0]), float(vertex[1])


def _from_top(ring: Polygon) -> Polygon:
    """Let a ring begin with the leftmost of the vertices of the smallest row."""
    return np.roll(ring, -int(np.lexsort((ring[:, 1], ring[:, 0]))[0]), axis=0)


def _area(ring: Polygon) -> float:
    """Give the area, negative for a hole: `find_contours` runs around it the other way."""
    after = np.roll(ring, -1, axis=0)
    return float(np.sum(after[:, 0] * ring[:, 1] - ring[:, 0] * after[:, 1])) / 2.0


def _without_needless(ring: Polygon) -> Polygon:
    """Leave out vertices in the middle of a straight line."""
    back, ahead = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0]
    onward = (back * ahead).sum(axis=1) > 0
    kept: Polygon = ring[~((turns == 0) & onward)]
    return kept


def _snapped(polygon: Polygon) -> Polygon:
    near = np.rint(polygon)
    return np.where(np.abs(polygon - near) < _SNAP, near, polygon)


def _add(polygon: Polygon, odd: NDArray[np.int32], edge: Mask) -> None:
    """Toggle the voxels to the right of every edge, and mark those on an edge."""
    height, width = edge.shape
    start, end = polygon, np.roll(polygon, -1, axis=0)
    upright = np.where((start[:, 0] <= end[:, 0])[:, None], start, end)
    falling = np.where((start[:, 0] <= end[:, 0])[:, None], end, start)
    first = np.clip(np.ceil(upright[:, 0]), 0, height).astype(np.int64)
    last = np.clip(np.floor(falling[:, 0]), -1, height - 1).astype(np.int64)
    count = np.maximum(last - first + 1, 0)
    which = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + first[which]
    low, high = upright[which], falling[which]
    rise = high[:, 0] - low[:, 0]
    level = rise == 0
    share = np.divide(row - low[:, 0], rise, out=np.zeros(len(row)), where=~level)
    column = low[:, 1] + share * (high[:, 1] - low[:, 1])
    crossing = ~level & (row < high[:, 0])  # the end belongs to the next edge
    at = np.clip(np.ceil(column[crossing]), 0, width).astype(np.int64)
    np.add.at(odd, (row[crossing], at), 1)
    near = np.rint(column).astype(np.int64)
    on = ~level & (np.abs(column - near) < _SNAP) & (near >= 0) & (near < width)
    edge[row[on], near[on]] = True
    for number in np.flatnonzero(level):
        ends = sorted((low[number, 1], high[number, 1]))
        edge[row[number], max(int(np.ceil(ends[0])), 0) : max(int(np.floor(ends[1])) + 1, 0)] = True
