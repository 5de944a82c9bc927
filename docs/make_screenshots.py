"""Makes the pictures of the documentation: drives the plugin on the finished project of `guidednet demo`.

    guidednet demo --out demo && xvfb-run -a -s "-screen 0 1600x1200x24" python docs/make_screenshots.py demo

The project is copied first; only synthetic patients are in it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_guidednet.panels.main import MainPanel

IMAGES = Path(__file__).parent / "images"
WINDOW, DOCK_WIDTH = (1500, 920), 470
LARGEST_BYTES = 300_000
LABELLED, UNLABELLED = "labelled-1", "unlabelled-1"


class Photographer:
    """A napari window with the GuidedNet dock, and a camera."""

    def __init__(self, project: Path, out: Path, theme: str) -> None:
        self.out = out
        self.viewer = napari.Viewer(title="napari", show=True)
        self.viewer.theme = theme
        self.window = self.viewer.window._qt_window  # pictures of the whole window need it
        self.window.resize(*WINDOW)
        self.panel = MainPanel(self.viewer)
        dock = self.viewer.window.add_dock_widget(self.panel, name="GuidedNet")
        self.window.resizeDocks([dock], [DOCK_WIDTH], _horizontal())
        self.panel.open_project(project)
        self.wait(lambda: self.panel.desk.session.project is not None)

    def wait(self, ready: Callable[[], bool] = lambda: False, at_most_s: float = 60.0) -> None:
        """Let napari work until something is ready, and a little longer so that it is drawn."""
        end = time.monotonic() + at_most_s
        while not ready() and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.02)
        self.settle()

    def settle(self, seconds: float = 1.0) -> None:
        """Let everything be drawn."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.02)

    def open_case(self, name: str) -> None:
        """Open a case and wait until it is drawn."""
        desk = self.panel.desk
        desk.open_case(name)
        self.wait(lambda: desk.session.case is not None and desk.session.case.id == name)

    def go_to(self, organ: str) -> None:
        """Show the fullest slice of an organ, whole."""
        table = self.panel.correct.table
        table.selectRow(table.row_of(organ))
        table.visited.emit(organ)
        self.viewer.reset_view()

    def unfold(self, title: str) -> None:
        """Fold all sections of the Correct step but one, and scroll to it."""
        for name, section in self.panel.correct.sections.items():
            (section.expand if name == title else section.collapse)(animate=False)
        self.settle(0.3)
        page = self.panel.tabs.currentWidget()
        if isinstance(page, QScrollArea):
            page.ensureWidgetVisible(self.panel.correct.sections[title])

    def shoot(self, name: str) -> Path:
        """Save the whole window as NAME.png, in 256 colours if it would be too large."""
        self.settle()
        path = self.out / f"{name}.png"
        picture = self.window.grab().toImage()
        picture.save(str(path))
        if path.stat().st_size > LARGEST_BYTES:
            picture.convertToFormat(QImage.Format.Format_Indexed8).save(str(path))
        print(f"{path} {path.stat().st_size / 1000:.0f} kB")
        return path


def take_all(photographer: Photographer) -> None:
    """Go through the six steps as the tutorial does."""
    panel, desk = photographer.panel, photographer.panel.desk
    panel.show_step("Cases")
    photographer.shoot("cases")

    photographer.open_case(UNLABELLED)
    desk.layers.show_only(())
    panel.show_step("Segment")
    photographer.shoot("ct")

    photographer.open_case(LABELLED)
    panel.show_step("Correct")
    photographer.go_to("liver")
    photographer.shoot("labels")

    photographer.open_case(UNLABELLED)
    photographer.wait(lambda: panel.correct.places.tour is not None)
    photographer.go_to("stomach")
    panel.correct.view.outline.setChecked(True)
    panel.correct.view.show_map("confidence")
    photographer.shoot("confidence")
    panel.correct.view.show_map(None)
    panel.correct.view.outline.setChecked(False)
    take_workbench(photographer)

    panel.show_step("Train")
    photographer.wait(lambda: panel.train.chart.dice_points > 0, at_most_s=5)
    photographer.shoot("training")
    panel.show_step("Models")
    photographer.shoot("comparison")


def take_workbench(photographer: Photographer) -> None:
    """Go through the sections of the step Correct, a case open."""
    correct = photographer.panel.correct
    correct.view.planes.click()
    photographer.settle(2)
    correct.places.next.click()
    photographer.unfold("Where to look")
    photographer.shoot("where-to-look")
    photographer.viewer.reset_view()
    photographer.unfold("Tools")
    correct.tools.smart.setChecked(True)
    photographer.shoot("tools")
    correct.tools.smart.setChecked(False)
    photographer.unfold("Region tools")
    correct.regions.grow.click()
    photographer.settle(1)
    photographer.shoot("region-tools")
    photographer.unfold("History")
    photographer.shoot("history")
    photographer.unfold("Time")
    photographer.shoot("time")
    photographer.unfold("View")
    correct.view.compare.differ.click()
    photographer.shoot("difference")
    correct.view.compare.differ.click()
    correct.view.turn_3d()
    photographer.settle(8)
    photographer.shoot("organs-3d")
    correct.view.turn_3d()
    photographer.panel.keys.open()
    photographer.settle(1)
    photographer.panel.keys.grab().save(str(photographer.out / "keys.png"))
    photographer.panel.keys.open()


def _horizontal() -> object:
    from qtpy.QtCore import Qt

    return Qt.Orientation.Horizontal


def main() -> None:
    """Copy the project, take the pictures, close napari."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path, help="finished project of `guidednet demo`")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(arguments.project, Path(folder) / "synthetic"))
        photographer = Photographer(copy, arguments.out, arguments.theme)
        if photographer.panel.desk.candidate is None:
            photographer.panel.desk.session.roll_back()  # it is the tutorial that decides
        take_all(photographer)
        photographer.panel.desk.close()
        photographer.viewer.close()


if __name__ == "__main__":
    main()
