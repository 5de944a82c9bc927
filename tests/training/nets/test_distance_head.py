"""The distance head gives one bounded map per organ."""

import torch

from guidednet_training.nets.distance_head import build_distance_head


def test_one_map_per_organ_between_minus_one_and_one() -> None:
    head = build_distance_head(4, 3, seed=0)
    distance = head(10 * torch.rand(2, 4, 5, 6, 7))
    assert distance.shape == (2, 3, 5, 6, 7)
    assert distance.abs().max() <= 1
    assert distance.std() > 0.1


def test_is_float32_under_autocast() -> None:
    head = build_distance_head(4, 3, seed=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert head(torch.rand(1, 4, 4, 4, 4)).dtype == torch.float32


def test_same_seed_same_weights() -> None:
    state = torch.random.get_rng_state()
    a, b = (build_distance_head(4, 3, seed=5) for _ in range(2))
    assert torch.equal(a.convolution.weight, b.convolution.weight)
    assert torch.equal(torch.random.get_rng_state(), state)
