"""KT-CPS class weights against hand-computed numbers."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.functional.class_weights import ClassWeights, correct_counts, log_ratio_weights
from guidednet_training.functional.losses import weighted_cross_entropy


def test_log_ratio_numbers():
    got = log_ratio_weights(torch.tensor([10**6, 10**4, 10**2, 1]))
    assert (got / 4).tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_class_that_is_never_right_does_not_crush_the_others():
    got = log_ratio_weights(torch.tensor([1000, 100, 10, 1, 0]))
    assert (got / 5).tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])


@pytest.mark.parametrize("counts", [[7, 7, 7], [0, 0, 0], [1, 1, 0]])
def test_equal_counts_give_equal_weights(counts):
    assert log_ratio_weights(torch.tensor(counts)).tolist() == [3, 3, 3]


def test_only_right_and_known_voxels_count():
    label = torch.tensor([0, 0, 1, 1, 2, 2, UNKNOWN]).view(1, 1, 1, 7)
    predicted = torch.tensor([0, 1, 1, 1, 0, 1, 0]).view(1, 1, 1, 7)
    assert correct_counts(predicted, label, 4).tolist() == [1, 2, 0, 0]


def test_running_weights_start_at_the_histogram_and_average():
    weights = ClassWeights(2, [100, 10])
    assert weights().tolist() == [0, 2]
    weights.running[0] = 5.0
    label = torch.zeros(1, 1, 1, 4, dtype=torch.long)
    label[0, 0, 0, 0] = 1
    weights.update(label, label)  # counts (3, 1): fresh weights (0, 2)
    assert weights().tolist() == pytest.approx([4.95, 2.0])


def test_class_without_ground_truth_keeps_its_weight():
    weights = ClassWeights(3, [100, 10, 1], momentum=0.5)
    before = weights()
    label = torch.tensor([0, 0, 0, 1]).view(1, 1, 1, 4)
    weights.update(label, label)
    assert weights()[2] == before[2]
    assert weights()[1] != before[1]


def test_background_floor_is_a_share_of_the_mean_weight():
    assert ClassWeights(2, [100, 10], background_floor=0.1)().tolist() == pytest.approx([0.1, 2.0])
    assert ClassWeights(2)().tolist() == [2, 2]


def test_background_only_pseudo_labels_give_zero_and_finite_gradient():
    logits = torch.randn(1, 3, 2, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.zeros(1, 2, 2, 2, dtype=torch.long)
    loss = weighted_cross_entropy(logits, target, ClassWeights(3, [100, 10, 1])())
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0
