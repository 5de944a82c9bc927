"""DHC: each network weighs the classes in its own way, in all that it learns."""

from __future__ import annotations

import copy

import pytest
import torch

from guidednet_training.core.spec import NetSpec
from guidednet_training.data.batches import Batch
from guidednet_training.functional.class_weights import log_ratio_weights
from guidednet_training.functional.losses import weighted_cross_entropy
from guidednet_training.functional.weighted_losses import weighted_dice_ce
from guidednet_training.methods import Clock, MethodContext, build_method
from guidednet_training.methods.exchange import exchangeable, pseudo_labels

CLOCK = Clock(step=6, steps=10)
BARE = {"weight": 1.0, "ramp": "none"}


def test_weights_belong_to_the_network_that_learns(make_exchange, blobs):
    method, batch = make_exchange("dhc", BARE).eval(), blobs()
    weights = {"a": torch.tensor([0.5, 1, 2, 3]), "b": torch.tensor([0.2, 3, 1, 4])}
    method.difficulty.weights.copy_(weights["a"])
    method.distribution.running.copy_(weights["b"])
    logits = {name: net(batch.image).logits for name, net in method.networks().items()}
    hard = {name: exchangeable(pseudo_labels(value), batch) for name, value in logits.items()}
    terms = method.losses(batch, CLOCK)["segmenter"]
    for name, value in logits.items():
        expected = weighted_dice_ce(value[:2], batch.label, batch.annotated, weights[name])
        torch.testing.assert_close(terms[f"supervised_{name}"], expected)
    taught = weighted_cross_entropy(logits["a"], hard["b"], weights["a"])
    taught = taught + weighted_cross_entropy(logits["b"], hard["a"], weights["b"])
    torch.testing.assert_close(terms["dhc"], taught)


def test_difficulty_reads_labelled_patches_and_distribution_unlabelled_ones(make_exchange, blobs):
    batch, states = blobs(), []
    darker = batch.image.clone()
    darker[2:] *= 0.5
    dimmed = batch.image.clone()
    dimmed[:2] *= 0.5
    for image in (batch.image, darker, dimmed):
        method = make_exchange("dhc")
        method.losses(Batch(image, batch.label, batch.annotated), CLOCK)
        states.append((method.difficulty(), method.distribution()))
    (difficulty, distribution), after_darker, after_dimmed = states
    assert torch.equal(difficulty, after_darker[0])
    assert not torch.equal(distribution, after_darker[1])
    assert not torch.equal(difficulty, after_dimmed[0])
    assert torch.equal(distribution, after_dimmed[1])


def test_distribution_starts_at_the_labels_and_follows_the_pseudo_labels(make_exchange, blobs):
    method, batch = make_exchange("dhc"), blobs()
    start = log_ratio_weights(torch.tensor([5000, 600, 70, 8]))
    torch.testing.assert_close(method.distribution(), start)
    predicted = pseudo_labels(method.net_b(batch.image[2:]).logits)
    counts = torch.bincount(predicted.flatten(), minlength=4)
    method.losses(batch, CLOCK)
    torch.testing.assert_close(method.distribution(), 0.99 * start + 0.01 * log_ratio_weights(counts))


def test_weights_learn_in_training_only(make_exchange, blobs):
    method = make_exchange("dhc").eval()
    before = copy.deepcopy(method.state_dict())
    method.losses(blobs(), CLOCK)
    assert all(torch.equal(before[key], value) for key, value in method.state_dict().items())


def test_networks_start_alike_but_not_equal():
    method = build_method("dhc", {}, MethodContext(NetSpec(width=4), 4, [5000, 600, 70, 8]))
    first, second = (net.down[0][2].weight for net in (method.net_a, method.net_b))
    assert not torch.equal(first, second)
    assert first.std().item() == pytest.approx(second.std().item(), rel=0.2)  # both Kaiming


def test_without_unlabelled_patches_labels_alone_teach(make_exchange, blobs):
    batch, method = blobs(), make_exchange("dhc")
    before = method.distribution()
    terms = method.losses(Batch(batch.image[:2], batch.label, batch.annotated), CLOCK)["segmenter"]
    assert terms.keys() == {"supervised_a", "supervised_b"}
    assert torch.equal(method.distribution(), before)


@pytest.mark.parametrize(
    "other",
    [
        {"absent_pull": False},
        {"weight": 0.2},
        {"ramp": "full"},
        {"ramp": "none"},
        {"difficulty_steps": 5},
        {"distribution_momentum": 0.5},
    ],
)
def test_every_setting_changes_what_is_learnt(make_exchange, blobs, course, other):
    batches = [blobs(0), blobs(1, classes=3)]
    assert course(make_exchange("dhc"), batches) != course(make_exchange("dhc", other), batches)
