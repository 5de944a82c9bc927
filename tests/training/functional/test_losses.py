"""Losses give the numbers of the specification and respect what is unknown."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from guidednet_training.functional.losses import (
    _dice,
    dice_ce,
    dice_loss,
    frequency_weights,
    merge_unannotated,
    merge_unannotated_logits,
    weighted_cross_entropy,
)


def annotated(*rows: str) -> torch.Tensor:
    return torch.tensor([[mark == "1" for mark in row] for row in rows])


def test_dice_has_squared_denominators() -> None:
    prob = torch.tensor([[0.8, 0.2], [0.4, 0.6]]).T.reshape(1, 2, 1, 1, 2)
    label, valid = torch.tensor([0, 1]).reshape(1, 1, 1, 2), torch.ones(1, 1, 1, 2, dtype=torch.bool)
    assert float(_dice(prob, label, valid, annotated("11"))) == pytest.approx(0.126983, abs=1e-6)
    only_first = _dice(prob, label, valid, annotated("10"))
    assert float(only_first) == pytest.approx(0.111111, abs=1e-6)


def test_perfect_prediction_costs_nothing() -> None:
    label = torch.randint(0, 3, (1, 4, 4, 4))
    logits = 100.0 * torch.nn.functional.one_hot(label, 3).permute(0, 4, 1, 2, 3)
    assert float(dice_ce(logits, label, annotated("111"))) < 1e-6


def test_unknown_voxels_teach_nothing() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 4, 4, 4, requires_grad=True)
    label = torch.randint(0, 3, (1, 4, 4, 4))
    label[:, :2] = 255
    loss = dice_ce(logits, label, annotated("111"))
    (grad,) = torch.autograd.grad(loss, logits)
    assert grad[:, :, :2].abs().max() == 0
    assert grad[:, :, 2:].abs().max() > 0
    lower = dice_ce(logits[:, :, 2:], label[:, 2:], annotated("111"))
    torch.testing.assert_close(loss, lower)


def test_all_unknown_is_finite() -> None:
    logits = torch.randn(1, 3, 2, 2, 2, requires_grad=True)
    loss = dice_ce(logits, torch.full((1, 2, 2, 2), 255), annotated("111"))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_merging_logits_is_merging_probabilities() -> None:
    torch.manual_seed(0)
    logits, flags = torch.randn(3, 5, 2, 3, 4), annotated("11111", "11010", "10000")
    merged = merge_unannotated(logits.softmax(1), flags)
    torch.testing.assert_close(merge_unannotated_logits(logits, flags).softmax(1), merged)
    torch.testing.assert_close(merged.sum(1), torch.ones(3, 2, 3, 4))
    assert merged[1, 2].abs().max() == 0


def test_background_never_teaches_against_an_organ_that_was_not_annotated() -> None:
    """Raising the hidden organ's logit on background must not cost anything."""
    torch.manual_seed(0)
    logits = torch.zeros(1, 3, 3, 3, 3, requires_grad=True)
    label = torch.zeros(1, 3, 3, 3, dtype=torch.long)
    label[0, 0] = 1
    dice_ce(logits, label, annotated("110")).backward()
    assert logits.grad[0, 2, 1:].max() <= 0  # more of the hidden organ lowers or keeps the loss
    logits.grad = None
    dice_ce(logits, label, annotated("111")).backward()
    assert logits.grad[0, 2, 1:].min() > 0  # annotated and absent is a real negative


def test_weighted_cross_entropy_is_normalised_by_its_weights() -> None:
    logits = (2.0 * torch.eye(3)).T.reshape(1, 3, 3, 1, 1)
    target = torch.tensor([1, 1, 2]).reshape(1, 3, 1, 1)
    value = weighted_cross_entropy(logits, target, torch.tensor([0.0, 1.0, 3.0]))
    assert float(value) == pytest.approx(0.639545, abs=1e-6)


def test_weighted_cross_entropy_equals_torch_where_torch_is_finite() -> None:
    torch.manual_seed(0)
    logits, target, weights = torch.randn(2, 4, 3, 3, 3), torch.randint(0, 4, (2, 3, 3, 3)), torch.rand(4)
    wanted = cross_entropy(logits, target, weights)
    torch.testing.assert_close(weighted_cross_entropy(logits, target, weights), wanted)


def test_weights_that_are_all_zero_give_zero_and_a_finite_gradient() -> None:
    logits = torch.randn(1, 3, 2, 2, 2, requires_grad=True)
    loss = weighted_cross_entropy(
        logits, torch.zeros(1, 2, 2, 2, dtype=torch.long), torch.tensor([0.0, 1, 1])
    )
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_an_absent_class_is_pulled_down_only_when_asked() -> None:
    logits = torch.zeros(1, 3, 3, 3, 3, requires_grad=True)
    label = torch.zeros(1, 3, 3, 3, dtype=torch.long)
    label[0, 0] = 1
    valid, flags = torch.ones_like(label, dtype=torch.bool), annotated("111")
    for pull, expected in ((True, True), (False, False)):
        (grad,) = torch.autograd.grad(_dice(logits.softmax(1), label, valid, flags, pull), logits)
        prob = logits.detach().softmax(1).requires_grad_()
        (direct,) = torch.autograd.grad(_dice(prob, label, valid, flags, pull), prob)
        assert bool((direct[:, 2] > 0).all()) is expected
        assert torch.isfinite(grad).all()


def test_the_dice_part_alone_is_that_of_the_whole() -> None:
    torch.manual_seed(0)
    logits, label = torch.randn(2, 3, 4, 4, 4), torch.randint(0, 3, (2, 4, 4, 4))
    label[:, 0] = 255
    for flags, pull in ((annotated("111", "111"), False), (annotated("111", "111"), True)):
        wanted = 2 * dice_ce(logits, label, flags, absent_pull=pull) - cross_entropy(
            logits, label, ignore_index=255
        )
        torch.testing.assert_close(dice_loss(logits, label, flags, pull), wanted)
    hidden = logits.clone().requires_grad_()
    dice_loss(hidden, torch.zeros_like(label), annotated("110", "110")).backward()
    assert float(hidden.grad[:, 2].max()) <= 0  # background teaches nothing against an organ not annotated


def test_rare_classes_weigh_more() -> None:
    assert frequency_weights([10_000, 100, 0]).tolist() == [1, 10, 100]
    assert frequency_weights([10**6, 10**3, 125, 0], 1 / 3).tolist() == pytest.approx([1, 10, 20, 100])
    torch.manual_seed(0)
    logits, label = torch.randn(1, 3, 4, 4, 4), torch.randint(0, 3, (1, 4, 4, 4))
    weights = torch.tensor([1.0, 2.0, 5.0])
    wanted = cross_entropy(logits, label, weights)
    dice = _dice(logits.softmax(1), label, torch.ones_like(label, dtype=torch.bool), annotated("111"))
    torch.testing.assert_close(dice_ce(logits, label, annotated("111"), weights), 0.5 * (wanted + dice))
