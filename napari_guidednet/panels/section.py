"""A part of a panel that folds away: a narrow dock holds many."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt import QCollapsible


class Section(QCollapsible):
    """A title that folds its content.

    Parameters
    ----------
    title : str
    content : QWidget
    opened : bool
        Whether it begins unfolded.
    """

    def __init__(self, title: str, content: QWidget, opened: bool = False) -> None:
        super().__init__(title)
        self.setDuration(0)
        self.content_widget = content
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(4, 0, 0, 4)
        layout.addWidget(content)
        self.setContent(inner)
        if opened:
            self.expand(animate=False)
