"""A part of a panel that folds away: a narrow dock holds many."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt import QCollapsible

_UNLIMITED = (1 << 24) - 1  # of Qt: no limit to the height


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
        self.toggled.connect(self._fold)
        if opened:
            self.expand(animate=False)
        self._fold(opened)

    def _fold(self, unfolded: bool) -> None:
        """Hide a folded part, so that it can rest; let an unfolded one grow with what it holds."""
        inner = self.content()
        inner.setVisible(unfolded)
        if unfolded:
            inner.setMaximumHeight(_UNLIMITED)
