"""Back to the original grid: exact labels from slabs of class scores, interpolating only at boundaries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, int, int]
CHUNK_VOXELS = 1 << 20  # target voxels worked on at once: bounds the masks and indices of a chunk
CHUNK_POINTS = 1 << 14  # points whose K scores are interpolated at once
TIE = 2e-6  # relative; above the rounding of a trilinear sum in float32


@dataclass(frozen=True)
class Axis:
    """Linear interpolation along one axis: half-pixel centres, edges clamped (align_corners=False).

    Parameters
    ----------
    low, high : (n,) int64
        The two source indices of each target index.
    weight : (n,) float32
        Weight of `high`; `low` has the rest.
    """

    low: Tensor
    high: Tensor
    weight: Tensor

    @classmethod
    def between(cls, n_source: int, n_target: int, device: torch.device | str = "cpu") -> Axis:
        """Map `n_target` samples onto `n_source` samples of the same extent."""
        index = torch.arange(n_target, dtype=torch.float64, device=device)
        scale = float(np.float32(n_source) / np.float32(n_target))  # torch's own interpolate has float32,
        place = ((index + 0.5) * scale - 0.5).float().clamp_min(0)  # fused: rounded once, as here
        low = place.long().clamp_max(n_source - 1)
        weight = (place - low).clamp(0, 1)
        high = (low + (weight > 0)).clamp_max(n_source - 1)
        return cls(low, high, weight)

    def part(self, planes: slice, first: int = 0) -> Axis:
        """Give some target planes, with source indices counted from `first`."""
        return Axis(self.low[planes] - first, self.high[planes] - first, self.weight[planes])

    @property
    def reach(self) -> int:
        """0 where every target lies on a source sample, else 1."""
        return int(bool((self.high > self.low).any()))


class Restorer:
    """Labels and maps on the target grid, filled slab by slab; no K-channel array of that grid exists.

    Trilinear weights are convex: where all eight corners of a cell have the same class on
    top, so has every point inside. There the label is copied; scores are interpolated
    only in the other cells. The labels equal those of the full interpolation of every
    class followed by argmax, bit for bit (cells where two classes tie within rounding are
    interpolated too).

    Parameters
    ----------
    source : (D, H, W)
        Grid of the slabs.
    labels : (Dt, Ht, Wt) uint8 array or view
        Written to; a flipped or permuted view writes straight to another orientation.
    maps : dict of str to arrays or views like `labels`
        Maps in [0, 1] that are interpolated linearly; float, or uint8 that holds 255ths.
    device : torch device
        Where the slabs live.
    """

    def __init__(
        self,
        source: Shape,
        labels: np.ndarray,
        maps: dict[str, np.ndarray] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.source, self.labels, self.maps = source, labels, maps or {}
        self.axes = [Axis.between(n, m, device) for n, m in zip(source, labels.shape, strict=True)]
        self._next_source = 0
        self._next_target = 0
        self._carry: tuple[Tensor, dict[str, Tensor]] | None = None

    def add(self, start: int, scores: Tensor, maps: dict[str, Tensor] | None = None) -> None:
        """Take the next planes of the source grid, in order and without gaps.

        Parameters
        ----------
        start : int
            First source plane of the slab.
        scores : (K, d, H, W) float32
            Score of each class; the highest wins, the lower class in a tie.
        maps : dict of str to (d, H, W)
            One for each of the restorer's maps.
        """
        if start != self._next_source:
            raise ValueError(f"slab starts at plane {start}, expected {self._next_source}")
        maps = maps or {}
        if self._carry is not None:  # the cell between the last slab and this one
            joint = torch.cat([self._carry[0], scores[:, :1]], 1)
            self._write(start - 1, joint, {n: torch.cat([m, maps[n][:1]]) for n, m in self._carry[1].items()})
        self._write(start, scores, maps)
        self._next_source = start + scores.shape[1]
        self._carry = (scores[:, -1:].clone(), {n: maps[n][-1:].clone() for n in self.maps})

    @property
    def complete(self) -> bool:
        """True when every target plane has been written."""
        return self._next_target == self.labels.shape[0]

    def _write(self, first: int, scores: Tensor, maps: dict[str, Tensor]) -> None:
        """Fill the target planes whose source planes all lie in this block."""
        ready = int((self.axes[0].high < first + scores.shape[1]).sum())
        if ready <= self._next_target:
            return
        if not scores[0].is_contiguous():  # cropped by padding; flat indices need whole planes
            scores = scores.contiguous()
        top = _Top.of(scores, [axis.reach for axis in self.axes])
        step = max(1, CHUNK_VOXELS // (self.labels.shape[1] * self.labels.shape[2]))
        for plane in range(self._next_target, ready, step):
            planes = slice(plane, min(plane + step, ready))
            axes = [self.axes[0].part(planes, first), *self.axes[1:]]
            self.labels[planes] = upsample_labels(scores, top, axes).cpu().numpy()
            for name, target in self.maps.items():
                values = upsample(maps[name], axes)
                if target.dtype == np.uint8:
                    values = (values * 255).round_()
                target[planes] = values.cpu().numpy()
        self._next_target = ready


@dataclass(frozen=True)
class _Top:
    """The winning class of each source voxel, and the cells whose corners do not agree on it."""

    label: Tensor  # (d, H, W) uint8
    mixed: Tensor  # (d, H, W) bool, cell between a voxel and its next neighbours

    @classmethod
    def of(cls, scores: Tensor, reach: list[int]) -> _Top:
        best = scores.max(0)
        floor = best.values - TIE * best.values.abs()
        near = torch.zeros(best.values.shape, dtype=torch.uint8, device=scores.device)
        for score in scores:  # class by class: no K-channel mask
            near += score >= floor
        label = best.indices.to(torch.uint8)
        low, high, tie = label, label, near > 1
        for axis, step in enumerate(reach):
            if step:
                low = torch.minimum(low, _next(low, axis))
                high = torch.maximum(high, _next(high, axis))
                tie = tie | _next(tie, axis)
        return cls(label, (low != high) | tie)


def upsample_labels(scores: Tensor, top: _Top, axes: list[Axis]) -> Tensor:
    """Give the labels (d, h, w) uint8 of the interpolated scores (K, D, H, W) at the axes' targets."""
    label = _take(top.label, axes).flatten()
    points = _take(top.mixed, axes).flatten().nonzero().squeeze(1)
    shape = tuple(len(axis.low) for axis in axes)
    for part in points.split(CHUNK_POINTS):
        label[part] = _interpolate(scores, axes, part, shape).max(0).indices.to(torch.uint8)
    return label.reshape(shape)


def upsample(values: Tensor, axes: list[Axis]) -> Tensor:
    """Interpolate one map (D, H, W) trilinearly at the axes' targets, one axis after the other."""
    z, y, x = axes
    used = slice(int(z.low.min()), int(z.high.max()) + 1)
    out, z = values[used], z.part(slice(None), used.start)
    for axis, dim in ((x, 2), (y, 1), (z, 0)):
        if axis.reach or len(axis.low) != out.shape[dim]:
            weight = axis.weight.view([-1 if d == dim else 1 for d in range(3)])
            out = torch.lerp(out.index_select(dim, axis.low), out.index_select(dim, axis.high), weight)
    return out


def _interpolate(scores: Tensor, axes: list[Axis], points: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Give the scores (K, n) at flat target indices, summed in the order of torch's interpolate."""
    _, height, width = shape
    at = (points // (height * width), points // width % height, points % width)
    (z0, z1, wz), (y0, y1, wy), (x0, x1, wx) = (
        (axis.low[i], axis.high[i], axis.weight[i]) for axis, i in zip(axes, at, strict=True)
    )
    rows, columns = scores.shape[2:]
    flat = scores.reshape(scores.shape[0], -1)

    def line(z: Tensor, y: Tensor) -> Tensor:
        row = (z * rows + y) * columns
        return _blend(flat[:, row + x0], flat[:, row + x1], wx)

    def sheet(z: Tensor) -> Tensor:
        return _blend(line(z, y0), line(z, y1), wy)

    return _blend(sheet(z0), sheet(z1), wz)


def _blend(low: Tensor, high: Tensor, weight: Tensor) -> Tensor:
    # One multiplication is fused with the addition, as in torch's own trilinear kernel: same last bit.
    return torch.addcmul(weight * high, 1 - weight, low)


def _take(values: Tensor, axes: list[Axis]) -> Tensor:
    for dim in (0, 1, 2):
        values = values.index_select(dim, axes[dim].low)
    return values


def _next(values: Tensor, axis: int) -> Tensor:
    """Shift by one voxel against the axis; the last voxel is its own neighbour."""
    n = values.shape[axis]
    return torch.cat([values.narrow(axis, 1, n - 1), values.narrow(axis, n - 1, 1)], axis)
