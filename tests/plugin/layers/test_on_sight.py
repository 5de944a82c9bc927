"""Arrays computed where they are looked at: air is clear, differences follow every stroke."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Labels

from napari_guidednet.layers.on_sight import ANOTHER, ONLY_HERE, ONLY_THERE, difference, without_air

MAP = np.full((2, 2, 2), 40, np.uint8)


def test_only_unlabelled_air_and_certain_background_are_clear():
    labels, image = np.zeros((2, 2, 2), np.uint8), np.full((2, 2, 2), 50, np.int16)
    confidence = np.full((2, 2, 2), 100, np.uint8)
    image[0, 0] = -900
    labels[0, 0, 1] = 3  # an organ in air is an error worth seeing
    confidence[1, 1, 1] = 250
    shown = without_air(MAP, labels, image, confidence, clear=255)
    clear = np.zeros((2, 2, 2), bool)
    clear[0, 0, 0] = clear[1, 1, 1] = True
    assert np.array_equal(shown[:] == 255, clear)
    assert np.array_equal(shown[0], shown[:][0])
    assert np.array_equal(np.asarray(shown), MAP)  # what is saved is what was stored
    assert np.array_equal(without_air(MAP, labels, image, None, 0)[1], MAP[1])


def test_a_difference_says_which_side_has_the_organ_and_follows_strokes():
    here, there = np.zeros((2, 1, 4), np.uint8), np.zeros((2, 1, 4), np.uint8)
    here[0, 0, :3] = 5, 5, 5
    there[0, 0, 1:] = 5, 6, 6
    found = difference(here, there)
    assert found[0].tolist() == [[ONLY_HERE, 0, ANOTHER, ONLY_THERE]]
    here[0, 0, 3] = 6
    assert found[0, 0, 3] == 0


def test_napari_shows_them():
    shown = without_air(MAP, np.zeros_like(MAP), np.full((2, 2, 2), -500), None, 255)
    image = Image(shown, contrast_limits=(0, 255))
    assert (np.asarray(image._slice.image.view) == 255).all()
    labels = Labels(difference(MAP, np.zeros_like(MAP)))
    assert (np.asarray(labels._slice.image.raw) == ONLY_HERE).all()
