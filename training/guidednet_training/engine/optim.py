"""Optimisers of the players and the poly schedule."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from ..core.spec import OptimSpec
from ..functional.schedule import halving, poly, tenths
from ..methods import Method, OwnOptimiser


def build_optimisers(method: Method, spec: OptimSpec) -> dict[str, Optimizer]:
    """Build one optimiser per player: the training's, or the player's own."""
    own = method.optimisers()
    return {
        player: build_optimiser(parameters, own.get(player, spec))
        for player, parameters in method.players().items()
    }


def build_optimiser(parameters: list[nn.Parameter], spec: OptimSpec | OwnOptimiser) -> Optimizer:
    """Build the optimiser of one player."""
    if isinstance(spec, OwnOptimiser):
        return Adam(parameters, lr=spec.lr, betas=spec.betas)
    if spec.name == "sgd":
        return SGD(parameters, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay)
    return AdamW(parameters, lr=spec.lr, weight_decay=spec.weight_decay)


def set_learning_rate(optimisers: Iterable[Optimizer], spec: OptimSpec, step: int, steps: int) -> float:
    """Set the learning rate of a step on the optimisers that follow the schedule, and return it."""
    rate = spec.lr * _factor(spec, step, steps)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
    return rate


def _factor(spec: OptimSpec, step: int, steps: int) -> float:
    if spec.schedule == "poly":
        return poly(step, steps, spec.power)
    return halving(step, steps) if spec.schedule == "halving" else tenths(step, steps)


__all__ = ["build_optimiser", "build_optimisers", "set_learning_rate"]
