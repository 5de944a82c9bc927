"""Keys of the Correct step, bound in napari while the dock is open."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from .command import Command

if TYPE_CHECKING:
    import napari


class Shortcuts:
    """Binds the keys of commands to a viewer and lets go of them again."""

    def __init__(self, viewer: napari.Viewer, commands: Iterable[Command]) -> None:
        self._viewer = viewer
        self.commands = tuple(commands)
        for command in self.commands:
            viewer.bind_key(command.key, partial(_act, command), overwrite=True)

    def release(self) -> None:
        """Unbind the keys."""
        for command in self.commands:
            self._viewer.bind_key(command.key, None, overwrite=True)


def _act(command: Command, _viewer: Any) -> None:
    command.do()
