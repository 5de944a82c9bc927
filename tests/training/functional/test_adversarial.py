"""Segmenter and critic want opposite things, and neither moves the other."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor, nn

from guidednet_training.functional.adversarial import judgement_loss, persuasion_loss

IMAGE = torch.zeros(8, 1, 2, 2, 2)


class MeanCritic(nn.Module):
    """Says "annotated" by how bright a map is; notes how it was asked."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.modes: list[bool] = []

    def forward(self, maps: Tensor, image: Tensor) -> Tensor:
        self.modes.append(self.training)
        score = self.gain * maps.mean((1, 2, 3, 4))
        return torch.stack([-score, score], 1)


def maps(*brightness: float) -> Tensor:
    return (
        torch.tensor(brightness, dtype=torch.float32)[:, None, None, None, None]
        .expand(-1, 3, 2, 2, 2)
        .clone()
        .requires_grad_()
    )


def test_annotated_is_one_for_the_labelled_patches_which_come_first() -> None:
    right = maps(1, 1, 1, 1, -1, -1, -1, -1)
    critic = MeanCritic(20.0)
    assert judgement_loss(critic, right, IMAGE, 4).item() == pytest.approx(0, abs=1e-6)
    assert judgement_loss(critic, -right, IMAGE, 4).item() == pytest.approx(40, abs=1e-4)
    assert judgement_loss(MeanCritic(0.0), right, IMAGE, 4).item() == pytest.approx(log(2))


def test_the_segmenter_wants_its_maps_to_pass_for_annotated() -> None:
    critic = MeanCritic(20.0)
    assert persuasion_loss(critic, maps(1, 1), IMAGE[:2]).item() == pytest.approx(0, abs=1e-6)
    assert persuasion_loss(critic, maps(-1, -1), IMAGE[:2]).item() == pytest.approx(40, abs=1e-4)


def test_persuading_teaches_the_critic_nothing() -> None:
    critic, seen = MeanCritic(1.0), maps(0.3, -0.2)
    persuasion_loss(critic, seen, IMAGE[:2]).backward()
    assert critic.gain.grad is None
    assert seen.grad is not None
    assert (seen.grad < 0).all()  # brighter is more convincing


def test_judging_teaches_the_segmenter_nothing() -> None:
    critic, seen = MeanCritic(1.0), maps(0.3, -0.2)
    judgement_loss(critic, seen, IMAGE[:2], 1).backward()
    assert seen.grad is None
    assert critic.gain.grad is not None
    assert critic.gain.grad < 0


@pytest.mark.parametrize("training", [True, False])
def test_the_critic_is_persuaded_without_dropout_and_left_as_it_was(training: bool) -> None:
    critic = MeanCritic(1.0).train(training)
    persuasion_loss(critic, maps(0.3), IMAGE[:1])
    judgement_loss(critic, maps(0.3), IMAGE[:1], 1)
    assert critic.modes == [False, training]
    assert critic.training is training
