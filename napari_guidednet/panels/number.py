"""A number with its unit in one line: value, range, tooltip."""

from __future__ import annotations

from qtpy.QtWidgets import QDoubleSpinBox


def number_box(value: float, low: float, high: float, unit: str, tip: str) -> QDoubleSpinBox:
    """Make a box for a number; `unit` is shown behind it."""
    box = QDoubleSpinBox()
    box.setDecimals(2 if low < 0.1 else 1)
    box.setRange(low, high)
    box.setSingleStep(0.5)
    box.setValue(value)
    box.setSuffix(unit)
    box.setToolTip(tip)
    return box
