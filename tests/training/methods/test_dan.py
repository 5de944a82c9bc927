"""DAN: a segmenter and a critic, each with its own terms."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.core.spec import NetSpec
from guidednet_training.data.batches import Batch
from guidednet_training.functional.adversarial import persuasion_loss
from guidednet_training.functional.schedule import consistency_ramp
from guidednet_training.methods import Clock, Method, MethodContext, OwnOptimiser, build_method

CLOCK = Clock(5, 10)


def make(**settings: object) -> Method:
    context = MethodContext(NetSpec(width=4, dropout=0.0), 3, [100, 10, 1])
    return build_method("dan", {"critic_width": 4} | settings, context)


def batch(labelled: int = 1, unlabelled: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(labelled + unlabelled, 1, 32, 32, 32, generator=generator)
    label = (image[:labelled, 0] > 0.7).long() + (image[:labelled, 0] > 0.9)
    return Batch(image, label, torch.ones(labelled, 3, dtype=torch.bool))


def test_critic_has_its_own_optimiser() -> None:
    method = make()
    assert list(method.players()) == ["segmenter", "critic"]
    assert method.optimisers() == {"critic": OwnOptimiser(1e-4, (0.9, 0.99))}
    assert make(critic_lr=0.01).optimisers()["critic"].lr == 0.01
    assert not set(map(id, method.players()["critic"])) & set(map(id, method.players()["segmenter"]))


def test_terms_reach_their_player_alone() -> None:
    method = make()
    losses, players = method.losses(batch(), CLOCK), method.players()
    assert losses["segmenter"].keys() == {"supervised", "persuasion"}
    assert losses["critic"].keys() == {"judgement"}
    for player, other in (("segmenter", "critic"), ("critic", "segmenter")):
        total = torch.stack(list(losses[player].values())).sum()
        assert not any(
            g is not None
            for g in torch.autograd.grad(total, players[other], retain_graph=True, allow_unused=True)
        )


def test_weight_follows_the_ramp() -> None:
    method = make(weight=0.5).eval()
    given = batch()
    prob = torch.softmax(method.net_a(given.image).logits, 1)
    wanted = 0.5 * consistency_ramp(5, 10) * persuasion_loss(method.critic, prob[1:], given.image[1:])
    assert method.losses(given, CLOCK)["segmenter"]["persuasion"].item() == pytest.approx(
        wanted.item(), rel=1e-4
    )


def test_without_unlabelled_patches_the_critic_has_nothing_to_judge() -> None:
    assert make().losses(batch(unlabelled=0), CLOCK).keys() == {"segmenter"}
