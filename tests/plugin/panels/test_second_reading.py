"""Cases are drawn, read blind, compared and settled, all from one section of the step Cases."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QVBoxLayout, QWidget

from guidednet_training.core.second_reading import second_project
from napari_guidednet.backend import AMOS_15, OrganState, settlements
from napari_guidednet.panels.desk import Desk
from napari_guidednet.panels.second_reading import SecondReadingBox

LIVER = AMOS_15.value("liver")


@pytest.fixture
def box(qtbot, project_folder):
    """The section on the small project; what is told to the user is kept in `told`."""
    desk = Desk(ViewerModel(), asker=None)
    box = SecondReadingBox(desk)
    dock = QWidget()
    QVBoxLayout(dock).addWidget(box)
    qtbot.addWidget(dock)
    box.told, box.offered = [], []
    desk.said.connect(lambda text, _name, do: (box.told.append(text), box.offered.append(do)))
    desk.failed.connect(lambda error, _doing: box.told.append(str(error)))
    desk.open_project(project_folder)
    box.refresh()
    yield box
    desk.close()


@pytest.fixture
def drawn(box, qtbot):
    """Both confirmed cases drawn."""
    box.form.share.setValue(100)
    box.draw.click()
    qtbot.waitUntil(lambda: len(box.readings) == 2, timeout=60_000)
    return box


@pytest.fixture
def read_twice(drawn):
    """The second reader of "labelled" leaves half of the liver out."""
    project = drawn.desk.session.project
    first, annotation = project.labels("labelled"), project.annotation("labelled")
    array = first.array.copy()
    places = np.argwhere(array == LIVER)
    half = places[places[:, 0] > np.median(places[:, 0])]
    array[tuple(half.T)] = 0
    with second_project(project, write=True) as second:
        own = annotation.model_copy(update={"change": None})
        second.save_labels("labelled", first.like(array, "labels"), own)
    drawn.refresh()
    return drawn


def texts(table, row):
    return [table.item(row, column).text() for column in range(table.columnCount())]


@pytest.fixture
def listed(read_twice, qtbot):
    """The differences of the case, listed; the case was opened by itself."""
    read_twice.table.select(["labelled"])
    read_twice.adjudication.list.click()
    qtbot.waitUntil(read_twice.adjudication.second.isEnabled, timeout=60_000)
    return read_twice.adjudication


def test_before_anything_is_drawn_the_section_says_what_it_is_for(box):
    assert "read twice" in box.text.text()
    assert not box.draw.isHidden()
    assert box.table.isHidden()
    assert box.open.isHidden()
    assert box.back.isHidden()


def test_drawing_names_the_cases_and_more_than_all_is_refused(drawn, qtbot):
    assert "Drew 2 cases for anybody to read again: held-out, labelled." in drawn.told
    assert texts(drawn.table, 0)[:3] == ["held-out", "anybody", "0 of 15"]
    assert not drawn.compare.isEnabled()
    drawn.draw.click()
    qtbot.waitUntil(lambda: "drawn already" in drawn.told[-1], timeout=60_000)


def test_the_second_reading_is_blind_and_leads_back(drawn, qtbot):
    desk = drawn.desk
    first = desk.session.project.folder
    with qtbot.waitSignal(drawn.entered, timeout=60_000):
        drawn.open.click()
    assert desk.session.project.folder == first / "second-reading"
    assert "hidden" in drawn.text.text()
    assert drawn.draw.isHidden()
    desk.open_case("labelled")
    qtbot.waitUntil(lambda: desk.correction is not None, timeout=60_000)
    assert not desk.correction.labels.any()
    assert set(desk.correction.states.values()) == {OrganState.UNTOUCHED}
    drawn.back.click()
    assert desk.session.project.folder == first
    assert not drawn.draw.isHidden()
    assert len(drawn.readings) == 2


def test_who_is_not_the_drawn_reader_is_told(box, qtbot):
    box.form.reader.setText("somebody_else")
    box.draw.click()
    qtbot.waitUntil(lambda: bool(box.readings), timeout=60_000)
    box.open.click()
    assert "drawn for somebody_else" in box.told[-1]


def test_readers_are_compared(read_twice, qtbot):
    read_twice.compare.click()
    qtbot.waitUntil(lambda: "labelled" in read_twice.agreed, timeout=60_000)
    row = texts(read_twice.table, 1)
    assert row[:3] == ["labelled", "anybody", "15 of 15"]
    assert 0.9 < float(row[3]) < 1.0  # one of fifteen organs differs
    assert 0.0 < float(row[4]) < 1.0
    assert "liver: Dice" in read_twice.table.item(1, 0).toolTip()


def test_a_difference_is_shown_taken_and_given_back(read_twice, listed, qtbot):
    desk, region = read_twice.desk, listed.selected
    assert texts(listed.table, 0)[:2] == ["Liver", "Background"]
    qtbot.waitUntil(lambda: "first reader says liver" in read_twice.told[-1], timeout=60_000)
    assert desk.layers.compare.title == "the second reading"
    assert desk.layers.compare.showing == "difference"
    listed.second.click()
    labels = desk.correction.labels
    assert not labels[region.box][region.mask].any()
    assert "liver" in desk.correction.confirmed
    assert settlements(desk.session.project, "labelled").taken == {region.key: "second"}
    assert texts(listed.table, 0)[3] == "second"
    assert "Took the second" in read_twice.told[-1]
    read_twice.offered[-1]()
    assert (labels[region.box][region.mask] == LIVER).all()
    assert settlements(desk.session.project, "labelled").taken == {}


def test_one_ctrl_z_opens_the_region_again(read_twice, listed):
    desk, region = read_twice.desk, listed.selected
    listed.second.click()
    desk.correction.undo()
    assert (desk.correction.labels[region.box][region.mask] == LIVER).all()
    assert settlements(desk.session.project, "labelled").taken == {}
    assert texts(listed.table, 0)[3] == ""
    assert listed.selected is region  # and can be settled at once
    desk.correction.redo()
    assert settlements(desk.session.project, "labelled").taken == {region.key: "second"}


def test_a_lock_holds_against_the_second_reader(read_twice, listed):
    desk, region = read_twice.desk, listed.selected
    desk.correction.lock(["liver"])
    listed.second.click()
    assert "locked" in read_twice.told[-1]
    assert (desk.correction.labels[region.box][region.mask] == LIVER).all()
    assert settlements(desk.session.project, "labelled").taken == {}
