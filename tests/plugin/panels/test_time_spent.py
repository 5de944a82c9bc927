"""The time a case has cost is shown as it grows, and a report is one click away."""

import numpy as np
import pytest
from napari.components import ViewerModel

from guidednet_training.core.journal import Change
from guidednet_training.core.journal_writer import JournalWriter
from napari_guidednet.backend import AMOS_15, Project
from napari_guidednet.panels import time_spent
from napari_guidednet.panels.desk import Desk
from napari_guidednet.panels.section import Section
from napari_guidednet.panels.time_spent import TimeBox
from napari_guidednet.state.timekeeping import TimeKeeper, _today


def work(project, case: str, *seconds: float, day: str = "") -> None:
    """Paint ten voxels of the liver per piece of work."""
    writer = JournalWriter(project.journal_folder(case))
    value = AMOS_15.value("liver")
    when = f"{day or _today()}T12:00:00+00:00"
    for spent in seconds:
        index = np.arange(10) + 10 * writer.last
        zeros = np.zeros(10, np.uint8)
        writer.append(
            Change(
                writer.last + 1, "anna", when, "paint", ("liver",), None, spent, index, zeros, zeros + value
            )
        )
    writer.close()


@pytest.fixture
def box(qtbot, project_folder):
    """The section on the small project; what is told to the user is kept in `told`."""
    desk = Desk(ViewerModel(), asker=None)
    box = TimeBox(desk)
    box.section = Section("Time", box, opened=True)
    qtbot.addWidget(box.section)
    box.told, box.offered = [], []
    desk.said.connect(lambda text, _name, do: (box.told.append(text), box.offered.append(do)))
    desk.open_project(project_folder)
    yield box
    desk.close()


def show(box, qtbot):
    box.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: box.spent is not None, timeout=60_000)


def test_the_keeper_adds_what_is_new_and_knows_what_others_cost_today(project_folder):
    with Project.open(project_folder) as project:
        work(project, "unlabelled", 30.0, 20.0)
        work(project, "labelled", 60.0)
        work(project, "held-out", 500.0, day="2020-01-01")
        keeper = TimeKeeper(project, "unlabelled")
        first = keeper.read()
        assert (first.effort.total.seconds, first.effort.total.strokes) == (50.0, 2)
        assert (first.today_s, first.today_cases) == (110.0, 2)
        work(project, "unlabelled", 5.0)
        second = keeper.read()
        assert (second.effort.total.seconds, second.effort.total.voxels) == (55.0, 30)
        assert second.today_s == 115.0
        assert keeper.read() == second


def test_an_empty_section_teaches(box, qtbot):
    assert "Open a case" in box.text.text()
    show(box, qtbot)
    assert "Nobody has worked on unlabelled yet" in box.text.text()
    assert box.table.rowCount() == 0


def test_the_work_on_the_case_is_shown_by_organ(box, qtbot):
    work(box.desk.session.project, "unlabelled", 90.0, 45.0)
    show(box, qtbot)
    assert "unlabelled: 2 min of work, 2 strokes, 20 voxels." in box.text.text()
    assert [box.table.item(0, column).text() for column in range(4)] == ["liver", "2 min", "2", "20"]


def test_a_stroke_is_counted_within_seconds(box, qtbot):
    show(box, qtbot)
    box._later.setInterval(50)
    here = (slice(0, 2), slice(0, 2), slice(0, 2))
    box.desk.correction.write(here, np.full((2, 2, 2), AMOS_15.value("spleen"), np.uint8), "grow")

    def counted():
        box.refresh()  # the journal is on disk within a second
        return box.spent.effort.total.strokes == 1

    qtbot.waitUntil(counted, timeout=60_000)
    assert box.spent.effort.organs["spleen"].voxels == 8


def test_nothing_is_read_while_the_section_is_folded(box, qtbot):
    box.section.collapse(animate=False)
    box.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: box.desk.correction is not None, timeout=60_000)
    box.refresh()
    assert not box.desk.loader.busy
    box.section.expand(animate=False)
    box.refresh()
    qtbot.waitUntil(lambda: box.spent is not None, timeout=60_000)


def test_the_report_is_written_and_can_be_opened(box, qtbot, monkeypatch):
    project = box.desk.session.project
    work(project, "unlabelled", 90.0)
    shown = []
    monkeypatch.setattr(time_spent.QDesktopServices, "openUrl", lambda url: shown.append(url.toLocalFile()))
    box.report.click()
    qtbot.waitUntil(lambda: "The report is in" in box.told[-1], timeout=60_000)
    (page,) = (project.folder / "reports").glob("*/work.html")
    assert "unlabelled" in page.read_text(encoding="utf-8")
    box.offered[-1]()
    assert shown == [str(page)]
