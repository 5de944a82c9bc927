"""Windows over a whole CT: named maps blended on the fly, finished slabs handed out in z order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..core.spec import PatchSpec
from ..nets import SegNet

Shape = tuple[int, int, int]
Maps = dict[str, Tensor]
Answer = Callable[[Tensor], Maps]  # (1, 1, d, h, w) -> named maps, each (1, C, d, h, w)
Progress = Callable[[int, int], None]  # windows done, windows in all
ShouldStop = Callable[[], bool]


class Stopped(Exception):  # noqa: N818 - not an error: the caller asked for it
    """The caller's `should_stop` said so between two windows; nothing was finished."""


@dataclass(frozen=True)
class Windows:
    """How windows lie over an image.

    Parameters
    ----------
    size : (d, h, w)
        Window in voxels.
    overlap : float
        Share of a window that the next one repeats; 0.5 gives strides of half a window.
    weighting : {"uniform", "gaussian"}
        Weight of a window's voxels in the blend; gaussian has sigma = size / 8.
    """

    size: Shape
    overlap: float = 0.5
    weighting: Literal["uniform", "gaussian"] = "uniform"

    @classmethod
    def of(cls, patch: PatchSpec) -> Windows:
        """Give the windows of a patch specification."""
        return cls(patch.window, patch.overlap)

    def layout(self, shape: Shape) -> Layout:
        """Lay the windows over an image of this shape."""
        strides = (max(1, round(n * (1 - self.overlap))) for n in self.size)
        padded = tuple(max(n, p) for n, p in zip(shape, self.size, strict=True))
        starts = tuple(window_starts(n, p, s) for n, p, s in zip(padded, self.size, strides, strict=True))
        before = tuple((n - m) // 2 for n, m in zip(padded, shape, strict=True))
        return Layout(self, shape, padded, before, starts)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Layout:
    """Windows over one image: starts per axis in the padded image, and how much was padded in front."""

    windows: Windows
    shape: Shape
    padded: Shape
    before: Shape
    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    @property
    def count(self) -> int:
        """Number of windows."""
        return math.prod(len(starts) for starts in self.starts)

    def pad(self, image: Tensor, value: float = 0.0) -> Tensor:
        """Pad (D, H, W) on both sides of each axis that is smaller than a window; 0 is air."""
        if self.padded == self.shape:
            return image
        padded = image.new_full(self.padded, value)
        padded[tuple(slice(b, b + n) for b, n in zip(self.before, self.shape, strict=True))] = image
        return padded

    def at(self, corner: Shape) -> tuple[slice, slice, slice]:
        """Give the slices of the window that starts at `corner`."""
        z, y, x = (slice(c, c + p) for c, p in zip(corner, self.windows.size, strict=True))
        return z, y, x

    def shares(self, device: torch.device | str = "cpu") -> list[dict[int, Tensor]]:
        """Give, per axis and window start, the window's share of each voxel.

        Shares of all windows that cover a voxel add up to 1, so that what is
        accumulated needs no division. The share of a window is the outer product of
        its three axes.
        """
        sides = zip(self.padded, self.windows.size, self.starts, strict=True)
        return [self._axis_shares(n, p, starts, device) for n, p, starts in sides]

    def _axis_shares(
        self, n: int, p: int, starts: tuple[int, ...], device: torch.device | str
    ) -> dict[int, Tensor]:
        profile = _profile(p, self.windows.weighting)
        total = torch.zeros(n, dtype=torch.float64)
        for start in starts:
            total[start : start + p] += profile
        return {s: (profile / total[s : s + p]).to(device, torch.float32) for s in starts}


@dataclass(frozen=True)
class Slab:
    """Finished planes of an image.

    Parameters
    ----------
    start : int
        First plane, in the image as given (without padding).
    maps : dict of str to Tensor
        Each (C, d, H, W); valid only until the next slab is asked for.
    """

    start: int
    maps: Maps


def window_starts(n: int, window: int, stride: int) -> tuple[int, ...]:
    """Give where windows start along an axis: ceil((n - window) / stride) + 1, the last one at the end."""
    count = max(0, math.ceil((n - window) / stride)) + 1
    return tuple(max(0, min(i * stride, n - window)) for i in range(count))


def predict_maps(
    image: Tensor | np.ndarray,
    answer: Answer,
    windows: Windows,
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[Slab]:
    """Blend what `answer` says about each window and hand out planes as soon as they are final.

    Parameters
    ----------
    image : (D, H, W) float32
        The prepared image; it may be memory-mapped. Padded with 0 where it is smaller
        than a window.
    answer : callable
        Gets (1, 1, d, h, w) on `device`, gives named maps (1, C, d, h, w), any C.
    windows : Windows
        Size, overlap and weights.
    progress, should_stop : callable, optional
        Called between windows.

    Yields
    ------
    Slab
        In z order, without gaps. Only one window's depth of every map is ever held.

    Raises
    ------
    Stopped
        When `should_stop` says so.
    """
    source = torch.from_numpy(np.array(image, np.float32)) if isinstance(image, np.ndarray) else image
    layout = windows.layout(_shape_of(source))
    source = layout.pad(source.float())
    roll = _Rolling(layout, device)
    done = 0
    for z in layout.starts[0]:
        yield from roll.advance_to(z)
        for y, x in product(layout.starts[1], layout.starts[2]):
            if should_stop is not None and should_stop():
                raise Stopped
            with torch.inference_mode():
                maps = answer(source[layout.at((z, y, x))].to(device)[None, None])
            roll.add(maps, (z, y, x))
            done += 1
            if progress is not None:
                progress(done, layout.count)
    yield from roll.advance_to(layout.padded[0])


def segment(
    image: Tensor | np.ndarray,
    net: SegNet,
    windows: Windows,
    *,
    device: torch.device | str = "cpu",
    should_stop: ShouldStop | None = None,
) -> np.ndarray:
    """Give the labels (D, H, W) uint8 of one network on the prepared grid, as used for validation.

    The network is put into evaluation mode for it and back into its mode after.
    """
    labels = np.zeros(image.shape, np.uint8)
    training = net.training
    net.eval()
    try:
        slabs = predict_maps(
            image, lambda x: {"p": net(x).logits.softmax(1)}, windows, device=device, should_stop=should_stop
        )
        for slab in slabs:
            found = slab.maps["p"].max(0).indices  # max is about 5 times faster than argmax on a CPU
            labels[slab.start : slab.start + found.shape[0]] = found.to("cpu", torch.uint8).numpy()
    finally:
        net.train(training)
    return labels


class _Rolling:
    """The planes that are not final yet, of every map."""

    def __init__(self, layout: Layout, device: torch.device | str) -> None:
        self.layout, self.device = layout, device
        self.shares = layout.shares(device)
        self.first = 0  # padded plane at index 0 of the buffers
        self.maps: Maps = {}

    def add(self, maps: Maps, corner: Shape) -> None:
        """Accumulate a window's maps."""
        z, y, x = (self.shares[axis][start] for axis, start in enumerate(corner))
        share = z[:, None, None] * y[:, None] * x
        _, rows, columns = self.layout.at(corner)
        for name, values in maps.items():
            if name not in self.maps:
                depth, (_, height, width) = self.layout.windows.size[0], self.layout.padded
                self.maps[name] = torch.zeros((values.shape[1], depth, height, width), device=self.device)
            self.maps[name][:, :, rows, columns].addcmul_(values[0].float(), share)

    def advance_to(self, plane: int) -> Iterator[Slab]:
        """Hand out the planes before `plane` and make room for as many behind the last."""
        count = plane - self.first
        if count <= 0:
            return
        slab = self._crop(count)
        if slab is not None:
            yield slab
        for buffer in self.maps.values():
            kept = buffer.shape[1] - count
            for index in range(kept):  # plane by plane: source and target overlap
                buffer[:, index] = buffer[:, index + count]
            buffer[:, kept:] = 0
        self.first = plane

    def _crop(self, count: int) -> Slab | None:
        (z, y, x), (d, h, w) = self.layout.before, self.layout.shape
        low, high = max(self.first, z), min(self.first + count, z + d)
        if low >= high:
            return None
        planes = slice(low - self.first, high - self.first)
        return Slab(low - z, {n: m[:, planes, y : y + h, x : x + w] for n, m in self.maps.items()})


def _profile(size: int, weighting: str) -> Tensor:
    if weighting == "uniform":
        return torch.ones(size, dtype=torch.float64)
    centred = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return torch.exp(-0.5 * (centred / (size / 8)) ** 2)


def _shape_of(image: Tensor) -> Shape:
    d, h, w = image.shape
    return d, h, w
