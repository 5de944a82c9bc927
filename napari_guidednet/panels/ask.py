"""The questions a panel may put to the user: files, folders, and consent where undo is impossible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

VOLUMES = "Volumes (*.nii *.nii.gz *.nrrd *.mha *.mhd *.dcm);;All files (*)"


class Asker(Protocol):
    """What panels may ask; a test answers instead of a person."""

    def folder(self, title: str, start: Path | None = None) -> Path | None:
        """Ask for an existing folder; None = cancelled."""

    def files(self, title: str, start: Path | None = None) -> tuple[Path, ...]:
        """Ask for image files; empty = cancelled."""

    def save_file(self, title: str, start: Path) -> Path | None:
        """Ask where to write a file; None = cancelled."""

    def consent(self, question: str, detail: str, action: str) -> bool:
        """Ask before something that cannot be undone; `action` names the button."""


class DialogAsker:
    """Asks with Qt's dialogs.

    Parameters
    ----------
    parent : QWidget
        The widget over which the dialogs open.
    """

    def __init__(self, parent: QWidget) -> None:
        self._parent = parent

    def folder(self, title: str, start: Path | None = None) -> Path | None:
        """Ask for an existing folder; None = cancelled."""
        chosen = QFileDialog.getExistingDirectory(self._parent, title, str(start or Path.home()))
        return Path(chosen) if chosen else None

    def files(self, title: str, start: Path | None = None) -> tuple[Path, ...]:
        """Ask for image files; empty = cancelled."""
        chosen: Sequence[str] = QFileDialog.getOpenFileNames(
            self._parent, title, str(start or Path.home()), VOLUMES
        )[0]
        return tuple(Path(name) for name in chosen)

    def save_file(self, title: str, start: Path) -> Path | None:
        """Ask where to write a file; None = cancelled."""
        chosen = QFileDialog.getSaveFileName(self._parent, title, str(start))[0]
        return Path(chosen) if chosen else None

    def consent(self, question: str, detail: str, action: str) -> bool:
        """Ask before something that cannot be undone; `action` names the button."""
        box = QMessageBox(QMessageBox.Icon.Question, "GuidedNet", question, parent=self._parent)
        box.setInformativeText(detail)
        yes = box.addButton(action, QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        return box.clickedButton() is yes
