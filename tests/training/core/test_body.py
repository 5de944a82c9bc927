"""The patient's body is found in a real kind of CT: what lies on the table is outside, air within is not."""

from __future__ import annotations

import numpy as np

from guidednet_training.core.body import find_outside
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.volume import Volume

SHAPE = (10, 40, 40)
GRID = Geometry(SHAPE, np.diag([4.0, 4.0, 4.0, 1.0])[:, [2, 1, 0, 3]])


def ct() -> Volume:
    """A body of 20 x 20 voxels with air in its middle, and a thin table below it."""
    array = np.full(SHAPE, -1000, np.int16)
    array[:, 5:25, 10:30] = 40
    array[:, 12:16, 18:22] = -900
    array[:, 32, 5:35] = 200
    return Volume(array, GRID, "ct_hu")


def test_body_lung_and_skin_are_inside_table_and_air_are_not():
    outside = find_outside(ct())
    places = {
        "body": (5, 8, 12),
        "gas": (5, 14, 20),
        "skin": (5, 4, 20),
        "table": (5, 32, 20),
        "air": (5, 0, 0),
    }
    index = np.ravel_multi_index(np.array(list(places.values())).T, SHAPE)
    found = dict(zip(places, outside.at(index).tolist(), strict=True))
    assert found == {"body": False, "gas": False, "skin": False, "table": True, "air": True}


def test_an_image_without_a_body_has_no_outside():
    empty = Volume(np.full(SHAPE, -1000, np.int16), GRID, "ct_hu")
    assert not find_outside(empty).cells.any()
