"""A case with a damaged journal: nothing is repaired by itself, one button opens it with what is whole."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import Change, JournalWriter, Project


@pytest.fixture
def damaged(tiny_project):
    """The journal file of "unlabelled": five strokes, the third is damaged."""
    with Project.open(tiny_project, write=True) as project:
        writer = JournalWriter(project.journal_folder("unlabelled"))
        for number in range(1, 6):
            index, one = np.array([number], np.int64), np.ones(1, np.uint8)
            writer.append(
                Change(number, "anna", "2026-01-01T10:00:00+00:00", "paint", ("spleen",), None, 1.0,
                       index, 0 * one, one)
            )  # fmt: skip
        writer.close()
        (file,) = project.journal_folder("unlabelled").iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return file


def _state(panel, case):
    table = panel.cases.table
    rows = {table.item(row, 0).text(): table.item(row, 2).text() for row in range(table.rowCount())}
    return rows[case]


def test_a_damaged_case_is_listed_and_the_others_open(damaged, opened, qtbot):
    assert _state(opened, "unlabelled") == "damaged"
    assert _state(opened, "labelled") == "labelled"
    opened.desk.open_case("labelled")
    qtbot.waitUntil(lambda: opened.desk.correction is not None, timeout=60_000)


def test_the_button_opens_it_with_what_is_whole(damaged, opened, qtbot):
    content, status = damaged.read_bytes(), opened.status
    opened.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: not status.action.isHidden(), timeout=60_000)
    assert "damaged" in status.happened.text()
    assert status.action.text() == "Open with what is whole"
    assert [path.name for path in damaged.parent.iterdir()] == [damaged.name]  # nothing by itself
    assert damaged.read_bytes() == content
    assert opened.desk.correction is None
    status.action.click()
    qtbot.waitUntil(lambda: opened.desk.correction is not None, timeout=60_000)
    correction = opened.desk.correction
    assert np.flatnonzero(correction.labels).tolist() == [1, 2]
    (kept,) = damaged.parent.glob("*.damaged-*")
    assert kept.read_bytes() == content
    said = status.happened.text()
    assert "(change 2), without 3 later changes" in said
    assert str(kept) in said
    assert _state(opened, "unlabelled") != "damaged"
    correction.put(np.array([9]), 1, "paint")  # and on it goes
    for places in ([1, 2], [1]):
        correction.undo()
        assert np.flatnonzero(correction.labels).tolist() == places
    opened.desk.autosave.flush()
    assert Project.open(opened.desk.session.project.folder).annotation("unlabelled").change == 5


def test_a_later_message_takes_the_button_away(damaged, opened, qtbot):
    opened.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: not opened.status.action.isHidden(), timeout=60_000)
    opened.desk.open_case("labelled")
    qtbot.waitUntil(lambda: opened.desk.correction is not None, timeout=60_000)
    assert opened.status.action.isHidden()
