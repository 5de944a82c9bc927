"""The organs in 3-D: surfaces in a viewer model of their own, so that the main view stays on its slices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel
from napari.layers import Surface as SurfaceLayer
from napari.utils.colormaps import Colormap

from ..state.surfaces import Surface
from .colours import rgb

if TYPE_CHECKING:
    from ..backend import LabelScheme, Organ
    from .display import Display

_FROM_THE_FRONT = (0.0, 1.0, 0.0)  # towards the back of the patient, in (z, y, x) of the view
_HEAD_UP = (-1.0, 0.0, 0.0)
_OPACITY = 0.85


class Organs3D:
    """Shows surfaces of organs.

    Attributes
    ----------
    model : ViewerModel
        For a canvas of its own.
    """

    def __init__(self) -> None:
        self.model = ViewerModel(title="3-D", ndisplay=3)
        self._layers: dict[int, SurfaceLayer] = {}

    @property
    def values(self) -> frozenset[int]:
        """Label values of the organs that are shown."""
        return frozenset(self._layers)

    def clear(self) -> None:
        """Show nothing."""
        self.model.layers.clear()
        self._layers = {}

    def show(self, surfaces: Iterable[Surface], display: Display, scheme: LabelScheme) -> None:
        """Show surfaces, each in place of the one of the same organ before.

        Parameters
        ----------
        surfaces : iterable of Surface
            In voxels of the case's grid.
        display : Display
            How that grid comes onto the screen.
        """
        first = not self._layers
        for surface in surfaces:
            vertices = display.shown_places(surface.vertices) * display.scale_mm + display.origin_mm
            data = (vertices.astype(np.float32), surface.faces)
            known = self._layers.get(surface.value)
            if known is None:
                self._layers[surface.value] = self._add(surface.value, data, scheme)
            else:
                known.data = data
        if first and self._layers:
            self.fit()

    def colour(self, scheme: LabelScheme) -> None:
        """Show the organs in the colours of a scheme."""
        for value, layer in self._layers.items():
            layer.colormap = _colormap(scheme.organ(value))

    def fit(self) -> None:
        """Look at all organs from the front, head up."""
        if self._layers:
            self.model.scene.camera.set_view_direction(_FROM_THE_FRONT, _HEAD_UP)
            self.model.fit_to_view()

    def remove(self, values: Iterable[int]) -> None:
        """Take organs away that have no voxels any more."""
        for value in values:
            layer = self._layers.pop(value, None)
            if layer is not None:
                self.model.layers.remove(layer)

    def show_only(self, values: Iterable[int]) -> None:
        """Show these organs and hide the others."""
        wanted = set(values)
        for value, layer in self._layers.items():
            layer.visible = value in wanted

    def _add(self, value: int, data: tuple[np.ndarray, np.ndarray], scheme: LabelScheme) -> SurfaceLayer:
        organ = scheme.organ(value)
        layer = SurfaceLayer(
            data, name=organ.title, colormap=_colormap(organ), opacity=_OPACITY, shading="smooth",
            units=("mm",) * 3,
        )  # fmt: skip
        return self.model.add_layer(layer)


def _colormap(organ: Organ) -> Colormap:
    return Colormap([(*rgb(organ), 1.0)] * 2, name=organ.name)
