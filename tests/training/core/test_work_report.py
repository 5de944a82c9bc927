"""The report is one page that needs nothing else, and says the same as its CSV files."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core.agreement import Agreement, PairScore
from guidednet_training.core.case import Annotation, OrganState
from guidednet_training.core.case_work import work_of
from guidednet_training.core.errors import FileError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.journal import Change
from guidednet_training.core.journal_writer import JournalWriter
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.project import Project
from guidednet_training.core.svg_chart import bar_chart, line_chart
from guidednet_training.core.volume import Volume, write_volume
from guidednet_training.core.work_report import (
    cases_csv,
    moments_csv,
    organs_csv,
    report_page,
    span_text,
    summary,
    write_report,
)

SHAPE = (6, 8, 8)
GRID = Geometry(SHAPE, np.diag([3.0, 2.0, 2.0, 1.0])[:, [2, 1, 0, 3]])  # x, y, z from z, y, x
LIVER = FLARE_13.value("liver")
AGREED = Agreement(
    "ct_0",
    "anna",
    "<ben>",
    "model",
    {"liver": PairScore(0.91, 0.8, 12.0, 13.0), "spleen": PairScore(None, None, 0.0, 0.0)},
)


def journal(project: Project, case: str, day: int, confirmed: bool) -> None:
    """A model's half of a liver, and a minute of a person's work for the other half."""
    labels = np.zeros(SHAPE, np.uint8)
    flat, writer = labels.reshape(-1), JournalWriter(project.journal_folder(case))
    for number, (tool, start, stop, seconds) in enumerate(
        (("model", 0, 50, 0.0), ("paint", 50, 100, 60.0)), 1
    ):
        index = np.arange(start, stop)
        new = np.full(index.size, LIVER, np.uint8)
        when = f"2026-03-{day:02d}T12:00:00+00:00"
        writer.append(
            Change(number, "anna", when, tool, ("liver",), None, seconds, index, flat[index].copy(), new)
        )
        flat[index] = new
    writer.close()
    state = OrganState.CONFIRMED if confirmed else OrganState.CORRECTED
    annotation = Annotation(scheme="FLARE_13", organs={"liver": state})
    project.save_labels(case, Volume(labels, GRID, "labels"), annotation)


@pytest.fixture
def project(tmp_path: Path):
    with Project.create(tmp_path / "project", "Livers <of> spring") as project:
        for number in range(3):
            array = np.random.default_rng(number).integers(-1000, 1000, SHAPE).astype(np.int16)
            path = tmp_path / f"ct_{number}.nii.gz"
            write_volume(path, Volume(array, GRID, "ct_hu"))
            project.add_case(path, f"ct_{number}", "train")
        journal(project, "ct_1", day=1, confirmed=True)
        journal(project, "ct_0", day=2, confirmed=False)
        yield project


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


class Page(HTMLParser):
    """Tags that were opened and not closed, and all that would be fetched or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.foreign: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "rect", "line"):
            self.open.append(tag)
        if tag in ("script", "link", "iframe", "img") or {"src", "href", "onclick"} & {n for n, _ in attrs}:
            self.foreign.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in ("rect", "line"):
            assert self.open.pop() == tag


def test_the_work_of_each_case_is_read_from_the_disk_in_its_order(project):
    seen = []
    works = work_of(project, lambda done, total, case: seen.append((done, total, case)))
    assert [work.case.id for work in works] == ["ct_1", "ct_0"]
    assert seen == [(0, 3, "ct_0"), (1, 3, "ct_1"), (2, 3, "ct_2")]
    assert [moment.dice for moment in works[0].moments] == pytest.approx([0.0, 2 / 3, 1.0])
    assert works[1].moments == ()  # nothing is confirmed there


def test_the_page_is_whole_and_fetches_nothing(project):
    page = report_page(project.name, project.scheme, work_of(project), [AGREED])
    read = Page(page)
    assert read.open == []
    assert read.foreign == []
    assert "http" not in page
    assert "Livers &lt;of&gt; spring" in page
    assert "<of>" not in page
    assert "&lt;ben&gt;" in page
    assert page.count("<svg") == 3


def test_the_csv_files_hold_the_figures(project):
    works = work_of(project)
    first, second = rows(cases_csv(works))
    assert (first["case"], first["seconds"], first["strokes"], first["voxels"]) == ("ct_1", "60.0", "1", "50")
    assert float(first["dice_at_start"]) == pytest.approx(2 / 3, abs=1e-3)  # what the model had
    assert (second["confirmed_organs"], second["dice_at_start"]) == ("0", "")
    assert rows(organs_csv(works))[0] == {
        "case": "ct_1", "organ": "liver", "seconds": "60.0", "strokes": "1", "voxels": "50",
        "confirmed": "True",
    }  # fmt: skip
    last = rows(moments_csv(works))[-1]
    assert (last["case"], last["seconds"], last["organ"], float(last["dice_with_final"])) == (
        "ct_1",
        "60.0",
        "liver",
        1.0,
    )


def test_a_report_is_written_whole_or_refused(project, tmp_path):
    page = write_report(tmp_path / "report", project.name, project.scheme, work_of(project), [AGREED])
    assert page.is_file()
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "cases.csv", "dice_minutes.csv", "organs.csv", "readers.csv", "work.html",
    ]  # fmt: skip
    assert rows((page.parent / "readers.csv").read_text())[0]["second_reader"] == "<ben>"
    with pytest.raises(FileError, match="exists already"):
        write_report(page.parent, project.name, project.scheme, ())


def test_without_work_the_page_says_what_to_do(project):
    page = report_page("Nothing yet", FLARE_13, ())
    assert "paint in a case" in page
    assert Page(page).open == []


def test_the_summary_counts_and_compares(project):
    text = summary(work_of(project))
    assert "2 cases, 120 s" not in text
    assert text.startswith("2 cases, 2 min of work, 2 strokes, 100 voxels.")
    assert "took 1.0 minutes (median)" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (45.4, "45 s"), (120, "2 min"), (3600, "60 min"), (11100, "3 h 05 min")]
)
def test_spans_are_said_in_words(seconds, text):
    assert span_text(seconds) == text


def test_charts_take_any_number_of_points():
    for chart in (bar_chart([], "minutes"), bar_chart([("a", 0.0)], "minutes"), line_chart({}, "x", "y")):
        assert Page(chart).open == []
    many = bar_chart([(f"case_{n}", float(n)) for n in range(300)], "minutes")
    assert many.count("<rect") == 300
    assert many.count("<text") < 30  # names that do not run into each other
    assert 'points="52.0,216.0 704.0,28.0"' in line_chart({"a": [(0, 0), (10, 1)]}, "x", "y")
