"""The layers of the open case: CT, one map of the model's doubt, the organs; nothing else adds layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from ..state.colouring import Colouring
from ..state.correction import Correction
from ..state.session import OpenCase, Prediction
from . import probe
from .brushes import Brushes
from .colours import doubt_colormap, label_colormap
from .compare import Compare
from .display import Display, window_limits
from .framing import zoom_on
from .guarded import DescribedImage, GuardedLabels
from .on_sight import OnSight, without_air
from .organ_names import name_options
from .windowing import WindowDrag

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

HIGH_IS_SURE = frozenset({"confidence", "typicality"})  # the other maps are high where the model doubts
_OUTLINE = 2  # screen pixels; one is lost on a bright CT


class CaseLayers:
    """Shows a case in a viewer and keeps its layers true.

    Parameters
    ----------
    viewer : napari.Viewer or ViewerModel
        Other people's layers in it are left alone.
    colouring : Colouring, optional
        Which colours organs have.
    """

    organ_selected = Signal(str)  # name of the organ the brush writes
    layers_changed = Signal()  # other layers are shown: views beside this one show them too
    moved = Signal(object, object)  # world point (z, y, x) in mm; extent in mm to be framed, or None
    only_changed = Signal()  # other organs are drawn, see `only`
    windowed = Signal(float, float)  # lowest and highest HU that is shown

    def __init__(self, viewer: ViewerModel, colouring: Colouring | None = None) -> None:
        self._viewer = viewer
        self.beside: tuple[ViewerModel, ...] = ()  # views along other axes, while they are open
        self.colouring = colouring or Colouring()
        self.colouring.changed.connect(self._colour)
        self._display: Display | None = None
        self._correction: Correction | None = None
        self._prediction: Prediction | None = None
        self._views: dict[str, npt.NDArray[np.uint8]] = {}
        self._shown_maps: dict[str, OnSight] = {}  # the same maps, clear where there is only air
        self._map_opacity = 1.0
        self.only: frozenset[str] = frozenset()  # names of the organs that are drawn
        self.image: DescribedImage | None = None
        self.labels: GuardedLabels | None = None
        self.brushes = Brushes()
        self.map: DescribedImage | None = None
        self.compare = Compare(self)
        self.window_drag = WindowDrag(lambda: self.image)
        viewer.mouse_drag_callbacks.append(self.window_drag)
        viewer.dims.events.order.connect(self.brushes.fit)  # another plane may have finer voxels

    @property
    def viewer(self) -> ViewerModel:
        """Where the case is shown."""
        return self._viewer

    @property
    def display(self) -> Display | None:
        """How voxels of the open case come onto the screen."""
        return self._display

    @property
    def correction(self) -> Correction | None:
        """The gate of the open case."""
        return self._correction

    @property
    def shown(self) -> tuple[Layer, ...]:
        """The layers of the case, lowest first."""
        return tuple(layer for layer in self._viewer.layers if self._is_own(layer))

    # the case

    def show(self, case: OpenCase, correction: Correction) -> None:
        """Show a case in place of the one before; its labels are painted on in place.

        Parameters
        ----------
        case : OpenCase
        correction : Correction
            Of this case; every stroke asks it.
        """
        self.clear()
        self._display = Display(case.image.geometry)
        self._correction = correction
        self.only = frozenset(case.scheme.names)
        self.image = self._ct_layer(case)
        self.labels = self._organ_layer(case, correction)
        self.brushes.show(self.labels, self._display.view(case.image.array), case.scheme)
        for layer in (self.image, self.labels):
            layer.describe = self.status_text
            self._viewer.add_layer(layer)
        self.labels.events.selected_label.connect(self._on_selected)
        self.image.events.contrast_limits.connect(self._on_window)
        correction.rewritten.connect(self.refresh)
        self._viewer.layers.selection.active = self.labels
        self._face_the_patient()
        self.layers_changed.emit()

    def clear(self) -> None:
        """Remove the layers of the case."""
        self.compare.clear()
        if self._correction is not None:
            self._correction.rewritten.disconnect(self.refresh, missing_ok=True)
        if self.labels is not None:
            self.labels.events.selected_label.disconnect(self._on_selected)
        if self.image is not None:
            self.image.events.contrast_limits.disconnect(self._on_window)
        for layer in (self.map, self.labels, self.image):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self.image = self.labels = self.map = None
        self.brushes.clear()
        self._display = self._correction = self._prediction = None
        self._views, self._shown_maps = {}, {}
        self.layers_changed.emit()

    def refresh(self) -> None:
        """Draw labels anew that were changed by anything but the brush."""
        if self.labels is not None:
            self.labels.redraw()

    # maps of doubt

    def show_prediction(self, prediction: Prediction | None) -> None:
        """Take the maps of a prediction; the map shown before is replaced if the new one has it."""
        shown = self.map_shown
        self._prediction = prediction
        display = self._display
        maps = prediction.maps if prediction is not None and display is not None else {}
        self._views = {name: display.view(volume.array) for name, volume in maps.items()} if display else {}
        self._shown_maps = self._without_air(prediction) if prediction is not None else {}
        said = display.view(prediction.labels.array) if prediction is not None and display else None
        self.brushes.heed(said, self._views)
        self.show_map(shown if shown in self._views else None)

    @property
    def map_shown(self) -> str | None:
        """The map on the screen."""
        if self.map is None or self.map not in self._viewer.layers:
            return None
        return str(self.map.metadata["guidednet"]["map"])

    def show_map(self, name: str | None) -> None:
        """Show one map over the CT, or none; it covers what the model doubts and nothing else."""
        if self.map is not None and self.map in self._viewer.layers:
            self._viewer.layers.remove(self.map)
        self.map = None
        if name is not None and name in self._views and self._display is not None:
            active = self._viewer.layers.selection.active
            self.map = self._map_layer(name, self._display)
            self._viewer.add_layer(self.map)
            self._viewer.layers.selection.active = active  # the brush stays on the organs
        self.layers_changed.emit()

    def set_map_opacity(self, opacity: float) -> None:
        """Set the opacity of the maps, 0 to 1."""
        self._map_opacity = opacity
        if self.map is not None:
            self.map.opacity = opacity

    # looking and painting

    def set_limits(self, limits_hu: tuple[float, float]) -> None:
        """Set the grey values of the CT: the HU shown black and white."""
        if self.image is not None:
            self.image.contrast_limits = limits_hu

    def outline(self, on: bool) -> None:
        """Draw organs as outlines instead of areas."""
        if self.labels is not None:
            self.labels.contour = _OUTLINE if on else 0

    def select_organ(self, name: str) -> None:
        """Let the brush write an organ."""
        if self.labels is not None and self._correction is not None:
            self.labels.selected_label = self._correction.scheme.value(name)

    def show_only(self, names: Iterable[str] | None) -> None:
        """Draw only some organs, or none; all for None."""
        if self.labels is not None and self._correction is not None:
            self.only = frozenset(self._correction.scheme.names if names is None else names)
            self._colour()
            self.only_changed.emit()

    def paint(self, on: bool) -> None:
        """Take the brush, or put it down."""
        if self.labels is not None:
            self.labels.mode = "paint" if on else "pan_zoom"
            if on:
                self._viewer.layers.selection.active = self.labels

    def go_to(self, centre_zyx: Sequence[float], extent_zyx: Sequence[float] | None = None) -> None:
        """Move all views to a voxel of the original grid.

        Parameters
        ----------
        centre_zyx : sequence of float
            The voxel (z, y, x).
        extent_zyx : sequence of float, optional
            Size in voxels (z, y, x) of a region around it; the views zoom so that it is seen whole.
        """
        if self.image is None or self._display is None:
            return
        z, y, x = (round(c) for c in centre_zyx)
        world = self.image.data_to_world(self._display.shown_index((z, y, x)))
        extent_mm = None if extent_zyx is None else self._display.extent_mm(extent_zyx)
        self._viewer.dims.set_point(range(3), world)
        zoom_on(self._viewer, world, extent_mm)
        self.moved.emit(tuple(world), extent_mm)

    def status_text(self, position: Sequence[float]) -> str:
        """Say what is at a world position in mm: HU, organ, confidence; nothing outside the CT."""
        if self.image is None or self.labels is None or self._correction is None:
            return ""
        index = probe.index_at(self.image, position)
        if index is None:
            return ""
        shown = [name for name in ("confidence", self.map_shown) if name in self._views]
        maps = {name: self._views[name] for name in dict.fromkeys(shown) if name is not None}
        said = probe.describe(index, self.image.data, self.labels.data, maps, self._correction.scheme)
        return said + self.compare.words(index)

    # within

    def _ct_layer(self, case: OpenCase) -> DescribedImage:
        display = Display(case.image.geometry)
        limits = window_limits("Abdomen")
        return DescribedImage(
            display.view(case.image.array), name=f"CT {case.id}", colormap="gray", contrast_limits=limits,
            interpolation2d="linear", **display.layer_options(),
        )  # fmt: skip

    def _organ_layer(self, case: OpenCase, correction: Correction) -> GuardedLabels:
        display = Display(case.image.geometry)
        layer = GuardedLabels(
            display.view(correction.labels), name=f"Organs {case.id}", opacity=0.5,
            **name_options(self.colouring.on(case.scheme)), **display.layer_options(),
        )  # fmt: skip
        layer.guard(correction)
        return layer

    def _map_layer(self, name: str, display: Display) -> DescribedImage:
        options = display.layer_options()
        options["metadata"]["guidednet"]["map"] = name
        layer = DescribedImage(
            self._shown_maps[name], name=f"Model's {name}", colormap=doubt_colormap(name in HIGH_IS_SURE),
            contrast_limits=(0, 255), blending="translucent_no_depth", opacity=self._map_opacity, **options,
        )  # fmt: skip
        layer.describe = self.status_text
        return layer

    def _without_air(self, prediction: Prediction) -> dict[str, OnSight]:
        display, correction = self._display, self._correction
        if display is None or correction is None:
            return {}
        labels = display.view(prediction.labels.array)
        image = display.view(correction.case.image.array)
        sure = self._views.get("confidence")
        return {
            name: without_air(values, labels, image, sure, 255 if name in HIGH_IS_SURE else 0)
            for name, values in self._views.items()
        }

    def _colour(self) -> None:
        """Give the organs that are drawn their colours; twins and other labels follow the layer."""
        if self.labels is not None and self._correction is not None:
            self.labels.colormap = label_colormap(self.colouring.on(self._correction.scheme), self.only)

    def _on_selected(self, event: Any = None) -> None:
        if self.labels is None or self._correction is None:
            return
        value, scheme = self.labels.selected_label, self._correction.scheme
        if 0 < value < scheme.n_classes:
            self.organ_selected.emit(scheme.organ(value).name)

    def _on_window(self, event: Any = None) -> None:
        if self.image is not None:
            self.windowed.emit(*(float(limit) for limit in self.image.contrast_limits))

    def _is_own(self, layer: Layer) -> bool:
        own = (self.image, self.labels, self.map, *self.compare.layers)
        return any(layer is one for one in own)

    def _face_the_patient(self) -> None:
        """Show the middle axial slice, whole."""
        self._viewer.dims.ndisplay = 2
        self._viewer.dims.order = (0, 1, 2)
        self._viewer.reset_view()
        if self.image is not None and self._display is not None:
            self.go_to([(n - 1) // 2 for n in self._display.geometry.shape])
