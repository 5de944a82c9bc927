"""What hurt a hand at the mouse: a dock too narrow, a wheel that changed values, a folder forgotten."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QFileDialog, QWidget

from napari_guidednet.backend import TrainSpec
from napari_guidednet.panels.ask import DialogAsker
from napari_guidednet.panels.form import SettingsForm
from napari_guidednet.panels.guide import PANELS
from napari_guidednet.panels.main import WIDEST
from napari_guidednet.state import jobs

LONG = "guidednet-20261130-095332-25d8-and-a-name-that-nobody-would-type-twice"


def _turn(widget: QWidget) -> None:
    """One notch of the wheel over a widget."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle, widget.mapToGlobal(middle), QPoint(), QPoint(0, -120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def _pages(panel):
    return [panel.tabs.widget(number) for number in range(panel.tabs.count())]


def test_no_page_is_wider_than_the_dock(with_case):
    for area in _pages(with_case):
        page = area.widget()
        bar = area.verticalScrollBar().sizeHint().width()
        assert page.minimumSizeHint().width() + bar <= WIDEST
        assert area.minimumSizeHint().width() >= page.minimumSizeHint().width() + bar


def test_long_names_do_not_make_the_dock_wide(with_case):
    before = [area.widget().minimumSizeHint().width() for area in _pages(with_case)]
    for box in (
        with_case.segment.model, with_case.segment.which, with_case.train.choice.model,
        with_case.train.run, with_case.project.exporting.cases,
    ):  # fmt: skip
        box.addItem(LONG)
        box.setCurrentIndex(box.count() - 1)
    assert [area.widget().minimumSizeHint().width() for area in _pages(with_case)] == before


def test_the_wheel_scrolls_the_page_and_changes_nothing(with_case):
    correct = with_case.correct
    numbers, choices = (correct.places.level, correct.tools.radius), (correct.places.group, correct.view.map)
    before = [*(box.value() for box in numbers), *(box.currentIndex() for box in choices)]
    for widget in (*numbers, *choices):
        for part in (widget, *widget.findChildren(QWidget)):
            _turn(part)
    assert [*(box.value() for box in numbers), *(box.currentIndex() for box in choices)] == before


def test_the_wheel_changes_no_setting_of_a_training(qtbot):
    form = SettingsForm.of(TrainSpec())
    qtbot.addWidget(form)
    boxes = [box for kind in (QAbstractSpinBox, QComboBox) for box in form.findChildren(kind)]
    assert len(boxes) > 20
    before = form.value()
    for box in boxes:
        _turn(box)
        assert box.focusPolicy() == Qt.FocusPolicy.StrongFocus  # or the wheel would also take the focus
    assert form.value() == before


def test_the_next_step_selects_the_case_it_names(opened):
    opened._guide()
    assert "open unlabelled" in opened.status.next.text()
    opened.status.next.click()
    assert opened.tabs.currentIndex() == PANELS.index("Cases")
    assert opened.cases.selected == ("unlabelled",)


def test_one_waits_for_the_open_case_only(with_case, monkeypatch):
    monkeypatch.setattr(jobs, "spawn", lambda folder: None)
    monkeypatch.setattr(jobs, "run_state", lambda folder: "running")
    with_case.desk.segment(("labelled",), with_case.segment.model.currentData())
    with_case._guide()
    assert "wait" not in with_case.status.next.text()
    assert "segment unlabelled" in with_case.status.next.text()
    assert "Cases are being segmented" in with_case.segment.start.toolTip()


def test_a_case_nobody_has_segmented_leaves_the_room_to_the_names(opened):
    table = opened.cases.table
    assert table.isColumnHidden(4)
    assert "Segment some cases first" in opened.cases.next_case.toolTip()


@pytest.mark.parametrize("what", ["folder", "files"])
def test_the_next_question_begins_where_the_last_one_ended(qtbot, monkeypatch, tmp_path, what):
    begun = []

    def answer(_parent, _title, start, *_):
        begun.append(start)
        chosen = str(tmp_path / "study" / "one")
        return chosen if what == "folder" else ([chosen], "")

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", answer)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", answer)
    parent = QWidget()
    qtbot.addWidget(parent)
    asker = DialogAsker(parent)
    for _ in range(2):
        getattr(asker, what)("Where?")
    assert begun[1] == str(tmp_path / "study")


def test_one_takes_from_whom_the_picture_is_compared_with(with_case):
    compare, source = with_case.correct.view.compare.other, with_case.correct.regions.taking.source
    for title in ("one model", "another"):
        compare.addItem(title, title)
        source.addItem(title, title)
    compare.setCurrentIndex(compare.findData("another"))
    assert source.currentData() == "another"
    compare.addItem("an earlier version", "version-1")
    compare.setCurrentIndex(compare.findData("version-1"))
    assert source.currentData() == "another"  # it is nobody to take from
