"""Patches lie where they should and are padded with what they should."""

from collections.abc import Callable

import numpy as np

from guidednet_training.data.patches import PatchCutter, crop
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
    image, label = PatchCutter(marked, (8, 8, 8)).cut(np.random.default_rng(3), 0.5)
    assert np.array_equal(image, label)


def test_small_volumes_are_padded_with_air_and_unknown(make_case: MakeCase) -> None:
    case = make_case("a", (12, 24, 28))
    image, label = PatchCutter(case, (16, 16, 16)).cut(np.random.default_rng(0), 0.0)
    assert image.shape == label.shape == (16, 16, 16)
    assert (image[[0, 1, -1]] == 0).all()
    assert (label[[0, 1, -1]] == 255).all()
    assert (label[3:-3] != 255).all()


def test_unlabelled_case_has_no_label_to_read(make_case: MakeCase) -> None:
    assert (
        PatchCutter(make_case("u", labelled=False), (8, 8, 8)).cut(np.random.default_rng(0), 1.0)[1] is None
    )
