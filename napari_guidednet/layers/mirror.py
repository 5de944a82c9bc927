"""A second layer on the same voxels, for a view beside the first: its looks follow, the brush is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer

from .guarded import DescribedImage, Gate, GuardedLabels

_IMAGE = ("opacity", "visible", "blending", "contrast_limits", "colormap", "gamma", "interpolation2d")
_LABELS = ("opacity", "visible", "blending", "contour", "colormap", "show_selected_label")
# the size of the brush is kept in mm for all views, by `Brushes`
_BRUSH = ("mode", "selected_label", "n_edit_dimensions", "contiguous", "preserve_labels")


class Mirror:
    """A layer and its twin; what is changed in either's brush is changed in both.

    Parameters
    ----------
    source : Layer
        An image or labels layer of the case.
    gate : Gate, optional
        Asked by strokes on the twin; given for the organs, left out for what nobody paints on.
    """

    def __init__(self, source: Layer, gate: Gate | None = None) -> None:
        self.source = source
        self.paints = gate is not None
        self.layer = _twin(source, gate)
        self._looks = _LABELS if isinstance(source, Labels) else _IMAGE
        self._brush = _BRUSH if self.paints else ()
        for name in (*self._looks, *self._brush):
            setattr(self.layer, name, getattr(source, name))
            getattr(source.events, name).connect(self._to_twin)
        for name in self._brush:
            getattr(self.layer.events, name).connect(self._to_source)

    def close(self) -> None:
        """Let go of both layers."""
        for name in (*self._looks, *self._brush):
            getattr(self.source.events, name).disconnect(self._to_twin)
        for name in self._brush:
            getattr(self.layer.events, name).disconnect(self._to_source)

    def _to_twin(self, event: Any) -> None:
        _copy(event.type, self.source, self.layer)

    def _to_source(self, event: Any) -> None:
        _copy(event.type, self.layer, self.source)


def _copy(name: str, start: Layer, end: Layer) -> None:
    value = getattr(start, name)
    if not np.array_equal(getattr(end, name), value):  # equal: the echo of a change made there
        setattr(end, name, value)


def _twin(source: Layer, gate: Gate | None) -> Layer:
    options = {
        name: getattr(source, name)
        for name in ("name", "scale", "translate", "units", "axis_labels", "metadata")
    }
    if isinstance(source, Image):
        image = DescribedImage(source.data, contrast_limits=source.contrast_limits, **options)
        image.describe = getattr(source, "describe", None)
        return image
    labels = GuardedLabels(source.data, colormap=source.colormap, features=source.features, **options)
    labels.describe = getattr(source, "describe", None)
    if gate is not None and isinstance(source, GuardedLabels):
        labels.guard(gate)
        if source.prepare_twin is not None:
            source.prepare_twin(labels)
    labels.editable = gate is not None
    return labels
