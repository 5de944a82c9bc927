"""The cursor over a view, no button held: what a dab there would paint or remove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers.labels._labels_constants import Mode
from psygnal import Signal

from .brushes import dab_voxels
from .colours import rgb
from .guarded import GuardedLabels, Mask

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ..state.correction import Correction
    from .case_layers import CaseLayers

_ERASED = (1.0, 1.0, 1.0)  # white: no organ
MOST_VOXELS = 120_000  # of a dab, a ball of 20 mm: more cost more than 20 ms on a busy computer
_DECIDE = (
    "mode", "selected_label", "brush_size", "n_edit_dimensions", "preserve_labels", "visible", "set_data",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Footprint:
    """What a dab would change in the slice that a view shows.

    Attributes
    ----------
    mask : array (down, across) of bool
    corner_mm : (float, float)
        Where the first voxel begins, down and across, in the world of the view.
    voxel_mm : (float, float)
    colour : (float, float, float)
        Red, green, blue in [0, 1]: that of the organ, white for the eraser.
    """

    mask: Mask
    corner_mm: tuple[float, float]
    voxel_mm: tuple[float, float]
    colour: tuple[float, float, float]

    def rim_mm(self) -> npt.NDArray[np.float32]:
        """Give the edges between voxels inside and outside: pairs of points (across, down), (2 n, 2)."""
        padded = np.pad(self.mask, 1)
        beside = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])  # edges that run down
        above = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])  # and those that run across
        down, right = np.array([1, 0]), np.array([0, 1])
        ends = np.stack([beside, beside + down], axis=1), np.stack([above, above + right], axis=1)
        corners = np.concatenate(ends).reshape(-1, 2) * self.voxel_mm + self.corner_mm
        return corners[:, ::-1].astype(np.float32)


class Hover:
    """Follows the cursor over one view; says when `footprint` is another, and when there is none any more.

    Parameters
    ----------
    model : ViewerModel
        Of the view.
    case : CaseLayers
    labels_of : callable
        Gives the layer that strokes in this view go to, None without a case.
    """

    moved = Signal()  # what a dab would change may be another
    left = Signal()  # the cursor is over nothing that is painted on

    def __init__(
        self, model: ViewerModel, case: CaseLayers, labels_of: Callable[[], GuardedLabels | None]
    ) -> None:
        self._model, self._case, self._labels_of = model, case, labels_of
        self._closed = False
        self._place: npt.NDArray[np.float64] | None = None  # of the cursor, in mm
        self._layer: GuardedLabels | None = None  # whose events are listened to
        self._correction: Correction | None = None  # likewise
        model.mouse_move_callbacks.append(self._on_move)
        model.mouse_drag_callbacks.append(self._on_press)
        model.events.mouse_over_canvas.connect(self._on_over)
        model.layers.selection.events.active.connect(self._ask)
        case.brushes.settings.events.connect(self._ask)
        case.brushes.model_changed.connect(self._ask)
        case.colouring.changed.connect(self._ask)
        case.layers_changed.connect(self._forget)

    def close(self) -> None:
        """Listen no more; what is closed already stays so."""
        if self._closed:
            return
        self._closed = True
        self._forget()
        self._model.mouse_move_callbacks.remove(self._on_move)
        self._model.mouse_drag_callbacks.remove(self._on_press)
        self._model.events.mouse_over_canvas.disconnect(self._on_over)
        self._model.layers.selection.events.active.disconnect(self._ask)
        self._case.brushes.settings.events.disconnect(self._ask)
        self._case.brushes.model_changed.disconnect(self._ask)
        self._case.colouring.changed.disconnect(self._ask)
        self._case.layers_changed.disconnect(self._forget)

    def footprint(self) -> Footprint | None:
        """Give what a dab at the cursor would change; None where it would change nothing or is too large."""
        layer, place = self._layer, self._place
        if layer is None or place is None or not self._paints(layer):
            return None
        shown = list(self._model.dims.displayed)
        here = np.array(self._model.dims.point, float)
        here[shown] = place[shown]
        voxel = [int(np.round(c)) for c in layer.world_to_data(here)]
        value = 0 if layer.mode == Mode.ERASE else int(layer.selected_label)
        found = layer.dab_at(voxel, value)
        if found is None:
            return None
        key, mask = found
        (across,) = (axis for axis in range(3) if axis not in shown)
        cut = np.take(mask, voxel[across] - key[across].start, axis=across)
        if not cut.any():
            return None
        return Footprint(
            cut if shown == sorted(shown) else cut.T,
            *self._grid(layer, [key[axis].start for axis in shown], shown),
            self._colour(value),
        )

    def _paints(self, layer: GuardedLabels) -> bool:
        return (
            self._case.brushes.previews
            and layer.mode in (Mode.PAINT, Mode.ERASE)
            and layer.visible
            and layer.editable
            and self._model.dims.ndisplay == 2
            and dab_voxels(layer) <= MOST_VOXELS
            and self._model.layers.selection.active is layer
        )

    def _grid(
        self, layer: GuardedLabels, starts: list[int], shown: list[int]
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        voxel_mm = [float(layer.scale[axis]) for axis in shown]
        corner_mm = [
            float(layer.translate[axis]) + (start - 0.5) * size
            for axis, start, size in zip(shown, starts, voxel_mm, strict=True)
        ]
        return (corner_mm[0], corner_mm[1]), (voxel_mm[0], voxel_mm[1])

    def _colour(self, value: int) -> tuple[float, float, float]:
        correction = self._case.correction
        if correction is None or not 0 < value < correction.scheme.n_classes:
            return _ERASED
        return rgb(self._case.colouring.on(correction.scheme).organ(value))

    # the cursor

    def _on_move(self, _model: ViewerModel, event: Any) -> None:
        layer = self._labels_of()
        if self._case.brushes.stroking:  # a move that napari tells of late: it was before the press
            return
        if layer is None or len(event.position) != layer.ndim:
            self._forget()
            return
        if layer is not self._layer:
            self._listen(layer)
        if layer.cursor != "circle_frozen":  # Alt and the mouse: the radius changes where the circle is
            self._place = np.array(event.position, float)
        self._ask()

    def _on_press(self, _model: ViewerModel, _event: Any) -> None:
        self._forget()

    def _on_over(self, *_: Any) -> None:
        if not self._model.mouse_over_canvas:
            self._forget()

    def _listen(self, layer: GuardedLabels | None) -> None:
        for name in _DECIDE:
            if self._layer is not None:
                getattr(self._layer.events, name).disconnect(self._ask)
            if layer is not None:
                getattr(layer.events, name).connect(self._ask)
        if self._correction is not None:
            self._correction.locks_changed.disconnect(self._ask, missing_ok=True)
            self._correction.states_changed.disconnect(self._ask, missing_ok=True)
        self._layer, self._correction = layer, None if layer is None else self._case.correction
        if self._correction is not None:
            self._correction.locks_changed.connect(self._ask)
            self._correction.states_changed.connect(self._ask)

    def _ask(self, *_: Any) -> None:
        if self._place is not None:
            self.moved.emit()

    def _forget(self) -> None:
        self._place = None
        self._listen(None)
        self.left.emit()
