"""Coronal and sagittal views beside the axial one: the same voxels, one cross-hair, one brush."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer

from .framing import zoom_on
from .guarded import Gate, GuardedLabels
from .mirror import Mirror

if TYPE_CHECKING:
    from .case_layers import CaseLayers

ORDERS = {"Coronal": (1, 0, 2), "Sagittal": (2, 0, 1)}  # the axis looked along, then down, then right


class Plane:
    """One view of the case along another axis.

    Parameters
    ----------
    title : str
        A key of `ORDERS`.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.model = ViewerModel(title=title)
        self.mirrors: list[Mirror] = []

    @property
    def labels(self) -> GuardedLabels | None:
        """The twin of the organs, where a stroke in this view goes."""
        found = [m.layer for m in self.mirrors if m.paints and isinstance(m.layer, GuardedLabels)]
        return found[0] if found else None

    def show(self, sources: Sequence[Layer], organs: Layer | None = None, gate: Gate | None = None) -> None:
        """Show twins of these layers, in their order; those shown already stay.

        Parameters
        ----------
        sources : sequence of Layer
            Of the main viewer, lowest first.
        organs : Layer, optional
            The one of them that is painted on.
        gate : Gate, optional
            Asked by strokes on the twin of `organs`.
        """
        kept = {id(m.source): m for m in self.mirrors}
        anew = not any(id(source) in kept for source in sources)
        for mirror in [m for m in self.mirrors if not any(m.source is s for s in sources)]:
            mirror.close()
            self.model.layers.remove(mirror.layer)
        self.mirrors = [
            kept.get(id(source)) or Mirror(source, gate if source is organs else None) for source in sources
        ]
        for place, mirror in enumerate(self.mirrors):
            if mirror.layer not in self.model.layers:
                self.model.layers.insert(place, mirror.layer)
        if sources and anew:
            self.model.dims.order = ORDERS[self.title]
            self.model.reset_view()
        self.model.layers.selection.active = self.labels

    def close(self) -> None:
        """Let go of all layers."""
        self.show(())


class Planes:
    """Keeps the planes true: the layers of the case, the point they all show, the status line.

    Parameters
    ----------
    layers : CaseLayers
        Of the case in the main viewer.
    """

    def __init__(self, layers: CaseLayers) -> None:
        self._layers = layers
        self._main = layers.viewer
        self.planes = tuple(Plane(title) for title in ORDERS)
        self.models = tuple(plane.model for plane in self.planes)
        self._painted: Any = None  # the layer of the last stroke: it is drawn already
        layers.layers_changed.connect(self._show)
        layers.moved.connect(self._frame)
        self._main.dims.events.point.connect(self._on_point)
        self._main.events.theme.connect(self._on_theme)
        self._main.mouse_move_callbacks.append(self._point_here)
        for model in self.models:
            model.dims.events.point.connect(self._on_point)
            model.events.status.connect(self._on_status)
            model.mouse_move_callbacks.append(self._point_here)
            model.mouse_drag_callbacks.append(layers.window_drag)
        layers.beside = self.models
        self._on_theme()
        self._show()

    def close(self) -> None:
        """Let go of the case and the main viewer."""
        self._layers.beside = ()
        self._layers.layers_changed.disconnect(self._show)
        self._layers.moved.disconnect(self._frame)
        self._main.dims.events.point.disconnect(self._on_point)
        self._main.events.theme.disconnect(self._on_theme)
        self._main.mouse_move_callbacks.remove(self._point_here)
        for plane in self.planes:
            plane.model.dims.events.point.disconnect(self._on_point)
            plane.model.events.status.disconnect(self._on_status)
            plane.close()

    @property
    def labels(self) -> tuple[GuardedLabels, ...]:
        """The organ layers of all views, the main one first."""
        found = [self._layers.labels, *(plane.labels for plane in self.planes)]
        return tuple(layer for layer in found if layer is not None)

    def fit(self) -> None:
        """Show the case whole in each plane."""
        for model in self.models:
            if model.layers:
                model.reset_view()

    def refresh(self) -> None:
        """Draw strokes in the views in which they were not made."""
        for layer in self.labels:
            if layer is not self._painted:
                layer.refresh(thumbnail=False, extent=False, highlight=False)
        self._painted = None
        self._refresh_differences()

    def _refresh_differences(self) -> None:
        shown = self._layers.compare.difference
        for plane in self.planes:
            for mirror in plane.mirrors:
                if mirror.source is shown and mirror.layer.visible:
                    mirror.layer.refresh(thumbnail=False, extent=False, highlight=False)

    def redraw(self) -> None:
        """Draw labels anew that were changed by anything but a stroke."""
        for plane in self.planes:
            if plane.labels is not None:
                plane.labels.redraw()

    def _show(self) -> None:
        case = self._layers
        for plane in self.planes:
            plane.show(case.shown, case.labels, case.correction)
        for layer in self.labels:
            layer.events.labels_update.disconnect(self._on_stroke)
            layer.events.labels_update.connect(self._on_stroke)
        self._layers.brushes.fit()
        self._on_point()

    def _on_stroke(self, event: Any) -> None:
        self._painted = event.source

    def _on_point(self, event: Any = None) -> None:
        """Give all views the point of the one that moved; a view is cut anew only if its own slice moved."""
        if self._main.dims.ndim != 3:
            return
        point = list(self._main.dims.point)
        for plane in self.planes:
            dims, axis = plane.model.dims, ORDERS[plane.title][0]
            if dims.ndim != 3 or np.isclose(dims.point[axis], point[axis]):
                continue
            if event is not None and event.source is dims:
                point[axis] = dims.point[axis]
                self._main.dims.set_point(axis, point[axis])  # the point that all share is the main view's
            else:
                dims.set_point(axis, point[axis])

    def _point_here(self, viewer: ViewerModel, event: Any) -> None:
        """Let all views go to the cursor while Shift is held."""
        held = [str(getattr(modifier, "name", modifier)) for modifier in event.modifiers]
        if held == ["Shift"] and not event.is_dragging and viewer.dims.ndisplay == 2:
            self._main.dims.set_point(range(3), event.position[-3:])

    def _frame(self, world: Sequence[float], extent_mm: Sequence[float] | None) -> None:
        for model in self.models:
            if model.layers:
                zoom_on(model, world, extent_mm)

    def _on_theme(self, event: Any = None) -> None:
        for model in self.models:
            model.theme = self._main.theme

    def _on_status(self, event: Any) -> None:
        self._main.status = event.value
