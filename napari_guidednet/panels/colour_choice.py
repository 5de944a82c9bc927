"""Other colours for organs: asked in the organ table, told to the layers, and taken back by a button."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from ..backend import GuidedNetError, OrganColours, Project
from ..layers.colours import hex_colour
from .guard import guarded

if TYPE_CHECKING:
    from .desk import Desk
    from .organs import OrganTable

READ_ONLY = " The project is open for reading only: this holds until it is closed."


class ColourChoice(QObject):
    """Does what the organ table asks about colours, and shows in it what holds.

    Parameters
    ----------
    desk : Desk
    table : OrganTable
    """

    def __init__(self, desk: Desk, table: OrganTable) -> None:
        super().__init__(table)
        self.desk, self.table = desk, table
        self.colouring = desk.layers.colouring
        self._problem: GuidedNetError | None = None
        self._tell_later = QTimer(self)  # what opened the project says so first
        self._tell_later.setSingleShot(True)
        self._tell_later.timeout.connect(self._tell)
        table.colour_requested.connect(self._choose)
        table.colour_reset.connect(self._reset)
        table.scheme_colours_requested.connect(self._reset_all)
        table.safe_colours_requested.connect(self._for_colour_blind)
        self.colouring.changed.connect(self.show)
        desk.session.project_changed.connect(self._open)
        self._open(desk.session.project)

    def show(self) -> None:
        """Show the colours of the open case's organs in the table."""
        correction = self.desk.correction
        if correction is not None:
            organs = self.colouring.on(correction.scheme).organs
            colours = {organ.name: hex_colour(organ) for organ in organs}
            self.table.show_colours(colours, frozenset(self.colouring.chosen.colours))

    def _open(self, project: Project | None) -> None:
        try:
            self.colouring.open(project)
        except GuidedNetError as error:
            self._problem = error
            self._tell_later.start()

    def _tell(self) -> None:
        error, self._problem = self._problem, None
        if error is not None:
            self.desk.fail(error, doing="reading the colours of the organs")

    @guarded
    def _choose(self, name: str) -> None:
        correction = self.desk.correction
        if correction is None:
            return
        scheme = self.colouring.on(correction.scheme)
        organ = scheme.organ(scheme.value(name))
        colour = self.desk.asker.colour(f"Colour of {organ.title}", hex_colour(organ))
        if colour is not None:
            self._say(f"{organ.title} has another colour.", self.colouring.give(name, colour))

    @guarded
    def _reset(self, name: str) -> None:
        self._say(f"{self.table.title_of(name)} has the scheme's colour.", self.colouring.reset(name))

    @guarded
    def _reset_all(self) -> None:
        self._say("All organs have the scheme's colours.", self.colouring.reset_all())

    @guarded
    def _for_colour_blind(self) -> None:
        former = self.colouring.for_colour_blind()
        self._say("All organs have colours that the colour-blind can tell apart.", former)

    def _say(self, text: str, former: OrganColours) -> None:
        kept = "" if self.colouring.kept else READ_ONLY
        self.desk.say(text + kept, "Undo", partial(self._take_back, self.desk.session.project, former))

    @guarded
    def _take_back(self, project: Project | None, former: OrganColours) -> None:
        if project is self.desk.session.project:
            self.colouring.take(former)
            self.desk.say("The colours are as they were before.")
