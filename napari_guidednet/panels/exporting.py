"""Handing labels to other programs: NIfTI files or an nnU-Net data set, written whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QWidget

from ..backend import Project, export_nifti, export_nnunet
from .buttons import button
from .guard import guarded

if TYPE_CHECKING:
    from .desk import Desk


class ExportBox(QGroupBox):
    """Two formats, one click each."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__("Export the labels", parent)
        self.desk = desk
        self.nifti = button("As NIfTI …", "One label file per case, with a table of the organs", self._nifti)
        self.nnunet = button("As nnU-Net data set …", "Images, labels and dataset.json", self._nnunet)
        row = QHBoxLayout(self)
        row.addWidget(self.nifti)
        row.addWidget(self.nnunet)

    @guarded
    def _nifti(self) -> None:
        self._export("labels", export_nifti)

    @guarded
    def _nnunet(self) -> None:
        self._export("nnunet", export_nnunet)

    def _export(self, kind: str, write: Callable[[Project, Path], int]) -> None:
        project = self.desk.session.opened
        parent = self.desk.asker.folder("Where shall the export be written?")
        if parent is None:
            return
        self.desk.autosave.flush()
        out = parent / f"{project.folder.name}_{kind}_{time.strftime('%Y%m%d_%H%M%S')}"
        self.desk.in_thread(
            f"Exporting to {out.name}", partial(write, project, out), partial(self._done, out)
        )

    def _done(self, out: Path, count: int) -> None:
        self.desk.say(f"Exported {count} cases to {out}.")
