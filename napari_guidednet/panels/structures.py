"""Taking what another program drew (DICOM-SEG, RTSTRUCT) into the open case, once it is clear what it is."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QGroupBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..backend import StructureSet, counted, propose_organs, read_structures
from ..state.correction import Correction
from ..state.structures import suggest_structures
from .buttons import button
from .guard import guarded
from .narrow import narrow
from .runner import AT_ONCE, ToolRunner
from .tables import PlainTable
from .wheel import still

if TYPE_CHECKING:
    from .desk import Desk

COLUMNS = ("Structure", "ml", "Organ")
TIPS = (
    "As the file calls it",
    "Volume on the CT of the case",
    "Which organ of the scheme it is; names that are known are matched already",
)
EMPTY = "Open the case that the file belongs to in the step Cases first."


class StructureBox(QGroupBox):
    """Choose a file, look which structure is which organ, take them over."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__("Import what another program drew", parent)
        self.desk = desk
        self.found: StructureSet | None = None
        self._for: Correction | None = None
        self._runner = ToolRunner(desk)
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.choose = button(
            "Choose a DICOM-SEG or RTSTRUCT file …",
            "Nothing is changed before you have seen which structure is which organ",
            self._choose,
        )
        self.table = PlainTable(COLUMNS, TIPS)
        self.table.setMinimumHeight(140)
        self.take = button(
            "Take over",
            "The organs become as they were drawn; confirmed and locked ones stay. It can be undone",
            self._take,
        )
        self.cancel = button("Cancel", "Forget this file", self._forget)
        layout = QVBoxLayout(self)
        layout.addWidget(self.about)
        layout.addWidget(self.choose)
        layout.addWidget(self.table)
        deciding = QHBoxLayout()
        deciding.addWidget(self.take, 1)
        deciding.addWidget(self.cancel)
        layout.addLayout(deciding)
        desk.correction_changed.connect(self._forget)
        self._forget()

    @property
    def organs(self) -> dict[int, str]:
        """Organ of each structure that shall be taken, by its number."""
        structures = self.found.structures if self.found is not None else ()
        chosen = ((each.number, self.choice(row).currentData()) for row, each in enumerate(structures))
        return {number: organ for number, organ in chosen if organ is not None}

    def choice(self, row: int) -> QComboBox:
        """Give the box in which the organ of a structure is chosen."""
        box = self.table.cellWidget(row, COLUMNS.index("Organ"))
        if not isinstance(box, QComboBox):
            raise IndexError(f"the table has no structure {row}")
        return box

    def _forget(self, *_: object) -> None:
        self.found = self._for = None
        for widget in (self.table, self.take, self.cancel):
            widget.hide()
        correction = self.desk.correction
        self.choose.setEnabled(correction is not None)
        self.about.setText(EMPTY if correction is None else f"For {correction.case.id}, the open case.")

    @guarded
    def _choose(self) -> None:
        paths = self.desk.asker.files("A DICOM-SEG or RTSTRUCT file")
        if paths:
            self.look_at(paths[0])

    def look_at(self, path: Path) -> None:
        """Read a file for the open case and show what is in it."""
        correction = self.desk.correction
        if correction is None:
            self.desk.say(EMPTY)
            return
        image = correction.case.image
        work = partial(read_structures, path, image.geometry, image.source)
        then = partial(self._show, correction)
        self.desk.in_thread(f"Reading {path.name}", work, then, key="structures")

    def _show(self, correction: Correction, found: StructureSet) -> None:
        if self.desk.correction is not correction:
            return
        self.found, self._for = found, correction
        proposed, volumes = propose_organs(found, correction.scheme), found.volumes_ml()
        self.table.setRowCount(len(found.structures))
        for row, each in enumerate(found.structures):
            self.table.fill(row, (each.name, f"{volumes[each.number]:.1f}", ""), f"Structure {each.number}")
            self.table.setCellWidget(row, 2, self._organ_box(correction, proposed.get(each.number)))
        outside = sum(each.outside for each in found.structures)
        notes = (*found.notes, *([f"{counted(outside, 'voxel')} beyond the CT"] if outside else []))
        lines = [f"{found.path.name}, {found.kind}, for {correction.case.id}."]
        self.about.setText("\n".join([*lines, *(f"Note: {note}." for note in notes)]))
        for widget in (self.table, self.take, self.cancel):
            widget.show()
        self._count()
        self.desk.say(
            f"{found.path.name}: {len(proposed)} of {len(found.structures)} structures are known by name. "
            "Check which is which, then take them over."
        )

    def _organ_box(self, correction: Correction, organ: str | None) -> QComboBox:
        box = narrow(QComboBox())
        box.addItem("leave out", None)
        for each in correction.scheme.organs:
            box.addItem(each.title, each.name)
        box.setCurrentIndex(max(0, box.findData(organ)))
        box.setToolTip("The organ that this structure becomes")
        box.currentIndexChanged.connect(self._count)
        still(box)
        return box

    def _count(self, *_: object) -> None:
        count = len(set(self.organs.values()))
        self.take.setText(f"Take over {counted(count, 'organ')}")
        self.take.setEnabled(count > 0)

    @guarded
    def _take(self) -> None:
        found, correction = self.found, self._for
        if found is None or correction is None or self.desk.correction is not correction:
            return
        work = partial(suggest_structures, correction.labels, found, self.organs, correction.scheme)
        doing = f"Taking {found.path.name} into {correction.case.id}"
        self._runner.run(doing, work, f"{correction.case.id} has these organs just so already.", AT_ONCE)
        self._forget()
