"""The wheel scrolls a page: a slider, number or choice that passes under the mouse keeps its value."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollBar, QWidget

TURNED = (QAbstractSlider, QAbstractSpinBox, QComboBox)  # what Qt turns at the wheel, in focus or not


class _Still(QObject):
    """Hands the wheel on to the page, unless its widget was clicked first; lives as long as the widget."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ignore the wheel: Qt then offers it to the parent."""
        if event.type() != QEvent.Type.Wheel or (isinstance(watched, QWidget) and watched.hasFocus()):
            return False
        event.ignore()
        return True


def still(widget: QWidget) -> None:
    """Keep the value of a widget when the wheel turns over it."""
    widget.installEventFilter(_Still(widget))
    if widget.focusPolicy() == Qt.FocusPolicy.WheelFocus:
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # or passing by would be a click


def still_page(page: QWidget) -> None:
    """Keep the values of all there is on a page; what is made later asks for `still` itself."""
    for kind in TURNED:
        for widget in page.findChildren(kind):
            if not isinstance(widget, QScrollBar):
                still(widget)
