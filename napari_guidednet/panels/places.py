"""The places where the model is least sure, one after the other: the confidence drives the navigation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from ..state.review import WeakSpot, weak_spots
from ..state.session import Prediction
from .buttons import button
from .guard import guarded

if TYPE_CHECKING:
    from .desk import Desk


class PlacesRow(QWidget):
    """Two buttons that jump to the previous and the next place worth looking at."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.spots: tuple[WeakSpot, ...] = ()
        self._index = -1
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.before = button("◀", "The place before", self._before)
        self.next = button(
            "Next unsure place ▶", "Jumps to where the model is least sure, largest first (Alt+N)", self._next
        )
        self.before.setMaximumWidth(36)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.before)
        layout.addWidget(self.next)
        desk.session.prediction_changed.connect(self._find)
        self._find(desk.session.prediction)

    def _find(self, prediction: Prediction | None) -> None:
        self.spots, self._index = (), -1
        self._describe()
        if prediction is not None:
            search = partial(weak_spots, prediction)
            self.desk.in_thread(
                f"Looking for unsure places in {prediction.case}",
                search,
                partial(self._found, prediction),
                key="places",
                quiet=True,
            )

    def _found(self, prediction: Prediction, spots: tuple[WeakSpot, ...]) -> None:
        if self.desk.session.prediction is prediction:
            self.spots = spots
            self._describe()

    @guarded
    def _next(self) -> None:
        self._go(self._index + 1)

    @guarded
    def _before(self) -> None:
        self._go(self._index - 1)

    def _go(self, index: int) -> None:
        if not self.spots:
            return
        self._index = index % len(self.spots)
        spot = self.spots[self._index]
        self.desk.layers.go_to(spot.centre_zyx)
        self.desk.layers.select_organ(spot.organ)
        self._describe()

    def _describe(self) -> None:
        for widget in (self.before, self.next):
            widget.setEnabled(bool(self.spots))
        if not self.spots:
            self.label.setText("")
        elif self._index < 0:
            self.label.setText(f"{len(self.spots)} places where the model is unsure")
        else:
            spot = self.spots[self._index]
            name = spot.organ.replace("_", " ")
            self.label.setText(
                f"{self._index + 1} of {len(self.spots)}: {name}, {spot.volume_ml:.1f} ml, "
                f"{100 * spot.mean_confidence:.0f} % sure"
            )
