"""Nothing is lost: take back and do again, confirm slices, and the former labels of the case."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..backend import counted
from ..state.correction import Correction
from ..state.outcome import Undone
from ..state.versions import Compared, Version, compare, list_versions
from .buttons import button
from .command import Command
from .guard import guarded
from .protection import ProtectionBox
from .tables import ROW_HEIGHT, PlainTable

if TYPE_CHECKING:
    from .desk import Desk
    from .organs import OrganTable

COLUMNS = ("What was done", "When", "Who", "Dice")
TIPS = (
    "What the version holds that the one before it did not",
    "Time of its last edit, here",
    "Who made that edit",
    "Mean Dice over the organs, of the version and the labels now; shown once they are compared",
)
EMPTY = "Former labels appear here: a version is kept whenever the labels are saved over others."
REFRESH_MS = 300
_ROWS = 5  # shown without scrolling


class HistoryBox(QWidget):
    """Buttons to walk through the changes of a case, and a table of its versions."""

    def __init__(self, desk: Desk, table: OrganTable, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._organs = table
        self._versions: tuple[Version, ...] = ()
        self._dice: dict[Version, float] = {}
        self.undo = button(
            "Undo", "Take the last change back, also of an earlier session (Ctrl+Z)", self._undo
        )
        self.redo = button("Redo", "Do again what was taken back last (Ctrl+Shift+Z)", self._redo)
        self.undo_organ = button(
            "Undo organ",
            "Take the last change of the selected organ back; what was done to others since stays (Alt+Z)",
            self._undo_organ,
        )
        self.next = QLabel()
        self.next.setWordWrap(True)
        self.protection = ProtectionBox(desk)
        self.versions = PlainTable(COLUMNS, TIPS)
        self.versions.setMaximumHeight((_ROWS + 1) * ROW_HEIGHT + 8)
        self.compare = button(
            "Compare", "Show where the labels now differ from the selected version", self._compare
        )
        self.restore = button(
            "Restore", "Take the selected version; it can be taken back like any change", self._restore
        )
        self.empty = QLabel(EMPTY)
        self.empty.setWordWrap(True)
        self._lay_out()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(REFRESH_MS)
        self._later.timeout.connect(self.refresh)
        self.versions.itemSelectionChanged.connect(self._on_selected)
        desk.correction_changed.connect(self._begin)
        desk.autosave.saved.connect(self._list)
        self._begin(desk.correction)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        walk = QGridLayout()
        for column, widget in enumerate((self.undo, self.redo, self.undo_organ)):
            walk.addWidget(widget, 0, column)
        layout.addLayout(walk)
        layout.addWidget(self.next)
        layout.addWidget(self.protection)
        layout.addWidget(self.versions)
        layout.addWidget(self.empty)
        row = QHBoxLayout()
        row.addWidget(self.compare)
        row.addWidget(self.restore)
        layout.addLayout(row)

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        return (
            Command("undo", "Take the last change back", "Ctrl-Z", self._undo),
            Command("redo", "Do again what was taken back", "Ctrl-Shift-Z", self._redo),
            Command(
                "undo_organ", "Take the last change of the selected organ back", "Alt-Z", self._undo_organ
            ),
            *self.protection.commands(),
        )

    def refresh(self) -> None:
        """Show what would be taken back or done again."""
        correction = self.desk.correction
        history = None if correction is None else correction.history
        undoable = None if history is None else history.undoable
        redoable = None if history is None else history.redoable
        self.undo.setEnabled(undoable is not None)
        self.redo.setEnabled(redoable is not None)
        self.undo_organ.setEnabled(undoable is not None)
        if correction is None or undoable is None:
            self.next.setText("Every change is kept and can be taken back, also after closing napari.")
            return
        last = correction.history.headers(undoable)[0]
        named = f": {correction.titles(last.organs)}" if 0 < len(last.organs) <= 3 else ""
        self.next.setText(f"Last change: {last.tool}{named}, {_clock(last.when)}.")

    @guarded
    def _begin(self, correction: Correction | None) -> None:
        self._versions, self._dice = (), {}
        self.setEnabled(correction is not None)
        if correction is not None:
            correction.undone.connect(self._on_undone)
            correction.journaled.connect(self._on_change)
        self.refresh()
        self._list()

    def _on_change(self, _change: object) -> None:
        if not self._later.isActive():  # stroke after stroke, the button must not lag behind the first
            self._later.start()

    @guarded
    def _on_undone(self, undone: Undone) -> None:
        correction = self.desk.correction
        if correction is None:
            return
        show = partial(self.desk.layers.go_to, undone.voxel) if undone.voxel is not None else None
        self.desk.say(f"{correction.case.id}: {undone.text}", "Show" if show else "", show)

    @guarded
    def _undo(self) -> None:
        if self.desk.correction is not None:
            self.desk.correction.undo()

    @guarded
    def _redo(self) -> None:
        if self.desk.correction is not None:
            self.desk.correction.redo()

    @guarded
    def _undo_organ(self) -> None:
        if self.desk.correction is None:
            return
        if self._organs.current is None:
            self.desk.say("Click the organ in the table whose last change you want to take back.")
            return
        self.desk.correction.undo_organ(self._organs.current)

    # versions

    @guarded
    def _list(self, *_: object) -> None:
        project, correction = self.desk.session.project, self.desk.correction
        if project is None or correction is None:
            self._show_versions(())
            return
        work = partial(list_versions, project, correction.case.id, correction.scheme)
        then = partial(self._listed, correction)
        self.desk.in_thread(
            f"Listing the versions of {correction.case.id}", work, then, key="versions", quiet=True
        )

    def _listed(self, correction: Correction, versions: tuple[Version, ...]) -> None:
        if correction is self.desk.correction:
            self._show_versions(versions)

    def _show_versions(self, versions: tuple[Version, ...]) -> None:
        chosen = self._chosen()
        self._versions = versions
        self.versions.setRowCount(len(versions))
        for row, version in enumerate(versions):
            dice = self._dice.get(version)
            texts = (
                version.what,
                _clock(version.when),
                version.author,
                "" if dice is None else f"{dice:.3f}",
            )
            confirmed = counted(version.confirmed, "organ")
            for column, text in enumerate(texts):
                self.versions.cell(row, column).setText(text)
                self.versions.cell(row, column).setToolTip(f"{text}; {confirmed} confirmed")
        if chosen in versions:
            self.versions.selectRow(versions.index(chosen))
        self.versions.setVisible(bool(versions))
        self.empty.setVisible(not versions)
        self._on_selected()

    def _chosen(self) -> Version | None:
        row = self.versions.currentRow()
        return self._versions[row] if 0 <= row < len(self._versions) else None

    def _on_selected(self) -> None:
        for widget in (self.compare, self.restore):
            widget.setEnabled(self._chosen() is not None)

    @guarded
    def _compare(self) -> None:
        self._with_chosen("Comparing", self._compared)

    @guarded
    def _restore(self) -> None:
        self._with_chosen("Reading", self._restored)

    def _with_chosen(self, doing: str, then: object) -> None:
        version, correction = self._chosen(), self.desk.correction
        if version is None or correction is None or not callable(then):
            return
        title = f"{doing} the version of {_clock(version.when)} of {correction.case.id}"
        work = partial(compare, version, correction.labels, correction.scheme)
        self.desk.in_thread(title, work, partial(then, correction), key="version")

    def _compared(self, correction: Correction, found: Compared) -> None:
        if correction is not self.desk.correction:
            return
        self._dice[found.version] = found.mean_dice
        self._show_versions(self._versions)
        name = f"{correction.case.id} of {_clock(found.version.when)}"
        self.desk.layers.compare.take(name, found.labels)
        self.desk.layers.compare.show("difference")
        worst = sorted(found.dice, key=lambda organ: found.dice[organ])[:2]
        least = ", ".join(f"{correction.titles([organ])} {found.dice[organ]:.3f}" for organ in worst)
        self.desk.say(
            f"{name} and now differ in {counted(found.voxels, 'voxel')}: mean Dice {found.mean_dice:.3f}"
            f"{f'; least alike: {least}' if found.voxels else ''}.",
            "Hide",
            self.desk.layers.compare.clear,
        )

    def _restored(self, correction: Correction, found: Compared) -> None:
        if correction is not self.desk.correction:
            return
        written = correction.restore(found.labels)
        kept = f" {correction.refusal}" if written.refused else ""
        number = correction.history.undoable
        self.desk.say(
            f"{correction.case.id}: labels of {_clock(found.version.when)} restored "
            f"({counted(written.written, 'voxel')} changed).{kept}",
            "Undo" if written.written else "",
            partial(self._take_back, correction, number) if written.written else None,
        )

    @guarded
    def _take_back(self, correction: Correction, number: int | None) -> None:
        if correction.history.undoable == number:
            correction.undo()
        else:
            self.desk.say("You worked on since; use Ctrl+Z instead.")


def _clock(when: str) -> str:
    """Give a time of the record as this place's clock showed it."""
    try:
        moment = datetime.fromisoformat(when).astimezone()
    except ValueError:
        return when or "an unknown time"
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S") if today else moment.strftime("%Y-%m-%d %H:%M")
