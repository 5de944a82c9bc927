"""The real panel in a real viewer, with answers instead of dialogs."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_guidednet.backend import Measured, MethodFacts, Pace, TrainRequest
from napari_guidednet.state.forecast import Forecast


class Answers:
    """Answers questions as a person would; nothing is answered twice the same way by accident."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.paths: list[Path] = []
        self.colours: list[str] = []
        self.asked: list[str] = []

    def folder(self, title, start=None):
        self.asked.append(title)
        return self.folders.pop(0) if self.folders else None

    def files(self, title, start=None):
        self.asked.append(title)
        paths, self.paths = tuple(self.paths), []
        return paths

    def colour(self, title, start):
        self.asked.append(f"{title}, now {start}")
        return self.colours.pop(0) if self.colours else None


class Oracle(Forecast):
    """Knows the methods and the pace of every training at once; no process is started."""

    def __init__(self) -> None:
        super().__init__(ask=None)
        self.methods = {
            "supervised": MethodFacts(name="supervised", when_to_use="When every case is annotated."),
            "guidednet": MethodFacts(
                name="guidednet",
                when_to_use="When few cases are annotated.",
                unlabelled=True,
                unlabelled_patches=True,
            ),
        }
        self.found: Pace | None = Pace(
            device="cpu: test",
            steps=(Measured(voxels=32**3, seconds=1.0, peak_bytes=3 << 30),),
            windows=(Measured(voxels=32**3, seconds=0.1),),
            idle_bytes=1 << 30,
            free_bytes=64 << 30,
        )
        self.asked: list[TrainRequest] = []
        self.news = False

    def ask_pace(self, request: TrainRequest) -> None:
        self.asked.append(request)

    def knows(self, request: TrainRequest) -> bool:
        return self.found is not None

    def pace(self, request: TrainRequest) -> Pace | None:
        return self.found

    def poll(self) -> bool:
        news, self.news = self.news, False
        return news


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def panel(make_napari_viewer, qtbot, answers):
    """The GuidedNet dock in a napari viewer."""
    from napari_guidednet.panels.main import MainPanel

    viewer = make_napari_viewer()
    panel = MainPanel(viewer)
    panel.desk.asker = answers
    panel.desk.forecast = Oracle()
    viewer.window.add_dock_widget(panel, name="GuidedNet")
    panel.viewer = viewer
    yield panel
    panel.desk.close()


@pytest.fixture
def opened(panel, tiny_project, qtbot):
    """The dock with the tiny project open."""
    panel.open_project(tiny_project)
    assert panel.desk.session.project is not None, panel.status.happened.text()
    return panel


@pytest.fixture
def with_case(opened, qtbot):
    """The dock with the unlabelled case open."""
    opened.desk.open_case("unlabelled")
    qtbot.waitUntil(lambda: opened.desk.correction is not None, timeout=60_000)
    return opened
