"""The critic has the published layers and takes patches of any size."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.nets.critic import Critic, build_critic


@pytest.mark.parametrize(("maps", "count"), [(14, 11_073_538), (2, 11_024_386)])
def test_parameter_count(maps: int, count: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in Critic(maps).parameters()) == count


@pytest.mark.parametrize("shape", [(32, 32, 32), (32, 48, 64), (16, 16, 16)])
def test_one_verdict_per_patch(shape: tuple[int, int, int]) -> None:
    critic = build_critic(3, 4, seed=0).eval()
    maps, image = torch.rand(2, 3, *shape), torch.rand(2, 1, *shape)
    both = critic(maps, image)
    assert both.shape == (2, 2)
    torch.testing.assert_close(both[:1], critic(maps[:1], image[:1]))


def test_looks_at_both_the_map_and_the_image() -> None:
    critic = build_critic(3, 4, seed=0).eval()
    maps, image = torch.rand(1, 3, 16, 16, 16), torch.rand(1, 1, 16, 16, 16)
    verdict = critic(maps, image)
    assert not torch.equal(critic(maps.flip(1), image), verdict)
    assert not torch.equal(critic(maps, 1 - image), verdict)


def test_seed_decides_the_weights_and_nothing_else() -> None:
    state = torch.random.get_rng_state()
    a, b, c = (build_critic(3, 4, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(a.verdict.weight, b.verdict.weight)
    assert not torch.equal(a.verdict.weight, c.verdict.weight)
