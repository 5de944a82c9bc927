"""The GuidedNet dock: six steps from a project to a better model, and always the next one in sight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QSize, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QApplication, QMainWindow, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from ..state.cohort import CasePlace
from .ask import DialogAsker
from .cases import CasesPanel
from .command import Command
from .correct import CorrectPanel
from .desk import Desk
from .guard import guarded
from .guide import PANELS, NextStep, next_step
from .keys import KeysWindow
from .models import ModelsPanel
from .overview import Overview
from .predict import PredictPanel
from .project import ProjectPanel
from .shortcuts import Shortcuts
from .status import StatusLine
from .train import TrainPanel
from .wheel import still_page

if TYPE_CHECKING:
    import napari


WIDEST = 480  # the picture is what one looks at; a page that wants more is scrolled sideways


class MainPanel(QWidget):
    """Holds the six steps and the status line; joins them to the desk.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._watched: QMainWindow | None = None
        self._saving = False
        self.desk = Desk(napari_viewer, DialogAsker(self), self)
        self.overview = Overview(self.desk)
        self.project = ProjectPanel(self.desk)
        self.cases = CasesPanel(self.desk)
        self.segment = PredictPanel(self.desk, lambda: self.cases.selected)
        self.correct = CorrectPanel(self.desk)
        self.train = TrainPanel(self.desk)
        self.models = ModelsPanel(self.desk)
        show_keys = Command("keys", "Show or hide all keys", "Ctrl-H", self._show_keys)
        self.shortcuts = Shortcuts((*self.correct.commands(), show_keys))
        self.keys = KeysWindow(self.shortcuts, self)
        self.status = StatusLine()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setUsesScrollButtons(False)
        pages = (self.project, self.cases, self.segment, self.correct, self.train, self.models)
        for name, page in zip(PANELS, pages, strict=True):
            self.tabs.addTab(_Page(page), name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.status)
        self._guide_later = QTimer(self)
        self._guide_later.setSingleShot(True)
        self._guide_later.timeout.connect(self._guide)
        self._connect()
        self._guide()

    def _connect(self) -> None:
        self.desk.said.connect(self.status.say)
        self.desk.failed.connect(self.status.show_error)
        self.desk.offered.connect(self.status.offer)
        self.desk.busy.connect(self.status.show_busy)
        self.desk.work_changed.connect(self._guide_later.start)
        self.cases.selection_changed.connect(self.segment.refresh_cases)
        self.status.next_requested.connect(self._go_on)
        self.cases.cohort.visited.connect(self._go_to_place)
        self.models.step_requested.connect(self.show_step)
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.desk.close)
        desk = self.desk
        self.destroyed.connect(lambda: desk.close())

    @guarded
    def open_project(self, folder: Path | str) -> None:
        """Open a project and show its cases."""
        self.desk.open_project(folder)
        self.show_step("Cases")

    @guarded
    def _go_to_place(self, found: CasePlace) -> None:
        """Open the case of a place, if it is another, and go there."""
        opened = self.desk.session.case
        if opened is None or opened.id != found.case:
            self.desk.open_case(found.case)
        self.correct.places.go_to_later(found.case, found.place)
        self.show_step("Correct")

    def show_step(self, name: str) -> None:
        """Turn to a step: Project, Cases, Segment, Correct, Train or Models."""
        self.tabs.setCurrentIndex(PANELS.index(name))

    @guarded
    def _go_on(self, step: NextStep) -> None:
        """Do what the button at the foot says: turn to the step, and open the case it names."""
        self.show_step(step.panel)
        if step.case is not None:
            self.cases.show_case(step.case)
            self.desk.open_case(step.case)

    @guarded
    def _show_keys(self) -> None:
        self.keys.open()

    @guarded
    def _guide(self) -> None:
        self.status.show_next(next_step(self.overview.facts))

    def showEvent(self, event: QShowEvent) -> None:
        """Learn which window the dock is in, to save before it closes."""
        super().showEvent(event)
        window = self.window()
        if isinstance(window, QMainWindow) and window is not self._watched:
            self._watched = window
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Save when napari's window is about to close."""
        # Qt may still ask while Python takes the panel apart: then there is nothing left to save
        window = getattr(self, "_watched", None)
        if window is not None and watched is window and event.type() == QEvent.Type.Close:
            return self._save_first(event)
        return False

    def _save_first(self, event: QEvent) -> bool:
        """Save before the window closes; tell whether it stays, since a saving goes on already."""
        if self._saving:
            event.ignore()
            return True
        self._saving = True
        try:
            self.desk.save_before_closing()
        finally:
            self._saving = False
        return False


class _Page(QScrollArea):
    """Scrolls a step up and down; as wide as what is in it: nothing hides beyond its right edge."""

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self._page = page
        self.setWidget(page)
        still_page(page)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask for another width when what the page holds has changed; Qt itself asks about the page."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def minimumSizeHint(self) -> QSize:
        """As wide as the page and the bar that scrolls it."""
        hint = super().minimumSizeHint()
        wanted = self._page.minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
        return QSize(max(hint.width(), min(wanted, WIDEST)), hint.height())
