"""Averages of weights move as told; running statistics are copied."""

import torch
from torch import nn

from guidednet_training.functional.ema import update_average, update_network


def test_moves_the_given_share() -> None:
    average = [torch.tensor([1.0, 2.0])]
    update_average(average, [torch.tensor([3.0, 2.0])], 0.75)
    torch.testing.assert_close(average[0], torch.tensor([1.5, 2.0]))


def test_a_batch_norm_takes_over_the_statistics() -> None:
    average, current = nn.BatchNorm3d(2), nn.BatchNorm3d(2)
    with torch.no_grad():
        current.weight.fill_(3.0)
    current(torch.rand(2, 2, 3, 3, 3) + 5)
    update_network(average, current, 0.5)
    torch.testing.assert_close(average.weight, torch.full((2,), 2.0))
    assert torch.equal(average.running_mean, current.running_mean)
    assert int(average.num_batches_tracked) == 1
