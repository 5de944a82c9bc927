"""Curves over a training: consistency ramp, learning rate, EMA momentum."""

from __future__ import annotations

import math
from typing import Literal

RampForm = Literal["published", "full", "none"]


def ramp(position: float, length: float) -> float:
    """Sigmoid ramp-up r(u, L) = exp(-5 (1 - u/L)^2), u clipped to [0, L]; 1 when L = 0.

    Source: the usual form of mean-teacher methods (GuidedNet section 3.2).
    """
    if length == 0:
        return 1.0
    share = min(max(position, 0.0), length) / length
    return math.exp(-5.0 * (1.0 - share) ** 2)


def consistency_ramp(step: int, steps: int) -> float:
    """Ramp of the consistency weights at an iteration.

    The published runs use r(t // 150, 200) over 20 000 iterations, so the curve ends
    at r(133, 200) = 0.57; the length 1.5 T / 150 keeps that shape for other T.
    """
    return ramp(step // 150, 200) if steps == 20_000 else ramp(step, 1.5 * steps)


def chosen_ramp(form: RampForm, step: int, steps: int) -> float:
    """Ramp by its form: up to 0.57 at the last step ("published"), up to 1 ("full"), or 1 ("none")."""
    if form == "none":
        return 1.0
    return ramp(step, max(steps - 1, 1)) if form == "full" else consistency_ramp(step, steps)


def poly(step: int, steps: int, power: float = 0.9) -> float:
    """Factor (1 - t/T)^power of the learning rate."""
    return (1.0 - min(step, steps) / steps) ** power


def halving(step: int, steps: int) -> float:
    """Factor of a learning rate that is halved after each fifth of the steps.

    Source: Wang and Ma (FLARE 2022), table 2, halves it by 200 of 1000 epochs.
    """
    return float(0.5 ** min(5 * step // steps, 4))


def tenths(step: int, steps: int) -> float:
    """Factor of a learning rate that falls to a tenth after each 5/12 of the steps.

    Source: UA-MT, SASSnet and DTC, every 2500 of 6000 iterations.
    """
    return float(0.1 ** (12 * step // (5 * steps)))


def ema_momentum(step: int, limit: float = 0.99) -> float:
    """Momentum of a weight average after step t: min(1 - 1/(t+1), limit)."""
    return min(1.0 - 1.0 / (step + 1), limit)
