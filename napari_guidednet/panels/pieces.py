"""The connected pieces of organs: keep the largest, drop the small, give one away or erase it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QWidget

from ..layers.whereabouts import Picker, Voxel, looked_at
from ..state import islands
from ..state.suggestion import Suggestion
from .buttons import button
from .command import Command
from .guard import guarded
from .number import number_box
from .runner import ToolRunner
from .target import Target, one_organ

if TYPE_CHECKING:
    from .desk import Desk


class PiecesBox(QWidget):
    """Four buttons and a volume.

    Parameters
    ----------
    desk : Desk
    runner : ToolRunner
    picker : Picker
        Shared: whoever asks for a click last gets it.
    scope : callable
        Gives the organs whose pieces are sorted.
    """

    def __init__(
        self, desk: Desk, runner: ToolRunner, picker: Picker, scope: Callable[[], Target | None]
    ) -> None:
        super().__init__()
        self.desk = desk
        self.runner = runner
        self.scope = scope
        self.picker = picker
        self.below_ml = number_box(1.0, 0.01, 500.0, " ml", "Pieces smaller than this are dropped")
        self.keep = button("Keep largest", "Drop all pieces but the largest (Shift+K)", self._keep)
        self.drop = button("Drop below", "Drop pieces below this volume (Shift+Q)", self._drop)
        self.give = button(
            "Give piece …",
            "Click a connected piece of another organ: it becomes part of the selected one\n"
            "(Shift+E gives the piece under the cursor at once)",
            self._pick_to_give,
        )
        self.erase = button(
            "Erase piece …",
            "Click a connected piece: it becomes background\n(Shift+Y erases the piece under the cursor)",
            self._pick_to_erase,
        )
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.keep, 0, 0, 1, 2)
        grid.addWidget(self.drop, 0, 2, 1, 2)
        grid.addWidget(self.below_ml, 0, 4, 1, 2)
        grid.addWidget(self.give, 1, 0, 1, 3)
        grid.addWidget(self.erase, 1, 3, 1, 3)

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        return (
            Command("keep_largest", "Keep only the largest piece", "Shift-K", self.keep.click),
            Command("drop_small", "Drop small pieces", "Shift-Q", self.drop.click),
            Command("give_piece", "Give the piece under the cursor to the organ", "Shift-E", self._give_here),
            Command("erase_piece", "Erase the piece under the cursor", "Shift-Y", self._erase_here),
        )

    @guarded
    def _keep(self) -> None:
        self._sort("Keeping the largest piece of", "in one piece or absent", islands.keep_largest)

    @guarded
    def _drop(self) -> None:
        ml, correction = self.below_ml.value(), self.desk.correction
        voxel_ml = correction.case.image.geometry.voxel_ml if correction is not None else 1.0
        tool = partial(islands.drop_small, below_ml=ml, voxel_ml=voxel_ml)
        self._sort(f"Dropping pieces below {ml:g} ml of", f"no piece is smaller than {ml:g} ml", tool)

    def _sort(self, word: str, nothing: str, tool: Callable[..., Suggestion | None]) -> None:
        target = self.scope()
        if target is not None:
            work = partial(tool, target.correction.labels, target.values)
            self.runner.run(f"{word} {target.text}", work, f"{target.text}: {nothing}.", target.voxels)

    @guarded
    def _pick_to_give(self) -> None:
        target = one_organ(self.desk)
        if target is not None:
            self.desk.say(f"Click the piece that becomes {target.title}.", "Cancel", self.picker.cancel)
            self.picker.wait(self._give)

    @guarded
    def _pick_to_erase(self) -> None:
        self.desk.say("Click the piece to erase.", "Cancel", self.picker.cancel)
        self.picker.wait(self._erase)

    @guarded
    def _give_here(self) -> None:
        self._give(looked_at(self.desk.layers))

    @guarded
    def _erase_here(self) -> None:
        self._erase(looked_at(self.desk.layers))

    @guarded
    def _give(self, voxel: Voxel | None) -> None:
        target, piece = one_organ(self.desk), self._organ_at(voxel)
        if target is None or piece is None or voxel is None:
            return
        if piece.names == target.names:
            self.desk.say(f"This piece is {target.title} already. Select the organ that it shall become.")
            return
        work = partial(islands.give, target.correction.labels, voxel, target.values[0])
        doing = f"Giving a piece of {piece.title} to {target.text}"
        self.runner.run(doing, work, "There is no organ any more.", piece.voxels)

    @guarded
    def _erase(self, voxel: Voxel | None) -> None:
        piece = self._organ_at(voxel)
        if piece is not None and voxel is not None:
            work = partial(islands.give, piece.correction.labels, voxel, 0)
            doing = f"Erasing a piece of {piece.text}"
            self.runner.run(doing, work, "There is no organ any more.", piece.voxels)

    def _organ_at(self, voxel: Voxel | None) -> Target | None:
        """Give the organ at a place, or say that there is none."""
        correction = self.desk.correction
        value = 0 if correction is None or voxel is None else int(correction.labels[voxel])
        if correction is None or not 0 < value < correction.scheme.n_classes:
            self.desk.say("There is no organ here: point at a piece of one in the picture.")
            return None
        organ = correction.scheme.organ(value)
        return Target(correction, (organ.name,), organ.title)
