"""Optimisers of the players and the poly schedule."""

from __future__ import annotations

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from ..core.spec import OptimSpec
from ..functional.schedule import poly


def build_optimiser(parameters: list[nn.Parameter], spec: OptimSpec) -> Optimizer:
    """Build the optimiser of one player."""
    if spec.name == "sgd":
        return SGD(parameters, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay)
    return AdamW(parameters, lr=spec.lr, weight_decay=spec.weight_decay)


def set_learning_rate(optimisers: dict[str, Optimizer], spec: OptimSpec, step: int, steps: int) -> float:
    """Set the poly learning rate of a step on all optimisers and return it."""
    rate = spec.lr * poly(step, steps, spec.power)
    for optimiser in optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = rate
    return rate
