"""Patches lie where they should and are padded with what they should."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from guidednet_training.data.patches import PatchCutter, crop, split_pair
from guidednet_training.data.store import PreparedCase

MakeCase = Callable[..., PreparedCase]


def test_crop_pads_outside() -> None:
    array = np.arange(27).reshape(3, 3, 3)
    cut = crop(array, (-1, 0, 2), (3, 2, 3), 255)
    assert cut.shape == (3, 2, 3)
    assert (cut[0] == 255).all()
    assert (cut[:, :, 1:] == 255).all()
    assert cut[1, 0, 0] == array[0, 0, 2]
    assert cut[2, 1, 0] == array[1, 1, 2]


def test_foreground_crops_hold_an_organ_and_random_ones_sometimes_do_not(make_case: MakeCase) -> None:
    cutter, rng = PatchCutter(make_case("a"), (4, 4, 4)), np.random.default_rng(0)
    centred = [cutter.cut(rng, 1.0)[1] for _ in range(40)]
    anywhere = [cutter.cut(rng, 0.0)[1] for _ in range(40)]
    assert all(label is not None and label.any() for label in centred)
    assert any(label is not None and not label.any() for label in anywhere)


def test_image_and_label_are_cut_at_the_same_place(make_case: MakeCase) -> None:
    case = make_case("a")
    marked = PreparedCase("m", case.label.astype(np.float16), case.label, case.annotated)
    image, label, _ = PatchCutter(marked, (8, 8, 8)).cut(np.random.default_rng(3), 0.5)
    assert np.array_equal(image, label)


def test_small_volumes_are_padded_with_air_and_unknown(make_case: MakeCase) -> None:
    case = make_case("a", (12, 24, 28))
    image, label, _ = PatchCutter(case, (16, 16, 16)).cut(np.random.default_rng(0), 0.0)
    assert image.shape == label.shape == (16, 16, 16)
    assert (image[[0, 1, -1]] == 0).all()
    assert (label[[0, 1, -1]] == 255).all()
    assert (label[3:-3] != 255).all()


def test_unlabelled_case_has_no_label_to_read(make_case: MakeCase) -> None:
    assert (
        PatchCutter(make_case("u", labelled=False), (8, 8, 8)).cut(np.random.default_rng(0), 1.0)[1] is None
    )


def numbered(shape: tuple[int, int, int]) -> PreparedCase:
    """A case whose voxels are numbered, so that each tells its place."""
    image = np.arange(np.prod(shape), dtype=np.float16).reshape(shape)
    assert image.max() < 2048  # float16 counts exactly that far
    return PreparedCase("n", image, None, np.array([True]))


@pytest.mark.parametrize("overlap", [0.5, 0.9, 1.0])
def test_both_patches_of_a_pair_lie_in_the_volume_and_share_enough(overlap: float) -> None:
    case, size = numbered((8, 12, 16)), (4, 8, 10)
    cutter, rng, shifts = PatchCutter(case, size), np.random.default_rng(0), set()
    for _ in range(60):
        box, shift = cutter.cut_pair(rng, overlap)
        first, second = (part.numpy() for part in split_pair(torch.from_numpy(box), shift))
        start = np.unravel_index(int(first.min()), case.image.shape)
        for patch, corner in ((first, start), (second, np.add(start, shift))):
            place = tuple(slice(int(c), int(c) + n) for c, n in zip(corner, size, strict=True))
            assert np.array_equal(patch, case.image[place])
        shared = np.intersect1d(first, second)
        assert len(shared) == np.prod([n - abs(move) for n, move in zip(size, shift, strict=True)])
        assert all(n - abs(move) >= overlap * n - 1e-9 for n, move in zip(size, shift, strict=True))
        shifts.add(shift)
    assert (len(shifts) == 1) is (overlap == 1.0)
    if overlap == 0.5:
        assert {shift[0] for shift in shifts} == {-2, -1, 0, 1, 2}


def test_pairs_of_small_volumes_differ_only_where_there_is_room() -> None:
    cutter, rng = PatchCutter(numbered((4, 12, 12)), (8, 8, 8)), np.random.default_rng(0)
    for _ in range(10):
        box, shift = cutter.cut_pair(rng, 0.5)
        assert shift[0] == 0
        first, second = split_pair(torch.from_numpy(box), shift)
        assert first.shape == second.shape == (8, 8, 8)
        assert (first[[0, 1, -1]] == 0).all()
