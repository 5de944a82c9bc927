"""Which organs a training is to learn before all others: a button with a list of ticks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QMenu, QSizePolicy, QToolButton, QWidget, QWidgetAction

TIP = (
    "Patches are cut around these organs more often, so they are learnt first.\n"
    "Beside each organ: the Dice of the model to start from on its held-out cases, the worst on top.\n"
    "How often: More settings, Learning from corrections, Share of the focus (setting: focus)"
)


class FocusChoice(QToolButton):
    """Shows the organs in focus; a click unfolds the list."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(TIP)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._menu = QMenu(self)
        self.setMenu(self._menu)
        self._boxes: dict[str, QCheckBox] = {}
        self._titles: dict[str, str] = {}
        self._describe()

    def show_organs(self, organs: Sequence[tuple[str, str]], dice: Mapping[str, float]) -> None:
        """List organs (name and title), those that a model finds worst on top; ticks are kept.

        Parameters
        ----------
        organs : sequence of (str, str)
            Of the scheme, in its order.
        dice : mapping
            Organ -> Dice of the model to start from; may lack organs.
        """
        ticked = set(self.focus)
        ordered = sorted(organs, key=lambda organ: dice.get(organ[0], 2.0))
        self._titles = dict(organs)
        self._menu.clear()
        self._boxes = {}
        for name, title in ordered:
            box = QCheckBox(f"{title}  {dice[name]:.3f}" if name in dice else title)
            box.setToolTip(f"Learn the {title.lower()} before other organs")
            box.setChecked(name in ticked)
            box.toggled.connect(self._on_toggled)
            action = QWidgetAction(self._menu)  # a box does not close the menu when it is ticked
            action.setDefaultWidget(box)
            self._menu.addAction(action)
            self._boxes[name] = box
        self._describe()
        self.setEnabled(bool(organs))

    @property
    def focus(self) -> tuple[str, ...]:
        """Names of the ticked organs, in the order of the scheme."""
        return tuple(name for name in self._titles if name in self._boxes and self._boxes[name].isChecked())

    def choose(self, names: Collection[str]) -> None:
        """Tick these organs and no others."""
        for name, box in self._boxes.items():
            with QSignalBlocker(box):
                box.setChecked(name in names)
        self._on_toggled()

    def _on_toggled(self, *_: object) -> None:
        self._describe()
        self.changed.emit()

    def _describe(self) -> None:
        titles = [self._titles[name] for name in self.focus]
        self.setText(f"In focus: {', '.join(titles)}" if titles else "All organs alike; none in focus")
