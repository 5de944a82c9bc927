"""Keys of the dock: actions of napari, so that its preferences list and change them."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.interactions import Shortcut

from ..backend import FileError, read_text, write_text
from .command import Command

PACKAGE = "napari-guidednet"
_BRUSH = (  # napari's own that a person who corrects labels needs
    "napari:activate_labels_paint_mode",
    "napari:activate_labels_erase_mode",
    "napari:activate_labels_fill_mode",
    "napari:activate_labels_picker_mode",
    "napari:activate_labels_pan_zoom_mode",
    "napari:increase_brush_size",
    "napari:decrease_brush_size",
    "napari:hold_for_pan_zoom",
    "napari:reset_view",
)


class Shortcuts:
    """Registers commands as napari actions under their keys, and takes them back.

    Keys that a person changes in napari's preferences are kept in a file of our own: napari would warn of
    them at every start, before the dock is there.

    Parameters
    ----------
    commands : iterable of Command
        The dock that came last has the keys.
    kept : Path, optional
        Where changed keys are kept; beside napari's settings if not given.
    """

    def __init__(self, commands: Iterable[Command], kept: Path | None = None) -> None:
        self.commands = tuple(commands)
        self._kept = kept or _beside_settings()
        me = weakref.ref(self)  # napari's table of actions must not keep a closed dock alive
        self._acts = {_name(command): _act(me, command.name) for command in self.commands}
        self._take_back = weakref.finalize(self, _take_back, self._acts)
        changed = self._read()
        for command in self.commands:
            name = _name(command)
            action_manager.register_action(name, self._acts[name], command.title, ViewerModel)
            for key in changed.get(name, [command.key]):
                action_manager.bind_shortcut(name, key)
        get_settings().shortcuts.events.shortcuts.connect(self._on_changed)

    def release(self) -> None:
        """Unbind the keys and take the actions back, but for those that a later dock has taken over."""
        get_settings().shortcuts.events.shortcuts.disconnect(self._on_changed)
        self._take_back()

    def act(self, name: str) -> None:
        """Do what the command of this name does."""
        next(command for command in self.commands if command.name == name).do()

    def rows(self) -> list[tuple[str, str]]:
        """Give every command and its keys as they are bound now, then napari's tools for painting."""
        own = [(command.title, _keys(_name(command))) for command in self.commands]
        tools = [(action_manager._actions[name].description, _keys(name)) for name in _BRUSH]
        return own + tools

    def _on_changed(self, _event: Any = None) -> None:
        """Move our keys from napari's settings to our own file; where napari keeps nothing, nor do we."""
        settings = get_settings().shortcuts
        ours = {name: keys for name, keys in settings.shortcuts.items() if name in self._acts}
        if not ours or self._kept is None:
            return
        settings.shortcuts = {name: keys for name, keys in settings.shortcuts.items() if name not in ours}
        words = {name: [str(key) for key in keys] for name, keys in ours.items()}
        write_text(self._kept, json.dumps(words, indent=1))

    def _read(self) -> Mapping[str, list[str]]:
        """Give the changed keys; a file that cannot be read changes nothing."""
        if self._kept is None or not self._kept.is_file():
            return {}
        try:
            content = json.loads(read_text(self._kept))
            return {str(name): [str(key) for key in keys] for name, keys in dict(content).items()}
        except (FileError, ValueError, TypeError):
            return {}


def _beside_settings() -> Path | None:
    path = get_settings().config_path  # None where napari keeps no settings
    return None if path is None else Path(path).parent / f"{PACKAGE}-keys.json"


def _name(command: Command) -> str:
    return f"{PACKAGE}:{command.name}"


def _act(shortcuts: weakref.ref[Shortcuts], name: str) -> Callable[[Any], None]:
    """Wrap a command: napari gives the viewer, tells actions by their names, wants nothing back."""

    def act(_viewer: Any = None) -> None:
        alive = shortcuts()
        if alive is not None:
            alive.act(name)

    act.__name__ = name
    return act


def _take_back(acts: Mapping[str, Callable[[Any], None]]) -> None:
    for name, act in acts.items():
        action = action_manager._actions.get(name)  # napari has no public way to take an action back
        if action is not None and action.command is act:
            action_manager.unbind_shortcut(name)
            del action_manager._actions[name]


def _keys(name: str) -> str:
    return " or ".join(str(Shortcut(key)) for key in action_manager._shortcuts.get(name, ()))
