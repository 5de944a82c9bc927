"""Where a view looks: centred on a point, and near enough that a region fills a good part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel

_SHARE = 0.4  # of the canvas that a framed region takes: its surroundings say what it is
_LEAST_MM = 25.0  # a region of a few voxels is not blown up to squares without meaning


def zoom_on(viewer: ViewerModel, world: Sequence[float], extent_mm: Sequence[float] | None = None) -> None:
    """Centre a view on a point, and frame a region around it.

    Parameters
    ----------
    world : sequence of float
        Point (z, y, x) in mm.
    extent_mm : sequence of float, optional
        Size of the region along (z, y, x) of the view; the zoom stays as it is without one.
    """
    camera, shown = viewer.scene.camera, viewer.dims.displayed
    if extent_mm is not None:
        sizes = [max(extent_mm[axis], _LEAST_MM) for axis in shown[-2:]]
        pixels = [max(1, length) for length in viewer.canvas.size]
        camera.zoom = _SHARE * min(length / size for length, size in zip(pixels, sizes, strict=True))
    camera.center = tuple(world[axis] for axis in viewer.dims.order)
