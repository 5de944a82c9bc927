"""Coronal and sagittal views without a window: one array, one gate, one brush, one point."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_guidednet.backend import AMOS_15, Annotation, Geometry, OrganState, Volume
from napari_guidednet.layers.case_layers import CaseLayers
from napari_guidednet.layers.display import window_limits
from napari_guidednet.layers.planes import Planes
from napari_guidednet.layers.windowing import dragged
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import OpenCase, Session

LIVER, SPLEEN = AMOS_15.value("liver"), AMOS_15.value("spleen")


@pytest.fixture
def layers(open_case: OpenCase, correction: Correction) -> CaseLayers:
    layers = CaseLayers(ViewerModel())
    layers.show(open_case, correction)
    return layers


@pytest.fixture
def planes(layers: CaseLayers) -> Planes:
    return Planes(layers)


def test_the_planes_look_along_other_axes_of_the_same_voxels(planes: Planes, layers: CaseLayers):
    coronal, sagittal = planes.models
    assert (coronal.dims.order, sagittal.dims.order) == ((1, 0, 2), (2, 0, 1))
    assert [layer.name for layer in coronal.layers] == [layer.name for layer in layers.viewer.layers]
    for layer in planes.labels:
        assert np.shares_memory(layer.data, layers.correction.labels)


def test_a_stroke_in_any_plane_passes_the_gate(planes: Planes, layers: CaseLayers, correction: Correction):
    coronal = planes.planes[0].labels
    assert coronal is not None
    layers.select_organ("spleen")
    coronal.paint((5, 10, 10), coronal.selected_label)
    shown = layers.labels.data
    assert shown[5, 10, 10] == SPLEEN
    assert correction.states["spleen"] == "corrected"
    before = shown.copy()
    correction.lock(["spleen"])
    coronal.paint((5, 10, 10), 0)
    assert np.array_equal(shown, before)
    assert correction.refused_voxels > 0


def test_a_stroke_is_drawn_in_the_other_views(planes: Planes, layers: CaseLayers):
    coronal, sagittal = (plane.labels for plane in planes.planes)
    layers.go_to((10, 14, 14))
    z, y, x = layers.viewer.dims.current_step
    coronal.paint((z, y, x), LIVER)
    assert np.asarray(coronal._slice.image.raw)[z, x] == LIVER
    planes.refresh()
    assert np.asarray(sagittal._slice.image.raw)[z, y] == LIVER
    assert np.asarray(layers.labels._slice.image.raw)[y, x] == LIVER


def test_all_views_show_one_point(planes: Planes, layers: CaseLayers):
    layers.go_to((3, 4, 5), extent_zyx=(2, 2, 2))
    coronal, sagittal = planes.models
    z, y, x = layers.viewer.dims.point
    assert (coronal.dims.point[1], sagittal.dims.point[2]) == (y, x)
    sagittal.dims.set_current_step(2, 20)
    coronal.dims.set_current_step(1, 7)
    assert tuple(layers.viewer.dims.current_step)[1:] == (7, 20)
    assert layers.viewer.dims.point[0] == z
    layers.viewer.dims.set_point(range(3), (z, y, x))
    assert (coronal.dims.point[1], sagittal.dims.point[2]) == (y, x)
    zoom = coronal.scene.camera.zoom
    layers.go_to((3, 4, 5), extent_zyx=(10, 10, 10))
    assert coronal.scene.camera.zoom < zoom


def test_a_view_whose_slice_stays_is_not_cut_anew(planes: Planes, layers: CaseLayers):
    layers.go_to((3, 4, 5))
    cut = []
    for name, layer in zip(("axial", "coronal", "sagittal"), planes.labels, strict=True):
        layer.events.set_data.connect(lambda event, name=name: cut.append(name))
    layers.viewer.dims.set_current_step(0, 9)
    assert set(cut) == {"axial"}


def test_with_shift_all_views_follow_the_cursor(planes: Planes, layers: CaseLayers):
    coronal = planes.models[0]
    target = layers.labels.data_to_world((2, 3, 4))
    for held in ((), ("Shift", "Control"), ("Shift",)):
        event = SimpleNamespace(modifiers=held, is_dragging=False, position=target)
        assert tuple(layers.viewer.dims.current_step) != (2, 3, 4)
        coronal.mouse_move_callbacks[-1](coronal, event)
    assert tuple(layers.viewer.dims.current_step) == (2, 3, 4)


def test_looks_and_brush_are_the_same_everywhere(planes: Planes, layers: CaseLayers):
    coronal = planes.planes[0].labels
    layers.set_limits(window_limits("Lung"))
    layers.outline(True)
    layers.show_only(["liver"])
    assert [tuple(model.layers[0].contrast_limits) for model in planes.models] == [(-1350, 150)] * 2
    assert coronal.contour == layers.labels.contour > 0
    assert coronal.get_color(SPLEEN)[3] == 0
    coronal.mode = "paint"
    coronal.brush_size = 3
    coronal.selected_label = LIVER
    for layer in planes.labels:
        assert (layer.mode, layer.brush_size, layer.selected_label) == ("paint", 3, LIVER)


def test_a_map_appears_in_the_planes_and_leaves_them(
    planes: Planes, layers: CaseLayers, session: Session, store_prediction
):
    store_prediction(session.opened)
    layers.show_prediction(session.load_prediction("unlabelled"))
    layers.show_map("confidence")
    assert [layer.name for layer in planes.models[0].layers][-1] == "Model's confidence"
    twin = planes.models[0].layers[-1]
    layers.set_map_opacity(0.3)
    assert twin.opacity == 0.3
    layers.show_map(None)
    assert len(planes.models[0].layers) == 2
    assert planes.models[0].layers.selection.active is planes.planes[0].labels


def test_what_the_cursor_says_in_a_plane_is_said_below(planes: Planes, layers: CaseLayers):
    planes.models[1].status = "62 HU"
    assert layers.viewer.status == "62 HU"


def test_the_next_case_takes_the_place_of_the_last(planes: Planes, layers: CaseLayers, session: Session):
    case = session.load_case("labelled")
    layers.show(case, Correction(case))
    assert [layer.name for layer in planes.models[0].layers] == ["CT labelled", "Organs labelled"]
    assert planes.models[0].dims.order == (1, 0, 2)
    layers.clear()
    assert not planes.models[0].layers


def test_closed_planes_let_go(planes: Planes, layers: CaseLayers):
    viewer, labels = layers.viewer, layers.labels
    planes.close()
    assert not planes.models[0].layers
    before = planes.models[0].dims.point
    layers.go_to((1, 1, 1))
    labels.mode = "paint"
    assert planes.models[0].dims.point == before
    assert all("_point_here" not in repr(callback) for callback in viewer.mouse_move_callbacks)


def test_ctrl_and_the_right_button_set_the_window_and_do_not_paint(planes: Planes, layers: CaseLayers):
    layers.paint(True)
    image = layers.image
    limits = tuple(image.contrast_limits)
    for viewer in (layers.viewer, planes.models[0]):
        event = SimpleNamespace(type="mouse_press", button=2, modifiers=("Control",), pos=np.array((10, 10)))
        drag = viewer.mouse_drag_callbacks[-1](viewer, event)
        next(drag)
        assert layers.labels.mode == "pan_zoom"
        event.type, event.pos = "mouse_move", np.array((310, 10))
        next(drag)
        event.type = "mouse_release"
        assert next(drag, None) is None
        assert tuple(image.contrast_limits) == (-360, 440)  # twice as wide about the same centre
        assert layers.labels.mode == "paint"
        layers.set_limits(limits)
    event = SimpleNamespace(type="mouse_press", button=2, modifiers=(), pos=np.array((10, 10)))
    assert next(layers.viewer.mouse_drag_callbacks[-1](layers.viewer, event), "nothing") == "nothing"


def test_a_drag_upwards_raises_the_centre():
    assert dragged((-160.0, 240.0), 0, -300) == (240.0, 640.0)
    low, high = dragged((0.0, 2.0), -3000, 0)
    assert high - low == 1.0  # never nothing


@pytest.fixture
def thin(tmp_path) -> CaseLayers:
    """A case whose slices are nearer to each other than its pixels: 0.5 mm and 1 mm."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 0.5, -1.0, -1.0, 1.0
    geometry = Geometry((80, 40, 40), affine)
    image = Volume(np.zeros((80, 40, 40), np.int16), geometry, "ct_hu")
    annotation = Annotation(scheme=AMOS_15.name, organs=dict.fromkeys(AMOS_15.names, OrganState.UNTOUCHED))
    case = OpenCase("thin", "train", image, np.zeros((80, 40, 40), np.uint8), annotation, AMOS_15)
    layers = CaseLayers(ViewerModel())
    layers.show(case, Correction(case))
    return layers


def _widths_mm(layer):
    """Paint one dab in the middle; give how far it reaches along z, y, x."""
    layer.data_setitem(tuple(np.nonzero(layer.data)), 0)
    layer.paint((40, 20, 20), layer.selected_label)
    found = np.argwhere(layer.data > 0)
    return tuple((found.max(axis=0) - found.min(axis=0) + 1) * np.abs(layer.scale))


def test_the_brush_has_its_radius_in_mm_in_every_view(thin: CaseLayers):
    planes = Planes(thin)
    axial, coronal, sagittal = planes.labels
    thin.brushes.settings.radius_mm = 5.0
    assert _widths_mm(axial) == pytest.approx((0.5, 11.0, 11.0), abs=1.1)
    assert _widths_mm(coronal) == pytest.approx((11.0, 1.0, 11.0), abs=1.1)
    assert _widths_mm(sagittal) == pytest.approx((11.0, 11.0, 1.0), abs=1.1)
    thin.brushes.settings.ball = True
    for layer in planes.labels:
        assert _widths_mm(layer) == pytest.approx((11.0, 11.0, 11.0), abs=1.1)
    thin.brushes.settings.ball = False
    coronal.brush_size = 16  # as napari's keys [ and ] do there: 8 mm across
    assert thin.brushes.settings.radius_mm == pytest.approx(4.0)
    assert _widths_mm(axial)[2] == pytest.approx(8.0, abs=1.1)
