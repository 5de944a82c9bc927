"""How voxels come onto the screen: radiological views of the arrays, millimetres, CT windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..backend import DISPLAY, Geometry

AXIS_LABELS = ("z", "y", "x")
UNITS = ("mm", "mm", "mm")

# name: (centre, width) in HU, as radiologists set them
WINDOWS: dict[str, tuple[float, float]] = {
    "Abdomen": (40.0, 400.0),
    "Liver": (80.0, 150.0),
    "Lung": (-600.0, 1500.0),
    "Bone": (400.0, 1800.0),
    "Wide": (0.0, 2000.0),
}


def window_limits(name: str) -> tuple[float, float]:
    """Give the lowest and highest HU a window shows."""
    centre, width = WINDOWS[name]
    return centre - width / 2, centre + width / 2


@dataclass(frozen=True, eq=False)
class Display:
    """The way a grid is shown: an exact reordering, so that views share memory with their arrays.

    napari's planes become radiological: head up, anterior up, the patient's right at the left. An
    oblique grid is shown along its nearest axes; its true affine travels in the metadata.

    Parameters
    ----------
    geometry : Geometry
        Of the arrays to be shown.
    """

    geometry: Geometry

    @cached_property
    def scale_mm(self) -> tuple[float, float, float]:
        """Voxel size along the axes of the view."""
        z, y, x = (self.geometry.spacing_mm[axis] for axis in self._reorient.permutation)
        return z, y, x

    @cached_property
    def origin_mm(self) -> tuple[float, float, float]:
        """Where the view's first voxel lies (I, P, L in mm), so that scans of one patient overlay.

        The centre of the grid is at its true place; an oblique grid turns about it.
        """
        shown = self._reorient.geometry(self.geometry)
        middle = (np.asarray(shown.shape) - 1) / 2
        centre_ras = shown.affine[:3] @ np.append(middle, 1.0)
        z, y, x = -centre_ras[::-1] - middle * self.scale_mm
        return float(z), float(y), float(x)

    def view(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give the array (z, y, x) as it is shown; writing to the view writes to the array."""
        return self._reorient.apply(array)

    def shown_index(self, index: tuple[int, int, int]) -> tuple[int, int, int]:
        """Turn an index of the array into one of the view."""
        shown = [0, 0, 0]
        steps = zip(self._reorient.permutation, self._reorient.flip, strict=True)
        for axis, (source, flip) in enumerate(steps):
            last = self.geometry.shape[source] - 1
            shown[axis] = last - index[source] if flip else index[source]
        return shown[0], shown[1], shown[2]

    def axial_slice(self, shown: int) -> int:
        """Turn the number of an axial slice of the view into that along the same axis of the array."""
        last = self.geometry.shape[self._reorient.permutation[0]] - 1
        found = last - shown if self._reorient.flip[0] else shown
        return min(max(found, 0), last)

    def shown_places(self, places: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Turn places (n, 3) in voxels of the array, fractions too, into places in voxels of the view."""
        steps = zip(self._reorient.permutation, self._reorient.flip, strict=True)
        columns = [
            self.geometry.shape[source] - 1 - places[:, source] if flip else places[:, source]
            for source, flip in steps
        ]
        return np.stack(columns, axis=1).astype(np.float64)

    def extent_mm(self, extent_zyx: Sequence[float]) -> tuple[float, float, float]:
        """Turn the size of a box in voxels of the array into mm along the axes of the view."""
        z, y, x = (float(extent_zyx[axis]) for axis in self._reorient.permutation)
        scale = self.scale_mm
        return z * scale[0], y * scale[1], x * scale[2]

    def layer_options(self) -> dict[str, Any]:
        """Give what every layer on this grid is made with."""
        return {
            "scale": self.scale_mm,
            "translate": self.origin_mm,
            "units": UNITS,
            "axis_labels": AXIS_LABELS,
            "metadata": {"guidednet": {"geometry": self.geometry}},
        }

    @cached_property
    def _reorient(self) -> Any:
        return self.geometry.reorient_to(DISPLAY)


def original_array(data: npt.NDArray[Any], geometry: Geometry) -> npt.NDArray[Any]:
    """Undo the view: give an array of a layer on its original grid."""
    return np.asarray(geometry.reorient_to(DISPLAY).invert(data))
