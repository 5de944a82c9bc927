"""Solid shapes as signed distances: ellipsoids, bent tubes, and what is cut from or joined to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Point = tuple[float, float, float]  # z, y, x in mm
Surface = Callable[[Array, Array, Array], Array]  # (z, y, x) to a distance in mm, negative on the kept side


class Shape(Protocol):
    """A solid in a frame of (z, y, x) mm."""

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner of a box that holds the solid, mm."""
        ...

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        """Signed distance to the surface in mm (roughly), negative inside; the inputs broadcast."""
        ...


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid, turned by `tilt` degrees about the z, y and x axes in this order."""

    centre: Point
    radii: Point
    tilt: Point = (0.0, 0.0, 0.0)

    def bounds(self) -> tuple[Point, Point]:
        """Box of the turned ellipsoid, mm."""
        turn = _rotation(self.tilt)
        reach = np.sqrt(((turn * np.asarray(self.radii)) ** 2).sum(axis=1))
        return _corners(np.asarray(self.centre) - reach, np.asarray(self.centre) + reach)

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        """First-order distance: exact on the surface, good near it."""
        dz, dy, dx = (a - np.float32(c) for a, c in zip((z, y, x), self.centre, strict=True))
        turn = _rotation(self.tilt).T.astype(np.float32)
        inner = np.float32(1e-6)  # keeps the quotient finite, and right for a sphere, at the centre
        outer = np.float32(1e-6 / min(self.radii) ** 2)
        for row, radius in zip(turn, self.radii, strict=True):
            along = (row[0] * dz + row[1] * dy + row[2] * dx) / np.float32(radius)
            inner = inner + along**2
            outer = outer + (along / np.float32(radius)) ** 2
        return np.asarray((np.sqrt(inner) - 1) * np.sqrt(inner / outer), dtype=np.float32)


@dataclass(frozen=True)
class Tube:
    """A chain of rounded segments through `points`, with a radius at each of them."""

    points: tuple[Point, ...]
    radii: tuple[float, ...]

    def bounds(self) -> tuple[Point, Point]:
        """Box of all segments, mm."""
        points, radii = np.asarray(self.points), np.asarray(self.radii)[:, None]
        return _corners((points - radii).min(axis=0), (points + radii).max(axis=0))

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        """Distance to the nearest segment less the radius there."""
        best: Array | None = None
        for k in range(len(self.points) - 1):
            d = _segment(self.points[k], self.points[k + 1], self.radii[k], self.radii[k + 1], z, y, x)
            best = d if best is None else np.minimum(best, d)
        if best is None:
            raise ValueError(f"a tube needs two points, got {len(self.points)}")
        return best


@dataclass(frozen=True)
class Joined:
    """Several solids melted together over `blend` mm."""

    parts: tuple[Shape, ...]
    blend: float = 0.0

    def bounds(self) -> tuple[Point, Point]:
        """Box of all parts, mm."""
        low, high = zip(*(part.bounds() for part in self.parts), strict=True)
        return _corners(np.min(low, axis=0) - self.blend, np.max(high, axis=0) + self.blend)

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        """Smooth minimum of the parts' distances."""
        whole = self.parts[0].distance(z, y, x)
        for part in self.parts[1:]:
            whole = _smooth_minimum(whole, part.distance(z, y, x), self.blend)
        return whole


@dataclass(frozen=True)
class Cut:
    """A solid without what lies inside another one."""

    solid: Shape
    away: Shape

    def bounds(self) -> tuple[Point, Point]:
        """Box of the uncut solid, mm."""
        return self.solid.bounds()

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        """The larger of the solid's distance and the depth inside what is cut away."""
        return np.maximum(self.solid.distance(z, y, x), -self.away.distance(z, y, x))


@dataclass(frozen=True)
class Grown:
    """A solid grown (or, with a negative `by_mm`, shrunk) on all sides."""

    solid: Shape
    by_mm: float

    def bounds(self) -> tuple[Point, Point]:
        """Box of the grown solid, mm."""
        low, high = self.solid.bounds()
        margin = max(self.by_mm, 0.0)
        return _corners(np.asarray(low) - margin, np.asarray(high) + margin)

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        """The solid's distance less the growth."""
        return self.solid.distance(z, y, x) - np.float32(self.by_mm)


@dataclass(frozen=True)
class Moved:
    """A solid shifted by `shift` mm and scaled about `pivot`."""

    solid: Shape
    pivot: Point
    shift: Point
    scale: float

    def bounds(self) -> tuple[Point, Point]:
        """Box of the moved solid, mm."""
        pivot, shift = np.asarray(self.pivot), np.asarray(self.shift)
        low, high = ((np.asarray(c) - pivot) * self.scale + pivot + shift for c in self.solid.bounds())
        return _corners(low, high)

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        """Distance measured in the solid's own place and size, scaled back."""
        where = [
            (a - np.float32(c + s)) / np.float32(self.scale) + np.float32(c)
            for a, c, s in zip((z, y, x), self.pivot, self.shift, strict=True)
        ]
        return self.solid.distance(where[0], where[1], where[2]) * np.float32(self.scale)


@dataclass(frozen=True)
class Trunk:
    """A rounded-oblong column along z about (y, x) = (0, 0), narrower at the waist."""

    radius_y: float
    radius_x: float
    waist: float = 0.07  # share by which it narrows at z = 190 mm

    def bounds(self) -> tuple[Point, Point]:
        """Box of the column; without end along z."""
        return (-1e6, -self.radius_y, -self.radius_x), (1e6, self.radius_y, self.radius_x)

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        """Distance along the ray from the axis."""
        width = 1 - np.float32(self.waist) * np.exp(-(((z - 190) / 60) ** 2))
        power = np.float32(2.4)
        along_y = np.abs(y / (np.float32(self.radius_y) * width)) ** power
        along_x = np.abs(x / (np.float32(self.radius_x) * width)) ** power
        share = (along_y + along_x) ** (1 / power)
        return np.asarray(np.hypot(y, x) * (1 - 1 / np.maximum(share, 1e-3)), dtype=np.float32)


@dataclass(frozen=True)
class Under:
    """The part of a solid on the negative side of a surface given as a distance function."""

    solid: Shape
    surface: Surface

    def bounds(self) -> tuple[Point, Point]:
        """Box of the whole solid, mm."""
        return self.solid.bounds()

    def distance(self, z: Array, y: Array, x: Array) -> Array:
        """The larger of both distances."""
        return np.maximum(self.solid.distance(z, y, x), self.surface(z, y, x))


def smooth_path(points: tuple[Point, ...], radii: tuple[float, ...], pieces: int = 5) -> Tube:
    """Bend a tube smoothly through a few points (Catmull-Rom), `pieces` segments between two of them."""
    knots = np.column_stack([np.asarray(points, float), np.asarray(radii, float)])
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    t = np.linspace(0, 1, pieces, endpoint=False)[:, None]
    bends = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    curve = np.vstack([*bends, knots[-1:]])
    least = min(radii) * 0.5
    return Tube(
        tuple((float(z), float(y), float(x)) for z, y, x, _ in curve),
        tuple(float(max(r, least)) for r in curve[:, 3]),
    )


def _segment(a: Point, b: Point, ra: float, rb: float, z: Array, y: Array, x: Array) -> Array:
    along = np.asarray(b, np.float32) - np.asarray(a, np.float32)
    dz, dy, dx = (v - np.float32(o) for v, o in zip((z, y, x), a, strict=True))
    share = (dz * along[0] + dy * along[1] + dx * along[2]) / np.float32(max(float(along @ along), 1e-6))
    share = np.clip(share, 0, 1)
    off = (dz - share * along[0]) ** 2 + (dy - share * along[1]) ** 2 + (dx - share * along[2]) ** 2
    return np.asarray(np.sqrt(off) - (np.float32(ra) + share * np.float32(rb - ra)), dtype=np.float32)


def _smooth_minimum(a: Array, b: Array, blend: float) -> Array:
    if blend <= 0:
        return np.minimum(a, b)
    share = np.clip(0.5 + 0.5 * (b - a) / np.float32(blend), 0, 1)
    blended = b + (a - b) * share - np.float32(blend) * share * (1 - share)
    return np.asarray(blended, dtype=np.float32)


def _rotation(tilt: Point) -> NDArray[np.float64]:
    """Rotation matrix over (z, y, x) components, degrees about z, then y, then x."""
    about_z, about_y, about_x = np.radians(tilt)
    turn = np.eye(3)
    for angle, (i, j) in ((about_z, (1, 2)), (about_y, (0, 2)), (about_x, (0, 1))):
        step = np.eye(3)
        step[i, i] = step[j, j] = np.cos(angle)
        step[i, j], step[j, i] = -np.sin(angle), np.sin(angle)
        turn = step @ turn
    return turn


def _corners(low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[Point, Point]:
    return (
        (float(low[0]), float(low[1]), float(low[2])),
        (float(high[0]), float(high[1]), float(high[2])),
    )
