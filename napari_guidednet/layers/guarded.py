"""napari layers of a case: labels that keep protected organs, and words for what is under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels
from napari.layers.labels._labels_constants import Mode

from ..backend import GeometryError

Describe = Callable[[Sequence[float]], str]  # world position in mm -> words
Key = tuple[slice, ...]  # a box of the layer's data, in the view's axes
Mask = npt.NDArray[np.bool_]


class Judge(Protocol):
    """What tells which voxels may be written; `state.gate.Gate` is one."""

    def judge(
        self, index: npt.NDArray[np.int64], old: npt.NDArray[np.uint8], new: int
    ) -> tuple[npt.NDArray[np.bool_], object]:
        """Tell for places of the flattened labels where `old` may become `new`."""


class Gate(Protocol):
    """What a writer asks to write; `state.correction.Correction` is one."""

    labels: npt.NDArray[np.uint8]  # contiguous; the layer's data is a view of it

    @property
    def gate(self) -> Judge:
        """What may be written."""

    def put(
        self, index: npt.NDArray[np.int64], new: npt.NDArray[np.uint8] | int, tool: str
    ) -> npt.NDArray[np.bool_]:
        """Write at places of the flattened labels, as far as allowed; tell where."""

    def begin(self) -> None:
        """What is written from now on is one stroke."""

    def end(self) -> bool | None:
        """The stroke is over; tell whether it changed anything."""

    def undo(self) -> object:
        """Take the last change back and have it drawn."""

    def redo(self) -> object:
        """Do again what was taken back last."""


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

    The gate writes, journals and remembers what can be taken back, in whichever view it was done.

    Private hooks of napari 0.9 are used (hence napari < 0.10); tests cover each writer.
    """

    describe: Describe | None = None
    stroke_limit: Callable[[Key], Mask] | None = None  # where a hand stroke may write in a box
    shape_brush: Callable[[Key, Mask, Sequence[int]], Mask] | None = None  # box, disc, centre
    prepare_twin: Callable[[GuardedLabels], None] | None = None  # gives another view's layer the same brush
    stroke_tool: str | None = None  # what strokes are called in the journal; by the mode if None
    _gate: Gate | None = None

    def guard(self, gate: Gate) -> None:
        """Let all writers ask `gate` from now on."""
        self._gate = gate
        self._steps = _steps_of(self.data, gate.labels)

    @property
    def _type_string(self) -> str:
        return "labels"  # or writers and menus would not see labels

    def get_status(self, position: Any = None, **options: Any) -> dict[str, str]:
        """Give the status line; `options` are those of `Labels.get_status`."""
        return _described(self, super().get_status(position, **options), position, options)

    def redraw(self) -> None:
        """Show voxels that were changed elsewhere."""
        self.refresh()

    def data_setitem(self, indices: Any, value: Any, refresh: bool = True) -> None:
        """Set voxels, as far as the gate allows; see `Labels.data_setitem`."""
        if self._gate is None:
            super().data_setitem(indices, value, refresh)
            return
        places = np.broadcast_arrays(*indices)
        index = self._flat(tuple(places)).reshape(-1)
        new = np.broadcast_to(np.asarray(value, self.data.dtype), places[0].shape).reshape(-1)
        index, last = np.unique(index[::-1], return_index=True)  # of a place named twice the last value
        written = self._gate.put(index, new[::-1][last], "set")
        if written.any() and refresh:
            self.refresh()

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
        where = np.nonzero(self.data != new)
        if where[0].size:
            index = self._flat(where)
            order = np.argsort(index)
            self._gate.put(index[order], new[where].astype(np.uint8)[order], "set")
        self.redraw()
        self.events.data()

    def undo(self) -> None:
        """Take the last change of the case back, in whichever view, organ or session it was made."""
        if self._gate is None:
            super().undo()
        else:
            self._gate.undo()

    def redo(self) -> None:
        """Do again what was taken back last."""
        if self._gate is None:
            super().redo()
        else:
            self._gate.redo()

    @contextmanager
    def block_history(self) -> Iterator[None]:
        """Make one change of all that is written within: a stroke."""
        if self._gate is None:
            with super().block_history():
                yield
            return
        self._gate.begin()
        try:
            yield
        finally:
            self._gate.end()

    def _begin_stroke(self) -> None:
        if self._gate is None:
            super()._begin_stroke()
        else:
            self._gate.begin()

    def _commit_stroke(self) -> None:
        if self._gate is None:
            super()._commit_stroke()
        else:
            self._gate.end()

    def _abort_stroke(self) -> None:
        if self._gate is None:
            super()._abort_stroke()
        elif self._gate.end():
            self._gate.undo()

    def _apply_mask_to_data(self, data: Any, mask: Any, new_label: int, volume_slice: Any) -> Any:
        if self._gate is None:
            return super()._apply_mask_to_data(data, mask, new_label, volume_slice)
        if self.stroke_limit is not None:
            mask = mask & self.stroke_limit(volume_slice)
        wanted = mask & (data != new_label) & self._over(data, new_label)
        where = np.nonzero(wanted)
        if not where[0].size:
            return None
        index = self._flat_in(volume_slice, where)
        written = self._gate.put(index, int(new_label), self._tool(int(new_label)))
        if not written.any():
            return None
        wanted[where] = written
        data[wanted] = new_label  # a region read for a fill may be a copy
        return wanted

    def _get_brush_mask_and_bbox(self, coord: Any, dims_to_paint: Any, shape: Any) -> Any:
        found = super()._get_brush_mask_and_bbox(coord, dims_to_paint, shape)
        if found is None or self.shape_brush is None:
            return found
        disc, low, high = found
        flat = tuple(axis for axis in range(self.ndim) if axis not in dims_to_paint)
        key = self._build_slice_key(coord, dims_to_paint, low, high)
        return np.squeeze(self.shape_brush(key, np.expand_dims(disc, flat), coord), flat), low, high

    def dab_at(self, coord: Sequence[int], value: int) -> tuple[Key, Mask] | None:
        """Give what a dab would do: a box, and the voxels in it that would be of `value` because of it.

        It asks all that a stroke asks, and writes nothing. Voxels that have the value already belong to it,
        but for the eraser.

        Parameters
        ----------
        coord : sequence of int
            Voxel of the data under the cursor.
        value : int
            Label value of the brush, 0 for the eraser.
        """
        shape, dims_to_paint = self._get_shape_and_dims_to_paint()
        found = self._get_brush_mask_and_bbox(coord, dims_to_paint, shape)
        if found is None or self._gate is None:
            return None
        disc, low, high = found
        key = self._build_slice_key(coord, dims_to_paint, low, high)
        flat = tuple(axis for axis in range(self.ndim) if axis not in dims_to_paint)
        mask, data = np.expand_dims(disc, flat), self.data[key]
        new = mask & (data != value) & self._over(data, value)
        where = np.nonzero(new)
        new[where] = self._gate.gate.judge(self._flat_in(key, where), data[where], value)[0]
        return key, new if value == 0 else new | (mask & (data == value))

    def _over(self, data: Any, new_label: int) -> Any:
        """Tell where napari's *preserve labels* lets a stroke write."""
        if not self.preserve_labels:
            return True
        return data == self._get_preserve_labels_source_label(new_label)

    def _flat_in(self, key: Key, where: tuple[Any, ...]) -> npt.NDArray[np.int64]:
        """Give the places of the gate's flattened labels for places in a box of this view."""
        starts = [part.start for part in key]
        return self._flat(tuple(axis + start for axis, start in zip(where, starts, strict=True)))

    def _flat(self, where: tuple[Any, ...]) -> npt.NDArray[np.int64]:
        """Give the places of the gate's flattened labels for places of this view."""
        parts = [steps[axis] for steps, axis in zip(self._steps, where, strict=True)]
        index: npt.NDArray[np.int64] = parts[0] + parts[1] + parts[2]
        return index

    def _tool(self, value: int) -> str:
        if self.stroke_tool is not None and self.mode in (Mode.PAINT, Mode.ERASE):
            return self.stroke_tool
        if self.mode == Mode.FILL:
            return "fill"
        return "paint" if value else "erase"


def _steps_of(view: npt.NDArray[np.uint8], whole: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], ...]:
    """Give what each place along an axis of a view adds to the place in the flattened whole."""
    first = view.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    steps = [np.arange(n, dtype=np.int64) * step for n, step in zip(view.shape, view.strides, strict=True)]
    return (steps[0] + first, *steps[1:])


def _described(layer: Any, status: dict[str, str], position: Any, options: dict[str, Any]) -> dict[str, str]:
    if layer.describe is None or position is None:
        return status
    world = position if options.get("world") else layer.data_to_world(position)
    text = layer.describe(world)
    return status | {"coordinates": text, "value": text} if text else status
