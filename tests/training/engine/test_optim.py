"""Every player has its optimiser: the training's with its schedule, or one of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from guidednet_training.core.events import AnyEvent, Step
from guidednet_training.core.spec import NetSpec, OptimSpec, TrainSpec
from guidednet_training.data.batches import Batch
from guidednet_training.engine.checkpoint import CheckpointFolder
from guidednet_training.engine.loop import fit
from guidednet_training.engine.optim import build_optimisers, set_learning_rate
from guidednet_training.methods import Clock, Losses, Method, MethodContext, OwnOptimiser, Settings
from guidednet_training.nets import SegNet, build_net

CONTEXT = MethodContext(NetSpec(width=4), 3, [1, 1, 1])
OWN = OwnOptimiser(0.003, (0.9, 0.99))


class Duel(Method):
    """A segmenter that is told off by a referee, who learns in every second step only."""

    name = "duel"
    when_to_use = "In this test."

    def __init__(self) -> None:
        super().__init__(CONTEXT, Settings())
        self.net = build_net(CONTEXT.net, CONTEXT.n_classes)
        self.referee = nn.Linear(3, 1)

    def networks(self) -> dict[str, SegNet]:
        return {"a": self.net}

    def players(self) -> dict[str, list[nn.Parameter]]:
        return super().players() | {"referee": list(self.referee.parameters())}

    def optimisers(self) -> dict[str, OwnOptimiser]:
        return {"referee": OWN}

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        mean = self.net(batch.image).logits.mean((2, 3, 4))
        told = {"segmenter": {"told": self.referee(mean).square().mean()}}
        if clock.step % 2 == 0:
            return told
        return told | {"referee": {"judges": (self.referee(mean.detach()) - 1).square().mean()}}


def run(folder: Path, seen: Callable[[Duel], None], steps: int = 2) -> list[Step]:
    spec = TrainSpec(
        method="duel",
        steps=steps,
        optim=OptimSpec(lr=0.01),
        gradients_every=1,
        validate_every=9,
        devices="cpu",
    )
    method, events = Duel(), list[AnyEvent]()
    image = torch.rand(1, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    batch = Batch(image, torch.zeros(1, 32, 32, 32, dtype=torch.long), torch.ones(1, 3, dtype=torch.bool))

    def noted(event: AnyEvent) -> None:
        events.append(event)
        seen(method)

    seen(method)
    fit(method, spec, lambda _: batch, lambda _: {}, CheckpointFolder(folder), noted, lambda: False)
    return [event for event in events if isinstance(event, Step)]


def test_each_player_has_the_optimiser_it_asks_for() -> None:
    optimisers = build_optimisers(Duel(), OptimSpec(lr=0.1))
    assert [type(optimiser) for optimiser in optimisers.values()] == [torch.optim.SGD, torch.optim.Adam]
    (group,) = optimisers["referee"].param_groups
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.003, (0.9, 0.99), 0)


def test_the_schedule_is_for_those_who_follow_it() -> None:
    optimisers = build_optimisers(Duel(), OptimSpec(lr=0.1))
    rate = set_learning_rate([optimisers["segmenter"]], OptimSpec(lr=0.1), 5, 10)
    assert rate == pytest.approx(0.0535887, abs=1e-7)
    assert optimisers["segmenter"].param_groups[0]["lr"] == rate
    assert optimisers["referee"].param_groups[0]["lr"] == 0.003
    tenth = OptimSpec(lr=0.1, schedule="tenths")
    assert set_learning_rate([optimisers["segmenter"]], tenth, 5, 10) == pytest.approx(0.01)
    halved = OptimSpec(lr=0.1, schedule="halving")
    assert set_learning_rate([optimisers["segmenter"]], halved, 5, 10) == pytest.approx(0.025)


def test_a_player_without_a_term_sits_the_step_out(tmp_path: Path) -> None:
    weights: list[torch.Tensor] = []

    def note(method: Duel) -> None:
        weights.append(method.referee.weight.detach().clone())

    steps = run(tmp_path, note)
    assert steps[0].terms.keys() == {"segmenter.told", "gradient.segmenter.told", "lr"}
    assert {"referee.judges", "gradient.referee.judges"} <= steps[1].terms.keys()
    assert steps[1].terms["gradient.referee.judges"] > 0
    # the segmenter's term went through the referee without moving it; Adam's first step is its rate
    start, first, second = weights[:3]
    assert torch.equal(start, first)
    moved = (second - first).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, OWN.lr), rtol=1e-3, atol=0)
