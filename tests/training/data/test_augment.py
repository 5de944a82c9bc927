"""Augmentation keeps image and label together, and left from right."""

import numpy as np
import torch

from guidednet_training.core.spec import PatchSpec
from guidednet_training.data.augment import augment


def ball(
    shape: tuple[int, int, int] = (24, 32, 32), centre: tuple[float, ...] = (10, 14, 22)
) -> torch.Tensor:
    grid = np.indices(shape)
    return torch.from_numpy(sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) < 30).to(torch.uint8)


def test_nothing_is_done_unless_asked() -> None:
    label = ball()
    image = label.float()
    spec = PatchSpec(flip=False)
    done, same, _ = augment(image, label, spec, np.random.default_rng(0))
    assert torch.equal(done, image)
    assert torch.equal(same, label)


def test_flips_of_z_and_y_never_of_x() -> None:
    label = ball()
    seen = set()
    for seed in range(30):
        image, moved, _ = augment(label.float(), label, PatchSpec(flip=True), np.random.default_rng(seed))
        assert torch.equal(image, moved.float())
        centre = tuple(float(c.float().mean()) for c in torch.nonzero(moved, as_tuple=True))
        seen.add((round(centre[0]), round(centre[1])))
        assert round(centre[2]) == 22
    assert seen == {(10, 14), (13, 14), (10, 17), (13, 17)}


def test_affine_moves_image_and_label_alike_and_marks_the_unknown() -> None:
    label = ball()
    unknown = False
    for seed in range(8):
        image, moved, _ = augment(
            label.float(), label, PatchSpec(flip=False, affine=True), np.random.default_rng(seed)
        )
        assert set(moved.unique().tolist()) <= {0, 1, 255}
        inside = (image > 0.5) & (moved != 255)
        wrong = (inside != (moved == 1)).sum() / (moved == 1).sum()
        assert wrong < 0.15
        unknown = unknown or bool((moved == 255).any())
    assert unknown


def test_affine_is_a_rotation_in_voxels_whatever_the_aspect() -> None:
    label = ball((16, 24, 48), (8, 12, 24))
    for seed in range(6):
        _, moved, _ = augment(
            label.float(), label, PatchSpec(flip=False, affine=True), np.random.default_rng(seed)
        )
        centre = [float(c.float().mean()) for c in torch.nonzero(moved == 1, as_tuple=True)]
        assert np.allclose(centre, (8, 12, 24), atol=0.8)  # about the centre, which stays
        y, x = (np.ptp(c.numpy()) for c in torch.nonzero(moved == 1, as_tuple=True)[1:])
        assert 0.6 < y / x < 1.6  # a ball stays a ball, whatever the patch's sides


def test_intensities_stay_in_range_and_follow_the_seed() -> None:
    image = torch.rand(8, 8, 8)
    spec = PatchSpec(flip=False, intensity=True)
    results = [augment(image, None, spec, np.random.default_rng(seed))[0] for seed in (1, 1, *range(2, 12))]
    assert torch.equal(results[0], results[1])
    assert all(r.min() >= 0 and r.max() <= 1 for r in results)
    assert any(not torch.equal(r, image) for r in results[2:])


def test_what_comes_out_is_a_plain_tensor() -> None:
    image = torch.rand(8, 8, 8)
    done, _, _ = augment(image, None, PatchSpec(flip=False, intensity=True), np.random.default_rng(0))
    assert type(done) is torch.Tensor  # a subclass would slow down every operation of the network
