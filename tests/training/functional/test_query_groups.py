"""Groups of queries by hand-made numbers."""

import math

import pytest
import torch

from guidednet_training.functional.query_groups import QueryGroups, group_sizes, groups_of_classes

HISTOGRAM = [900, 10, 50, 40, 5]


@pytest.mark.parametrize(
    ("grouping", "sizes", "classes"),
    [
        ("organs", (16, 112), [0, 1, 1, 1, 1]),
        ("sizes", (16, 48, 64), [0, 2, 1, 1, 2]),
        ("tumour", (16, 4, 108), [0, 1, 2, 2, 2]),
    ],
)
def test_sizes_and_classes(grouping, sizes, classes) -> None:
    assert group_sizes(grouping, 128) == sizes
    assert groups_of_classes(grouping, HISTOGRAM) == classes
    assert sum(group_sizes(grouping, 8)) == 8
    assert min(group_sizes(grouping, 8)) >= 1


def assignment(*shares: float) -> torch.Tensor:
    """Two voxels side by side with the same shares of four queries."""
    return torch.tensor(shares)[None, :, None, None, None].expand(1, 4, 1, 1, 2)


def test_loss_is_the_mean_over_known_voxels() -> None:
    groups = QueryGroups((1, 3), (0, 1, 1))
    everything = torch.ones(1, 3, dtype=torch.bool)
    share = assignment(0.4, 0.1, 0.2, 0.3)
    torch.testing.assert_close(groups.shares(share)[0, :, 0, 0, 0], torch.tensor([0.4, 0.6]))
    loss = groups(share, torch.tensor([[[[0, 2]]]]), everything)
    assert float(loss) == pytest.approx(-(math.log(0.4) + math.log(0.6)) / 2, rel=1e-4)
    loss = groups(share, torch.tensor([[[[255, 2]]]]), everything)
    assert float(loss) == pytest.approx(-math.log(0.6), rel=1e-4)
    assert float(groups(share, torch.full((1, 1, 1, 2), 255), everything)) == 0


def test_background_may_be_of_a_group_that_is_not_annotated() -> None:
    groups = QueryGroups((1, 1, 2), (0, 1, 2, 2))
    annotated = torch.tensor([[True, True, True, False]])  # class 3 of group 2 is not
    share = assignment(0.4, 0.1, 0.2, 0.3)
    background, first, second = (
        float(groups(share, torch.full((1, 1, 1, 2), k), annotated)) for k in (0, 1, 2)
    )
    assert background == pytest.approx(-math.log(0.4 + 0.5), rel=1e-4)
    assert first == pytest.approx(-math.log(0.1), rel=1e-4)
    assert second == pytest.approx(-math.log(0.5), rel=1e-4)


def test_a_group_without_share_still_learns() -> None:
    logits = torch.tensor([200.0, 0.0, 0.0, 0.0]).requires_grad_()
    share = logits.softmax(0)[None, :, None, None, None].expand(1, 4, 1, 1, 2)
    share.retain_grad()
    loss = QueryGroups((1, 3), (0, 1))(share, torch.ones(1, 1, 1, 2, dtype=torch.int64), torch.ones(1, 2) > 0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-math.log(1e-6), rel=1e-3)
    assert share.grad[0, 1].abs().min() > 0


def test_coarse_shares_are_compared_on_the_labels_grid() -> None:
    share = torch.rand(1, 4, 2, 2, 2).softmax(1)
    label = torch.randint(0, 2, (1, 8, 8, 8))
    assert torch.isfinite(QueryGroups((1, 3), (0, 1))(share, label, torch.ones(1, 2) > 0))
