"""The dock of views beside the axial one: coronal, sagittal; it opens and closes without a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QSplitter, QVBoxLayout, QWidget

from ..layers.planes import Planes
from .canvases import CrossHair, SideCanvas

if TYPE_CHECKING:
    import napari

    from ..state.correction import Correction
    from .desk import Desk

NAME = "GuidedNet views"
REST_MS = 80  # a stroke reaches the other views when the hand rests: the brush must not wait for them
_SHARE = 0.45  # of the width of the main canvas


class SideViews(QWidget):
    """The canvases themselves, one below the other or side by side as there is room.

    Parameters
    ----------
    desk : Desk
    viewer : napari.Viewer
        The main viewer.
    """

    removed = Signal()  # the person closed the dock

    def __init__(self, desk: Desk, viewer: napari.Viewer) -> None:
        super().__init__()
        self.desk = desk
        self._closed = False
        self._correction: Correction | None = None
        self.planes = Planes(desk.layers)
        self.canvases = tuple(SideCanvas(model, viewer) for model in self.planes.models)
        main_canvas = viewer.window._qt_viewer.canvas  # napari has no public way to draw on it
        self.cross_hairs = (
            CrossHair(main_canvas, viewer),
            *(CrossHair(c.canvas, c.viewer) for c in self.canvases),
        )
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        for plane, canvas in zip(self.planes.planes, self.canvases, strict=True):
            canvas.setMinimumSize(120, 100)
            canvas.setToolTip(
                f"{plane.title}: paint here as in the axial view. Hold Shift and move: all views follow."
            )
            _name(canvas, plane.title)
            self.splitter.addWidget(canvas)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._refresh)
        desk.correction_changed.connect(self._watch)
        self._watch(desk.correction)

    def show_cross_hair(self, on: bool) -> None:
        """Draw the cross-hair in all views, or leave it out."""
        for cross_hair in self.cross_hairs:
            cross_hair.show(on)

    def close_views(self) -> None:
        """Let go of everything; the widget is of no use any more."""
        if self._closed:
            return
        self._closed = True
        self._rest.stop()
        self.desk.correction_changed.disconnect(self._watch)
        self._watch(None)
        for cross_hair in self.cross_hairs:
            cross_hair.close()
        self.planes.close()
        for canvas in self.canvases:
            canvas.close()
            canvas.setParent(None)
            canvas.deleteLater()
        self.canvases = self.cross_hairs = ()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the views out along the longer side."""
        super().resizeEvent(event)
        wide = event.size().width() > event.size().height()
        self.splitter.setOrientation(Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical)

    def event(self, event: QEvent) -> bool:
        """Notice that napari took the dock away."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and not self._closed:
            self.removed.emit()
        return bool(super().event(event))

    def _watch(self, correction: Correction | None) -> None:
        if self._correction is not None:
            self._correction.changed.disconnect(self._on_changed, missing_ok=True)
            self._correction.rewritten.disconnect(self.planes.redraw, missing_ok=True)
        self._correction = correction
        if correction is not None:
            correction.changed.connect(self._on_changed)
            correction.rewritten.connect(self.planes.redraw)

    def _on_changed(self, *_: object) -> None:
        self._rest.start()

    def _refresh(self) -> None:
        if not self._closed:
            self.planes.refresh()


class ViewsDock(QObject):
    """Opens and closes the dock of views.

    Parameters
    ----------
    desk : Desk
    near : QWidget
        A widget in the GuidedNet dock, beside which the views come.
    """

    changed = Signal(bool)  # open or not

    def __init__(self, desk: Desk, near: QWidget) -> None:
        super().__init__(near)
        self.desk, self._near = desk, near
        self.views: SideViews | None = None
        self._dock: QDockWidget | None = None
        self._window: QMainWindow | None = None
        self._width = 0  # of the GuidedNet dock, which keeps it

    @property
    def is_open(self) -> bool:
        """Whether the views are there."""
        return self.views is not None

    def open(self) -> None:
        """Show the views beside the axial one."""
        if self._dock is not None:
            self._dock.show()
            return
        viewer = self.desk.layers.viewer
        ours = _dock_of(self._near)
        self._width = 0 if ours is None else ours.width()
        self.views = SideViews(self.desk, viewer)
        self.views.removed.connect(self._on_removed)
        self._dock = viewer.window.add_dock_widget(self.views, name=NAME, area="right")
        window = self._dock.window()
        self._window = window if isinstance(window, QMainWindow) else None
        self._place()
        if self._window is not None:
            self._window.installEventFilter(self)
        self.changed.emit(True)

    def close(self) -> None:
        """Take the views away and let go of them."""
        views, dock, self.views, self._dock = self.views, self._dock, None, None
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None
        if views is None:
            return
        views.removed.disconnect(self._on_removed)
        views.close_views()
        if dock is not None and views.parent() is not None:
            self.desk.layers.viewer.window.remove_dock_widget(dock)
        views.deleteLater()
        self.changed.emit(False)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Close the views before the window that holds them."""
        if event.type() == QEvent.Type.Close and watched is self._window:
            self.close()
        return False

    def _on_removed(self) -> None:
        QTimer.singleShot(0, self.close)  # napari is still taking the dock apart

    def _place(self) -> None:
        """Put the dock between the axial view and the GuidedNet dock."""
        ours = _dock_of(self._near)
        if self._window is None or self._dock is None:
            return
        if ours is not None and ours.window() is self._window and not ours.isFloating():
            self._window.splitDockWidget(self._dock, ours, Qt.Orientation.Horizontal)
        QTimer.singleShot(0, self._give_room)  # Qt has laid the dock out by then

    def _give_room(self) -> None:
        """Halve what the axial view had, and show the case whole in what the side views got."""
        centre = None if self._window is None else self._window.centralWidget()
        if self._window is None or centre is None or self._dock is None or self.views is None:
            return
        ours = _dock_of(self._near)
        docks = [self._dock] if ours is None else [self._dock, ours]
        room = centre.width() + self._dock.width()
        room += 0 if ours is None else ours.width() - self._width
        widths = [int(_SHARE * room), self._width][: len(docks)]
        self._window.resizeDocks(docks, widths, Qt.Orientation.Horizontal)
        QTimer.singleShot(0, self.views.planes.fit)


def _dock_of(widget: QWidget | None) -> QDockWidget | None:
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget


def _name(canvas: SideCanvas, title: str) -> None:
    text = canvas.viewer.canvas.overlays.text
    text.text, text.position, text.visible = title, "top_left", True
