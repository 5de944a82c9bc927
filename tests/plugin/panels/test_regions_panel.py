"""Region tools from the screen: one click or key, said in words, undone by the button beside them."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QEvent

from napari_guidednet.layers.whereabouts import looked_at, shown_slice, voxel_at
from napari_guidednet.panels import runner
from napari_guidednet.state.review import organ_centre


@pytest.fixture
def predicted(opened, store_prediction, qtbot):
    """The unlabelled case with the labels of a stored prediction, the liver selected."""
    store_prediction(opened.desk.session.project, "tiny")
    opened.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: opened.desk.session.prediction is not None, timeout=60_000)
    opened.desk.layers.select_organ("liver")
    return opened


@pytest.fixture
def box(predicted):
    return predicted.correct.regions


def press(panel, name):
    {command.name: command.do for command in panel.shortcuts.commands}[name]()


def voxels(panel, organ):
    correction = panel.desk.correction
    return int((correction.labels == correction.scheme.value(organ)).sum())


def look_at(panel, voxel):
    """Put slices and cross on a voxel of the case."""
    panel.desk.layers.go_to(voxel)


def look_at_organ(panel, organ):
    correction = panel.desk.correction
    look_at(panel, organ_centre(correction.labels, correction.scheme.value(organ)))


def far_corner(panel):
    """A liver voxel apart from everything, and what was there."""
    labels = panel.desk.correction.labels
    assert not labels[:3, :3, :3].any()
    value = panel.desk.correction.scheme.value("liver")
    panel.desk.correction.write(
        (slice(0, 1), slice(0, 1), slice(0, 1)), np.full((1, 1, 1), value, np.uint8), "paint"
    )
    return (0, 0, 0)


def test_a_closed_desk_teaches_and_an_open_case_names_the_organ(opened, qtbot):
    regions = opened.correct.regions
    assert "Open a case" in regions.title.text()
    assert not regions.tools.isEnabled()
    opened.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: opened.desk.correction is not None, timeout=60_000)
    opened.desk.layers.select_organ("spleen")
    assert "Spleen" in regions.title.text()
    assert regions.tools.isEnabled()


def test_growing_by_less_than_a_voxel_says_so(predicted, box):
    predicted.desk.layers.select_organ("liver")
    before = voxels(predicted, "liver")
    box.grow_mm.setValue(2.0)
    press(predicted, "grow_organ")
    assert "less than a voxel" in predicted.status.happened.text()
    assert voxels(predicted, "liver") == before


def test_growing_is_said_in_millilitres_and_undone(predicted, box):
    before = predicted.desk.correction.labels.copy()
    box.grow_mm.setValue(13.0)
    press(predicted, "grow_organ")
    text = predicted.status.happened.text()
    assert text.startswith("Growing Liver of unlabelled by 13 mm: Liver +")
    assert voxels(predicted, "liver") > (before == predicted.desk.correction.scheme.value("liver")).sum()
    predicted.status.action.click()
    np.testing.assert_array_equal(predicted.desk.correction.labels, before)
    assert "Taken back: grow of Liver" in predicted.status.happened.text()
    box.grow.click()
    grown, undo = voxels(predicted, "liver"), predicted.status.action.click
    said = predicted.status.happened.text()
    assert said.startswith("Growing")
    far_corner(predicted)  # other work, which stays
    undo()
    assert "what you did since stays" in predicted.status.happened.text()
    assert voxels(predicted, "liver") < grown
    assert predicted.desk.correction.labels[0, 0, 0]


def test_shrinking_in_the_slice_shown_changes_that_slice_alone(predicted, box):
    before = predicted.desk.correction.labels.copy()
    box.grow_mm.setValue(13.0)
    box.flat.setChecked(True)
    look_at_organ(predicted, "liver")
    press(predicted, "shrink_organ")
    changed = np.argwhere(predicted.desk.correction.labels != before)
    axis, number = shown_slice(predicted.desk.layers)
    assert len(changed)
    assert set(changed[:, axis].tolist()) == {number}


def test_a_long_tool_runs_in_the_thread_and_another_waits_for_it(predicted, box, monkeypatch, qtbot):
    monkeypatch.setattr(runner, "AT_ONCE", 0)
    before = voxels(predicted, "liver")
    box.grow_mm.setValue(13.0)
    box.grow.click()
    box.shrink.click()
    assert "still going on" in predicted.status.happened.text()
    assert voxels(predicted, "liver") == before
    qtbot.waitUntil(lambda: voxels(predicted, "liver") > before, timeout=60_000)
    assert "Liver +" in predicted.status.happened.text()
    predicted.status.action.click()
    assert voxels(predicted, "liver") == before
    box.grow.click()
    predicted.status.action.click()  # Cancel
    qtbot.waitUntil(lambda: "cancelled" in predicted.status.happened.text(), timeout=60_000)
    assert voxels(predicted, "liver") == before


def test_a_protected_organ_is_named_with_what_to_do(predicted, box):
    before = predicted.desk.correction.labels.copy()
    predicted.desk.correction.confirm(["liver"])
    for tool in (box.grow, box.smooth, box.fill, box.pieces.keep):
        tool.click()
        assert "Liver of unlabelled is confirmed: untick OK" in predicted.status.happened.text()
    np.testing.assert_array_equal(predicted.desk.correction.labels, before)


def test_smoothing_all_organs_leaves_protected_ones(predicted, box):
    correction = predicted.desk.correction
    correction.lock(["spleen"])
    before = correction.labels.copy()
    spleen = before == correction.scheme.value("spleen")
    box.scope.setCurrentIndex(1)
    box.smooth_mm.setRange(0.5, 50.0)  # the voxels of the phantom are 12 mm
    box.smooth_mm.setValue(20.0)
    press(predicted, "smooth_organ")
    assert "Smoothing all organs of unlabelled" in predicted.status.happened.text()
    assert (correction.labels != before).any()
    np.testing.assert_array_equal(correction.labels == correction.scheme.value("spleen"), spleen)


def test_pieces_are_kept_dropped_given_and_erased(predicted, box):
    liver = voxels(predicted, "liver")
    far_corner(predicted)
    press(predicted, "keep_largest")
    assert "1 piece dropped" in predicted.status.happened.text()
    assert voxels(predicted, "liver") == liver
    far_corner(predicted)
    box.pieces.below_ml.setValue(2.0)
    press(predicted, "drop_small")
    assert voxels(predicted, "liver") == liver
    look_at(predicted, far_corner(predicted))
    spleen = voxels(predicted, "spleen")
    predicted.desk.layers.select_organ("spleen")
    press(predicted, "give_piece")
    assert "Giving a piece of Liver to Spleen" in predicted.status.happened.text()
    assert voxels(predicted, "spleen") == spleen + 1
    press(predicted, "erase_piece")
    assert (voxels(predicted, "spleen"), voxels(predicted, "liver")) == (spleen, liver)
    press(predicted, "erase_piece")
    assert "no organ here" in predicted.status.happened.text()


class Click:
    """A mouse event as napari gives it to callbacks."""

    def __init__(self, position):
        self.position, self.type = position, "mouse_press"
        self.modifiers, self.button, self.handled, self.pos = (), 1, False, (50, 50)


def click(panel, voxel, dragged=0, viewer=None):
    """Press, move by some screen pixels, release."""
    layers, viewer = panel.desk.layers, viewer or panel.viewer
    event = Click(layers.image.data_to_world(layers.display.shown_index(voxel)))
    running = [callback(viewer, event) for callback in list(viewer.mouse_drag_callbacks)]
    steps = [step for step in running if step is not None]
    for kind in (("mouse_move",) if dragged else ()) + ("mouse_release",):
        for step in steps:
            next(step, None)
        event.type, event.pos = kind, (50 + dragged, 50)
    for step in steps:
        next(step, None)


def test_a_piece_is_picked_by_a_click_and_the_brush_comes_back(predicted, box):
    layer = predicted.desk.layers.labels
    layer.mode = "paint"
    corner = far_corner(predicted)
    predicted.desk.layers.select_organ("spleen")
    spleen = voxels(predicted, "spleen")
    box.pieces.give.click()
    assert "Click the piece that becomes Spleen" in predicted.status.happened.text()
    assert layer.mode == "pan_zoom"
    click(predicted, corner, dragged=30)
    assert box.pieces.picker.waiting
    click(predicted, corner)
    assert not box.pieces.picker.waiting
    assert layer.mode == "paint"
    assert voxels(predicted, "spleen") == spleen + 1
    box.pieces.erase.click()
    predicted.status.action.click()  # Cancel
    assert not box.pieces.picker.waiting
    assert layer.mode == "paint"


def test_a_hand_that_shakes_a_little_still_clicks(predicted, box):
    corner = far_corner(predicted)
    predicted.desk.layers.select_organ("spleen")
    box.pieces.give.click()
    click(predicted, corner, dragged=1)
    assert not box.pieces.picker.waiting


def test_a_click_does_only_what_was_asked_for_last(predicted, box, qtbot):
    predicted.desk.layers.labels.mode = "paint"
    corner = far_corner(predicted)
    predicted.desk.layers.select_organ("spleen")
    spleen = voxels(predicted, "spleen")
    box.pieces.give.click()
    box.taking.take.click()  # the person thinks better of it
    click(predicted, corner)
    qtbot.waitUntil(
        lambda: "Taking the difference" in predicted.status.happened.text() and not box.runner.busy,
        timeout=60_000,
    )
    assert voxels(predicted, "spleen") == spleen
    assert predicted.desk.correction.labels[corner] == 0  # as the model has it
    assert predicted.desk.layers.labels.mode == "paint"


@pytest.fixture
def coronal(predicted):
    """The coronal view."""
    view = predicted.correct.view
    view.turn_planes()
    yield view.views.views.planes.models[0]
    view.views.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_a_piece_is_picked_by_a_click_in_a_side_view(predicted, box, coronal):
    corner = far_corner(predicted)
    predicted.desk.layers.select_organ("spleen")
    spleen = voxels(predicted, "spleen")
    box.pieces.give.click()
    click(predicted, corner, viewer=coronal)
    assert voxels(predicted, "spleen") == spleen + 1
    assert not box.pieces.picker.waiting


def test_under_the_cursor_is_under_the_cursor_in_a_side_view_too(predicted, coronal):
    layers, voxel = predicted.desk.layers, (4, 5, 6)
    look_at(predicted, (10, 11, 12))
    coronal.cursor.position = layers.image.data_to_world(layers.display.shown_index(voxel))
    coronal.mouse_over_canvas = True
    assert looked_at(layers) == voxel
    coronal.mouse_over_canvas = False
    assert looked_at(layers) == (10, 11, 12)


def test_empty_slices_are_filled(predicted, box):
    correction = predicted.desk.correction
    value = correction.scheme.value("liver")
    slices = np.flatnonzero((correction.labels == value).any(axis=(1, 2)))
    middle = slices[len(slices) // 2]
    hole = correction.labels[middle : middle + 1].copy()
    hole[hole == value] = 0
    correction.write((slice(middle, middle + 1), slice(None), slice(None)), hole, "erase")
    look_at(predicted, (int(middle), 5, 5))
    press(predicted, "fill_between")
    assert "1 slice filled" in predicted.status.happened.text()
    assert (correction.labels[middle] == value).sum() > 5
    press(predicted, "fill_between")
    assert "no slices to fill" in predicted.status.happened.text()


def test_slices_between_corrected_ones_are_filled_anew(predicted, box):
    correction = predicted.desk.correction
    value = correction.scheme.value("liver")
    slices = np.flatnonzero((correction.labels == value).any(axis=(1, 2)))
    low, high = int(slices[1]), int(slices[1]) + 3
    look_at_organ(predicted, "liver")
    layer = predicted.desk.layers.labels
    for number in (low, high):  # a voxel at the edge, by hand, in each of two slices
        corner = np.argwhere(correction.labels[number] != value)[0]
        index = predicted.desk.layers.display.shown_index((number, *corner.tolist()))
        layer.data_setitem(tuple(np.array([i]) for i in index), value)
    look_at(predicted, (low + 1, 5, 5))
    press(predicted, "fill_between")
    assert "2 slices filled" in predicted.status.happened.text()


def test_labels_of_another_model_are_taken(predicted, box, qtbot, phantoms):
    taking, correction = box.taking, predicted.desk.correction
    assert taking.source.currentData() == "tiny"
    truth, value = phantoms[1][1].array, correction.scheme.value("liver")
    far_corner(predicted)
    hole = correction.labels.copy()
    hole[hole == value] = 0
    correction.write((slice(None),) * 3, hole, "erase")
    look_at(predicted, organ_centre(truth, value))
    press(predicted, "take_here")
    qtbot.waitUntil(lambda: voxels(predicted, "liver") > 0, timeout=60_000)
    assert "Taking the difference here from tiny" in predicted.status.happened.text()
    np.testing.assert_array_equal(correction.labels, truth)
    predicted.status.action.click()
    assert voxels(predicted, "liver") == 0
    taking.part.setCurrentIndex(taking.part.findData("organ"))
    press(predicted, "take_here")
    qtbot.waitUntil(lambda: voxels(predicted, "liver") > 0, timeout=60_000)
    assert "Taking Liver of unlabelled from tiny, in use: Liver +" in predicted.status.happened.text()
    change, _ = next(iter(correction.history.newest()))
    assert (change.tool, change.bundle) == ("model organ", "tiny")


def test_without_a_prediction_nothing_can_be_taken(with_case):
    taking = with_case.correct.regions.taking
    assert not taking.take.isEnabled()
    assert "segment" in taking.source.currentText()
    press(with_case, "take_here")
    assert "step Segment" in with_case.status.happened.text()


def test_strokes_spread_by_a_proposal(predicted, box, qtbot):
    correction, layer = predicted.desk.correction, predicted.desk.layers.labels
    predicted.desk.layers.select_organ("aorta")
    press(predicted, "propose_from_strokes")
    qtbot.waitUntil(lambda: "no strokes" in predicted.status.happened.text(), timeout=60_000)
    value = correction.scheme.value("liver")
    z, y, x = organ_centre(correction.labels, value)
    hole = correction.labels[:, :, x - 2 : x + 3].copy()
    hole[hole == value] = 0
    correction.write((slice(None), slice(None), slice(x - 2, x + 3)), hole, "grow")
    layer.selected_label = value
    index = predicted.desk.layers.display.shown_index((z, y, x))
    layer.data_setitem(tuple(np.array([i]) for i in index), value)
    box.taking.reach_mm.setValue(40.0)
    before = voxels(predicted, "liver")
    press(predicted, "propose_from_strokes")
    qtbot.waitUntil(
        lambda: "Liver" in predicted.status.happened.text() and not box.runner.busy, timeout=60_000
    )
    assert voxels(predicted, "liver") > before + 3


def test_every_voxel_is_found_again_from_where_it_is_shown(predicted):
    layers = predicted.desk.layers
    for voxel in ((0, 0, 0), (3, 7, 11), tuple(n - 1 for n in predicted.desk.correction.labels.shape)):
        assert voxel_at(layers, layers.image.data_to_world(layers.display.shown_index(voxel))) == voxel
        look_at(predicted, voxel)
        assert looked_at(layers) == voxel
        axis, number = shown_slice(layers)
        assert number == voxel[axis]
    assert voxel_at(layers, (1e4, 0, 0)) is None
