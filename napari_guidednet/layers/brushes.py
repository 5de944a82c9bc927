"""The brush in the viewer: limits and the smart shape for every stroke, the radius in mm, Shift and wheel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt
from napari.layers.labels._labels_constants import Mode
from psygnal import Signal

from ..backend import LabelScheme
from ..state.brush import RADIUS_MM, BrushSettings, in_range, over_table
from ..state.smart_brush import Dab, ModelSays, Stroke
from .guarded import GuardedLabels, Key, Mask

Bytes = npt.NDArray[np.uint8]

_TRUST = ("confidence", "typicality")  # maps that together say how far the model is to be heard
_WHEEL = 0.1  # of the brush's size, per notch


class Brushes:
    """Gives the labels of a case, and their twins in other views, the brush a person has set.

    Parameters
    ----------
    settings : BrushSettings, optional
        They stay while cases come and go.
    """

    held_back = Signal(str)  # a stroke painted nothing; the limits that were why, in words
    model_changed = Signal()  # what the smart brush can heed is another

    def __init__(self, settings: BrushSettings | None = None) -> None:
        self.settings = settings or BrushSettings()
        self._layer: GuardedLabels | None = None
        self._attached: WeakSet[GuardedLabels] = WeakSet()
        self._image: npt.NDArray[Any] | None = None
        self._scheme: LabelScheme | None = None
        self._said: Bytes | None = None  # the model's labels
        self._maps: dict[str, Bytes] = {}
        self._stroke: Stroke | None = None  # while the button is held
        self._centre: tuple[int, ...] = ()
        self._wanted = self._given = 0
        self.settings.events.radius_mm.connect(self.fit)
        self.settings.events.ball.connect(self.fit)
        self.settings.events.smart.connect(self._name_strokes)

    # the case

    def show(self, layer: GuardedLabels, image: npt.NDArray[Any], scheme: LabelScheme) -> None:
        """Take up the brush of a case.

        Parameters
        ----------
        layer : GuardedLabels
        image : array
            HU, in the axes of the layer's data.
        scheme : LabelScheme
            Of the labels.
        """
        self.clear()
        self._layer, self._image, self._scheme = layer, image, scheme
        layer.prepare_twin = self.attach
        self.attach(layer)
        layer.events.n_edit_dimensions.connect(self._on_dimensions)

    def clear(self) -> None:
        """Let go of the case; the settings stay."""
        if self._layer is not None:
            self._layer.events.n_edit_dimensions.disconnect(self._on_dimensions)
        for layer in self._attached:
            layer.events.brush_size.disconnect(self._on_size)
        self._attached = WeakSet()
        self._layer = self._image = self._scheme = self._stroke = None
        self.heed(None, {})

    def heed(self, labels: Bytes | None, maps: Mapping[str, Bytes]) -> None:
        """Take note of what the model says, in the axes of the layer's data; None where it said nothing.

        Parameters
        ----------
        labels : array of uint8, optional
        maps : mapping of str to array of uint8
            In 255ths; confidence and typicality are used.
        """
        self._said = labels
        self._maps = {name: maps[name] for name in _TRUST if name in maps}
        self.model_changed.emit()

    @property
    def has_model(self) -> bool:
        """Whether the model has said something the smart brush can heed."""
        return self._said is not None and "confidence" in self._maps

    @property
    def previews(self) -> bool:
        """Whether a dab may be other than its circle, and a person wants to see it beforehand."""
        return self.settings.preview and (self.settings.smart or self.settings.limited)

    @property
    def stroking(self) -> bool:
        """Whether the button is held."""
        return self._stroke is not None

    def attach(self, layer: GuardedLabels) -> None:
        """Give a layer on the labels' array this brush."""
        layer.stroke_limit = self._limit
        layer.shape_brush = partial(self._shape, layer)
        layer.mouse_drag_callbacks.insert(0, self._drag)  # before napari's own paints
        layer.mouse_wheel_callbacks.append(self._wheel)
        layer.events.brush_size.connect(self._on_size)
        self._attached.add(layer)
        self._name_strokes()
        self.fit()

    def _name_strokes(self, *_: object) -> None:
        for layer in self._attached:
            layer.stroke_tool = "smart brush" if self.settings.smart else None

    # strokes

    def _drag(self, _layer: GuardedLabels, event: Any) -> Iterator[None]:
        """Live as long as the button is held: one stroke."""
        self._stroke = Stroke()
        self._wanted = self._given = 0
        yield
        while self._stroke is not None and event.type == "mouse_move":
            yield
        self._stroke = None
        if self._wanted and not self._given and self.settings.limited and self._scheme is not None:
            self.held_back.emit(self.settings.words(self._scheme))

    def _limit(self, key: Key) -> Mask:
        """Tell where in a box the limits let a hand stroke write."""
        settings = self.settings
        if self._layer is None or self._image is None or self._scheme is None:
            return np.zeros([part.stop - part.start for part in key], bool)  # the case is closed
        allowed = np.ones(self._layer.data[key].shape, bool)
        if settings.hu_limited:
            allowed &= in_range(self._image[key], settings.hu_range)
        if settings.over_limited:
            allowed &= over_table(settings.over, self._scheme)[self._layer.data[key]]
        return allowed

    def _shape(self, layer: GuardedLabels, key: Key, disc: Mask, centre: Sequence[int]) -> Mask:
        """Give what the brush paints of its disc."""
        self._centre = tuple(int(c) for c in centre)
        shaped = disc
        if self.settings.smart and self._image is not None and not layer._overlays["brush_stroke"].active:
            stroke = self._stroke or Stroke()
            shaped = stroke.shape(self._dab(layer, key, disc), self.settings.tolerance)
        painted: Mask = shaped & self._limit(key)
        self._wanted += int(np.count_nonzero(disc))
        self._given += int(np.count_nonzero(painted))
        return painted

    def _dab(self, layer: GuardedLabels, key: Key, disc: Mask) -> Dab:
        z, y, x = (float(c - part.start) for c, part in zip(self._centre, key, strict=True))
        sz, sy, sx = (abs(float(s)) for s in layer.scale)
        radius_mm = (layer.brush_size // 2 + 0.5) * _finest_mm(layer)
        return Dab(self._hu(key), disc, (z, y, x), (sz, sy, sx), radius_mm, _value(layer), self._model(key))

    def _hu(self, key: Key) -> npt.NDArray[Any]:
        if self._image is None:
            raise RuntimeError("a smart stroke without an open case")
        return self._image[key]

    def _model(self, key: Key) -> ModelSays | None:
        if self._said is None or not self.has_model or not self.settings.heed_model:
            return None
        trust = np.ones(self._said[key].shape, np.float32)
        for values in self._maps.values():
            trust *= values[key] / np.float32(255)
        return ModelSays(self._said[key], trust)

    def _wheel(self, layer: GuardedLabels, event: Any) -> None:
        """Change the radius with Shift and the wheel; while the button is held the stroke grows in place."""
        if "Shift" not in event.modifiers or layer.mode not in (Mode.PAINT, Mode.ERASE):
            return
        notch = float(np.sum(event.delta))  # some systems turn the wheel sideways with Shift
        step = max(1, round(_WHEEL * layer.brush_size))
        layer.brush_size = max(1, layer.brush_size + (step if notch > 0 else -step))
        event.handled = True
        if self._stroke is not None and self._centre:
            layer.paint(self._centre, _value(layer))

    # the radius

    def fit(self, *_: object) -> None:
        """Give the layers the radius and the dimensions that were set, as each view cuts the voxels."""
        dimensions = 3 if self.settings.ball else 2
        if self._layer is not None and self._layer.n_edit_dimensions != dimensions:
            self._layer.n_edit_dimensions = dimensions  # its twins follow
        for layer in self._attached:
            size = _voxels(self.settings.radius_mm, layer)
            if layer.brush_size != size:
                layer.brush_size = size

    def _on_size(self, event: Any) -> None:
        layer: GuardedLabels = event.source
        if layer.brush_size != _voxels(self.settings.radius_mm, layer):
            radius_mm = layer.brush_size / 2 * _finest_mm(layer)
            self.settings.radius_mm = float(np.clip(radius_mm, *RADIUS_MM))

    def _on_dimensions(self, _event: Any = None) -> None:
        if self._layer is not None:
            self.settings.ball = self._layer.n_edit_dimensions >= 3


def dab_voxels(layer: GuardedLabels) -> int:
    """Give how many voxels the box of a dab has, away from the rim of the CT."""
    finest = _finest_mm(layer)
    sides = (layer.brush_size * finest / abs(layer.scale[axis]) + 1 for axis in layer._get_dims_to_paint())
    return int(np.prod(list(sides)))


def _value(layer: GuardedLabels) -> int:
    return 0 if layer.mode == Mode.ERASE else int(layer.selected_label)


def _voxels(radius_mm: float, layer: GuardedLabels) -> int:
    """Give the brush size in napari's measure: the diameter in voxels of the finest axis painted on."""
    return max(1, round(2 * radius_mm / _finest_mm(layer)))


def _finest_mm(layer: GuardedLabels) -> float:
    return float(min(abs(layer.scale[axis]) for axis in layer._get_dims_to_paint()))
