"""The real panel in a real viewer, with answers instead of dialogs."""

from __future__ import annotations

from pathlib import Path

import pytest


class Answers:
    """Answers questions as a person would; nothing is answered twice the same way by accident."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.paths: list[Path] = []
        self.asked: list[str] = []

    def folder(self, title, start=None):
        self.asked.append(title)
        return self.folders.pop(0) if self.folders else None

    def files(self, title, start=None):
        self.asked.append(title)
        paths, self.paths = tuple(self.paths), []
        return paths


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
    qtbot.waitUntil(lambda: opened.desk.correction is not None, timeout=10_000)
    return opened
