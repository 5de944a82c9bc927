"""A believable synthetic abdomen, the same for the same seed: sample data, demo and test fixture."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .anatomy import HALF_DEPTH_MM, HALF_WIDTH_MM, HEIGHT_MM, Part, abdomen
from .geometry import Geometry
from .labels import AMOS_15, LabelScheme
from .shapes import Array, Grown
from .volume import Volume

AIR_HU = -1000.0
NOISE_HU = 12.0  # of a routine portal-venous CT with 2-3 mm slices
WARP_MM = 5.0  # how far the slow bending moves tissue


def make_phantom(
    seed: int,
    shape: tuple[int, int, int] = (64, 96, 96),
    spacing_mm: tuple[float, float, float] = (4.0, 3.5, 3.5),
    scheme: LabelScheme = AMOS_15,
    field: tuple[float, float] = (0.0, 1.0),
    absent: Collection[str] = (),
) -> tuple[Volume, Volume]:
    """Make a CT of a synthetic patient and its label map.

    The patient is scaled to the field of view, so that all fifteen organs of the
    AMOS scheme are there at any size; place, size, density, bowel and noise follow the seed.
    Axes are "SAR": z to the head, y to the front, x to the patient's right.

    Parameters
    ----------
    seed : int
        The patient. Equal arguments give equal voxels.
    shape : (int, int, int)
        Voxels along z, y, x.
    spacing_mm : (float, float, float)
        Voxel size along z, y, x in mm.
    scheme : LabelScheme
        Which organs are labelled; the others are in the CT and background in the labels.
    field : (float, float)
        The share of the trunk's height, from the pelvic floor to the heart, that is seen;
        (0.4, 1.0) is an upper abdomen.
    absent : collection of str
        Organs that this patient does not have (removed by a surgeon).

    Returns
    -------
    ct, labels : Volume
        HU as int16 and scheme values as uint8, shape (z, y, x), on the same geometry.

    Raises
    ------
    ValueError
        When `field` is not a part of (0, 1) or `absent` names no known organ.
    """
    if not 0 <= field[0] < field[1] <= 1:
        raise ValueError(f"field must be two rising shares of the height, 0 to 1, got {field}")
    if unknown := sorted(set(absent) - set(AMOS_15.names)):
        raise ValueError(f"absent names no organ of the phantom: {', '.join(unknown)}")
    anatomy_rng, warp_rng, noise_rng = (np.random.default_rng([seed, k]) for k in range(3))
    canvas = _Canvas.blank(_frame(shape, spacing_mm, field, warp_rng))
    texture = _smooth_noise(shape, np.divide(7.0, spacing_mm), noise_rng)
    for part in abdomen(anatomy_rng):
        if part.organ not in absent:
            value = scheme.value(part.organ) if part.organ in scheme.names else 0
            canvas.paint(part, value, texture)
    geometry = Geometry(shape, _affine(shape, spacing_mm))
    ct = _scan(canvas.hu, noise_rng)
    return Volume(ct, geometry, "ct_hu"), Volume(canvas.labels, geometry, "labels")


@dataclass(frozen=True)
class _Frame:
    """Where each voxel lies in the reference patient, mm; arrays that broadcast to the shape."""

    z: Array
    y: Array
    x: Array
    voxel_mm: tuple[float, float, float]  # size of a voxel in the reference patient

    def box(self, low: tuple[float, float, float], high: tuple[float, float, float]) -> tuple[slice, ...]:
        """The voxels that may lie between two corners, with a margin for the bending and a soft edge."""
        return tuple(
            _span(axis.min(axis=others), axis.max(axis=others), a, b, margin)
            for axis, others, a, b, margin in zip(
                (self.z, self.y, self.x), ((1, 2), (0, 2), (0, 1)), low, high, self.voxel_mm, strict=True
            )
        )


@dataclass(frozen=True)
class _Canvas:
    frame: _Frame
    hu: Array
    labels: NDArray[np.uint8]

    @classmethod
    def blank(cls, frame: _Frame) -> _Canvas:
        return cls(frame, np.full(frame.z.shape, AIR_HU, np.float32), np.zeros(frame.z.shape, np.uint8))

    def paint(self, part: Part, value: int, texture: Array) -> None:
        """Put a part over what is there, with partial volume at its edge."""
        voxel_mm = float(np.mean(self.frame.voxel_mm))
        thicker_mm = max(0.0, 0.6 * voxel_mm - part.thin_mm) if part.organ else 0.0
        solid = Grown(part.solid, thicker_mm)
        box = self.frame.box(*solid.bounds())
        if any(s.start >= s.stop for s in box):
            return
        z, y, x = (axis[box] for axis in (self.frame.z, self.frame.y, self.frame.x))
        share = np.clip(0.5 - solid.distance(z, y, x) / np.float32(voxel_mm), 0, 1)
        tissue = np.float32(part.hu) + np.float32(part.texture_hu) * texture[box]
        self.hu[box] += share * (tissue - self.hu[box])
        self.labels[box][share > 0.5] = value


def _frame(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    field: tuple[float, float],
    rng: np.random.Generator,
) -> _Frame:
    nz, ny, nx = shape
    _, dy, dx = spacing_mm
    scale = min(ny * dy / (2 * HALF_DEPTH_MM), nx * dx / (2 * HALF_WIDTH_MM)) * rng.uniform(0.92, 1.0)
    tall = (field[1] - field[0]) * HEIGHT_MM
    z = field[0] * HEIGHT_MM + (np.arange(nz) + 0.5) / nz * tall
    y = (np.arange(ny) - (ny - 1) / 2) * dy / (scale * rng.uniform(0.95, 1.05))
    x = (np.arange(nx) - (nx - 1) / 2) * dx / scale
    grid = [a.astype(np.float32) for a in np.meshgrid(z, y, x, indexing="ij", sparse=True)]
    bent = [axis + _bend(grid, rng) for axis in grid]
    return _Frame(bent[0], bent[1], bent[2], (tall / nz, dy / scale, dx / scale))


def _bend(grid: list[Array], rng: np.random.Generator) -> Array:
    """A slow wave through the patient, at most `WARP_MM` high."""
    wave: Array = np.zeros(1, np.float32)
    for _ in range(2):
        length_mm = rng.uniform(110, 260, size=3) * rng.choice([-1, 1], size=3)
        phase = sum(axis * np.float32(2 * np.pi / size) for axis, size in zip(grid, length_mm, strict=True))
        wave = wave + np.sin(phase + np.float32(rng.uniform(0, 2 * np.pi)), dtype=np.float32)
    return np.asarray(wave * np.float32(WARP_MM / 2), dtype=np.float32)


def _span(lowest: Array, highest: Array, low: float, high: float, margin: float) -> slice:
    inside = np.flatnonzero((highest >= low - margin) & (lowest <= high + margin))
    return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0)


def _smooth_noise(shape: tuple[int, int, int], sigma: NDArray[np.float64], rng: np.random.Generator) -> Array:
    """Mottling of unit standard deviation, `sigma` voxels coarse."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    return np.asarray(noise / max(float(noise.std()), 1e-6), dtype=np.float32)


def _scan(hu: Array, rng: np.random.Generator) -> NDArray[np.int16]:
    """The scanner's blur and noise, in whole HU."""
    blurred = ndimage.gaussian_filter(hu, (0.3, 0.5, 0.5))
    noise = _smooth_noise(hu.shape, np.array([0.3, 0.6, 0.6]), rng)
    # air clips at the bottom of the scale, so the noise there is one-sided, as in real CT
    return np.asarray(np.clip(np.rint(blurred + NOISE_HU * noise), -1024, 3071), dtype=np.int16)


def _affine(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """SAR axes, the middle of the grid at the world's origin."""
    affine = np.zeros((4, 4))
    for column, (row, step, n) in enumerate(zip((2, 1, 0), spacing_mm, shape, strict=True)):
        affine[row, column] = step
        affine[row, 3] = -(n - 1) / 2 * step
    affine[3, 3] = 1
    return affine
