"""Other labels beside those of the case: in turn, or their difference; nobody paints on them."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_guidednet.backend import AMOS_15
from napari_guidednet.layers.case_layers import CaseLayers
from napari_guidednet.layers.on_sight import ONLY_HERE, ONLY_THERE
from napari_guidednet.layers.planes import Planes
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import OpenCase, Session

LIVER = AMOS_15.value("liver")
PLACE = (10, 14, 14)


@pytest.fixture
def layers(open_case: OpenCase, correction: Correction) -> CaseLayers:
    layers = CaseLayers(ViewerModel())
    layers.show(open_case, correction)
    return layers


@pytest.fixture
def there(layers: CaseLayers) -> np.ndarray:
    labels = np.zeros_like(layers.correction.labels)
    labels[PLACE] = LIVER
    layers.compare.take("model-1", labels)
    return labels


def _names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers if layer.visible]


def test_nothing_of_them_is_seen_until_asked_for(layers: CaseLayers, there):
    assert _names(layers.viewer) == ["CT unlabelled", "Organs unlabelled"]
    assert layers.viewer.layers.selection.active is layers.labels


def test_a_blink_shows_the_others_and_puts_the_brush_down(layers: CaseLayers, there):
    layers.paint(True)
    layers.compare.show("other")
    assert _names(layers.viewer) == ["CT unlabelled", "Labels of model-1"]
    assert layers.labels.mode == "pan_zoom"
    layers.compare.show("now")
    assert _names(layers.viewer) == ["CT unlabelled", "Organs unlabelled"]
    assert layers.labels.mode == "paint"


def test_the_difference_follows_the_strokes(layers: CaseLayers, there):
    layers.compare.show("difference")
    layers.go_to(PLACE)
    shown = layers.display.shown_index(PLACE)
    seen = layers.compare.difference
    assert seen._slice.image.raw[shown[1:]] == ONLY_THERE
    layers.labels.data_setitem(tuple(np.array([i]) for i in shown), LIVER)
    layers.compare.refresh()
    assert seen._slice.image.raw[shown[1:]] == 0
    other = (shown[0], shown[1] + 2, shown[2])
    layers.labels.data_setitem(tuple(np.array([i]) for i in other), LIVER)
    layers.compare.refresh()
    assert seen._slice.image.raw[other[1:]] == ONLY_HERE


def test_the_cursor_says_what_the_others_say(layers: CaseLayers, there):
    world = layers.image.data_to_world(layers.display.shown_index(PLACE))
    assert "model-1" not in layers.status_text(world)
    layers.compare.show("difference")
    assert layers.status_text(world).endswith(" · model-1: Liver")


def test_the_others_look_like_the_labels_and_cannot_be_painted(layers: CaseLayers, there):
    layers.outline(True)
    layers.show_only(["liver"])
    other = layers.compare.other
    assert other.contour == layers.labels.contour
    assert other.get_color(1)[3] == 0
    assert not other.editable
    with pytest.raises(ValueError, match="read-only"):
        other.paint(layers.display.shown_index(PLACE), 0)
    assert there[PLACE] == LIVER


def test_they_are_seen_in_the_planes_too(layers: CaseLayers, there):
    planes = Planes(layers)
    layers.compare.show("other")
    assert _names(planes.models[0]) == ["CT unlabelled", "Labels of model-1"]
    assert planes.planes[0].labels.name == "Organs unlabelled"
    layers.compare.show("difference")
    assert _names(planes.models[1])[-1] == "Difference to model-1"
    layers.compare.clear()
    assert _names(planes.models[1]) == ["CT unlabelled", "Organs unlabelled"]
    planes.close()


def test_another_case_takes_them_away(layers: CaseLayers, there, session: Session):
    layers.compare.show("other")
    case = session.load_case("labelled")
    layers.show(case, Correction(case))
    assert [layer.name for layer in layers.viewer.layers] == ["CT labelled", "Organs labelled"]
    assert layers.labels.visible
    assert layers.compare.showing == "now"
    layers.compare.show("other")  # nothing to show: nothing happens
    assert layers.labels.visible
