"""The places worth a look, one after the other: jump there, accept, mend, skip; told when to stop."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..backend import Change, Place, Verdict, read_notes, save_notes, sentence
from ..state.correction import Correction
from ..state.repairing import OF_ORGANS, key_title, noted_words
from ..state.search import Search, outdates
from ..state.tour import GROUPS, Tour
from .buttons import button
from .command import Command
from .guard import guarded
from .mending import Mending
from .place_table import PlaceTable

if TYPE_CHECKING:
    from .desk import Desk

SOON_MS = 150  # a case, its prediction and its labels arrive one after the other
STOP_AT = 0.5  # points of Dice of one organ a minute
MOST_WATCHED = 4_000_000  # voxels of a place whose painting is noticed by comparing
NOWHERE = "Go to a place first: Next (Shift+N), or a click in the list."
EMPTY = "Open a case in the step Cases; the places worth a look are listed here, the most worthwhile first."


class PlacesBox(QWidget):
    """List of the places of the open case, and what can be done at the one shown."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.tour: Tour | None = None
        self.mending = Mending(desk, self._mended, self._unmended)
        self._wanted: tuple[str, Place] | None = (
            None  # where to go once the case being opened has been searched
        )
        self._as_reached: npt.NDArray[np.uint8] | None = None  # the labels of the place before any work
        self._make()
        self._lay_out()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SOON_MS)
        self._soon.timeout.connect(self._search)
        desk.correction_changed.connect(self._begin)
        desk.session.prediction_changed.connect(self._search_soon)
        self._begin(desk.correction)

    def _make(self) -> None:
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.table = PlaceTable()
        self.table.visited.connect(self._visit)
        self.before = button("◀", "The place before (Shift+P)", self._before)
        self.next = button(
            "Next ▶", "Jump to the next place worth a look, in all views (Shift+N)", self._next
        )
        self.accept = button("Accept", "The labels here are right: never ask again (Shift+A)", self._accept)
        self.fix = button("Fix", "", self._fix)
        self.skip = button("Skip", "Not now: it comes again after all others (Shift+I)", self._skip)
        self.again = button("Look again", "Search the labels as they are now", self._search)
        self.group = QComboBox()
        for name, (title, _) in GROUPS.items():
            self.group.addItem(title, name)
        self.group.setToolTip(
            "unsure: torn between known organs. unfamiliar: unlike anything the model has learnt.\n"
            "models differ: two networks, or an older model. anatomy: what cannot be right."
        )
        self.level = QDoubleSpinBox()
        self.level.setRange(0.0, 100.0)
        self.level.setSingleStep(0.5)
        self.level.setValue(STOP_AT)
        self.level.setSuffix(" points/min")
        self.level.setToolTip(
            "Stop where a minute of work is expected to gain less than so many points of Dice (of 100)"
        )
        self.group.currentIndexChanged.connect(self._choose)
        self.level.valueChanged.connect(self._choose)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addWidget(self.table)
        row = QHBoxLayout()
        self.before.setMaximumWidth(36)
        for widget in (self.before, self.next, self.accept, self.fix, self.skip):
            row.addWidget(widget)
        layout.addLayout(row)
        grid = QGridLayout()
        grid.addWidget(QLabel("Show"), 0, 0)
        grid.addWidget(self.group, 0, 1)
        grid.addWidget(self.again, 0, 2)
        grid.addWidget(QLabel("Stop below"), 1, 0)
        grid.addWidget(self.level, 1, 1)
        layout.addLayout(grid)

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        return (
            Command("next_place", "Go to the next place worth a look", "Shift-N", self.next.click),
            Command("place_before", "Go to the place before", "Shift-P", self.before.click),
            Command("accept_place", "Accept the labels at this place", "Shift-A", self.accept.click),
            Command("fix_place", "Mend this place, or take the brush", "Shift-J", self.fix.click),
            Command("skip_place", "Skip this place for now", "Shift-I", self.skip.click),
        )

    # searching

    def _begin(self, correction: Correction | None) -> None:
        self.tour = self._as_reached = None
        self.mending.begin()
        if correction is not None:
            correction.journaled.connect(self._on_change)
            for signal in (correction.states_changed, correction.locks_changed):
                signal.connect(self._show)  # places of protected organs need no look
        self._show()
        self._search_soon()

    @guarded
    def _on_change(self, change: Change) -> None:
        correction = self.desk.correction
        if correction is not None and outdates(change, correction.history):
            self._search_soon()
        self.mending.follow(change)

    def _search_soon(self, *_: object) -> None:
        if self.desk.correction is not None:
            self._soon.start()

    @guarded
    def _search(self) -> None:
        correction, session = self.desk.correction, self.desk.session
        if correction is None or session.project is None:
            return
        self.again.setEnabled(False)
        search = Search.of_open(session, correction)
        self.desk.in_thread(
            f"Looking for places in {search.case}",
            search.run,
            partial(self._found, correction),
            key="places",
            otherwise=partial(self.again.setEnabled, True),
            quiet=True,
        )
        self._show()

    def _found(self, correction: Correction, places: tuple[Place, ...]) -> None:
        self.again.setEnabled(True)
        if self.desk.correction is not correction:
            return
        if self.tour is None:
            notes = read_notes(self.desk.session.opened, correction.case.id)
            self.tour = Tour(
                correction.case.id, places, notes, correction.author, lambda: correction.protected
            )
            self.tour.choose(self.group.currentData(), self.level.value())
            self.tour.changed.connect(self._show)
        else:
            self.tour.renew(places)
        self._show()
        if self._wanted is not None and self._wanted[0] == correction.case.id:
            wanted, self._wanted = self._wanted[1], None
            self._visit(wanted)

    def go_to_later(self, case: str, place: Place) -> None:
        """Go to a place of a case that is open or being opened, as soon as it has been searched."""
        if self.tour is not None and self.tour.case == case:
            self._visit(place)
        else:
            self._wanted = case, place

    # walking

    @guarded
    def _next(self) -> None:
        self._step(1)

    @guarded
    def _before(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        tour, correction = self.tour, self.desk.correction
        if tour is None or correction is None:
            self.desk.say(EMPTY if correction is None else f"Still looking through {correction.case.id} …")
            return
        self._note_painted(tour)
        tour.drop_settled(correction.labels, correction.scheme)
        place = tour.step(by)
        if place is not None:
            self._arrive(place)
        elif tour.waiting:
            self.desk.say(tour.left_words, "Go on", self._go_on)
        else:
            confirmed = len(correction.confirmed) == len(correction.scheme.names)
            then = "" if confirmed else f" Confirm the organs of {tour.case}, or look again."
            self.desk.say(f"{tour.left_words}{then}")

    @guarded
    def _go_on(self) -> None:
        self.level.setValue(0.0)
        self._step(1)

    @guarded
    def _visit(self, place: Place) -> None:
        if self.tour is not None:
            place = self.tour.as_found(place)
            self.tour.stand_at(place)
            self._arrive(place)

    def _arrive(self, place: Place) -> None:
        correction = self.desk.correction
        if correction is not None and math.prod(place.box.shape) < MOST_WATCHED:
            self._as_reached = correction.labels[place.box.slices].copy()
        else:
            self._as_reached = None
        layers = self.desk.layers
        if place.organ:
            layers.select_organ(place.organ)
        layers.go_to(place.centre, place.box.shape)
        self.desk.say(self._sentence(place))

    # deciding

    @guarded
    def _accept(self) -> None:
        self._decide("accepted", "accepted as it is")

    @guarded
    def _skip(self) -> None:
        self._decide("skipped", "skipped; it comes again after the others")

    def _decide(self, verdict: Verdict, words: str) -> None:
        tour, place = self.tour, None if self.tour is None else self.tour.current
        if tour is None or place is None:
            self.desk.say(NOWHERE)
            return
        after = self._keep(tour, place, verdict)
        if after is not None:
            tour.stand_at(after)
            self._arrive(after)
        coming = tour.left_words if after is None else f"Now: {self._sentence(after)}"
        undo = partial(self._reopen, tour, place)
        self.desk.say(f"{self._title(place)}: {words}. {coming}", "Undo", undo)

    def _keep(self, tour: Tour, place: Place, verdict: Verdict) -> Place | None:
        """Note a decision on disk; give the place that comes next."""
        after = tour.decide(place, verdict)
        self._as_reached = None
        save_notes(self.desk.session.opened, tour.case, tour.notes)
        return after

    def _note_painted(self, tour: Tour) -> None:
        """Count the place as fixed if its labels were changed since it was reached."""
        place, before, correction = tour.current, self._as_reached, self.desk.correction
        if place is None or before is None or correction is None:
            return
        if not np.array_equal(before, correction.labels[place.box.slices]):
            self._keep(tour, place, "fixed")

    @guarded
    def _reopen(self, tour: Tour, place: Place) -> None:
        tour.reopen(place)
        save_notes(self.desk.session.opened, tour.case, tour.notes)
        if tour is self.tour:
            self._visit(place)

    @guarded
    def _fix(self) -> None:
        tour, place = self.tour, None if self.tour is None else self.tour.current
        if tour is None or place is None:
            self.desk.say(NOWHERE)
        elif place.repair == "note":
            self._decide("accepted", noted_words(place, self.desk.session.opened, tour.case))
        elif place.repair is not None:
            self.mending.mend(place)
        elif place.organ:
            self.desk.layers.paint(True)
            self.desk.say(f"The brush paints {self._title(place)} now. Then Next (Shift+N).")

    def _mended(self, place: Place) -> None:
        if self.tour is not None:
            self._keep(self.tour, place, "fixed")
            if place.repair in OF_ORGANS:
                self._search_soon()

    def _unmended(self, place: Place) -> None:
        if self.tour is not None:
            self._reopen(self.tour, place)
            if place.repair in OF_ORGANS:
                self._search_soon()

    # showing

    @guarded
    def _choose(self) -> None:
        if self.tour is not None:
            self.tour.choose(self.group.currentData(), self.level.value())

    def _show(self, *_: object) -> None:
        tour, correction = self.tour, self.desk.correction
        here = None if tour is None else tour.current
        scheme = None if correction is None else correction.scheme
        worth = () if tour is None else tour.worth
        with QSignalBlocker(self.table):
            self.table.show_places(worth, here, scheme)
        for widget in (self.before, self.next):
            widget.setEnabled(tour is not None)
        for widget in (self.accept, self.fix, self.skip):
            widget.setEnabled(here is not None)
        self.fix.setText(key_title(here))
        self.fix.setToolTip(f"{self.mending.words(here)} (Shift+J)")
        self.label.setText(self._words(tour, here))

    def _words(self, tour: Tour | None, here: Place | None) -> str:
        correction = self.desk.correction
        if correction is None:
            return EMPTY
        if tour is None:
            return f"Looking for places in {correction.case.id} …"
        if here is None:
            return tour.left_words
        if tour.notes.verdict(here) in ("fixed", "accepted"):
            return f"{self._title(here)}: done here. {tour.left_words} Next: Shift+N."
        number = tour.worth.index(here) + 1 if here in tour.worth else 0
        which = f"{number} of {len(tour.worth)}: " if number else ""
        return which + self._sentence(here)

    def _sentence(self, place: Place) -> str:
        """What may be wrong, and what one key does about it."""
        return f"{sentence(place, self.desk.session.opened.scheme)} Shift+J: {self.mending.words(place)}."

    def _title(self, place: Place) -> str:
        scheme = self.desk.session.opened.scheme
        return scheme.organ(scheme.value(place.organ)).title if place.organ else "The whole case"
