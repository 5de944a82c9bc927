"""A voxel that weighs n counts as if it were there n times, in every labelled loss."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.functional.losses import LabelledLoss, dice_ce, weighted_cross_entropy
from guidednet_training.functional.weighted_losses import weighted_dice_ce

K = 3


def _losses():
    class_weights = torch.tensor([0.5, 1.0, 2.0])
    return {
        "dice_ce": LabelledLoss([100, 10, 5], balance=False, absent_pull=True),
        "balanced": LabelledLoss([100, 10, 5], balance=True, absent_pull=False),
        "dice_alone": LabelledLoss([100, 10, 5], balance=False, absent_pull=True, dice_alone=True),
        "weighted": lambda logits, label, flags, weight=None: weighted_dice_ce(
            logits, label, flags, class_weights, True, weight
        ),
    }


@pytest.fixture
def patch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, K, 4, 6, 6, generator=generator)
    label = torch.randint(0, K, (1, 4, 6, 6), generator=generator)
    label[0, 0, 0] = UNKNOWN
    return logits, label, torch.ones(1, K, dtype=torch.bool)


@pytest.mark.parametrize("name", ["dice_ce", "balanced", "dice_alone", "weighted"])
def test_a_weight_of_two_is_the_voxel_twice(name, patch):
    logits, label, flags = patch
    loss = _losses()[name]
    weight = torch.ones_like(label, dtype=torch.float32)
    weight[:, 2:] = 2
    twice = [torch.cat([part, part[..., 2:, :, :]], dim=-3) for part in (logits, label)]
    torch.testing.assert_close(loss(logits, label, flags, weight), loss(*twice, flags))


@pytest.mark.parametrize("name", ["dice_ce", "balanced", "dice_alone", "weighted"])
def test_weights_of_one_change_nothing(name, patch):
    logits, label, flags = patch
    loss = _losses()[name]
    ones = torch.ones_like(label, dtype=torch.float32)
    torch.testing.assert_close(loss(logits, label, flags, ones), loss(logits, label, flags))


def test_an_unknown_voxel_has_no_say_however_much_it_weighs(patch):
    logits, label, flags = patch
    weight = torch.ones_like(label, dtype=torch.float32)
    weight[label == UNKNOWN] = 9
    torch.testing.assert_close(
        dice_ce(logits, label, flags, voxel_weights=weight), dice_ce(logits, label, flags)
    )


def test_a_correction_that_weighs_more_pulls_more(patch):
    logits, label, _ = patch
    logits.requires_grad_()
    gradients = []
    for value in (1.0, 4.0):
        weight = torch.ones_like(label, dtype=torch.float32)
        weight[0, 3, 3, 3] = value
        loss = weighted_cross_entropy(logits, label, torch.ones(K), weight)
        gradients.append(torch.autograd.grad(loss, logits)[0][0, :, 3, 3, 3].abs().sum())
    assert gradients[1] > 3 * gradients[0]
