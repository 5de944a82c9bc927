"""Keys are napari actions: listed and changed in its preferences, shown in a window."""

from __future__ import annotations

import pytest
from napari._qt.widgets.qt_keyboard_settings import ShortcutEditor
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_guidednet.panels.command import Command
from napari_guidednet.panels.keys import KeysWindow
from napari_guidednet.panels.shortcuts import Shortcuts

NAME = "napari-guidednet:say_hello"


@pytest.fixture
def pressed():
    return []


@pytest.fixture
def shortcuts(pressed):
    shortcuts = Shortcuts([Command("say_hello", "Say hello", "Shift-J", lambda: pressed.append("hello"))])
    yield shortcuts
    shortcuts.release()


def press(viewer, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, key, modifier)


def test_a_key_pressed_in_the_picture_does_what_its_command_says(make_napari_viewer, shortcuts, pressed):
    viewer = make_napari_viewer()
    press(viewer, Qt.Key.Key_J, Qt.KeyboardModifier.ShiftModifier)
    assert pressed == ["hello"]
    shortcuts.release()
    press(viewer, Qt.Key.Key_J, Qt.KeyboardModifier.ShiftModifier)
    assert pressed == ["hello"]
    assert NAME not in action_manager._actions


def test_a_key_changed_in_the_preferences_holds_and_leaves_no_trace_there(
    make_napari_viewer, pressed, qtbot, tmp_path
):
    viewer = make_napari_viewer()
    command = Command("say_hello", "Say hello", "Shift-J", lambda: pressed.append("hello"))
    kept = tmp_path / "keys.json"
    shortcuts = Shortcuts([command], kept)
    editor = ShortcutEditor()
    qtbot.addWidget(editor)
    assert editor.key_bindings_strs[editor.VIEWER_KEYBINDINGS][NAME].description == "Say hello"
    editor.setValue({NAME: ["Shift-K"]})
    get_settings().shortcuts.shortcuts = editor.value()  # as the dialog does
    shortcuts.release()

    assert NAME not in get_settings().shortcuts.shortcuts  # or napari warns of it at every start
    shortcuts = Shortcuts([command], kept)
    press(viewer, Qt.Key.Key_J, Qt.KeyboardModifier.ShiftModifier)
    assert pressed == []
    press(viewer, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    assert pressed == ["hello"]
    shortcuts.release()


def test_a_dock_that_goes_leaves_the_keys_of_a_later_one(make_napari_viewer, shortcuts):
    viewer = make_napari_viewer()
    later = []
    second = Shortcuts([Command("say_hello", "Say hello", "Shift-J", lambda: later.append("hello"))])
    shortcuts.release()
    press(viewer, Qt.Key.Key_J, Qt.KeyboardModifier.ShiftModifier)
    assert later == ["hello"]
    second.release()


def test_a_damaged_file_of_keys_changes_nothing(make_napari_viewer, pressed, tmp_path):
    viewer = make_napari_viewer()
    kept = tmp_path / "keys.json"
    kept.write_text("[1, 2")
    command = Command("say_hello", "Say hello", "Shift-J", lambda: pressed.append("hello"))
    shortcuts = Shortcuts([command], kept)
    press(viewer, Qt.Key.Key_J, Qt.KeyboardModifier.ShiftModifier)
    assert pressed == ["hello"]
    shortcuts.release()


def test_the_window_shows_keys_as_they_are_bound_and_finds_by_words(qtbot, make_napari_viewer, shortcuts):
    make_napari_viewer()
    window = KeysWindow(shortcuts)
    qtbot.addWidget(window)
    window.open()
    lines = {
        window.table.item(row, 1).text(): window.table.item(row, 0).text()
        for row in range(window.table.rowCount())
    }
    assert lines["Say hello"].endswith("J")
    assert any("paint" in title.lower() for title in lines)
    window.search.setText("HELLO")
    shown = [row for row in range(window.table.rowCount()) if not window.table.isRowHidden(row)]
    assert [window.table.item(row, 1).text() for row in shown] == ["Say hello"]
    window.open()
    assert not window.isVisible()


def test_every_command_of_the_dock_has_its_own_name_and_a_key_no_menu_takes(panel):
    commands = panel.shortcuts.commands
    assert len({command.name for command in commands}) == len(commands)
    keys = [command.key for command in commands]
    assert len(set(keys)) == len(keys)
    menus = panel.viewer.window._qt_window.menuBar().actions()
    taken = {f"Alt-{action.text().split('&')[1][0].upper()}" for action in menus if "&" in action.text()}
    assert not taken & set(keys)
