"""napari canvases beside the main one, and the cross-hair that all of them draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.qt import QtViewer
from vispy.scene.visuals import InfiniteLine

if TYPE_CHECKING:
    from napari.components import ViewerModel

# A line shows where another plane cuts this one, in that plane's colour: index of the axis it looks along.
_COLOURS = ((0.95, 0.3, 0.25, 0.7), (0.35, 0.85, 0.4, 0.7), (0.95, 0.8, 0.25, 0.7))
_ON_TOP = 10_000  # of all layers


def main_canvas(viewer: Any) -> Any:
    """Give the canvas of napari's own view, on which napari has no public way to draw.

    What napari opens from its menus gets a viewer in a wrapper that warns of such a thing.
    """
    return getattr(viewer, "__wrapped__", viewer).window._qt_viewer.canvas


class SideCanvas(QtViewer):
    """A canvas of a viewer model of its own, in which the keys of the main viewer work too.

    Parameters
    ----------
    model : ViewerModel
    main : ViewerModel
        The viewer whose keys are asked last.
    """

    def __init__(self, model: ViewerModel, main: ViewerModel) -> None:
        super().__init__(model)
        self._main = main
        self.setAcceptDrops(False)  # a file dropped here would be opened where nobody saves it
        self._on_active_change()

    def _on_active_change(self) -> None:
        super()._on_active_change()
        main = getattr(self, "_main", None)  # Qt calls this before the constructor is done
        if main is not None:
            self._key_map_handler.keymap_providers.append(main)


class CrossHair:
    """Two thin lines through the point that all views share.

    Parameters
    ----------
    canvas : napari's canvas
        `QtViewer.canvas` of the view.
    model : ViewerModel
        Of the same view.
    main : ViewerModel
        The main viewer, whose point is the one that all share.
    """

    def __init__(self, canvas: Any, model: ViewerModel, main: ViewerModel) -> None:
        self._model, self._main = model, main
        scene = canvas.view.scene
        self._across = InfiniteLine(vertical=False, parent=scene)
        self._down = InfiniteLine(vertical=True, parent=scene)
        for line in (self._across, self._down):
            line.order = _ON_TOP
            line.set_gl_state("translucent", depth_test=False)
        main.dims.events.point.connect(self.follow)
        model.dims.events.order.connect(self.follow)
        model.dims.events.ndisplay.connect(self.follow)
        self._wanted = True
        self.follow()

    def show(self, on: bool) -> None:
        """Draw the lines, or leave them out."""
        self._wanted = on
        self.follow()

    def follow(self, event: Any = None) -> None:
        """Draw the lines through the point of the view."""
        dims = self._model.dims
        cut = dims.ndisplay == 2 and dims.ndim == self._main.dims.ndim == 3  # 2 while a case is taken away
        on = self._wanted and cut and bool(self._model.layers)
        self._across.visible = self._down.visible = on
        if on:
            (down, across), point = dims.displayed, self._main.dims.point
            self._across.set_data(point[down], _COLOURS[down])
            self._down.set_data(point[across], _COLOURS[across])

    def close(self) -> None:
        """Take the lines off the canvas."""
        self._main.dims.events.point.disconnect(self.follow)
        self._model.dims.events.order.disconnect(self.follow)
        self._model.dims.events.ndisplay.disconnect(self.follow)
        for line in (self._across, self._down):
            line.parent = None
