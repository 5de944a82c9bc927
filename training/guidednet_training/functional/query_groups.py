"""Query groups: which queries stand for background, organs and what lies in them, and how they are taught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..core.labels import UNKNOWN

Grouping = Literal["organs", "sizes", "tumour"]

FLOOR = 1e-6  # share that every group keeps in the loss, so that no voxel loses its gradient
SHARES: dict[Grouping, tuple[float, ...]] = {
    "organs": (1 / 8, 7 / 8),
    "sizes": (1 / 8, 3 / 8, 1 / 2),
    "tumour": (16 / 128, 4 / 128, 108 / 128),  # of the released code
}


def group_sizes(grouping: Grouping, queries: int) -> tuple[int, ...]:
    """Divide the queries among the groups; each gets at least one, the last what is left."""
    sizes = [max(1, round(queries * share)) for share in SHARES[grouping][:-1]]
    return (*sizes, queries - sum(sizes))


def groups_of_classes(grouping: Grouping, histogram: Sequence[int]) -> list[int]:
    """Give the group of every class.

    Parameters
    ----------
    grouping : {"organs", "sizes", "tumour"}
        Background and organs; background, large and small organs (the larger half is large); or
        background, the first class and all others, min(class, 2), as released for tumours in an organ.
    histogram : sequence of int
        Labelled voxels per class, length K.
    """
    classes = range(len(histogram))
    if grouping == "tumour":
        return [min(k, 2) for k in classes]
    if grouping == "organs":
        return [min(k, 1) for k in classes]
    order = sorted(classes[1:], key=lambda k: -histogram[k])
    large = set(order[: (len(order) + 1) // 2])
    return [0 if k == 0 else 1 if k in large else 2 for k in classes]


class QueryGroups(nn.Module):
    """The groups of one training and the loss that teaches queries their group.

    Parameters
    ----------
    sizes : sequence of int
        Queries per group, the first the background's; N in all.
    of_class : sequence of int
        Group of every class, length K.

    Notes
    -----
    Source: DKUXNet's three categories; sizes and weight of the loss as in its released code, which
    knows no groups for data without tumours: those are reconstructed.
    """

    of_class: Tensor

    def __init__(self, sizes: Sequence[int], of_class: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.register_buffer("of_class", torch.tensor(of_class))

    def shares(self, assignment: Tensor) -> Tensor:
        """Sum the shares of the queries (B, N, d, h, w) in each group, (B, G, d, h, w)."""
        return torch.stack([part.sum(1) for part in assignment.split(self.sizes, dim=1)], 1)

    def forward(self, assignment: Tensor, label: Tensor, annotated: Tensor) -> Tensor:
        """Give the query loss, the mean over known voxels of -ln q of the label's group.

        Where a case does not annotate every organ of a group, its background may be of that group, so
        only the sum of both is taught there.

        Parameters
        ----------
        assignment : Tensor
            (B, N, d, h, w), sums to 1 over N.
        label : Tensor
            (B, D, H, W) int64; 255 is left out.
        annotated : Tensor
            (B, K) bool.
        """
        shares = self.shares(assignment.float())
        if shares.shape[2:] != label.shape[1:]:
            shares = interpolate(shares, size=label.shape[1:], mode="trilinear")
        valid = label != UNKNOWN
        group = self.of_class[torch.where(valid, label, 0)]
        picked = shares.gather(1, group[:, None])[:, 0]
        hidden = self._hidden(annotated)
        if bool(hidden.any()):
            may_be = (shares * hidden[:, :, None, None, None]).sum(1)
            picked = torch.where(group == 0, picked + may_be, picked)
        loss = -((1 - FLOOR) * picked + FLOOR).log()
        return (loss * valid).sum() / valid.sum().clamp_min(1)

    def _hidden(self, annotated: Tensor) -> Tensor:
        """Tell which groups but the background's hold an organ that is not annotated, (B, G) bool."""
        members = self.of_class == torch.arange(len(self.sizes), device=self.of_class.device)[:, None]
        hidden = (members & ~annotated[:, None]).any(2)
        hidden[:, 0] = False
        return hidden
