"""Signed distances: published numbers, and silence where a label cannot tell."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.functional.distance import (
    SignedDistances,
    _by_shifts,
    distance_loss,
    distances_to,
    inside_probability,
    shown,
    signed_distances,
)


def all_annotated(n_classes: int, samples: int = 1) -> Tensor:
    return torch.ones(samples, n_classes, dtype=torch.bool)


def of(label: Tensor, n_classes: int = 2) -> SignedDistances:
    return signed_distances(label[None], all_annotated(n_classes))


def cube_in_seven() -> Tensor:
    label = torch.zeros(7, 7, 7, dtype=torch.long)
    label[1:6, 1:6, 1:6] = 1
    return label


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_line_of_nine(axis: int) -> None:
    line = torch.tensor([0, 0, 1, 1, 1, 1, 1, 0, 0])
    shape = [1, 1, 1]
    shape[axis] = 9
    target, taught = of(line.view(shape))
    wanted = torch.tensor([1, 0.5, 0, -2 / 3, -1, -2 / 3, 0, 0.5, 1])
    torch.testing.assert_close(target.flatten(), wanted)
    assert taught.all()


def test_a_cube() -> None:
    (target,) = of(cube_in_seven()).target[0]
    assert target[3, 3, 3] == -1
    assert target[0, 0, 0] == 1
    wanted = torch.tensor([0.5773503, 0, -2 / 3, -1, -2 / 3, 0, 0.5773503])
    torch.testing.assert_close(target[3, 3], wanted)


def test_each_organ_has_its_own_map() -> None:
    label = torch.zeros(6, 6, 6, dtype=torch.long)
    label[:2], label[4:] = 1, 3
    target, taught = of(label, 4)
    torch.testing.assert_close(target[0, 0], target[0, 2].flip(0))
    assert taught[0, 0].all()
    assert taught[0, 2].all()
    assert not taught[0, 1].any()  # absent
    assert not target[0, 1].any()


def test_an_organ_that_fills_the_patch_has_no_border_to_learn() -> None:
    target, taught = of(torch.ones(4, 4, 4, dtype=torch.long))
    assert target.isfinite().all()
    assert not taught.any()


def test_an_organ_that_is_not_annotated_is_not_taught() -> None:
    label = cube_in_seven().where(torch.arange(7) < 3, 2 * cube_in_seven())
    annotated = torch.tensor([[True, False, True]])
    _, taught = signed_distances(label[None], annotated)
    assert not taught[0, 0].any()
    assert taught[0, 1].all()
    assert shown(label[None], annotated).tolist() == [[True, False, True]]


def test_where_the_border_may_run_through_the_unknown_nothing_is_taught() -> None:
    label = torch.zeros(1, 1, 20, dtype=torch.long)
    label[..., 4:8] = 1
    label[..., 10:14] = UNKNOWN
    (whole,), (taught,) = of(label.where(label != UNKNOWN, 0)).target[0], of(label).taught[0]
    (target,) = of(label).target[0]
    # 8 is next to the organ; 9 is next to the unknown; on the far side the organ may begin at 13
    assert taught.flatten().tolist() == [True] * 9 + [False] * 11
    assert (target.sign() == whole.sign())[taught].all()
    assert target[taught].abs().max() == 1


def test_nothing_known_nothing_taught() -> None:
    target, taught = of(torch.full((4, 4, 4), UNKNOWN))
    assert not taught.any()
    assert not target.any()


def test_both_ways_to_measure_are_exact() -> None:
    generator = torch.Generator().manual_seed(0)
    dense = torch.rand(1, 9, 12, 7, generator=generator) < 0.3
    sparse = torch.rand(1, 9, 12, 7, generator=generator) < 0.01
    empty, full = torch.zeros(1, 9, 12, 7).bool(), torch.ones(1, 9, 12, 7).bool()
    for mask in (dense, sparse, full):
        wanted = torch.from_numpy(distance_transform_edt(~mask[0].numpy())).float()[None]
        torch.testing.assert_close(distances_to(mask), wanted, rtol=0, atol=0)
        torch.testing.assert_close(_by_shifts(mask), wanted, rtol=1e-6, atol=0)
    masks = torch.cat([dense, empty, sparse])
    torch.testing.assert_close(_by_shifts(masks), distances_to(masks), rtol=1e-6, atol=0)
    assert distances_to(masks)[1].isinf().all()


def test_loss_counts_only_what_is_taught() -> None:
    truth = SignedDistances(
        torch.zeros(1, 2, 1, 1, 2), torch.tensor([[True, False], [False, True]]).view(1, 2, 1, 1, 2)
    )
    distance = torch.tensor([0.5, 9.0, 9.0, -0.1]).view(1, 2, 1, 1, 2).requires_grad_()
    loss = distance_loss(distance, truth)
    assert loss.item() == pytest.approx((0.25 + 0.01) / 2)
    loss.backward()
    assert (distance.grad != 0).flatten().tolist() == [True, False, False, True]


def test_loss_is_nought_where_nothing_is_taught() -> None:
    nothing = SignedDistances(torch.zeros(1, 1, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2).bool())
    distance = torch.rand(1, 1, 2, 2, 2, requires_grad=True)
    loss = distance_loss(distance, nothing)
    loss.backward()
    assert loss.item() == 0
    assert not distance.grad.any()


def test_negative_is_inside() -> None:
    probability = inside_probability(torch.tensor([-0.01, 0.0, 0.01], dtype=torch.float16))
    assert probability.dtype == torch.float32
    assert probability[0].item() == pytest.approx(0.9999997, abs=1e-7)
    assert probability[1].item() == 0.5
    assert probability[2].item() == pytest.approx(3.06e-7, abs=5e-9)
