"""napari layers of a case: labels that keep protected organs, and words for what is under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels
from napari.layers.labels.labels import _MaskedPaintAtom

from ..backend import GeometryError

Describe = Callable[[Sequence[float]], str]  # world position in mm -> words
Key = tuple[slice, ...]  # a box of the layer's data, in the view's axes
Mask = npt.NDArray[np.bool_]


class Gate(Protocol):
    """What a writer asks before it writes; `state.correction.Correction` is one."""

    def allowed(self, old: npt.NDArray[np.uint8], new: npt.NDArray[np.uint8] | int) -> npt.NDArray[np.bool_]:
        """Tell where `old` may become `new`."""

    def refuse(self, voxels: int) -> None:
        """Count voxels that were wanted and not given."""

    def painted(self, old: npt.NDArray[np.uint8], new: npt.NDArray[np.uint8] | int) -> object:
        """Take note of voxels that were written."""


class DescribedImage(Image):
    """An image whose status line says HU, organ and confidence."""

    describe: Describe | None = None

    @property
    def _type_string(self) -> str:
        return "image"  # or writers and menus would not see an image

    def get_status(self, position: Any = None, **options: Any) -> dict[str, str]:
        """Give the status line; `options` are those of `Image.get_status`."""
        return _described(self, super().get_status(position, **options), position, options)


class GuardedLabels(Labels):
    """Labels in which every writer passes a gate: brush, fill, polygon, undo, redo, `data_setitem`, `data`.

    Private hooks of napari 0.9 are used (hence napari < 0.10); tests cover each writer.
    """

    describe: Describe | None = None
    stroke_limit: Callable[[Key], Mask] | None = None  # where a hand stroke may write in a box
    shape_brush: Callable[[Key, Mask, Sequence[int]], Mask] | None = None  # box, disc, centre
    prepare_twin: Callable[[GuardedLabels], None] | None = None  # gives another view's layer the same brush
    _gate: Gate | None = None

    def guard(self, gate: Gate) -> None:
        """Let all writers ask `gate` from now on."""
        self._gate = gate

    @property
    def _type_string(self) -> str:
        return "labels"  # or writers and menus would not see labels

    def get_status(self, position: Any = None, **options: Any) -> dict[str, str]:
        """Give the status line; `options` are those of `Labels.get_status`."""
        return _described(self, super().get_status(position, **options), position, options)

    def redraw(self) -> None:
        """Show voxels that were changed elsewhere; the undo history ends, it would bring old values back."""
        self._reset_history()
        self.refresh()

    def data_setitem(self, indices: Any, value: Any, refresh: bool = True) -> None:
        """Set voxels, as far as the gate allows; see `Labels.data_setitem`."""
        if self._gate is None:
            super().data_setitem(indices, value, refresh)
            return
        old = np.array(self.data[indices])
        new = np.broadcast_to(np.asarray(value, dtype=old.dtype), old.shape)
        write = self._ask(old, new)
        if write.any():
            kept = tuple(index[write] for index in np.broadcast_arrays(*indices))
            super().data_setitem(kept, new[write], refresh)
            self._gate.painted(old[write], new[write])

    @Labels.data.setter  # type: ignore[attr-defined]
    def data(self, data: Any) -> None:
        """Replace the voxels, as far as the gate allows; the array itself stays, others share it."""
        if self._gate is None:
            Labels.data.fset(self, data)  # type: ignore[attr-defined]
            return
        new = np.asarray(data)
        if new.shape != self.data.shape:
            raise GeometryError(
                f"Labels of shape {new.shape} were given for a case of {self.data.shape}.",
                "Give labels on the grid of the open case.",
            )
        self._write((slice(None),) * 3, new.astype(self.data.dtype))
        self.redraw()
        self.events.data()

    def _apply_mask_to_data(self, data: Any, mask: Any, new_label: int, volume_slice: Any) -> Any:
        if self._gate is None:
            return super()._apply_mask_to_data(data, mask, new_label, volume_slice)
        if self.stroke_limit is not None:
            mask = mask & self.stroke_limit(volume_slice)
        free = self._gate.allowed(data, int(new_label))
        self._gate.refuse(int(np.count_nonzero(mask & ~free & (data != new_label))))
        before = data.copy()
        written = super()._apply_mask_to_data(data, mask & free, new_label, volume_slice)
        if written is not None:
            self._gate.painted(before[written], int(new_label))
        return written

    def _get_brush_mask_and_bbox(self, coord: Any, dims_to_paint: Any, shape: Any) -> Any:
        found = super()._get_brush_mask_and_bbox(coord, dims_to_paint, shape)
        if found is None or self.shape_brush is None:
            return found
        disc, low, high = found
        flat = tuple(axis for axis in range(self.ndim) if axis not in dims_to_paint)
        key = self._build_slice_key(coord, dims_to_paint, low, high)
        return np.squeeze(self.shape_brush(key, np.expand_dims(disc, flat), coord), flat), low, high

    def _load_history(self, before: Any, after: Any, undoing: bool = True) -> None:
        if self._gate is None:
            super()._load_history(before, after, undoing)
            return
        if not before:
            return
        item = before.pop()
        after.append(list(reversed(item)))
        for atom in reversed(item):
            self._write(*_target(self.data, atom, undoing))
        self.refresh()

    def _write(self, key: Any, new: npt.NDArray[np.uint8]) -> None:
        old = np.array(self.data[key])
        write = self._ask(old, new)
        if write.any() and self._gate is not None:
            self.data[key] = np.where(write, new, old)
            self._gate.painted(old[write], new[write])

    def _ask(self, old: npt.NDArray[np.uint8], new: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        wanted: npt.NDArray[np.bool_] = old != new
        if self._gate is None:
            return wanted
        free = self._gate.allowed(old, new)
        self._gate.refuse(int(np.count_nonzero(wanted & ~free)))
        return wanted & free


def _target(data: Any, atom: Any, undoing: bool) -> tuple[Any, npt.NDArray[np.uint8]]:
    """Give where a history atom writes and the values it wants there."""
    if not isinstance(atom, _MaskedPaintAtom):
        indices, old, new = atom
        now = np.array(data[indices])
        return indices, np.broadcast_to(np.asarray(old if undoing else new, now.dtype), now.shape)
    wanted = np.array(data[atom.slice_key])
    values = atom.old_values if undoing else atom.new_value
    wanted[... if atom.mask is None else atom.mask] = values
    return atom.slice_key, wanted


def _described(layer: Any, status: dict[str, str], position: Any, options: dict[str, Any]) -> dict[str, str]:
    if layer.describe is None or position is None:
        return status
    world = position if options.get("world") else layer.data_to_world(position)
    text = layer.describe(world)
    return status | {"coordinates": text, "value": text} if text else status
