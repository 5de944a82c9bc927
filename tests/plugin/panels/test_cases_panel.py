"""The table of cases shows their states; a double click opens one in napari."""

from qtpy.QtCore import Qt

from napari_guidednet.backend import make_phantom, write_volume


def _row(table, name):
    return next(row for row in range(table.rowCount()) if table.item(row, 0).text() == name)


def _texts(table, name):
    row = _row(table, name)
    return [table.item(row, column).text() for column in range(table.columnCount())]


def test_every_case_is_listed_with_its_state(opened):
    table = opened.cases.table
    assert _texts(table, "labelled")[:4] == ["labelled", "train", "labelled", "15 of 15"]
    assert _texts(table, "unlabelled")[:4] == ["unlabelled", "train", "new", "0 of 15"]
    assert _texts(table, "held-out")[1] == "val"
    assert "1 held out" in opened.cases.count.text()


def test_a_double_click_opens_the_case_in_napari(opened, qtbot):
    opened.show_step("Cases")
    table = opened.cases.table
    item = table.item(_row(table, "unlabelled"), 0)
    table.scrollToItem(item)
    place = table.visualItemRect(item).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: opened.desk.correction is not None, timeout=60_000)
    assert opened.desk.session.case.id == "unlabelled"
    assert {layer.name for layer in opened.viewer.layers} == {"CT unlabelled", "Organs unlabelled"}
    assert "Opened unlabelled" in opened.status.happened.text()
    assert table.item(_row(table, "unlabelled"), 0).font().bold()


def test_the_last_of_several_cases_asked_for_is_the_one_shown(opened, qtbot):
    for name in ("labelled", "held-out", "unlabelled"):
        opened.desk.open_case(name)
    qtbot.waitUntil(lambda: not opened.desk.loader.busy, timeout=60_000)
    assert opened.desk.session.case.id == "unlabelled"
    assert len(opened.viewer.layers) == 2


def test_files_are_added_to_the_chosen_set(opened, answers, tmp_path, qtbot):
    path = tmp_path / "fresh.nii.gz"
    write_volume(path, make_phantom(9, (24, 32, 32), (9.0, 10.0, 10.0))[0])
    answers.paths = [path]
    opened.cases.split.setCurrentIndex(opened.cases.split.findData("test"))
    opened.cases.add_files.click()
    qtbot.waitUntil(lambda: opened.cases.table.rowCount() == 4, timeout=60_000)
    assert _texts(opened.cases.table, "fresh")[1] == "test"


def test_a_broken_file_is_refused_by_name_and_nothing_is_added(opened, answers, tmp_path, qtbot):
    path = tmp_path / "broken.nii.gz"
    path.write_bytes(b"no image at all")
    answers.paths = [path]
    opened.cases.add_files.click()
    qtbot.waitUntil(lambda: "⚠" in opened.status.happened.text(), timeout=60_000)
    assert "broken.nii.gz" in opened.status.happened.text() + opened.status.hint.text()
    assert opened.cases.table.rowCount() == 3


def test_the_case_to_learn_most_from_is_opened_and_the_reason_given(opened, store_prediction, qtbot):
    store_prediction(opened.desk.session.project, "tiny")
    opened.desk.session.cases_added()
    table = opened.cases.table
    qtbot.waitUntil(lambda: _texts(table, "unlabelled")[-1].strip() == "1", timeout=60_000)
    assert "Liver only 40% sure" in table.item(_row(table, "unlabelled"), 5).toolTip()
    assert _texts(table, "labelled")[-1] == ""
    opened.cases.next_case.click()
    assert "Liver only 40% sure" in opened.status.happened.text()
    qtbot.waitUntil(lambda: opened.desk.correction is not None, timeout=60_000)
    assert opened.desk.session.case.id == "unlabelled"
