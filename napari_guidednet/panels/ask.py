"""What panels ask the user: files, folders and colours. All else can be undone, so nothing else is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QFileDialog, QWidget

VOLUMES = "Volumes (*.nii *.nii.gz *.nrrd *.mha *.mhd *.dcm);;All files (*)"


class Asker(Protocol):
    """What panels may ask; a test answers instead of a person."""

    def folder(self, title: str, start: Path | None = None) -> Path | None:
        """Ask for an existing folder; None = cancelled."""

    def files(self, title: str, start: Path | None = None) -> tuple[Path, ...]:
        """Ask for image files; empty = cancelled."""

    def colour(self, title: str, start: str) -> str | None:
        """Ask for a colour, "#rrggbb"; None = cancelled."""


class DialogAsker:
    """Asks with Qt's dialogs.

    Parameters
    ----------
    parent : QWidget
        The widget over which the dialogs open.
    """

    def __init__(self, parent: QWidget) -> None:
        self._parent = parent
        self._last = Path.home()  # a study is in one place: the next question begins where the last one ended

    def folder(self, title: str, start: Path | None = None) -> Path | None:
        """Ask for an existing folder; None = cancelled."""
        chosen = QFileDialog.getExistingDirectory(self._parent, title, str(start or self._last))
        if not chosen:
            return None
        self._last = Path(chosen).parent  # what is asked for next is most often beside it
        return Path(chosen)

    def files(self, title: str, start: Path | None = None) -> tuple[Path, ...]:
        """Ask for image files; empty = cancelled."""
        chosen: Sequence[str] = QFileDialog.getOpenFileNames(
            self._parent, title, str(start or self._last), VOLUMES
        )[0]
        if chosen:
            self._last = Path(chosen[0]).parent
        return tuple(Path(name) for name in chosen)

    def colour(self, title: str, start: str) -> str | None:
        """Ask for a colour, "#rrggbb"; None = cancelled."""
        chosen = QColorDialog.getColor(QColor(start), self._parent, title)
        return chosen.name() if chosen.isValid() else None
