"""Organs in 3-D, without a window: where they are in the other views, in their colours, followed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import AMOS_15
from napari_guidednet.layers.display import Display
from napari_guidednet.layers.organs_3d import Organs3D
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import OpenCase, Session
from napari_guidednet.state.surfaces import organ_surfaces

LIVER, SPLEEN = AMOS_15.value("liver"), AMOS_15.value("spleen")


@pytest.fixture
def labelled(session: Session) -> OpenCase:
    return session.load_case("labelled")


def _surfaces(case: OpenCase, values: set[int]):
    return tuple(organ_surfaces(case.labels, values, case.image.geometry.spacing_mm))


def test_organs_stand_where_the_slices_show_them(labelled: OpenCase):
    organs, display = Organs3D(), Display(labelled.image.geometry)
    organs.show(_surfaces(labelled, {LIVER, SPLEEN}), display, AMOS_15)
    assert [layer.name for layer in organs.model.layers] == ["Spleen", "Liver"]
    for layer, value in zip(organs.model.layers, (SPLEEN, LIVER), strict=True):
        voxels = np.argwhere(display.view(labelled.labels) == value)
        middle = voxels.mean(axis=0) * display.scale_mm + display.origin_mm
        corners = (layer.data[0].max(axis=0) + layer.data[0].min(axis=0)) / 2
        assert np.abs(corners - middle).max() < 40  # mm, of organs 100 mm large on a grid of 12 mm
    liver_x = organs.model.layers["Liver"].data[0][:, 2].mean()
    assert liver_x < organs.model.layers["Spleen"].data[0][:, 2].mean()  # seen from the front
    direction = organs.model.scene.camera.view_direction
    assert direction == pytest.approx((0, 1, 0), abs=1e-6)


def test_they_are_replaced_hidden_and_taken_away(labelled: OpenCase):
    organs, display = Organs3D(), Display(labelled.image.geometry)
    organs.show(_surfaces(labelled, {LIVER, SPLEEN}), display, AMOS_15)
    before = len(organs.model.layers["Liver"].data[0])
    correction = Correction(labelled)
    correction.reopen(["liver"])
    top = (slice(0, 14), slice(None), slice(None))
    assert correction.write(top, np.zeros((14, 28, 28), np.uint8), "erase").written
    organs.show(_surfaces(labelled, {LIVER}), display, AMOS_15)
    assert len(organs.model.layers) == 2
    assert len(organs.model.layers["Liver"].data[0]) < before
    organs.show_only({SPLEEN})
    assert [layer.visible for layer in organs.model.layers] == [True, False]
    organs.remove({LIVER})
    assert organs.values == {SPLEEN}
