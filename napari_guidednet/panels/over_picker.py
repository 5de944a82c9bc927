"""A button that lists organs to be ticked: over which of them the brush may paint."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QSizePolicy, QToolButton, QWidget

from ..backend import LabelScheme
from ..layers.colours import hex_colour
from ..state.brush import UNLABELLED, over_words
from .swatch import swatch


class OverPicker(QToolButton):
    """Shows the ticked organs by name and opens a menu of all."""

    picked = Signal(object)  # frozenset of names of organs, and UNLABELLED

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.setMenu(self._menu)
        self._scheme: LabelScheme | None = None
        self.actions_by_name: dict[str, QAction] = {}

    def begin(self, scheme: LabelScheme) -> None:
        """List the organs of a scheme."""
        self._scheme = scheme
        self._menu.clear()
        self.actions_by_name = {UNLABELLED: self._menu.addAction("Unlabelled voxels")}
        for organ in scheme.organs:
            self.actions_by_name[organ.name] = self._menu.addAction(organ.title)
        self.colour(scheme)
        for action in self.actions_by_name.values():
            action.setCheckable(True)
            action.triggered.connect(self._on_triggered)

    def colour(self, scheme: LabelScheme) -> None:
        """Show the organs in the colours of a scheme."""
        for organ in scheme.organs:
            if organ.name in self.actions_by_name:
                self.actions_by_name[organ.name].setIcon(swatch(hex_colour(organ)))

    def tick(self, names: Iterable[str]) -> None:
        """Show which organs are chosen; nothing is announced."""
        chosen = frozenset(names)
        for name, action in self.actions_by_name.items():
            action.setChecked(name in chosen)
        words = over_words(chosen, self._scheme) if self._scheme is not None else ""
        self.setText(words[:1].upper() + words[1:])
        self.setToolTip(f"The brush paints only over: {words}. Click to choose.")

    def _on_triggered(self) -> None:
        self.picked.emit(frozenset(n for n, action in self.actions_by_name.items() if action.isChecked()))
