"""The five mixture losses against hand-computed numbers, and where their gradient goes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.functional.mixture import MixtureOptions, class_statistics, log_density
from guidednet_training.functional.mixture_losses import (
    binary_ground_truth_loss,
    consistency_loss,
    ground_truth_loss,
    rectify_loss,
    self_loss,
    separation_loss,
)

DOUBLE = torch.float64
GRID = (2, 3, 4)


def everyone(batch: int, n_classes: int) -> Tensor:
    return torch.ones(batch, n_classes, dtype=torch.bool)


def one_hot(label: Tensor, n_classes: int) -> Tensor:
    return torch.nn.functional.one_hot(label, n_classes).movedim(-1, 1).to(DOUBLE)


def random_logits(batch: int, n_classes: int, seed: int = 0) -> Tensor:
    return torch.randn(batch, n_classes, *GRID, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


# L_max ---------------------------------------------------------------------------------------


def test_separation_of_scalar_means():
    means = torch.tensor([[0.0], [1.0], [2.0]], dtype=DOUBLE)
    present = torch.ones(3, dtype=torch.bool)
    assert separation_loss(means, present).item() == pytest.approx(0.251358, abs=1e-6)
    assert separation_loss(means * 0, present).item() == 1
    assert separation_loss(means, torch.tensor([True, False, False])).item() == 0
    assert separation_loss(means, torch.tensor([True, False, True])).item() == pytest.approx(math.exp(-4))


@pytest.mark.parametrize(
    ("distance", "expected"), [("mean", 0.367879), ("official", 0.778801), ("sum", 0.018316)]
)
def test_separation_distances(distance, expected):
    means = torch.tensor([[0.0, 0, 0, 0], [2, 0, 0, 0]])
    got = separation_loss(means, torch.ones(2, dtype=torch.bool), distance)
    assert got.item() == pytest.approx(expected, abs=1e-6)


# L_gt ----------------------------------------------------------------------------------------


def test_ground_truth_of_right_and_uniform_mixture():
    label = torch.arange(24).view(1, *GRID) % 3
    right = one_hot(label, 3).clamp_min(1e-30).log()
    assert ground_truth_loss(right, label, everyone(1, 3)).item() < 1e-5
    uniform = torch.full((1, 3, *GRID), -math.log(3), dtype=DOUBLE)
    assert ground_truth_loss(uniform, label, everyone(1, 3)).item() == pytest.approx(math.log(3))


def test_ground_truth_leaves_unknown_voxels_out():
    label = torch.zeros(1, *GRID, dtype=torch.long)
    label[0, 0] = UNKNOWN
    log_p = torch.log_softmax(random_logits(1, 3), 1).requires_grad_()
    ground_truth_loss(log_p, label, everyone(1, 3)).backward()
    assert log_p.grad[0, :, 0].abs().max() == 0
    assert log_p.grad[0, 0, 1].abs().min() > 0


def test_ground_truth_is_marginal_on_background_of_partial_cases():
    label = torch.zeros(2, *GRID, dtype=torch.long)
    label[:, 0] = 1
    annotated = torch.tensor([[True, True, False], [True, True, True]])
    density = random_logits(2, 3).requires_grad_()
    posterior = torch.log_softmax(density, 1)
    loss = ground_truth_loss(posterior, label, annotated)
    p = posterior.exp()
    background = torch.stack([p[0, 0] + p[0, 2], p[1, 0]])
    expected = -torch.where(label == 0, background, p[:, 1]).log().mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    hidden = density.grad[0, 2][label[0] == 0]
    assert hidden.max() <= 0  # the organ is never pushed down there
    assert density.grad[1, 2].min() > 0  # in the complete case it is


def official_responses(features: Tensor, means: Tensor) -> Tensor:
    """Responses of the released code, written out: exp(-(mean |f - m|)^2)."""
    difference = features[:, None] - means[None, :, :, None, None, None]
    return torch.exp(-difference.abs().mean(2).square())


def test_official_ground_truth_form_on_official_responses():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(1, 5, 4, 6, 6, generator=generator, dtype=DOUBLE)
    label = torch.randint(0, 3, (1, 4, 6, 6), generator=generator)
    statistics = class_statistics(features, label, torch.full((1, 4, 4, 6, 6), 0.25, dtype=DOUBLE))
    response = log_density(features, statistics, MixtureOptions(kernel="official")).exp()
    naive = official_responses(features, statistics.mean)[:, :3]
    torch.testing.assert_close(response[:, :3], naive)
    truth = one_hot(label, 3)
    entropy = -(truth * naive.log() + (1 - truth) * (1 - naive).log())
    got = binary_ground_truth_loss(response, label, everyone(1, 4), statistics.available[None])
    torch.testing.assert_close(got, 0.5 * entropy.mean())


# L_self --------------------------------------------------------------------------------------


def test_self_loss_of_two_equal_halves():
    half = torch.full((1, 2, *GRID), 0.5, dtype=DOUBLE)
    label = torch.zeros(1, *GRID, dtype=torch.long)
    got = self_loss(half, half, label, everyone(1, 2), everyone(1, 2))
    assert got.item() == pytest.approx(0.693147, abs=1e-6)


def test_self_loss_gradient_vanishes_where_both_agree():
    prob = torch.softmax(random_logits(2, 3), 1)
    leaf = prob.clone().requires_grad_()
    label = torch.zeros(2, *GRID, dtype=torch.long)
    self_loss(prob, leaf, label, everyone(2, 3), everyone(2, 3)).backward()
    assert leaf.grad.abs().max() < 1e-12


@pytest.mark.parametrize(
    ("detach", "mixture_learns", "network_learns"),
    [("none", True, True), ("posterior", False, True), ("probability", True, False)],
)
def test_self_loss_detached_side_gets_no_gradient(detach, mixture_learns, network_learns):
    g = torch.softmax(random_logits(1, 3, 0), 1).requires_grad_()
    p = torch.softmax(random_logits(1, 3, 1), 1).requires_grad_()
    label = torch.zeros(1, *GRID, dtype=torch.long)
    self_loss(g, p, label, everyone(1, 3), everyone(1, 3), detach).backward()
    assert (g.grad is not None) == mixture_learns
    assert (p.grad is not None) == network_learns


def test_self_loss_is_a_mean_over_available_classes_and_known_voxels():
    g, p = torch.softmax(random_logits(1, 4, 0), 1), torch.softmax(random_logits(1, 4, 1), 1)
    label = torch.zeros(1, *GRID, dtype=torch.long)
    label[0, 0] = UNKNOWN
    available = torch.tensor([[True, True, False, True]])
    entropy = -(g * p.log() + (1 - g) * (1 - p).log())
    expected = entropy[:, [0, 1, 3], 1].mean()
    got = self_loss(g, p, label, everyone(1, 4), available)
    torch.testing.assert_close(got, expected)


def test_self_loss_never_tells_an_unannotated_organ_from_background():
    g = torch.softmax(random_logits(1, 4, 0), 1)
    logits = random_logits(1, 4, 1).requires_grad_()
    p = torch.softmax(logits, 1)
    label = torch.zeros(1, *GRID, dtype=torch.long)
    annotated = torch.tensor([[True, True, False, True]])
    self_loss(g, p, label, annotated, everyone(1, 4)).backward()
    push = logits.grad / p.detach()  # equal push per probability keeps the odds of the two
    torch.testing.assert_close(push[:, 2], push[:, 0])
    assert (push[:, 1] - push[:, 0]).abs().min() > 0


# L_cons --------------------------------------------------------------------------------------


def test_consistency_of_equal_and_opposite_mixtures():
    a = one_hot(torch.zeros(1, *GRID, dtype=torch.long), 14)
    b = one_hot(torch.ones(1, *GRID, dtype=torch.long), 14)
    assert consistency_loss(a, a).item() == 0
    assert consistency_loss(a, b).item() == pytest.approx(0.142857, abs=1e-6)
    a.requires_grad_(), b.requires_grad_()
    consistency_loss(a, b).backward()
    assert a.grad.abs().max() > 0
    assert b.grad.abs().max() > 0


# L_rectify -----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["soft", "hard"])
def test_rectify_gradient_reaches_the_network_alone(target):
    logits, density = random_logits(2, 3, 0).requires_grad_(), random_logits(2, 3, 1).requires_grad_()
    rectify_loss(logits, torch.log_softmax(density, 1), everyone(2, 3), target).backward()
    assert logits.grad.abs().max() > 0
    assert density.grad is None


def test_rectify_numbers():
    logits, log_g = random_logits(1, 3, 0), torch.log_softmax(random_logits(1, 3, 1), 1)
    log_p, g = torch.log_softmax(logits, 1), log_g.exp()
    soft = rectify_loss(logits, log_g, everyone(1, 3))
    torch.testing.assert_close(soft, -(g * log_p).sum(1).mean())
    hard = rectify_loss(logits, log_g, everyone(1, 3), "hard")
    torch.testing.assert_close(hard, -log_p.gather(1, g.argmax(1, keepdim=True)).mean())
    sure = g.max(1).values >= 0.6
    confident = rectify_loss(logits, log_g, everyone(1, 3), confidence=0.6)
    torch.testing.assert_close(confident, -(g * log_p).sum(1)[sure].mean())


def test_rectify_leaves_out_voxels_given_to_a_class_without_statistics():
    logits = random_logits(1, 3).requires_grad_()
    available = torch.tensor([[True, True, False]])
    rectify_loss(logits, torch.log_softmax(random_logits(1, 3, 1), 1), available).backward()
    given = logits.detach().argmax(1) == 2
    touched = logits.grad.abs().sum(1) > 0
    assert given.any()
    assert torch.equal(touched, ~given)
    nothing = rectify_loss(logits, torch.zeros_like(logits), torch.zeros(1, 3, dtype=torch.bool))
    assert nothing.item() == 0


def test_gradients_survive_the_full_patch():
    """The released code's half-precision mean gives exactly 0 here."""
    shape = (4, 2, 64, 128, 128)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    density = torch.randn(shape, generator=generator)
    weight = 0.3 * 0.0067  # first step: mixture weight times ramp
    (weight * rectify_loss(logits, torch.log_softmax(density, 1), everyone(4, 2))).backward()
    assert logits.grad.norm() > 1e-8
    assert (logits.grad != 0).float().mean() > 0.99
