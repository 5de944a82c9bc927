"""Choices as narrow as the dock: their width does not follow the longest name of a model or case."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QSizePolicy

CHARACTERS = 12  # always in sight; a wider dock shows more, and the open list shows all


def narrow(box: QComboBox, characters: int = CHARACTERS) -> QComboBox:
    """Let a box be as narrow as so many characters; gives the box back."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(characters)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)  # takes the room there is
    return box
