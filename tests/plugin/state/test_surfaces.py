"""Surfaces of organs: where the organs are, closed, and as large as they are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.state.surfaces import organ_surface, organ_surfaces

SPACING_MM = (2.0, 1.0, 1.0)


def _ball(shape, centre, radius_mm) -> np.ndarray:
    grid = np.indices(shape).transpose(1, 2, 3, 0)
    distance_mm = np.linalg.norm((grid - centre) * SPACING_MM, axis=-1)
    return (distance_mm <= radius_mm).astype(np.uint8)


def _volume_ml(surface) -> float:
    """What a closed surface holds, by the divergence theorem."""
    a, b, c = (surface.vertices[surface.faces[:, i]].astype(float) * SPACING_MM for i in range(3))
    return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum())) / 6000.0


def test_a_ball_has_its_place_and_size():
    labels = _ball((40, 64, 64), (21, 30, 33), 15.0) * 7
    (surface,) = organ_surfaces(labels, {7, 8}, SPACING_MM)
    assert surface.value == 7
    assert surface.vertices.mean(axis=0) == pytest.approx((21, 30, 33), abs=0.5)
    assert _volume_ml(surface) == pytest.approx(4 / 3 * np.pi * 15**3 / 1000, rel=0.1)


def test_an_organ_at_the_edge_of_the_scan_is_closed():
    labels = _ball((20, 32, 32), (0, 0, 0), 14.0)
    (surface,) = organ_surfaces(labels, {1}, SPACING_MM)
    edges = np.sort(surface.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _edges, shared = np.unique(edges, axis=0, return_counts=True)
    assert (shared == 2).all()  # no hole


def test_a_thin_organ_is_not_lost_and_an_absent_one_has_no_surface():
    labels = np.zeros((20, 32, 32), np.uint8)
    labels[10, 5:25, 7] = 2
    assert [surface.value for surface in organ_surfaces(labels, {1, 2}, SPACING_MM)] == [2]
    assert organ_surface(labels, 1, SPACING_MM) is None


def test_only_the_organs_asked_for_are_made():
    labels = np.zeros((20, 32, 32), np.uint8)
    labels[2:8, 2:8, 2:8], labels[10:16, 10:16, 10:16] = 1, 2
    assert [surface.value for surface in organ_surfaces(labels, {2}, SPACING_MM)] == [2]
