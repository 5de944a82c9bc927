"""DHC's difficulty weights against hand-computed numbers."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.functional.difficulty import DifficultyWeights, hard_dice

PRESENT = torch.ones(3, dtype=torch.bool)


def test_numbers_of_one_step() -> None:
    weights = DifficultyWeights(3, steps=50)
    weights.previous.copy_(torch.tensor([0.8, 0.5, 0.2]))
    weights.take(torch.tensor([0.9, 0.5, 0.1]), PRESENT)
    assert weights.learnt.tolist() == pytest.approx([2.3557e-4, 0, 0], rel=1e-4)
    assert weights.unlearnt.tolist() == pytest.approx([0, 0, 1.38629e-3], rel=1e-4)
    assert weights.doubt.tolist() == pytest.approx([0.982, 0.99, 0.998])
    assert (weights() / 3).tolist() == pytest.approx([0.012308, 0.092925, 1], rel=1e-4)
    assert weights.previous.tolist() == pytest.approx([0.9, 0.5, 0.1])


def test_all_classes_start_equal() -> None:
    assert DifficultyWeights(3)().tolist() == [3, 3, 3]


def test_a_class_that_is_not_there_keeps_its_state() -> None:
    weights = DifficultyWeights(3)
    weights.take(torch.tensor([0.9, 0.5, 0.1]), PRESENT)
    before = {key: value.clone() for key, value in weights.state_dict().items() if key != "weights"}
    weights.take(torch.tensor([0.8, 0.6, 1.0]), torch.tensor([True, True, False]))
    assert all(weights.state_dict()[key][2] == value[2] for key, value in before.items())
    assert all(weights.state_dict()[key][0] != value[0] for key, value in before.items() if key != "unlearnt")


def test_perfect_classes_stay_finite() -> None:
    weights = DifficultyWeights(3, steps=1)
    weights.take(torch.ones(3), PRESENT)
    assert weights().tolist() == [3, 3, 3]
    weights.take(torch.full((3,), 1e-12), PRESENT)
    assert torch.isfinite(weights()).all()


def test_dice_of_hard_labels() -> None:
    label = torch.tensor([0, 0, 1, 1, UNKNOWN]).view(1, 1, 1, 5)
    predicted = torch.tensor([0, 1, 1, 0, 2]).view(1, 1, 1, 5)
    dice, present = hard_dice(predicted, label, torch.ones(1, 3, dtype=torch.bool))
    assert dice[:2].tolist() == pytest.approx([0.5, 0.5])
    assert present.tolist() == [True, True, False]


def test_finding_an_organ_that_is_not_annotated_is_no_mistake() -> None:
    label = torch.tensor([0, 0, 1]).view(1, 1, 1, 3)
    predicted = torch.tensor([0, 2, 1]).view(1, 1, 1, 3)
    dice, present = hard_dice(predicted, label, torch.tensor([[True, True, False]]))
    assert dice[:2].tolist() == [1, 1]
    assert present.tolist() == [True, True, False]
