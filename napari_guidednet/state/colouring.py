"""Which colours the organs of the open project have: a person's own, a palette, or the scheme's."""

from __future__ import annotations

from psygnal import Signal

from ..backend import COLOUR_BLIND, LabelScheme, OrganColours, Project, read_colours, save_colours


class Colouring:
    """Knows the colours for all views and tables; every change is kept in the project at once.

    In a project that is open for reading only, changes hold until it is closed.
    """

    changed = Signal()  # organs have other colours

    def __init__(self) -> None:
        self._project: Project | None = None
        self._chosen = OrganColours()

    @property
    def chosen(self) -> OrganColours:
        """The colours that differ from the scheme's."""
        return self._chosen

    @property
    def kept(self) -> bool:
        """Whether changes outlive the session."""
        return self._project is not None and self._project.writable

    def open(self, project: Project | None) -> None:
        """Take up the colours of another project.

        Raises
        ------
        SpecError
            When their file is damaged; the scheme's colours hold then.
        """
        self._project, self._chosen = project, OrganColours()
        try:
            if project is not None:
                self._chosen = read_colours(project)
        finally:
            self.changed.emit()

    def on(self, scheme: LabelScheme) -> LabelScheme:
        """Give a scheme in the colours of the project: to be shown, not to be stored."""
        return self._chosen.on(scheme)

    def give(self, organ: str, colour: str) -> OrganColours:
        """Give an organ a colour, "#rrggbb"; the former colours are returned."""
        return self.take(self._chosen.given({organ: colour}))

    def reset(self, organ: str) -> OrganColours:
        """Give an organ the scheme's colour again; the former colours are returned."""
        return self.take(self._chosen.without([organ]))

    def reset_all(self) -> OrganColours:
        """Give all organs the scheme's colours again; the former colours are returned."""
        return self.take(OrganColours())

    def for_colour_blind(self) -> OrganColours:
        """Give all organs colours that the colour-blind can tell apart; the former colours are returned."""
        return self.take(self._chosen.given(COLOUR_BLIND))

    def take(self, colours: OrganColours) -> OrganColours:
        """Take other colours; the former ones are returned, to be taken back.

        Raises
        ------
        FileError
            When they cannot be kept; the former ones hold on.
        """
        former = self._chosen
        if self._project is not None and self.kept:
            save_colours(self._project, colours)
        self._chosen = colours
        self.changed.emit()
        return former
