"""The random walker: exact on a line, stopped by edges, led by HU."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.state.walker import leaning, walk

CUBE = (1.0, 1.0, 1.0)


def seeds(shape, inside, outside):
    prior, fixed = np.full(shape, 0.5, np.float32), np.zeros(shape, bool)
    for index, value in ((inside, 1.0), (outside, 0.0)):
        prior[index], fixed[index] = value, True
    return prior, fixed


def test_between_two_seeds_in_even_tissue_it_falls_evenly():
    prior, fixed = seeds((1, 1, 11), (0, 0, 0), (0, 0, 10))
    x = walk(np.zeros((1, 1, 11), np.float32), prior, np.zeros_like(prior), fixed, CUBE)
    np.testing.assert_allclose(x[0, 0], np.linspace(1, 0, 11), atol=0.01)


def test_it_stops_at_an_edge():
    image = np.zeros((3, 12, 12), np.float32)
    image[:, :, 8:] = 100
    prior, fixed = seeds(image.shape, (1, 6, 1), (1, 6, 10))
    x = walk(image, prior, np.zeros_like(prior), fixed, CUBE)
    assert (x[:, :, :8] > 0.5).all()
    assert (x[:, :, 8:] < 0.5).all()


def test_trust_pulls_to_the_prior_and_fixed_voxels_never_move():
    prior = np.full((4, 8, 8), 0.9, np.float32)
    fixed = np.zeros(prior.shape, bool)
    prior[0, 0, 0], fixed[0, 0, 0] = 0.0, True
    x = walk(np.zeros_like(prior), prior, np.full_like(prior, 5.0), fixed, CUBE)
    assert x[0, 0, 0] == 0.0
    assert x[3, 7, 7] == pytest.approx(0.9, abs=0.01)


def test_hu_lean_to_the_side_where_they_are_commoner():
    rng = np.random.default_rng(0)
    inside, outside = (rng.normal(mean, 10, 4000).astype(np.float32) for mean in (120, 40))
    lean = leaning(np.array([120, 40, 600], np.float32), [inside], [outside])
    assert lean[0] > 0.9
    assert lean[1] < 0.1
    assert lean[2] == pytest.approx(0.5)
