"""Places that nothing may change: confirmed slices, and what lies outside the body."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..backend import Outside, find_outside
from ..state.correction import Correction
from .buttons import button
from .command import Command
from .guard import guarded

if TYPE_CHECKING:
    from .desk import Desk


class ProtectionBox(QWidget):
    """Confirms the axial slice that is shown, and keeps organs inside the body if wanted."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._seeking: Correction | None = None  # the body of its case is being sought
        self.slice = button(
            "Confirm slice",
            "You vouch for the axial slice that is shown: nothing changes it until you reopen it "
            "(Alt+Shift+C)",
            self._turn_slice,
        )
        self.state = QLabel()
        self.inside = QCheckBox("Organs end inside the body")
        self.inside.setToolTip(
            "Nothing may write an organ outside the patient's body, such as on the table; emptying is "
            "allowed.\nThe body is the largest thing in the CT that is denser than air, with one coarse "
            "voxel around it."
        )
        self.inside.toggled.connect(self._keep_inside)
        row = QHBoxLayout()
        row.addWidget(self.slice)
        row.addWidget(self.state, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.inside)
        desk.correction_changed.connect(self._begin)
        desk.layers.viewer.dims.events.point.connect(self._refresh)
        self.destroyed.connect(partial(_let_go, desk.layers.viewer.dims.events.point, self._refresh))
        self._begin(desk.correction)

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        return (
            Command(
                "confirm_slice",
                "Confirm the axial slice that is shown, or reopen it",
                "Alt-Shift-C",
                self._turn_slice,
            ),
        )

    @guarded
    def _begin(self, correction: Correction | None) -> None:
        self.setEnabled(correction is not None)
        if correction is not None:
            correction.locks_changed.connect(self._refresh)
        self._refresh()

    def _refresh(self, *_: object) -> None:
        correction, shown = self.desk.correction, self._shown()
        if correction is None or shown is None:
            return
        confirmed = shown in correction.confirmed_slices
        self.slice.setText("Reopen slice" if confirmed else "Confirm slice")
        count = len(correction.confirmed_slices)
        self.state.setText(f"{'this one is confirmed; ' if confirmed else ''}{count} confirmed")
        with QSignalBlocker(self.inside):
            self.inside.setChecked(correction.inside_body or self._seeking is correction)

    def _shown(self) -> int | None:
        """Give the axial slice that is shown, counted on the grid of the case."""
        layers = self.desk.layers
        if layers.labels is None or layers.display is None or self.desk.correction is None:
            return None
        index = layers.labels.world_to_data(layers.viewer.dims.point)
        return layers.display.axial_slice(round(float(index[0])))

    @guarded
    def _turn_slice(self) -> None:
        correction, shown = self.desk.correction, self._shown()
        if correction is None or shown is None:
            return
        case = correction.case.id
        if shown in correction.confirmed_slices:
            self._reopen(correction, shown)
        else:
            correction.confirm_slices([shown])
            undo = partial(self._reopen, correction, shown)
            self.desk.say(f"Slice {shown} of {case} is confirmed: nothing changes it.", "Undo", undo)

    @guarded
    def _reopen(self, correction: Correction, number: int) -> None:
        correction.reopen_slices([number])
        self.desk.say(f"Slice {number} of {correction.case.id} is open for corrections again.")

    @guarded
    def _keep_inside(self, on: bool) -> None:
        correction = self.desk.correction
        if correction is None:
            return
        self._seeking = correction if on else None
        if not on:
            correction.keep_inside(None)
            self.desk.say(f"Organs of {correction.case.id} may be written anywhere again.")
            return
        self.desk.in_thread(
            f"Finding the body in {correction.case.id}",
            partial(find_outside, correction.case.image),
            partial(self._found, correction),
            key="body",
            otherwise=self._give_up,
        )

    def _found(self, correction: Correction, outside: Outside) -> None:
        if self._seeking is not correction:
            return  # unticked meanwhile
        self._seeking = None
        if correction is self.desk.correction:
            correction.keep_inside(outside)
            self.desk.say(f"Nothing writes organs outside the body of {correction.case.id} now.")

    def _give_up(self) -> None:
        self._seeking = None
        self._refresh()


def _let_go(signal: object, slot: object) -> None:
    disconnect = getattr(signal, "disconnect", None)
    if disconnect is not None:
        disconnect(slot)
