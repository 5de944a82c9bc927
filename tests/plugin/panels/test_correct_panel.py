"""The organ table is the truth about the open case; what is ticked there happens."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_guidednet.backend import OrganState
from napari_guidednet.panels.organs import CONFIRM, LOCK, SHOW, STATE, SURE, VOLUME
from napari_guidednet.state import jobs


@pytest.fixture
def predicted(opened, store_prediction, qtbot):
    """The unlabelled case, with a stored prediction, open: its labels were taken over."""
    store_prediction(opened.desk.session.project, "tiny")
    opened.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: opened.desk.session.prediction is not None, timeout=60_000)
    opened.correct.refresh()
    return opened


def _cell(panel, organ, column):
    return panel.correct.table.item(panel.correct.table.row_of(organ), column)


def _tick(panel, organ, column, on=True):
    _cell(panel, organ, column).setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def test_a_case_nobody_has_touched_takes_the_models_labels_when_opened(predicted):
    correction = predicted.desk.correction
    assert set(correction.states.values()) == {OrganState.PREDICTED}
    assert correction.labels.any()
    assert _cell(predicted, "liver", STATE).text() == "predicted"
    assert _cell(predicted, "liver", SURE).text() == "40 %"
    assert float(_cell(predicted, "liver", VOLUME).text()) > 0


def test_the_labels_of_the_open_case_come_in_though_the_run_was_stopped_after_it(
    with_case, store_prediction, monkeypatch, qtbot
):
    monkeypatch.setattr(jobs, "spawn", lambda folder: None)
    desk = with_case.desk
    job = desk.segment(["unlabelled", "held-out"], "tiny")
    store_prediction(desk.session.project, "tiny")
    job.cases_done = ["unlabelled"]
    desk.board._set_state(job, "stopped")
    qtbot.waitUntil(lambda: desk.session.prediction is not None, timeout=60_000)
    assert desk.correction.labels.any()


def test_taking_labels_over_can_be_undone(predicted):
    predicted.status.action.click()
    assert not predicted.desk.correction.labels.any()


def test_a_tick_locks_and_another_unlocks(with_case):
    _tick(with_case, "liver", LOCK)
    assert with_case.desk.correction.locks == {"liver"}
    assert "Liver is locked" in with_case.status.happened.text()
    _tick(with_case, "liver", LOCK, False)
    assert with_case.desk.correction.locks == frozenset()


def test_a_tick_confirms_one_organ_and_it_can_be_reopened(predicted):
    _tick(predicted, "spleen", CONFIRM)
    assert predicted.desk.correction.confirmed == {"spleen"}
    assert "Confirmed Spleen of unlabelled" in predicted.status.happened.text()
    _tick(predicted, "spleen", CONFIRM, False)
    assert predicted.desk.correction.confirmed == frozenset()


def test_confirming_a_case_names_the_organs_that_are_absent(predicted):
    correction = predicted.desk.correction
    layer = predicted.desk.layers.labels
    layer.data_setitem(np.nonzero(np.asarray(layer.data) == correction.scheme.value("gallbladder")), 0)
    predicted.correct.confirm_all.click()
    assert len(correction.confirmed) == 15
    assert "As absent: Gallbladder" in predicted.status.happened.text()
    predicted.status.action.click()
    assert correction.confirmed == frozenset()


def test_hidden_organs_are_transparent_in_napari(predicted):
    _tick(predicted, "liver", SHOW, False)
    layer, scheme = predicted.desk.layers.labels, predicted.desk.correction.scheme
    assert layer.colormap.map(scheme.value("liver"))[3] == 0
    assert layer.colormap.map(scheme.value("spleen"))[3] == 1


def test_a_click_on_an_organ_chooses_the_brush_and_the_other_way_round(predicted):
    table, layer, scheme = (
        predicted.correct.table,
        predicted.desk.layers.labels,
        predicted.desk.correction.scheme,
    )
    table.selectRow(table.row_of("pancreas"))
    assert layer.selected_label == scheme.value("pancreas")
    layer.selected_label = scheme.value("aorta")
    assert table.current == "aorta"


def test_a_double_click_goes_to_the_organ(predicted):
    viewer = predicted.viewer
    predicted.correct.table.visited.emit("bladder")
    step = viewer.dims.current_step
    layer = predicted.desk.layers.labels
    shown = np.take(np.asarray(layer.data), step[0], axis=0)
    assert (shown == predicted.desk.correction.scheme.value("bladder")).any()


def test_a_map_of_doubt_is_chosen_by_name(predicted):
    box = predicted.correct.view
    assert [box.map.itemText(i) for i in range(box.map.count())] == ["none", "confidence", "entropy"]
    box.show_map("confidence")
    assert predicted.desk.layers.map_shown == "confidence"
    assert "probability" in predicted.status.happened.text()
    box.opacity.setValue(40)
    assert predicted.desk.layers.map.opacity == pytest.approx(0.4)
    box.show_map(None)
    assert predicted.desk.layers.map_shown is None


def test_window_presets_and_outlines_reach_the_layers(with_case):
    box = with_case.correct.view
    box.window_preset.setCurrentIndex(box.window_preset.findData("Bone"))
    assert tuple(with_case.desk.layers.image.contrast_limits) == (-500, 1300)
    box.outline.setChecked(True)
    assert with_case.desk.layers.labels.contour > 0


def test_a_case_without_any_label_is_not_confirmed_by_a_slip(with_case):
    with_case.correct.confirm_all.click()
    assert with_case.desk.correction.confirmed == frozenset()
    assert "no labelled voxel" in with_case.status.happened.text()


def test_commands_lock_confirm_and_move_on(predicted, qtbot):
    table, keys = predicted.correct.table, predicted.shortcuts
    press = {command.name: command.do for command in keys.commands}
    qtbot.waitUntil(lambda: predicted.correct.places.tour is not None, timeout=60_000)
    table.selectRow(table.row_of("spleen"))
    press["lock_organ"]()
    assert predicted.desk.correction.locks == {"spleen"}
    press["lock_organ"]()
    assert predicted.desk.correction.locks == frozenset()
    press["confirm_organ"]()
    assert predicted.desk.correction.confirmed == {"spleen"}
    press["next_place"]()
    assert predicted.correct.places.label.text().startswith("1 of")


def test_painted_labels_are_saved_by_themselves(with_case, qtbot):
    layer, scheme = with_case.desk.layers.labels, with_case.desk.correction.scheme
    layer.selected_label = scheme.value("liver")
    layer.paint((12, 16, 16), scheme.value("liver"))
    assert with_case.correct.saved.text() == "saving …"
    qtbot.waitUntil(lambda: with_case.correct.saved.text().startswith("saved"), timeout=60_000)
    stored = with_case.desk.session.project.labels("unlabelled")
    assert (stored.array == scheme.value("liver")).sum() == (layer.data == scheme.value("liver")).sum() > 0


def test_a_failed_save_is_said_and_tried_again(with_case, monkeypatch, qtbot):
    from napari_guidednet.backend import FileError

    project = with_case.desk.session.project
    monkeypatch.setattr(project, "save_labels", _full_disk(FileError("No room.", "Make room.")))
    with_case.desk.correction.confirm(["liver"])
    with_case.desk.autosave.save()
    qtbot.waitUntil(lambda: with_case.correct.saved.text() == "NOT SAVED", timeout=60_000)
    assert "No room." in with_case.status.happened.text()
    assert with_case.desk.correction.dirty
    monkeypatch.undo()
    with_case.desk.autosave.save()
    qtbot.waitUntil(lambda: not with_case.desk.correction.dirty, timeout=60_000)


def test_opening_another_case_saves_the_first(with_case, qtbot):
    with_case.desk.correction.confirm(["liver"])
    with_case.desk.open_case("labelled")
    qtbot.waitUntil(lambda: with_case.desk.session.case.id == "labelled", timeout=60_000)
    assert with_case.desk.session.project.annotation("unlabelled").confirmed == {"liver"}


def _full_disk(error):
    def save(*_):
        raise error

    return save
