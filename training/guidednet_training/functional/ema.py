"""Moving averages of network weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def update_average(average: Iterable[Tensor], current: Iterable[Tensor], momentum: float) -> None:
    """Move `average` towards `current` in place: a <- momentum a + (1 - momentum) c."""
    for a, c in zip(average, current, strict=True):
        a.lerp_(c, 1.0 - momentum)


@torch.no_grad()
def update_network(average: nn.Module, current: nn.Module, momentum: float) -> None:
    """Move a network's weights towards another's; buffers (of a batch norm) are averages and are copied."""
    update_average(average.parameters(), current.parameters(), momentum)
    for mine, theirs in zip(average.buffers(), current.buffers(), strict=True):
        mine.copy_(theirs)
