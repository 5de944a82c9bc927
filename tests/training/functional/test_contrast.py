"""The contrast by hand-made numbers, and the voxels it is made of."""

import math

import pytest
import torch

from guidednet_training.functional.contrast import draw_voxels, info_nce, vectors_at


@pytest.mark.parametrize(("temperature", "loss"), [(0.1, 1.36247e-4), (0.5, 0.340753)])
def test_orthogonal_rows(temperature: float, loss: float) -> None:
    value = info_nce(3 * torch.eye(4), torch.eye(4), temperature)
    assert float(value) == pytest.approx(loss, rel=1e-4)
    exact = math.log1p(3 * math.exp(-1 / temperature))
    assert float(value) == pytest.approx(exact, rel=1e-3)  # float32 beside 1


def test_rows_that_are_all_equal() -> None:
    assert float(info_nce(torch.ones(4, 5), torch.ones(4, 5), 0.1)) == pytest.approx(math.log(4), rel=1e-6)


def test_rows_whose_negatives_are_all_masked_teach_nothing() -> None:
    torch.manual_seed(0)
    first = torch.randn(5, 3, requires_grad=True)
    loss = info_nce(first, torch.randn(5, 3), 0.1, torch.zeros(5, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not first.grad.any()


def test_groups_mask_only_their_own_negatives() -> None:
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    loss = info_nce(first, first, 1.0, torch.tensor([0, 0, 1]))
    alone = math.log1p(math.exp(-1))  # its positive and the one row of the other group
    pair = math.log1p(2 * math.exp(-1))
    assert float(loss) == pytest.approx((2 * alone + pair) / 3, rel=1e-5)


def test_both_directions_count_alike() -> None:
    torch.manual_seed(0)
    first, second, group = torch.randn(6, 4), torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    torch.testing.assert_close(info_nce(first, second, 0.2, group), info_nce(second, first, 0.2, group))


def test_both_views_learn() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    info_nce(first, second, 0.1).backward()
    assert first.grad.any()
    assert second.grad.any()


def test_a_vector_of_zeros_is_finite() -> None:
    first = torch.zeros(3, 2, requires_grad=True)
    loss = info_nce(first, torch.eye(3, 2), 0.1)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(first.grad).all()


@pytest.mark.parametrize(
    ("organ", "wanted_organ"),
    [(100, 10), (4, 4), (0, 0), (510, 18)],
    ids=["many", "few", "none", "nearly all"],
)
def test_half_of_the_voxels_are_of_organs_where_possible(organ: int, wanted_organ: int) -> None:
    hard = torch.zeros(512, dtype=torch.int64)
    hard[:organ] = 2
    drawn = draw_voxels(hard.view(8, 8, 8), torch.ones(8, 8, 8, dtype=torch.bool), 20)
    assert len(drawn) == len(drawn.unique()) == 20
    assert int((drawn < organ).sum()) == wanted_organ


def test_only_known_voxels_are_drawn() -> None:
    known = torch.zeros(4, 4, 4, dtype=torch.bool)
    known[1, 2] = True
    hard = torch.zeros(4, 4, 4, dtype=torch.int64)
    hard[1, 2, 0] = 1
    assert sorted(draw_voxels(hard, known, 10).tolist()) == [24, 25, 26, 27]
    assert len(draw_voxels(hard, torch.zeros_like(known), 10)) == 0


def test_vectors_are_read_at_the_voxel_and_from_coarser_maps() -> None:
    size = torch.Size((4, 6, 8))
    position = torch.tensor([0, 3 * 48 + 5 * 8 + 7, 2 * 48 + 1 * 8 + 5])
    fine = torch.arange(2 * 4 * 6 * 8.0).view(2, 4, 6, 8)
    assert torch.equal(vectors_at(fine, position, size), fine.flatten(1)[:, position].T)
    coarse = torch.arange(2 * 3 * 4.0).view(1, 2, 3, 4)
    assert vectors_at(coarse, position, size)[:, 0].tolist() == [0, 23, 12 + 0 + 2]
