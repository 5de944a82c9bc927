"""The Correct step: look where the model is unsure, paint, lock, confirm organ by organ or the whole case."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..backend import counted
from ..state.correction import Correction
from ..state.review import organ_centre, organ_rows
from .buttons import button
from .colour_choice import ColourChoice
from .command import Command
from .guard import guarded
from .history import HistoryBox
from .organs import OrganTable
from .places import PlacesBox
from .regions import RegionsBox
from .section import Section
from .time_spent import TimeBox
from .tools import ToolsBox
from .view import ViewBox

if TYPE_CHECKING:
    from .desk import Desk

REFRESH_MS = 400  # counting the voxels of a large CT after each stroke would slow the brush


class CorrectPanel(QWidget):
    """Shows the organs of the open case and what the user wants done with them."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.sections: dict[str, Section] = {}
        self.case = QLabel()
        self.case.setWordWrap(True)  # or a long name makes the whole dock wide
        self.saved = QLabel()
        self.saved.setToolTip("Every change is on disk within a second; the whole labels are saved in pauses")
        self.view = ViewBox(desk)
        self.places = PlacesBox(desk)
        self.tools = ToolsBox(desk)
        self.regions = RegionsBox(desk)
        self.time = TimeBox(desk)
        self.table = OrganTable()
        self.colours = ColourChoice(desk, self.table)
        self.history = HistoryBox(desk, self.table)
        self.paint = button("Paint", "Brush of the selected organ; napari's own tools work too", self._paint)
        self.confirm = button(
            "Confirm organ",
            "You vouch for the selected organ in this case, present or absent (Shift+C)",
            self._confirm_organ,
        )
        self.confirm_all = button(
            "Confirm case",
            "You vouch for all organs of this case; those without voxels as absent",
            self._confirm_case,
        )
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(REFRESH_MS)
        self._later.timeout.connect(self.refresh)
        self._lay_out()
        self._connect()
        self._begin(desk.correction)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        head = QHBoxLayout()
        head.addWidget(self.case, 1)
        head.addWidget(self.saved)
        layout.addLayout(head)
        layout.addWidget(self._section("View", self.view, opened=True))
        layout.addWidget(self.table, 1)
        row = QHBoxLayout()
        for widget in (self.paint, self.confirm, self.confirm_all):
            row.addWidget(widget)
        layout.addLayout(row)
        layout.addWidget(self._section("Where to look", self.places, opened=True))
        layout.addWidget(self._section("Tools", self.tools, opened=True))
        layout.addWidget(self._section("Region tools", self.regions))
        layout.addWidget(self._section("History", self.history))
        layout.addWidget(self._section("Time", self.time))

    def _section(self, title: str, content: QWidget, opened: bool = False) -> Section:
        section = self.sections[title] = Section(title, content, opened)
        return section

    def _connect(self) -> None:
        self.desk.correction_changed.connect(self._begin)
        self.desk.session.prediction_changed.connect(self._refresh_later)
        self.desk.autosave.said.connect(self.saved.setText)
        self.desk.layers.organ_selected.connect(self.table.pick)
        self.view.compare.other.currentIndexChanged.connect(self._ask_compared)
        self.table.picked.connect(self._pick)
        self.table.visited.connect(self._visit)
        self.table.shown_changed.connect(self._show_only)
        self.table.lock_requested.connect(self._lock)
        self.table.confirm_requested.connect(self._set_confirmed)

    def _ask_compared(self, *_: object) -> None:
        self.regions.taking.ask(self.view.compare.other.currentData())

    def _begin(self, correction: Correction | None) -> None:
        for widget in (self.view, self.table, self.paint, self.confirm, self.confirm_all):
            widget.setEnabled(correction is not None)
        if correction is None:
            self.case.setText("Open a case in the step Cases.")
            self.table.begin(())
            return
        for signal in (correction.states_changed, correction.locks_changed, correction.changed):
            signal.connect(self._refresh_later)
        self.table.begin(organ_rows(self.desk.session.prediction, correction))
        self.colours.show()
        self.refresh()

    def _refresh_later(self, *_: object) -> None:
        self._later.start()

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        return (
            *self.places.commands(),
            Command("lock_organ", "Lock or unlock the selected organ", "Shift-L", self._turn_lock),
            Command("confirm_organ", "Confirm the selected organ", "Shift-C", self.confirm.click),
            *self.view.commands(),
            *self.tools.commands(),
            *self.regions.commands(),
            *self.history.commands(),
        )

    def refresh(self) -> None:
        """Show the organs of the open case as they are now."""
        correction = self.desk.correction
        if correction is None:
            return
        self.table.show_rows(organ_rows(self.desk.session.prediction, correction), correction.locks)
        total, done = len(correction.scheme.names), len(correction.confirmed)
        held_out = "" if correction.case.split == "train" else ", held out"
        self.case.setText(f"{correction.case.id}{held_out}: {done} of {total} organs confirmed")
        self.confirm_all.setEnabled(done < total)

    @guarded
    def _pick(self, name: str) -> None:
        self.desk.layers.select_organ(name)

    @guarded
    def _visit(self, name: str) -> None:
        correction = self.desk.correction
        if correction is None:
            return
        centre = organ_centre(correction.labels, correction.scheme.value(name))
        title = _titles(correction, [name])
        if centre is None:
            self.desk.say(f"{title} has no voxels in {correction.case.id}.")
        else:
            self.desk.layers.go_to(centre)

    @guarded
    def _show_only(self, names: Iterable[str]) -> None:
        self.desk.layers.show_only(names)

    @guarded
    def _lock(self, name: str, on: bool) -> None:
        correction = self._open()
        (correction.lock if on else correction.unlock)([name])
        word = "locked: nothing can change it" if on else "unlocked"
        kept = (
            " It is still confirmed; untick OK to change it."
            if not on and name in correction.confirmed
            else ""
        )
        self.desk.say(f"{_titles(correction, [name])} is {word}.{kept}")

    @guarded
    def _turn_lock(self) -> None:
        name = self.table.current
        if name is not None:
            self._lock(name, name not in self._open().locks)

    @guarded
    def _set_confirmed(self, name: str, on: bool) -> None:
        if on:
            self._confirm([name])
        else:
            correction = self._open()
            correction.reopen([name])
            self.desk.say(f"{_titles(correction, [name])} is open for corrections again.")

    @guarded
    def _paint(self) -> None:
        if self.table.current is None:
            self.table.selectRow(0)
        self.desk.layers.paint(True)

    @guarded
    def _confirm_organ(self) -> None:
        if self.table.current is None:
            self.desk.say("Click the organ in the table that you want to confirm.")
            return
        self._confirm([self.table.current])

    @guarded
    def _confirm_case(self) -> None:
        correction = self._open()
        if not any(correction.volumes_ml().values()):  # a slip, never a finding
            self.desk.say(
                f"{correction.case.id} has no labelled voxel: segment or paint it first. "
                "An organ that is absent is confirmed by itself."
            )
            return
        self._confirm([name for name in correction.scheme.names if name not in correction.confirmed])

    def _confirm(self, names: list[str]) -> None:
        correction = self._open()
        names = [name for name in names if name not in correction.confirmed]
        if not names:
            self.desk.say("This is confirmed already; untick OK in the table to change it.")
            return
        volumes = {row.name: row.volume_ml for row in organ_rows(self.desk.session.prediction, correction)}
        correction.confirm(names)
        absent = [name for name in names if not volumes[name]]
        what = _titles(correction, names) if len(names) == 1 else counted(len(names), "organ")
        note = f" As absent: {_titles(correction, absent)}." if absent else ""
        self.desk.say(
            f"Confirmed {what} of {correction.case.id}.{note}",
            "Undo",
            partial(self._take_back, correction, names, correction.history.undoable),
        )

    def _take_back(self, correction: Correction, names: list[str], number: int | None) -> None:
        if number is not None and correction.history.undoable == number:
            correction.undo()  # the organs are what they were: untouched ones are not corrected now
        else:
            correction.reopen(names)
        self.desk.say(f"{_titles(correction, names)} of {correction.case.id}: open for corrections again.")

    def _open(self) -> Correction:
        correction = self.desk.correction
        if correction is None:
            raise RuntimeError("the organ table is enabled without an open case")
        return correction


def _titles(correction: Correction, names: Iterable[str]) -> str:
    return ", ".join(correction.scheme.organ(correction.scheme.value(name)).title for name in names)
