"""Cubes of a patch: cutting a patch into a grid of them, putting them back, exchanging them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

Index3 = tuple[int, int, int]


@dataclass(frozen=True)
class CubeGrid:
    """A partition of patches into equal boxes, numbered with x fastest and z slowest.

    Parameters
    ----------
    counts : tuple of int
        Cubes along z, y, x.
    """

    counts: Index3

    @classmethod
    def of(cls, patch: Index3, side: int, multiple: int = 1) -> CubeGrid:
        """Choose the finest grid whose cubes are at least `side` wide.

        Parameters
        ----------
        patch : tuple of int
            (D, H, W) voxels.
        side : int
            Wanted side. Where it does not divide the patch, the cubes are wider along that axis;
            an axis shorter than two sides is not cut.
        multiple : int
            A network takes only sides that are multiples of this. One multiple alone would leave
            one voxel at its bottom, so a cube is at least two wide.
        """
        least = max(side, 2 * multiple)
        return cls(tuple(_pieces(length, least, multiple) for length in patch))  # type: ignore[arg-type]

    @property
    def size(self) -> int:
        """Number of cubes in a patch, n."""
        return prod(self.counts)

    def split(self, maps: Tensor) -> Tensor:
        """Cut (B, C, D, H, W) into cubes (B, n, C, d, h, w)."""
        batch, channels, *sides = maps.shape
        if any(length % count for length, count in zip(sides, self.counts, strict=True)):
            raise ValueError(f"patches of {tuple(sides)} cannot be cut into {self.counts} equal cubes")
        (z, y, x), (d, h, w) = self.counts, (n // k for n, k in zip(sides, self.counts, strict=True))
        boxes = maps.reshape(batch, channels, z, d, y, h, x, w).permute(0, 2, 4, 6, 1, 3, 5, 7)
        return boxes.reshape(batch, self.size, channels, d, h, w)

    def join(self, cubes: Tensor) -> Tensor:
        """Put cubes (B, n, C, d, h, w) back in place; the inverse of `split`."""
        batch, _, channels, d, h, w = cubes.shape
        z, y, x = self.counts
        boxes = cubes.reshape(batch, z, y, x, channels, d, h, w).permute(0, 4, 1, 5, 2, 6, 3, 7)
        return boxes.reshape(batch, channels, z * d, y * h, x * w)

    def exchange(self, maps: Tensor, order: Tensor) -> Tensor:
        """Give every patch the cubes of other patches, each at its own place.

        Parameters
        ----------
        maps : Tensor
            (B, C, D, H, W).
        order : Tensor
            (B, n) int64: cube i of patch b comes from patch `order[b, i]`; each column is a permutation.
        """
        cubes = self.split(maps)
        return self.join(cubes[order, torch.arange(self.size, device=maps.device)])


def random_orders(batch: int, cubes: int, device: torch.device | str = "cpu") -> Tensor:
    """Draw an independent permutation of the patches for every cube, (B, n)."""
    return torch.rand(batch, cubes, device=device).argsort(0)


def inverse_orders(order: Tensor) -> Tensor:
    """Give the orders (B, n) that undo an exchange."""
    return order.argsort(0)


def _pieces(length: int, least: int, multiple: int) -> int:
    """Give the largest number of equal pieces of a side, each at least `least` and a multiple."""
    pieces = range(max(1, length // least), 0, -1)
    return next((n for n in pieces if length % n == 0 and length // n % multiple == 0), 1)
