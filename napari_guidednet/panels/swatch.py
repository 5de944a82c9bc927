"""A small square in an organ's colour, for tables and menus."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap

SIDE = 13  # screen pixels
_RIM = QColor(128, 128, 128)  # seen on dark and on light ground, whatever is within


def swatch(colour: str) -> QIcon:
    """Give a square of a colour ("#rrggbb") with a thin grey rim; it is the same in a selected row."""
    square = QPixmap(SIDE, SIDE)
    square.fill(QColor(colour))
    painter = QPainter(square)
    painter.setPen(_RIM)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(0, 0, SIDE - 1, SIDE - 1)
    painter.end()
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected, QIcon.Mode.Disabled):
        icon.addPixmap(square, mode)  # or Qt would tint it there
    return icon
