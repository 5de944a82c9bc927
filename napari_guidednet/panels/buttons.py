"""A button in one line: text, tooltip, slot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QPushButton


def button(text: str, tip: str, slot: Callable[..., Any]) -> QPushButton:
    """Make a push button; its tooltip is its accessible description too."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setAccessibleDescription(tip)
    made.clicked.connect(slot)
    return made
