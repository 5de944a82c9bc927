"""The strong view changes intensities and leaves voxels where they are."""

import pytest
import torch

from guidednet_training.functional import strong_view as module
from guidednet_training.functional.strong_view import strong_view


def test_no_strength_no_change() -> None:
    image = torch.rand(2, 1, 8, 8, 8)
    assert torch.equal(strong_view(image, 0.0), image)


def test_patches_draw_their_own_changes_from_the_seed() -> None:
    image = torch.rand(1, 1, 8, 8, 8).expand(3, 1, 8, 8, 8)
    torch.manual_seed(1)
    first = strong_view(image)
    torch.manual_seed(1)
    assert torch.equal(first, strong_view(image))
    assert not torch.equal(first[0], first[1])
    assert first.shape == image.shape


def test_an_edge_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOISE", 0.0)
    monkeypatch.setattr(module, "CUT", (0.01, 0.01))
    image = torch.zeros(1, 1, 8, 16, 16)
    image[..., 8:] = 1.0
    for seed in range(8):
        torch.manual_seed(seed)
        rise = strong_view(image)[0, 0].diff(dim=2).mean((0, 1))
        assert int(rise.argmax()) == 7


def test_blur_keeps_the_sum_of_a_point() -> None:
    point = torch.zeros(11, 11, 11)
    point[5, 5, 5] = 1.0
    blurred = module._blurred(point, 0.8)
    assert float(blurred.sum()) == pytest.approx(1.0, abs=1e-5)
    assert int(blurred.argmax()) == int(point.argmax())
    torch.testing.assert_close(blurred, blurred.permute(2, 0, 1))


def test_the_box_is_of_the_mean() -> None:
    torch.manual_seed(0)
    patch = torch.rand(16, 16, 16)
    changed = module._cut_out(patch, 1.0)
    differs = changed != patch
    assert 4**3 <= int(differs.sum()) <= 8**3
    torch.testing.assert_close(changed[differs], patch.mean().expand(int(differs.sum())))


def test_a_constant_patch_stays_finite() -> None:
    for seed in range(6):
        torch.manual_seed(seed)
        assert torch.isfinite(strong_view(torch.zeros(1, 1, 8, 8, 8))).all()


def test_mixed_precision_does_not_round_the_image():
    image = torch.rand(6, 1, 16, 16, 16)
    views = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            views.append(strong_view(image))
    assert views[1].equal(views[0])
