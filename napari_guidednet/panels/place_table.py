"""The list of places worth a look: organ, what is odd, how large, what a minute there gains."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from ..backend import LabelScheme, Place, sentence
from ..state.tour import KIND_TITLES, rate_text
from .tables import ROW_HEIGHT, PlainTable

COLUMNS = ("Organ", "What", "ml", "Gain/min")
TIPS = (
    "A click jumps there in all views",
    "unsure: torn between known organs. contradicted: the class mixture holds it for another organ.\n"
    "unfamiliar: unlike anything learnt. The others: models that differ, anatomy that cannot be right.",
    "Volume of the place",
    "Expected points of Dice of the organ (of 100) that a minute of work gains there",
)
ROWS_SHOWN = 6


class PlaceTable(PlainTable):
    """A view: a click on a row goes out as a signal."""

    visited = Signal(object)  # Place

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(COLUMNS, TIPS, parent=parent)
        self._places: tuple[Place, ...] = ()
        self.setFixedHeight((ROWS_SHOWN + 1) * ROW_HEIGHT + 4)
        self.cellClicked.connect(lambda row, _column: self.visited.emit(self._places[row]))

    def show_places(self, places: Sequence[Place], here: Place | None, scheme: LabelScheme | None) -> None:
        """Show places of a case; the one stood at is selected."""
        if tuple(places) != self._places and scheme is not None:
            self.setRowCount(len(places))
            for row, place in enumerate(places):
                self.fill(row, _texts(place, scheme), sentence(place, scheme))
        elif scheme is None:
            self.setRowCount(0)
        self._places = tuple(places)
        self.clearSelection()
        if here in self._places:
            self.selectRow(self._places.index(here))


def _texts(place: Place, scheme: LabelScheme) -> tuple[str, ...]:
    organ = scheme.organ(scheme.value(place.organ)).title if place.organ else "Whole case"
    return organ, KIND_TITLES[place.kind], f"{place.volume_ml:.1f}", rate_text(place)
