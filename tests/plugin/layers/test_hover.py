"""What the cursor foretells is what a dab paints, to the voxel, in every view; hovering leaves no trace."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks

from napari_guidednet.backend import AMOS_15, Annotation, Geometry, OrganState, Volume
from napari_guidednet.layers import hover as hover_module
from napari_guidednet.layers.brushes import dab_voxels
from napari_guidednet.layers.case_layers import CaseLayers
from napari_guidednet.layers.colours import rgb
from napari_guidednet.layers.hover import Footprint, Hover
from napari_guidednet.layers.planes import Planes
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import OpenCase

LIVER, SPLEEN = (AMOS_15.value(name) for name in ("liver", "spleen"))
SHAPE = (9, 40, 40)


@pytest.fixture
def case():
    """Left half of the view 100 HU, right half -80, little noise; nothing labelled yet."""
    hu = np.full(SHAPE, -80, np.int16)
    hu += np.random.default_rng(1).integers(-5, 6, SHAPE).astype(np.int16)
    volume = Volume(hu, Geometry(SHAPE, np.diag([3.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]), "ct_hu")
    annotation = Annotation(scheme=AMOS_15.name, organs=dict.fromkeys(AMOS_15.names, OrganState.UNTOUCHED))
    return OpenCase("halves", "train", volume, np.zeros(SHAPE, np.uint8), annotation, AMOS_15)


@pytest.fixture
def layers(case):
    layers = CaseLayers(ViewerModel())
    layers.show(case, Correction(case, author="tester"))
    layers.image.data[..., :20] += 180  # of the view: whichever way the array is turned
    layers.select_organ("liver")
    layers.paint(True)
    layers.go_to((4, 20, 20))
    layers.brushes.settings.radius_mm = 8.0
    layers.brushes.settings.smart = True
    return layers


@pytest.fixture
def hover(layers):
    hover = Hover(layers.viewer, layers, lambda: layers.labels)
    yield hover
    hover.close()


def _event(viewer, layer, voxel, kind):
    event = SimpleNamespace(
        type=kind, position=layer.data_to_world(voxel), pos=(0, 0), button=1, modifiers=(), is_dragging=False,
        handled=False, view_direction=None, dims_displayed=list(viewer.dims.displayed), camera_zoom=1.0,
    )  # fmt: skip
    return event


def _move(viewer, layer, voxel):
    event = _event(viewer, layer, voxel, "mouse_move")
    for target in (viewer, layer):
        mouse_move_callbacks(target, event)


def _click(viewer, layer, voxel):
    for target in (viewer, layer):
        mouse_press_callbacks(target, _event(viewer, layer, voxel, "mouse_press"))
    for target in (viewer, layer):
        mouse_release_callbacks(target, _event(viewer, layer, voxel, "mouse_release"))


def _slice(viewer, array):
    """Give what a view shows of an array: (down, across)."""
    (across,) = viewer.dims.not_displayed
    return np.take(array, viewer.dims.current_step[across], axis=across)


def _placed(viewer, layer, footprint):
    """Give the footprint as a mask of the slice, from its millimetres alone."""
    whole = np.zeros(_slice(viewer, layer.data).shape, bool)
    shown = list(viewer.dims.displayed)
    first = [
        round((corner - layer.translate[axis]) / size + 0.5)
        for axis, corner, size in zip(shown, footprint.corner_mm, footprint.voxel_mm, strict=True)
    ]
    down, across = footprint.mask.shape
    whole[first[0] : first[0] + down, first[1] : first[1] + across] = footprint.mask
    return whole


def test_what_is_foretold_is_painted_to_the_voxel(hover, layers):
    viewer, layer = layers.viewer, layers.labels
    z = viewer.dims.current_step[0]
    for voxel in ((z, 20, 15), (z, 1, 38), (z, 12, 19)):
        layer.data[...] = 0
        _move(viewer, layer, voxel)
        foretold = hover.footprint()
        assert not layer.data.any()
        _click(viewer, layer, voxel)
        painted = _slice(viewer, layer.data) == LIVER
        assert 20 < painted.sum() < np.pi * 9**2
        np.testing.assert_array_equal(_placed(viewer, layer, foretold), painted)
        assert foretold.colour == rgb(AMOS_15.organ(LIVER))


@pytest.mark.parametrize("ball", [False, True])
def test_it_holds_in_the_coronal_and_sagittal_views(layers, ball):
    layers.brushes.settings.ball = ball
    planes = Planes(layers)
    for plane in planes.planes:
        hover = Hover(plane.model, layers, lambda plane=plane: plane.labels)
        layers.labels.data[...] = 0
        voxel = tuple(plane.model.dims.current_step)
        _move(plane.model, plane.labels, voxel)
        foretold = hover.footprint()
        _click(plane.model, plane.labels, voxel)
        painted = _slice(plane.model, layers.labels.data) == LIVER
        assert painted.any()
        np.testing.assert_array_equal(_placed(plane.model, layers.labels, foretold), painted)
        hover.close()
    planes.close()


def test_the_eraser_foretells_what_goes(hover, layers):
    viewer, layer = layers.viewer, layers.labels
    z = viewer.dims.current_step[0]
    layer.data[z, 15:25, 5:15] = SPLEEN
    layer.mode = "erase"
    before = _slice(viewer, layer.data).copy()
    _move(viewer, layer, (z, 20, 12))
    foretold = hover.footprint()
    _click(viewer, layer, (z, 20, 12))
    gone = before != _slice(viewer, layer.data)
    assert gone.any()
    np.testing.assert_array_equal(_placed(viewer, layer, foretold), gone)
    _move(viewer, layer, (z, 35, 35))
    assert hover.footprint() is None  # nothing to erase there


def test_protected_organs_are_left_out_and_own_voxels_belong_to_it(hover, layers):
    viewer, layer, z = layers.viewer, layers.labels, layers.viewer.dims.current_step[0]
    layer.data[z, :, :10] = SPLEEN
    layer.data[z, 20, 10:16] = LIVER
    _move(viewer, layer, (z, 20, 12))
    asked = []
    hover.moved.connect(lambda: asked.append(True))
    whole = _placed(viewer, layer, hover.footprint())
    layers.correction.lock(["spleen"])
    assert asked  # a lock makes it another
    locked = _placed(viewer, layer, hover.footprint())
    assert whole[20, 8]
    assert not locked[:, :10].any()
    assert locked[20, 10:16].all()


def test_it_follows_radius_tolerance_organ_and_slice(hover, layers):
    viewer, layer, settings = layers.viewer, layers.labels, layers.brushes.settings
    z = viewer.dims.current_step[0]
    layers.image.data[z + 1, :, :20] -= 180
    _move(viewer, layer, (z, 20, 14))
    asked = []
    hover.moved.connect(lambda: asked.append(hover.footprint()))
    first = hover.footprint()
    settings.radius_mm = 4.0
    assert asked[-1].mask.sum() < first.mask.sum()
    settings.tolerance = 1.0
    fewer = asked[-1].mask.sum()
    settings.tolerance = 6.0
    assert asked[-1].mask.sum() >= fewer
    layers.select_organ("spleen")
    assert asked[-1].colour == rgb(AMOS_15.organ(SPLEEN))
    layers.colouring.give("spleen", "#0000ff")
    assert asked[-1].colour == (0.0, 0.0, 1.0)
    settings.radius_mm = 12.0
    here = asked[-1].mask.sum()
    count = len(asked)
    viewer.dims.set_current_step(0, z + 1)  # there is no border
    assert len(asked) > count
    assert hover.footprint().mask.sum() > here


def test_it_is_for_a_smart_or_limited_brush_that_is_over_the_picture(hover, layers):
    viewer, layer, settings = layers.viewer, layers.labels, layers.brushes.settings
    voxel = (viewer.dims.current_step[0], 20, 15)
    _move(viewer, layer, voxel)
    assert hover.footprint() is not None
    settings.smart = False
    assert hover.footprint() is None  # the circle says it all
    settings.hu_limited, settings.hu_range = True, (50.0, 150.0)
    assert not _placed(viewer, layer, hover.footprint())[:, 20:].any()
    settings.preview = False
    assert hover.footprint() is None
    settings.preview = True
    for mode in ("pan_zoom", "fill", "polygon"):
        layer.mode = mode
        assert hover.footprint() is None
    layer.mode = "paint"
    viewer.layers.selection.active = layers.image
    assert hover.footprint() is None


def test_a_ball_that_would_hold_up_the_hand_is_not_foretold(hover, layers, monkeypatch):
    layers.brushes.settings.ball = True
    _move(layers.viewer, layers.labels, (layers.viewer.dims.current_step[0], 20, 15))
    assert hover.footprint() is not None
    layer = layers.labels
    box = (17 * layer.scale[2] / layer.scale[0] + 1) * 17 * 17  # 8 mm: 16 voxels and the middle one
    assert dab_voxels(layer) == pytest.approx(box, rel=0.1)
    monkeypatch.setattr(hover_module, "MOST_VOXELS", dab_voxels(layer) - 1)
    assert hover.footprint() is None


def test_it_is_gone_with_the_button_the_cursor_and_the_case(hover, layers):
    viewer, layer = layers.viewer, layers.labels
    voxel = (viewer.dims.current_step[0], 20, 15)
    left = []
    hover.left.connect(lambda: left.append(True))

    def leave():
        viewer.mouse_over_canvas = True
        viewer.mouse_over_canvas = False

    for end in (
        lambda: _click(viewer, layer, voxel),
        leave,
        layers.clear,
    ):
        left.clear()
        _move(viewer, layer, voxel)
        assert hover.footprint() is not None
        end()
        assert left
        assert hover.footprint() is None
    _move(viewer, layer, voxel)  # of the case that is closed
    assert hover.footprint() is None


def test_a_move_told_late_does_not_bring_it_into_a_stroke(hover, layers):
    viewer, layer = layers.viewer, layers.labels
    voxel = (viewer.dims.current_step[0], 20, 15)
    for target in (viewer, layer):
        mouse_press_callbacks(target, _event(viewer, layer, voxel, "mouse_press"))
    _move(viewer, layer, voxel)
    assert hover.footprint() is None
    for target in (viewer, layer):
        mouse_release_callbacks(target, _event(viewer, layer, voxel, "mouse_release"))
    assert hover.footprint() is None
    _move(viewer, layer, voxel)
    assert hover.footprint() is not None


def test_hovering_leaves_no_trace(hover, layers):
    viewer, layer, settings = layers.viewer, layers.labels, layers.brushes.settings
    z = viewer.dims.current_step[0]
    said, changes = [], []
    layers.brushes.held_back.connect(said.append)
    layers.correction.journaled.connect(changes.append)
    settings.hu_limited, settings.hu_range = True, (3000.0, 3100.0)
    for x in range(5, 30):
        _move(viewer, layer, (z, 20, x))
        hover.footprint()
    assert not said
    assert not changes
    assert not layer.data.any()
    assert layers.correction.refused_voxels == 0
    _click(viewer, layer, (z, 20, 10))
    assert len(said) == 1


def test_a_closed_one_listens_no_more(layers):
    hover = Hover(layers.viewer, layers, lambda: layers.labels)
    voxel = (layers.viewer.dims.current_step[0], 20, 15)
    _move(layers.viewer, layers.labels, voxel)
    asked = []
    hover.close()
    hover.moved.connect(lambda: asked.append(True))
    _move(layers.viewer, layers.labels, voxel)
    layers.brushes.settings.radius_mm = 3.0
    layers.labels.mode = "erase"
    assert not asked


def test_the_rim_runs_between_voxels():
    mask = np.array([[True, True], [True, False]])
    rim = Footprint(mask, (10.0, 20.0), (1.0, 2.0), (1.0, 1.0, 1.0)).rim_mm()
    edges = {tuple(sorted(map(tuple, pair.tolist()))) for pair in rim.reshape(-1, 2, 2)}
    assert edges == {  # (across, down)
        ((20, 10), (20, 11)), ((20, 11), (20, 12)), ((24, 10), (24, 11)), ((22, 11), (22, 12)),
        ((20, 10), (22, 10)), ((22, 10), (24, 10)), ((22, 11), (24, 11)), ((20, 12), (22, 12)),
    }  # fmt: skip
