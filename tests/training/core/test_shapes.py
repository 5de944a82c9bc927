"""Distances of solids against exact ones."""

import numpy as np
import pytest

from guidednet_training.core.shapes import Cut, Ellipsoid, Grown, Joined, Moved, Tube, smooth_path

GRID = [a.astype(np.float32) for a in np.mgrid[-12:13, -12:13, -12:13]]


def distance(solid):
    return solid.distance(*GRID)


def test_sphere_is_exact():
    expected = np.sqrt(sum(a**2 for a in GRID)) - 6
    np.testing.assert_allclose(distance(Ellipsoid((0, 0, 0), (6, 6, 6))), expected, atol=1e-2)


def test_tube_is_exact_round_one_segment():
    z, y, x = GRID
    beyond = np.maximum(np.abs(z) - 5, 0)
    np.testing.assert_allclose(
        distance(Tube(((-5, 0, 0), (5, 0, 0)), (3, 3))), np.sqrt(beyond**2 + y**2 + x**2) - 3, atol=1e-4
    )


def test_turned_ellipsoid_points_where_it_should():
    upright = Ellipsoid((0, 0, 0), (9, 3, 3))
    lying = Ellipsoid((0, 0, 0), (9, 3, 3), tilt=(0, 0, 90))  # about x: z turns into y
    assert distance(upright)[20, 12, 12] < 0 < distance(upright)[12, 20, 12]
    assert distance(lying)[12, 20, 12] < 0 < distance(lying)[20, 12, 12]


def test_cut_join_grow_and_move():
    ball, other = Ellipsoid((0, 0, 0), (6, 6, 6)), Ellipsoid((0, 0, 6), (4, 4, 4))
    inside, beside = distance(ball) < 0, distance(other) < 0
    np.testing.assert_array_equal(distance(Cut(ball, other)) < 0, inside & ~(distance(other) <= 0))
    np.testing.assert_array_equal(distance(Joined((ball, other))) < 0, inside | beside)
    np.testing.assert_allclose(distance(Grown(ball, 2)), distance(ball) - 2)
    moved = Moved(ball, (0, 0, 0), (1, -2, 3), 0.5)
    np.testing.assert_allclose(distance(moved), distance(Ellipsoid((1, -2, 3), (3, 3, 3))), atol=1e-2)


@pytest.mark.parametrize(
    "solid",
    [
        Ellipsoid((1, 2, -1), (9, 4, 2), (30, 20, 50)),
        smooth_path(((-8, 0, 0), (0, 5, 2), (7, -3, 4)), (2, 3, 1)),
        Joined((Ellipsoid((0, 0, -4), (4, 3, 3)), Ellipsoid((0, 0, 4), (4, 3, 3))), blend=3),
        Moved(Ellipsoid((1, 2, -1), (5, 4, 2), (30, 20, 50)), (1, 2, -1), (2, 0, 1), 1.2),
    ],
)
def test_bounds_hold_the_solid(solid):
    low, high = solid.bounds()
    inside = np.stack(GRID)[:, distance(solid) < 0]
    assert inside.shape[1] > 20
    assert (inside.min(axis=1) >= low).all()
    assert (inside.max(axis=1) <= high).all()


def test_smooth_path_passes_through_its_points():
    points = ((-8.0, 0.0, 0.0), (0.0, 5.0, 2.0), (7.0, -3.0, 4.0))
    path = smooth_path(points, (2, 3, 1))
    for point, radius in zip(points, (2, 3, 1), strict=True):
        at = [np.float32([c]) for c in point]
        assert path.distance(*at)[0] == pytest.approx(-radius, abs=0.5)
