"""Take labels from a model, or let the strokes spread: the two ways to mend a region without painting it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QWidget

from ..layers.whereabouts import Picker, Voxel, looked_at, slice_box
from ..state import taking
from ..state.boxes import Box
from ..state.correction import Correction
from ..state.hand import hand_strokes
from ..state.others import others, read_other
from ..state.proposing import propose, strokes_of
from ..state.suggestion import Suggestion
from .buttons import button
from .command import Command
from .guard import guarded
from .narrow import narrow
from .number import number_box
from .runner import AT_ONCE, ToolRunner
from .target import Target, one_organ

if TYPE_CHECKING:
    from .desk import Desk

NOBODY = "segment the case first"
_KEPT = 3  # label maps kept in memory: 75 MiB each for a large CT

Labels = npt.NDArray[np.uint8]


class TakingBox(QWidget):
    """Whose labels, which part of them, Take; and how far strokes reach, Propose."""

    def __init__(self, desk: Desk, runner: ToolRunner, picker: Picker) -> None:
        super().__init__()
        self.desk = desk
        self.runner = runner
        self.picker = picker  # shared: whoever asks for a click last gets it
        self._read: dict[str, Labels] = {}
        self.source = narrow(QComboBox())
        self.source.setToolTip(
            "Who is asked: a model that has segmented this case, one of its networks, its class mixture,\n"
            "or most of them"
        )
        self.part = narrow(QComboBox())
        for text, data, tip in (
            (
                "the difference here",
                "difference",
                "At a click: the connected region where both say the same throughout, and differ",
            ),
            ("its piece here", "piece", "The connected piece of an organ that it has there, at a click"),
            ("the organ, this slice", "slice", "The organ of the brush, in the slice shown"),
            ("the whole organ", "organ", "The organ of the brush, everywhere"),
        ):
            self.part.addItem(text, data)
            self.part.setItemData(self.part.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.part.setToolTip("Which part of its labels is taken")
        self.take = button("Take", "Take this part of its labels (Shift+U: at the cursor)", self._take)
        self.reach_mm = number_box(15.0, 5.0, 40.0, " mm", "How far a stroke has its say")
        self.propose = button(
            "Propose from strokes",
            "Paint a little of what is missing and erase a little of what is too much, in any slice:\n"
            "the organ is then drawn anew around these strokes, along the image (Shift+R)",
            self._propose,
        )
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.source, 0, 0, 1, 2)
        grid.addWidget(self.part, 1, 0)
        grid.addWidget(self.take, 1, 1)
        grid.addWidget(self.propose, 2, 0)
        grid.addWidget(self.reach_mm, 2, 1)
        desk.session.prediction_changed.connect(self.list_sources)
        desk.session.bundles_changed.connect(self.list_sources)
        desk.correction_changed.connect(self._on_case)
        self.list_sources()

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        return (
            Command("take_here", "Take the chosen part of a model's labels", "Shift-U", self._take_here),
            Command(
                "propose_from_strokes", "Draw the organ anew around strokes", "Shift-R", self.propose.click
            ),
        )

    @guarded
    def list_sources(self) -> None:
        """Offer those who have an opinion on the open case."""
        found = others(self.desk.session)
        chosen = self.source.currentData()
        with QSignalBlocker(self.source):
            self.source.clear()
            for other in found:
                self.source.addItem(other.title, other.key)
            if not found:
                self.source.addItem(NOBODY, None)
            self.source.setCurrentIndex(max(0, self.source.findData(chosen)))
        self._read = {}
        for widget in (self.source, self.part, self.take):
            widget.setEnabled(bool(found))

    def ask(self, key: str | None) -> None:
        """Take from whom the picture is compared with: one takes what one sees."""
        place = self.source.findData(key)
        if key is not None and place >= 0:
            self.source.setCurrentIndex(place)

    def _on_case(self, _correction: Correction | None) -> None:
        self.picker.cancel()
        self.list_sources()

    # taking

    @guarded
    def _take(self) -> None:
        if self.part.currentData() in ("difference", "piece"):
            if self._has_source():
                self.desk.say(
                    f"Click a place in the picture: {self.part.currentText()} is taken.",
                    "Cancel",
                    self.picker.cancel,
                )
                self.picker.wait(self._take_at)
        else:
            self._take_organ()

    @guarded
    def _take_here(self) -> None:
        if self.part.currentData() in ("difference", "piece"):
            self._take_at(looked_at(self.desk.layers))
        else:
            self._take_organ()

    @guarded
    def _take_at(self, voxel: Voxel | None) -> None:
        correction = self.desk.correction
        if correction is None or not self._has_source():
            return
        if voxel is None:
            self.desk.say("Point at a place in the picture first.")
            return
        labels, spacing, bundle = correction.labels, correction.case.image.geometry.spacing_mm, self._bundle()
        if self.part.currentData() == "difference":
            self._run(
                f"Taking the difference here from {self.source.currentText()}",
                lambda other: taking.take_difference(labels, other, voxel, spacing, bundle),
                f"{self.source.currentText()} says the same here as the labels of {correction.case.id}.",
            )
        else:
            self._run(
                f"Taking a piece from {self.source.currentText()}",
                lambda other: taking.take_piece(labels, other, voxel, bundle),
                f"{self.source.currentText()} has no organ here.",
            )

    def _take_organ(self) -> None:
        target = one_organ(self.desk) if self._has_source() else None
        if target is None:
            return
        inside = slice_box(self.desk.layers) if self.part.currentData() == "slice" else None
        where = "" if inside is None else " in this slice"
        self._run(
            f"Taking {target.text}{where} from {self.source.currentText()}",
            partial(self._organ_of, target, inside, self._bundle()),
            f"Neither {self.source.currentText()} nor the labels have {target.title}{where}.",
        )

    @staticmethod
    def _organ_of(target: Target, inside: Box | None, bundle: str | None, other: Labels) -> Suggestion | None:
        return taking.take_organ(target.correction.labels, other, target.values[0], bundle, inside)

    def _run(self, doing: str, tool: taking.Tool, nothing: str) -> None:
        """Read the other labels, if they are not at hand, and let the tool work on them."""
        key, case = self.source.currentData(), self.desk.session.case
        if case is None:
            return
        read, session, known = self._read, self.desk.session, key in self._read

        def work() -> Suggestion | None:
            if key not in read:
                for former in list(read)[: max(0, len(read) + 1 - _KEPT)]:
                    del read[former]
                read[key] = read_other(session, case.id, key)
            return tool(read[key])

        self.runner.run(doing, work, nothing, 0 if known and self.part.currentData() == "slice" else AT_ONCE)

    def _has_source(self) -> bool:
        if self.source.currentData() is None:
            self.desk.say("No model has segmented this case yet: do that in the step Segment.")
        return self.source.currentData() is not None

    def _bundle(self) -> str | None:
        """Give the model whose labels are taken, for the journal; None for a vote."""
        found = {other.key: other.bundle for other in others(self.desk.session)}
        return found.get(self.source.currentData()) or None

    # proposing

    @guarded
    def _propose(self) -> None:
        target = one_organ(self.desk)
        if target is None:
            return
        correction, value = target.correction, target.values[0]
        strokes = strokes_of(hand_strokes(correction), correction.labels, value, target.spacing)
        prediction = self.desk.session.prediction
        sure = None if prediction is None else prediction.maps.get("confidence")
        self.runner.run(
            f"Proposing {target.text} from your strokes",
            partial(
                propose, correction.labels, correction.case.image.array, value, strokes, target.spacing,
                self.reach_mm.value(), None if sure is None else sure.array,
            ),
            f"There are no strokes of {target.title} yet: paint or erase a little of it first.",
            AT_ONCE,
        )  # fmt: skip
