"""Confidence per class is the mean probability of the truth; doubt decides what is sampled."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.functional.class_confidence import ClassConfidence, draw_voxels

ALL = torch.ones(1, 3, dtype=torch.bool)


def row(*values: int) -> Tensor:
    return torch.tensor(values).view(1, 1, 1, -1)


def logits_of(*probs: list[float]) -> Tensor:
    """Logits of voxels in a row with these probabilities of the three classes."""
    return torch.tensor(probs).log().T.reshape(1, 3, 1, 1, -1)


def test_sampling_rates() -> None:
    bank = ClassConfidence(4)
    bank.running.copy_(torch.tensor([0.95, 0.9, 0.5, 0.2]))
    assert bank.sampling_rates().tolist() == pytest.approx([0.25, 0.353553, 0.790569, 1], abs=1e-6)


def test_everything_is_sampled_before_anything_is_known_and_when_nothing_is_doubted() -> None:
    bank = ClassConfidence(3)
    assert bank.sampling_rates().tolist() == [1, 1, 1]
    bank.running.fill_(1)
    assert bank.sampling_rates().tolist() == [1, 1, 1]


def test_voxels_of_several_steps_make_one_value() -> None:
    bank = ClassConfidence(3, every=2)
    bank.update(logits_of([0.5, 0.25, 0.25], [0.2, 0.6, 0.2]), row(0, 1), ALL)
    assert not bank.seen.any()
    bank.update(logits_of([0.3, 0.4, 0.3], [0.4, 0.3, 0.3]), row(1, UNKNOWN), ALL)
    assert bank.running.tolist() == pytest.approx([0.5, 0.5, 0])  # (0.6 + 0.4) / 2 voxels of class 1
    assert bank.seen.tolist() == [True, True, False]
    assert int(bank.gathered) == 0
    assert bank.count.sum() == 0


def test_first_value_is_copied_later_ones_averaged_and_an_absent_class_keeps_its_own() -> None:
    bank = ClassConfidence(3, every=1, momentum=0.9)
    bank.update(logits_of([0.5, 0.25, 0.25], [0.2, 0.2, 0.6]), row(0, 2), ALL)
    bank.update(logits_of([0.7, 0.2, 0.1], [0.7, 0.2, 0.1]), row(0, 0), ALL)
    assert bank.running.tolist() == pytest.approx([0.9 * 0.5 + 0.1 * 0.7, 0, 0.6])


def test_an_organ_that_is_not_annotated_counts_as_background() -> None:
    bank = ClassConfidence(3, every=1)
    bank.update(logits_of([0.1, 0.1, 0.8]), row(0), torch.tensor([[True, True, False]]))
    assert bank.running[0].item() == pytest.approx(0.9)


def test_voxels_are_drawn_at_the_rate_of_their_class() -> None:
    rates, n = torch.tensor([0.25, 0.79, 1.0]), 100_000
    classes = torch.arange(3).repeat_interleave(n).view(1, 3, 1, n)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = draw_voxels(classes, rates)
    found = drawn.view(3, n).float().mean(1)
    spread = 3 * (rates * (1 - rates) / n).sqrt()
    assert ((found - rates).abs() <= spread).all()
