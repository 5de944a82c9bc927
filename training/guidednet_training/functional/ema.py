"""Moving averages of network weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def update_average(average: Iterable[Tensor], current: Iterable[Tensor], momentum: float) -> None:
    """Move `average` towards `current` in place: a <- momentum a + (1 - momentum) c."""
    for a, c in zip(average, current, strict=True):
        a.lerp_(c, 1.0 - momentum)
