"""Handing labels to other programs: NIfTI, nnU-Net, DICOM-SEG or RTSTRUCT, written whole or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QGroupBox, QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from ..backend import HandOver, Project, counted, export_dicom, export_nifti, export_nnunet
from .buttons import button
from .guard import guarded
from .narrow import narrow

if TYPE_CHECKING:
    from .desk import Desk

Progress = Callable[[int, int, str], None]
Write = Callable[[Project, Path, Sequence[str] | None, Progress], Any]


class _Stopped(Exception):
    """The export was cancelled."""


def _nifti(project: Project, out: Path, cases: Sequence[str] | None, progress: Progress) -> Any:
    return export_nifti(project, out, cases=cases, progress=progress)


def _nnunet(project: Project, out: Path, cases: Sequence[str] | None, progress: Progress) -> Any:
    return export_nnunet(project, out, cases=cases, progress=progress)


def _dicom_seg(project: Project, out: Path, cases: Sequence[str] | None, progress: Progress) -> Any:
    return export_dicom(project, out, "dicom-seg", cases=cases, progress=progress)


def _rtstruct(project: Project, out: Path, cases: Sequence[str] | None, progress: Progress) -> Any:
    return export_dicom(project, out, "rtstruct", cases=cases, progress=progress)


FORMATS: tuple[tuple[str, str, Write, str], ...] = (
    ("NIfTI", "labels", _nifti, "One label file per case, with a table of the organs"),
    (
        "nnU-Net data set",
        "nnunet",
        _nnunet,
        "Images and labels of the cases that are confirmed as a whole",
    ),
    (
        "DICOM-SEG",
        "dicom_seg",
        _dicom_seg,
        "For PACS and viewers; one file per case from DICOM",
    ),
    (
        "RTSTRUCT",
        "rtstruct",
        _rtstruct,
        "For treatment planning; one file per case from DICOM",
    ),
)


class ExportBox(QGroupBox):
    """Choose a format and the cases, then a folder; a bar shows how far it is."""

    progressed = Signal(int, int, str)  # from the worker thread

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__("Export the labels", parent)
        self.desk = desk
        self._stop = threading.Event()
        self.format = narrow(QComboBox())
        for number, (title, _, _, tip) in enumerate(FORMATS):
            self.format.addItem(title, number)
            self.format.setItemData(number, tip, Qt.ItemDataRole.ToolTipRole)
        self.format.setToolTip("What the other program reads")
        self.cases = narrow(QComboBox(), 8)
        self.cases.setToolTip("Which cases are written; those without labels are left out")
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.go = button("Export …", "Choose the folder in which a new one is made", self._export)
        self.bar = QProgressBar()
        self.cancel = button("Cancel", "Stops after this case; nothing is left behind", self._cancel)
        self._lay_out()
        self.format.currentIndexChanged.connect(self._describe)
        self.progressed.connect(self._show_progress)
        desk.session.case_changed.connect(self._show_cases)
        desk.session.project_changed.connect(self._show_cases)
        self._show_cases()
        self._describe()
        self._rest()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        choice = QHBoxLayout()
        choice.addWidget(self.format)
        choice.addWidget(self.cases, 1)
        choice.addWidget(self.go)
        layout.addLayout(choice)
        layout.addWidget(self.about)
        running = QHBoxLayout()
        running.addWidget(self.bar, 1)
        running.addWidget(self.cancel)
        layout.addLayout(running)

    def _show_cases(self, *_: object) -> None:
        opened = self.desk.session.case
        chosen = self.cases.currentIndex()
        self.cases.clear()
        self.cases.addItem("all cases", None)
        if opened is not None:
            self.cases.addItem(f"only {opened.id}", (opened.id,))
        self.cases.setCurrentIndex(max(0, min(chosen, self.cases.count() - 1)))

    def _describe(self, *_: object) -> None:
        self.about.setText(f"{FORMATS[self.format.currentIndex()][3]}.")

    def _rest(self) -> None:
        self.bar.hide()
        self.cancel.hide()
        self.go.setEnabled(True)

    @guarded
    def _export(self) -> None:
        project = self.desk.session.opened
        title, kind, write, _ = FORMATS[self.format.currentIndex()]
        cases = self.cases.currentData()
        parent = self.desk.asker.folder("Where shall the export be written?")
        if parent is None:
            return
        self.desk.autosave.flush()
        stamp = time.strftime("%Y%m%d_%H%M%S")
        out = parent / f"{project.folder.name}_{kind}_{stamp}"
        self._stop.clear()
        self.go.setEnabled(False)
        self.cancel.setEnabled(True)
        self.cancel.show()
        self.desk.in_thread(
            f"Exporting {title} to {out.name}",
            partial(self._write, write, project, out, cases),
            partial(self._done, out),
            otherwise=self._rest,
        )

    def _write(self, write: Write, project: Project, out: Path, cases: Sequence[str] | None) -> Any:
        try:
            return write(project, out, cases, self._progress)
        except _Stopped:
            return None

    def _progress(self, done: int, total: int, case: str) -> None:
        if self._stop.is_set() and done < total:
            raise _Stopped
        self.progressed.emit(done, total, case)  # a signal may cross threads, a widget may not

    def _show_progress(self, done: int, total: int, case: str) -> None:
        self.bar.show()
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.bar.setFormat(f"{case} (%v of %m)" if case else "%v of %m")

    @guarded
    def _cancel(self) -> None:
        self._stop.set()
        self.cancel.setEnabled(False)

    def _done(self, out: Path, made: Any) -> None:
        self._rest()
        if made is None:
            self.desk.say("The export was cancelled; nothing was left behind.")
        elif isinstance(made, HandOver):
            self.desk.say("\n".join(_told(out, made)))
        else:
            self.desk.say(f"Exported {counted(made, 'case')} to {out}.")


def _told(out: Path, made: HandOver) -> list[str]:
    """Say what was written, in lines; at most a few of what was not."""
    lines = [f"Exported {counted(len(made.written), 'case')} to {out}; each was read back and is the same."]
    lines += [f"Note on {note}." for note in made.notes[:4]]
    lines += [f"Left out {reason}" for reason in made.left_out[:4]]
    if len(made.left_out) > 4:
        lines.append(f"… and {len(made.left_out) - 4} more were left out.")
    return lines
