"""CLD: classes weighed by rarity, pseudo-labels drawn by what the learner doubts."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.core.spec import NetSpec
from guidednet_training.data.batches import Batch
from guidednet_training.functional.weighted_losses import voxel_mean_cross_entropy, weighted_dice_ce
from guidednet_training.methods import Clock, MethodContext, build_method
from guidednet_training.methods.exchange import exchangeable, pseudo_labels

CLOCK = Clock(step=6, steps=10)
BARE = {"weight": 1.0, "ramp": "none"}


def test_weights_are_the_cube_root_of_rarity():
    method = build_method("cld", {}, MethodContext(NetSpec(width=4), 4, [10**6, 10**3, 125, 0]))
    assert method.class_weights.tolist() == pytest.approx([1, 10, 20, 100], rel=1e-5)


def test_both_losses_are_weighted(make_exchange, blobs):
    method, batch = make_exchange("cld", BARE), blobs()
    logits = {name: net(batch.image).logits for name, net in method.networks().items()}
    terms = method.losses(batch, CLOCK)["segmenter"]
    weights = method.class_weights
    expected = weighted_dice_ce(logits["b"][:2], batch.label, batch.annotated, weights)
    torch.testing.assert_close(terms["supervised_b"], expected)
    hard = {name: exchangeable(pseudo_labels(value), batch) for name, value in logits.items()}
    taught = voxel_mean_cross_entropy(logits["a"], hard["b"], weights)  # nothing known yet: all are drawn
    taught = taught + voxel_mean_cross_entropy(logits["b"], hard["a"], weights)
    torch.testing.assert_close(terms["cld"], taught)


def test_the_learners_own_class_decides_what_is_drawn(make_exchange, blobs):
    method, batch = make_exchange("cld", BARE).eval(), blobs()
    sure_but_of_two = torch.tensor([1.0, 1, 0, 1])  # rates 0, 0, 1, 0
    for bank in method.confidence.values():
        bank.running.copy_(sure_but_of_two)
    logits = {name: net(batch.image).logits for name, net in method.networks().items()}
    hard = {name: pseudo_labels(value) for name, value in logits.items()}
    expected = 0.0
    for student, teacher in (("a", "b"), ("b", "a")):
        target = exchangeable(hard[teacher], batch)
        expected += voxel_mean_cross_entropy(
            logits[student], target, method.class_weights, hard[student] == 2
        )
    assert bool(expected > 0)
    torch.testing.assert_close(method.losses(batch, CLOCK)["segmenter"]["cld"], expected)


def test_confidence_is_learnt_per_network_from_labelled_patches_in_training_only(make_exchange, blobs):
    method, batch = make_exchange("cld", {"confidence_steps": 1}), blobs()
    method.eval().losses(batch, CLOCK)
    assert not method.confidence["a"].seen.any()
    method.train().losses(batch, CLOCK)
    a, b = (method.confidence[name].running.clone() for name in "ab")
    assert not torch.equal(a, b)
    prob = torch.softmax(method.net_a(batch.image[:2]).logits, 1)
    expected = [prob[:, k][batch.label == k].mean().item() for k in range(4)]
    assert a.tolist() == pytest.approx(expected, rel=1e-5)


def test_without_unlabelled_patches_labels_alone_teach(make_exchange, blobs):
    batch = blobs()
    terms = make_exchange("cld").losses(Batch(batch.image[:2], batch.label, batch.annotated), CLOCK)
    assert terms["segmenter"].keys() == {"supervised_a", "supervised_b"}


@pytest.mark.parametrize(
    "other",
    [
        {"absent_pull": False},
        {"weight": 0.2},
        {"ramp": "full"},
        {"ramp": "none"},
        {"confidence_steps": 2},
        {"confidence_momentum": 0.5},
    ],
)
def test_every_setting_changes_what_is_learnt(make_exchange, blobs, course, other):
    batches, common = [blobs(0), blobs(1), blobs(2, classes=3)], {"confidence_steps": 1}
    first, second = (make_exchange("cld", common | settings) for settings in ({}, other))
    assert course(first, batches) != course(second, batches)
