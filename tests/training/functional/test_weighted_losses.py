"""Class-weighted losses against hand-computed numbers; unknown and unannotated voxels stay out."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.functional.losses import weighted_cross_entropy
from guidednet_training.functional.weighted_losses import voxel_mean_cross_entropy, weighted_dice_ce

LOGITS = (2 * torch.eye(3)).T[None, :, None, None, :]  # three voxels in a row, each sure of its own class
TARGET = torch.tensor([1, 1, 2]).view(1, 1, 1, 3)
WEIGHTS = torch.tensor([0.0, 1, 3])
ALL = torch.ones(1, 3, dtype=torch.bool)


def test_the_two_normalisations_differ() -> None:
    assert weighted_cross_entropy(LOGITS, TARGET, WEIGHTS).item() == pytest.approx(0.639545, abs=1e-6)
    assert voxel_mean_cross_entropy(LOGITS, TARGET, WEIGHTS).item() == pytest.approx(1.065908, abs=1e-6)


def test_voxels_that_are_not_sampled_count_in_the_divisor_alone() -> None:
    sampled = torch.tensor([True, False, False]).view(1, 1, 1, 3)
    loss = voxel_mean_cross_entropy(LOGITS, TARGET, WEIGHTS, sampled)
    assert loss.item() == pytest.approx(2.239545 / 3, abs=1e-6)
    unknown = torch.where(sampled, TARGET, UNKNOWN)
    assert voxel_mean_cross_entropy(LOGITS, unknown, WEIGHTS).item() == pytest.approx(2.239545, abs=1e-6)
    nothing = voxel_mean_cross_entropy(LOGITS, torch.full_like(TARGET, UNKNOWN), WEIGHTS)
    assert nothing.item() == 0


def dice_part(logits: torch.Tensor, label: torch.Tensor, weights: torch.Tensor, **more: bool) -> float:
    whole = weighted_dice_ce(logits, label, torch.ones(1, logits.shape[1], dtype=torch.bool), weights, **more)
    return (whole - weighted_cross_entropy(logits, label, weights)).item()


def test_dice_is_weighted_negative_and_knows_no_background() -> None:
    prob = torch.softmax(LOGITS, 1)[0, :, 0, 0]  # (3, 3)
    one = (2 * (prob[1, 0] + prob[1, 1]) + 1) / (prob[1].sum() + 2 + 1)
    two = (2 * prob[2, 2] + 1) / (prob[2].sum() + 1 + 1)
    assert dice_part(LOGITS, TARGET, WEIGHTS) == pytest.approx(-(one + 3 * two).item() / 2, abs=1e-6)
    heavy_background = torch.tensor([100.0, 1, 3])
    assert dice_part(LOGITS, TARGET, heavy_background) == pytest.approx(
        dice_part(LOGITS, TARGET, WEIGHTS), abs=1e-5
    )


def test_perfect_prediction_reaches_minus_the_mean_weight() -> None:
    label = torch.tensor([0, 1, 2]).view(1, 1, 1, 3)
    loss = weighted_dice_ce(25 * LOGITS, label, ALL, WEIGHTS)
    assert loss.item() == pytest.approx(-2, abs=1e-5)


def test_an_absent_organ_is_pulled_down_only_when_asked() -> None:
    label = torch.tensor([0, 1, 1]).view(1, 1, 1, 3)
    for pull in (True, False):
        logits = LOGITS.clone().requires_grad_()
        plain = weighted_cross_entropy(logits, label, WEIGHTS)
        dice = weighted_dice_ce(logits, label, ALL, torch.tensor([0.0, 0, 3]), pull) + 0 * plain
        (grad,) = torch.autograd.grad(dice, logits)
        assert bool(grad[0, 2].abs().sum() > 0) is pull
        assert torch.isfinite(dice)


def test_unknown_voxels_get_no_gradient() -> None:
    label = torch.tensor([UNKNOWN, 1, 2]).view(1, 1, 1, 3)
    logits = LOGITS.clone().requires_grad_()
    weighted_dice_ce(logits, label, ALL, torch.tensor([1.0, 1, 3])).backward()
    assert logits.grad is not None
    assert logits.grad[..., 0].abs().sum() == 0
    assert logits.grad[..., 1:].abs().sum() > 0


def test_background_never_teaches_against_an_organ_that_was_not_annotated() -> None:
    annotated = torch.tensor([[True, True, False]])
    label = torch.zeros(1, 1, 1, 3, dtype=torch.long)
    background, hidden = (torch.full((1, 3, 1, 1, 3), -9.0) for _ in range(2))
    background[:, 0], hidden[:, 2] = 9, 9
    weights = torch.tensor([1.0, 1, 3])
    first, second = (weighted_dice_ce(z, label, annotated, weights) for z in (background, hidden))
    torch.testing.assert_close(first, second)


def test_nothing_known_gives_a_finite_gradient() -> None:
    logits = LOGITS.clone().requires_grad_()
    weighted_dice_ce(logits, torch.full_like(TARGET, UNKNOWN), ALL, WEIGHTS).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
