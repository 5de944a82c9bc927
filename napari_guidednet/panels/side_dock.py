"""A dock for views beside the axial one: it opens beside the GuidedNet dock and closes without a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    from .desk import Desk

_SHARE = 0.45  # of the width of the main canvas


class Views(Protocol):
    """A widget of canvases."""

    removed: Any  # signal: napari took its dock away

    def fit(self) -> None:
        """Show the case whole."""

    def close_views(self) -> None:
        """Let go of everything; the widget is of no use any more."""


class ViewsDock(QObject):
    """Opens and closes a dock of views.

    Parameters
    ----------
    desk : Desk
    near : QWidget
        A widget in the GuidedNet dock, beside which the views come.
    name : str
        Title of the dock.
    make : callable
        Makes the widget: a QWidget that is a `Views`.
    """

    changed = Signal(bool)  # open or not

    def __init__(self, desk: Desk, near: QWidget, name: str, make: Callable[[Desk], Views]) -> None:
        super().__init__(near)
        self.desk, self._near, self._name, self._make = desk, near, name, make
        self.beside: ViewsDock | None = None  # shares its column, where both are open
        self.views: Any = None
        self._dock: QDockWidget | None = None
        self._window: QMainWindow | None = None
        self._width = 0  # of the GuidedNet dock, which keeps it

    @property
    def is_open(self) -> bool:
        """Whether the views are there."""
        return self.views is not None

    @property
    def dock(self) -> QDockWidget | None:
        """The dock, while it is open."""
        return self._dock

    def open(self) -> None:
        """Show the views beside the axial one."""
        if self._dock is not None:
            self._dock.show()
            return
        viewer = self.desk.layers.viewer
        ours = _dock_of(self._near)
        self._width = 0 if ours is None else ours.width()
        self.views = self._make(self.desk)
        self.views.removed.connect(self._on_removed)
        self._dock = cast(
            QDockWidget, viewer.window.add_dock_widget(self.views, name=self._name, area="right")
        )
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
        # Qt may still ask while Python takes the panel apart: then there is nothing left to close
        window = getattr(self, "_window", None)
        if window is not None and watched is window and event.type() == QEvent.Type.Close:
            self.close()
        return False

    def _on_removed(self) -> None:
        QTimer.singleShot(0, self.close)  # napari is still taking the dock apart

    def _place(self) -> None:
        """Put the dock between the axial view and the GuidedNet dock, or below the other views."""
        ours = _dock_of(self._near)
        if self._window is None or self._dock is None:
            return
        other = None if self.beside is None else self.beside.dock
        if other is not None and other.window() is self._window and not other.isFloating():
            self._window.splitDockWidget(other, self._dock, Qt.Orientation.Vertical)
            QTimer.singleShot(0, self._fit_both)
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
        QTimer.singleShot(0, self._fit_all)

    def _fit_all(self) -> None:
        """Show the case whole in all views: opening these took room from the axial one."""
        if self.views is not None:
            self.views.fit()
            self.desk.layers.viewer.fit_to_view()

    def _fit_both(self) -> None:
        """Show the case whole in the views that share a column now."""
        for dock in (self, self.beside):
            if dock is not None and dock.views is not None:
                dock.views.fit()


def _dock_of(widget: QWidget | None) -> QDockWidget | None:
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget
