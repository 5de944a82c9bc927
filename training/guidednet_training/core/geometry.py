"""Where voxels are: a grid and its affine from (z, y, x) to RAS+ millimetres, and exact reorientation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import GeometryError

CANONICAL = "SAR"  # the networks' orientation: z to Superior, y to Anterior, x to Right (RAS+)
DISPLAY = "IPL"  # napari's planes become radiological: head up, the patient's left on the right

MIN_SPACING_MM, MAX_SPACING_MM = 0.01, 100.0  # micro-CT to the coarsest scout; outside is a wrong header
MAX_EXTENT_MM = 10_000.0  # no scanner moves a patient further
MIN_VOLUME_RATIO = 0.05  # of a voxel to the box of its edges; less is a flat, unusable grid
ROUNDING_DEG = 0.06  # float32 headers and their quaternions are not exact to better than this

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Geometry:
    """The grid of a volume.

    Parameters
    ----------
    shape : (int, int, int)
        Voxels along z, y, x.
    affine : array of float64, shape (4, 4)
        Maps (z, y, x, 1) to RAS+ millimetres. Copied and made read-only.

    Raises
    ------
    GeometryError
        When the grid is empty or the affine is not finite, flat or absurd.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(f"A grid of {shape} voxels was given; z, y and x must each be at least 1.")
        affine = np.array(self.affine, dtype=np.float64)
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)
        _check_affine(shape, affine)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along z, y, x in mm."""
        z, y, x = (float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0))
        return z, y, x

    @cached_property
    def axes(self) -> str:
        """The anatomical direction in which each index grows, e.g. "SAR"; the nearest one if oblique."""
        return "".join(_letters(self._directions))

    @cached_property
    def is_oblique(self) -> bool:
        """Whether an axis of the grid is not along a patient axis."""
        return bool(np.abs(self._directions).max(axis=0).min() < np.cos(np.radians(ROUNDING_DEG)))

    @cached_property
    def is_sheared(self) -> bool:
        """Whether the axes of the grid are not at right angles."""
        angles = self._directions.T @ self._directions - np.eye(3)
        return bool(np.abs(angles).max() > np.sin(np.radians(ROUNDING_DEG)))

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def same_grid(self, other: Geometry, tol_mm: float = 0.01) -> bool:
        """Whether both have the same voxels at the same places, to `tol_mm` at every corner."""
        if self.shape != other.shape:
            return False
        corners = _corners(self.shape)
        shift = (self.affine - other.affine) @ corners
        return bool(np.linalg.norm(shift[:3], axis=0).max() <= tol_mm)

    def reorient_to(self, axes: str) -> Reorient:
        """Give the exact reordering of voxels after which the indices grow along `axes`.

        Parameters
        ----------
        axes : str
            Three letters for z, y, x, one of each pair R/L, A/P, S/I: "SAR", "IPL", ...
        """
        if sorted(_PAIR.get(letter, "?") for letter in axes) != ["AP", "RL", "SI"]:
            raise GeometryError(f"'{axes}' is not an orientation.", 'Give three letters such as "SAR".')
        have = [_PAIR[letter] for letter in self.axes]
        order = [have.index(_PAIR[letter]) for letter in axes]
        flips = [self.axes[source] != letter for source, letter in zip(order, axes, strict=True)]
        return Reorient((order[0], order[1], order[2]), (flips[0], flips[1], flips[2]))

    @cached_property
    def _directions(self) -> NDArray[np.float64]:
        edges = self.affine[:3, :3]
        unit: NDArray[np.float64] = edges / np.linalg.norm(edges, axis=0)
        return unit


@dataclass(frozen=True)
class Reorient:
    """A reordering of voxels that loses nothing: transpose to `permutation`, then flip.

    Parameters
    ----------
    permutation : (int, int, int)
        Source axis of each result axis.
    flip : (bool, bool, bool)
        Whether each result axis runs backwards.
    """

    permutation: tuple[int, int, int]
    flip: tuple[bool, bool, bool]

    def apply(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        """Give a view of `array`, shape (..., z, y, x), in the new order."""
        return self._flipped(self._transposed(array, self.permutation))

    def invert(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        """Give a view of a reordered array in the source's order: the exact inverse of `apply`."""
        inverse = [self.permutation.index(axis) for axis in range(3)]
        return self._transposed(self._flipped(array), inverse)

    def geometry(self, source: Geometry) -> Geometry:
        """Give the geometry of the reordered voxels, each at its own place in the patient."""
        shape = [source.shape[axis] for axis in self.permutation]
        matrix = np.zeros((4, 4))  # (z, y, x, 1) of the result to that of the source
        matrix[3, 3] = 1.0
        for axis, (origin, flip) in enumerate(zip(self.permutation, self.flip, strict=True)):
            matrix[origin, axis] = -1.0 if flip else 1.0
            matrix[origin, 3] = shape[axis] - 1.0 if flip else 0.0
        return Geometry((shape[0], shape[1], shape[2]), source.affine @ matrix)

    def _flipped(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        steps = tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flip)
        return array[(..., *steps)]

    @staticmethod
    def _transposed(array: NDArray[Scalar], order: Sequence[int]) -> NDArray[Scalar]:
        lead = array.ndim - 3
        return array.transpose(*range(lead), *(lead + axis for axis in order))


def geometry_from_ijk(shape_ijk: Sequence[int], affine_ijk: ArrayLike) -> Geometry:
    """Turn a shape and affine in the (i, j, k) order of image files, RAS+ mm, into a `Geometry`."""
    affine: NDArray[Any] = np.asarray(affine_ijk, dtype=np.float64)
    i, j, k = shape_ijk
    return Geometry((k, j, i), affine[:, [2, 1, 0, 3]])


def affine_to_ijk(geometry: Geometry) -> NDArray[np.float64]:
    """Give the affine from (i, j, k, 1) = (x, y, z, 1) to RAS+ mm, as image files store it."""
    return geometry.affine[:, [2, 1, 0, 3]]


def lps_to_ras(affine: ArrayLike) -> NDArray[np.float64]:
    """Turn an affine into LPS+ mm (DICOM, ITK) into one into RAS+ mm (NIfTI, this package)."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(affine, dtype=np.float64)


_PAIR = {"R": "RL", "L": "RL", "A": "AP", "P": "AP", "S": "SI", "I": "SI"}


def _letters(directions: NDArray[np.float64]) -> list[str]:
    """Assign one patient axis to each grid axis so that the cosines together are largest."""
    cosines = np.abs(directions)
    order = max(permutations(range(3)), key=lambda rows: sum(cosines[row, i] for i, row in enumerate(rows)))
    signs = [directions[row, i] > 0 for i, row in enumerate(order)]
    return [("RAS" if up else "LPI")[row] for row, up in zip(order, signs, strict=True)]


def _corners(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    index = np.indices((2, 2, 2)).reshape(3, 8) * (np.array(shape)[:, None] - 1)
    return np.vstack([index, np.ones(8)]).astype(np.float64)


def _check_affine(shape: tuple[int, ...], affine: NDArray[np.float64]) -> None:
    hint = "Export the volume again with its orientation and voxel size."
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise GeometryError("The affine is not a 4x4 matrix of finite numbers.", hint)
    if not np.array_equal(affine[3], [0.0, 0.0, 0.0, 1.0]):
        raise GeometryError("The last row of the affine is not 0 0 0 1.", hint)
    with np.errstate(over="ignore"):  # infinite is caught as too large
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.min() == 0:
        raise GeometryError("The affine is singular: a voxel has no size along one axis.", hint)
    text = " x ".join(f"{step:.4g}" for step in spacing)
    if spacing.min() < MIN_SPACING_MM or spacing.max() > MAX_SPACING_MM:
        limits = f"{MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm"
        raise GeometryError(f"The voxel size (z, y, x) is {text} mm; {limits} was expected.", hint)
    if max(shape) > MAX_EXTENT_MM / MIN_SPACING_MM or (spacing * np.array(shape)).max() > MAX_EXTENT_MM:
        raise GeometryError(f"{shape} voxels of {text} mm are larger than any scan.", hint)
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < MIN_VOLUME_RATIO:
        raise GeometryError("The affine is singular: its axes lie in one plane.", hint)
