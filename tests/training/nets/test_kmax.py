"""k-means decoding by hand-made numbers, and the queries' beginnings."""

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu

from guidednet_training.nets.kmax import (
    KMaxLayer,
    Predictor,
    QueryDecoder,
    build_queries,
    gathered,
    hard_assignment,
)


def test_voxels_go_to_the_nearest_centre_and_are_summed() -> None:
    pixels = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.2, 0.8]]]).transpose(1, 2)  # (1, 2, 4)
    centres = torch.eye(2)[None]
    assignment = hard_assignment(torch.einsum("bcn,bcv->bnv", centres, pixels))
    assert assignment[0].argmax(0).tolist() == [0, 1, 0, 1]
    assert torch.equal(assignment.sum(1), torch.ones(1, 4))
    wanted = torch.tensor([[1.9, 0.1], [0.2, 1.8]]).T[None]  # (1, C, N)
    torch.testing.assert_close(gathered(assignment, pixels), wanted)


def test_no_gradient_passes_the_assignment() -> None:
    similarity = torch.randn(1, 3, 5, requires_grad=True)
    assert not hard_assignment(similarity).requires_grad


def test_a_fresh_layer_changes_the_centres_by_its_activations_alone() -> None:
    torch.manual_seed(0)
    centres = torch.randn(2, 16, 8)
    moved, _ = KMaxLayer(4, 16)(torch.randn(2, 4, 4, 4, 4), centres)
    torch.testing.assert_close(moved, gelu(gelu(centres)))


def test_centres_move_by_the_voxels_they_are_given() -> None:
    torch.manual_seed(0)
    layer = KMaxLayer(4, 16)
    nn.init.ones_(layer.move[2].weight)
    centres, pixels = torch.randn(2, 16, 8), torch.randn(2, 4, 4, 4, 4)
    with torch.no_grad():
        space = layer.pixels(pixels)
        similarity = layer.predictor(space, layer.queries(centres)).flatten(2)
        values = layer.values(space).flatten(2)
        sums = torch.stack(
            [
                torch.stack([v[:, s.argmax(0) == n].sum(1) for n in range(8)], 1)
                for v, s in zip(values, similarity, strict=True)
            ]
        )
        wanted = gelu(gelu(centres + layer.move(sums)))  # a norm takes the division by V / N out again
    torch.testing.assert_close(layer(pixels, centres)[0], wanted, rtol=1e-3, atol=1e-3)


def test_window_size_does_not_change_what_a_trained_layer_is_used_to() -> None:
    torch.manual_seed(0)
    layer = KMaxLayer(4, 16).eval()
    pixels = torch.randn(1, 4, 1, 1, 1).expand(1, 4, 8, 8, 8)
    values = layer.values(layer.pixels(pixels))
    similarity = torch.randn(1, 8, 1, 1, 1).expand(1, 8, 8, 8, 8)
    small = layer._given(similarity[..., :4], values[..., :4])
    torch.testing.assert_close(small, layer._given(similarity, values))


def test_similarities_start_sharpened_to_a_tenth() -> None:
    torch.manual_seed(0)
    similarity = Predictor(4, 16)(torch.randn(2, 4, 4, 4, 4), torch.randn(2, 16, 8))
    assert similarity.shape == (2, 8, 4, 4, 4)
    assert float(similarity.detach().std()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(("stride", "side"), [(1, 16), (2, 8), (4, 4)])
def test_assignments_sum_to_one_at_the_queries_stride(stride: int, side: int) -> None:
    torch.manual_seed(0)
    decoder = QueryDecoder((8, 4, 2), queries=8, stride=stride)
    decoder.taught = True
    stages = [torch.randn(1, c, 16 // n, 16 // n, 16 // n) for c, n in ((8, 4), (4, 2), (2, 1))]
    found = decoder(stages)
    assert found.centres.shape == (1, 16, 8)
    assert len(found.assignments) == 2 * 2 + 1
    assert found.assignments[-1].shape == (1, 8, side, side, side)
    for share in found.assignments:
        torch.testing.assert_close(share.sum(1), torch.ones_like(share[:, 0]))


def test_layers_are_taught_only_when_asked() -> None:
    torch.manual_seed(0)
    decoder = QueryDecoder((4, 2), queries=8)
    stages = [torch.randn(2, 4, 4, 4, 4), torch.randn(2, 2, 8, 8, 8)]
    (last,) = decoder(stages).assignments
    last.square().sum().backward()
    assert all(p.grad is None for layer in decoder.layers for p in layer.predictor.parameters())
    assert decoder.centres.grad.abs().max() > 0
    decoder.taught = True
    sum(share.square().sum() for share in decoder(stages).assignments).backward()
    weights = [p for layer in decoder.layers for p in layer.predictor.parameters() if p.ndim > 1]
    assert all(p.grad.abs().max() > 0 for p in weights)


def test_seed_decides_the_queries_and_nothing_else() -> None:
    state = torch.random.get_rng_state()
    a, b, c = (build_queries((4, 2), 8, 1, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(a.centres, b.centres)
    assert not torch.equal(a.centres, c.centres)
    assert a.centres.abs().max() <= 2.0  # a normal distribution of spread 1, cut at 2
