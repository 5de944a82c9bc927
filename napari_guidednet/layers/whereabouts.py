"""Where the user is, on the grid of the case: the voxel under the cursor, the slice shown, the next click."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..backend import DISPLAY
from ..state.boxes import Box, whole
from . import probe
from .case_layers import CaseLayers

Voxel = tuple[int, int, int]
_STILL_PX = 4.0  # no hand holds a mouse quite still while it clicks


def voxel_at(layers: CaseLayers, position: Sequence[float]) -> Voxel | None:
    """Give the voxel (z, y, x) of the case at a world position in mm; None outside of it."""
    if layers.image is None or layers.display is None:
        return None
    index = probe.index_at(layers.image, position)
    return None if index is None else _original(layers, index)


def looked_at(layers: CaseLayers) -> Voxel | None:
    """Give the voxel under the cursor, or, when the mouse is elsewhere, where the slices cross."""
    for view in (layers.viewer, *layers.beside):
        if view.mouse_over_canvas:
            return voxel_at(layers, view.cursor.position)
    return voxel_at(layers, layers.viewer.dims.point)


def shown_slice(layers: CaseLayers) -> tuple[int, int]:
    """Give the axis of the case's grid that the main view cuts across, and the slice it shows."""
    if layers.display is None:
        raise RuntimeError("no case is shown")
    viewer = layers.viewer
    across = viewer.dims.order[0]
    voxel = voxel_at(layers, viewer.dims.point)
    axis = layers.display.geometry.reorient_to(DISPLAY).permutation[across]
    return axis, voxel[axis] if voxel is not None else 0


def slice_box(layers: CaseLayers) -> Box:
    """Give the slice that the main view shows, as a box of the case's grid."""
    if layers.display is None:
        raise RuntimeError("no case is shown")
    axis, number = shown_slice(layers)
    box = list(whole(layers.display.geometry.shape))
    box[axis] = slice(number, number + 1)
    return box[0], box[1], box[2]


class Picker:
    """Waits for one click into any view and tells which voxel it hit; drags still move the view."""

    def __init__(self, layers: CaseLayers) -> None:
        self._layers = layers
        self._then: Callable[[Voxel], object] | None = None
        self._mode = "pan_zoom"

    @property
    def waiting(self) -> bool:
        """Whether a click is awaited."""
        return self._then is not None

    def wait(self, then: Callable[[Voxel], object]) -> None:
        """Call `then` with the voxel of the next click; the brush rests until then."""
        self.cancel()
        labels = self._layers.labels
        if labels is None:
            return
        self._then = then
        self._mode = str(labels.mode)
        labels.mode = "pan_zoom"
        for view in (self._layers.viewer, *self._layers.beside):
            view.mouse_drag_callbacks.append(self._on_press)

    def cancel(self) -> None:
        """Wait no longer; the brush comes back."""
        if self._then is None:
            return
        self._then = None
        for view in (self._layers.viewer, *self._layers.beside):
            if self._on_press in view.mouse_drag_callbacks:
                view.mouse_drag_callbacks.remove(self._on_press)
        if self._layers.labels is not None:
            self._layers.labels.mode = self._mode

    def _on_press(self, _viewer: Any, event: Any) -> Iterator[None]:
        position, start, dragged = event.position, event.pos, False
        yield
        while event.type == "mouse_move":
            dragged = dragged or math.dist(start, event.pos) > _STILL_PX
            yield
        voxel, then = voxel_at(self._layers, position), self._then
        if dragged or voxel is None or then is None:
            return
        self.cancel()
        then(voxel)


def _original(layers: CaseLayers, index: Voxel) -> Voxel:
    """Turn an index of the view into one of the case's grid."""
    if layers.display is None:
        raise RuntimeError("no case is shown")
    order = layers.display.geometry.reorient_to(DISPLAY)
    found = [0, 0, 0]
    for axis, (source, flip) in enumerate(zip(order.permutation, order.flip, strict=True)):
        found[source] = layers.display.geometry.shape[source] - 1 - index[axis] if flip else index[axis]
    return found[0], found[1], found[2]
