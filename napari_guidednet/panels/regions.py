"""Region tools: grow, shrink and smooth the selected organ, fill it between slices, sort its pieces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from ..layers.whereabouts import Picker, shown_slice, slice_box
from ..state import between, growing, smoothing
from ..state.correction import Correction
from ..state.hand import hand_strokes
from ..state.suggestion import Suggestion
from .buttons import button
from .command import Command
from .guard import guarded
from .number import number_box
from .pieces import PiecesBox
from .runner import ToolRunner
from .taking import TakingBox
from .target import Target, all_organs, brush_organ, one_organ

if TYPE_CHECKING:
    from .desk import Desk

EMPTY = "Open a case in the step Cases; then its organs can be grown, smoothed and filled here."
_WITH_IMAGE = 20  # times as long as by shape alone


class RegionsBox(QWidget):
    """Buttons and numbers of the tools that change a whole region at once."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.runner = ToolRunner(desk)
        picker = Picker(desk.layers)
        self.pieces = PiecesBox(desk, self.runner, picker, self._scope)
        self.taking = TakingBox(desk, self.runner, picker)
        self.title = QLabel()
        self.title.setWordWrap(True)
        self._make_numbers()
        self._make_buttons()
        self._lay_out()
        desk.correction_changed.connect(self._on_case)
        desk.layers.organ_selected.connect(self._describe)
        self._on_case(desk.correction)

    def _make_numbers(self) -> None:
        self.grow_mm = number_box(2.0, 0.5, 30.0, " mm", "How far the border moves")
        self.flat = QCheckBox("this slice")
        self.flat.setToolTip("Grow and shrink only in the slice that the main view shows")
        self.smooth_mm = number_box(
            1.5, 0.5, 6.0, " mm", "Details smaller than this go; twice the size of a voxel is a good start"
        )
        self.scope = QComboBox()
        self.scope.addItem("this organ", False)
        self.scope.addItem("all organs", True)
        self.scope.setToolTip("What is smoothed, and whose pieces are sorted; protected organs are left out")
        self.use_image = QCheckBox("follow the image")
        self.use_image.setToolTip("Then the border moves to edges of the CT, up to 4 mm")

    def _make_buttons(self) -> None:
        self.grow = button(
            "Grow", "The organ takes the background around it; others stay (Shift+G)", self._grow
        )
        self.shrink = button("Shrink", "The organ loses its outermost layer (Shift+S)", self._shrink)
        self.smooth = button(
            "Smooth",
            "With all neighbours: no gaps, no overlaps, volumes hardly change (Shift+M)",
            self._smooth,
        )
        self.fill = button(
            "Fill between slices",
            "Paint the organ in some slices, then fill those in between by its shape: the empty ones or,\n"
            "where none is empty, anew those between slices that you corrected. The gap you look at,\n"
            "or all of them (Shift+F)",
            self._fill,
        )

    def _lay_out(self) -> None:
        rows: tuple[tuple[QWidget, ...], ...] = (
            (self.grow, self.shrink, self.grow_mm, self.flat),
            (self.smooth, self.smooth_mm, self.scope),
            (self.fill, self.use_image),
        )
        self.tools = QWidget()
        grid = QGridLayout(self.tools)
        grid.setContentsMargins(0, 0, 0, 0)
        for number, row in enumerate(rows):
            span = 12 // len(row)
            for place, widget in enumerate(row):
                grid.addWidget(widget, number, place * span, 1, span)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.title, self.tools, self.pieces, self.taking):
            layout.addWidget(part)

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        return (
            Command("fill_between", "Fill the organ between slices", "Shift-F", self.fill.click),
            Command("grow_organ", "Grow the organ", "Shift-G", self.grow.click),
            Command("shrink_organ", "Shrink the organ", "Shift-S", self.shrink.click),
            Command("smooth_organ", "Smooth with all neighbours", "Shift-M", self.smooth.click),
            *self.pieces.commands(),
            *self.taking.commands(),
        )

    def _on_case(self, correction: Correction | None) -> None:
        self.pieces.picker.cancel()
        for widget in (self.tools, self.pieces, self.taking):
            widget.setEnabled(correction is not None)
        self._describe()

    def _describe(self, *_: object) -> None:
        organ = brush_organ(self.desk)
        self.title.setText(EMPTY if organ is None else f"These change {organ.title}, the organ of the brush.")

    def _scope(self) -> Target | None:
        return (all_organs if self.scope.currentData() else one_organ)(self.desk)

    @guarded
    def _grow(self) -> None:
        self._move_border("Growing", growing.grow)

    @guarded
    def _shrink(self) -> None:
        self._move_border("Shrinking", growing.shrink)

    def _move_border(self, word: str, tool: Callable[..., Suggestion | None]) -> None:
        target = one_organ(self.desk)
        if target is None:
            return
        labels, mm, flat = target.correction.labels, self.grow_mm.value(), self.flat.isChecked()
        if mm < min(target.spacing):
            voxel = min(target.spacing)
            self.desk.say(
                f"{mm:g} mm is less than a voxel of {target.correction.case.id} ({voxel:.2g} mm): take more."
            )
            return
        work = partial(
            tool, labels, target.values[0], mm, target.spacing, slice_box(self.desk.layers) if flat else None
        )
        where = " in this slice" if flat else ""
        self.runner.run(
            f"{word} {target.text} by {mm:g} mm{where}",
            work,
            f"{target.text} has no voxels{where}.",
            0 if flat else target.voxels,
        )

    @guarded
    def _smooth(self) -> None:
        target = self._scope()
        if target is None:
            return
        mm = self.smooth_mm.value()
        stop = self.runner.should_stop
        work = partial(smoothing.smooth, target.correction.labels, target.values, mm, target.spacing, stop)
        nothing = f"{target.text}: there are no voxels to smooth."
        self.runner.run(f"Smoothing {target.text} by {mm:g} mm", work, nothing, target.voxels)

    @guarded
    def _fill(self) -> None:
        target = one_organ(self.desk)
        if target is None:
            return
        case, labels, value = target.correction.case, target.correction.labels, target.values[0]
        axis, at = shown_slice(self.desk.layers)
        image = case.image.array if self.use_image.isChecked() else None
        painted = between.painted_slices(hand_strokes(target.correction), value, axis, labels.shape)
        where = between.gaps(labels, value, axis, target.spacing[axis], painted, at)
        self.runner.run(
            f"Filling {target.text} between slices",
            partial(between.fill_between, labels, value, axis, target.spacing, where, image),
            f"{target.text} has no slices to fill: paint it in two slices with some in between.",
            target.voxels * (1 if image is None else _WITH_IMAGE),
        )
