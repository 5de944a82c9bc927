"""The Project step: open or make one, try the synthetic abdomen, import a data set after seeing the plan."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from ..backend import SCHEMES, Project, counted
from .buttons import button
from .exporting import ExportBox
from .guard import guarded
from .importing import ImportBox
from .structures import StructureBox

if TYPE_CHECKING:
    from .desk import Desk


class ProjectPanel(QWidget):
    """Open, make, try, import."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.about.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.open = button("Open a project …", "A folder that holds a project.json", self._open)
        self.sample = button(
            "Try it on synthetic abdomens",
            "Makes a small project of phantoms with 15 organs: labelled, unlabelled and held-out cases",
            self._sample,
        )
        self.new = NewProjectBox(desk)
        self.importing = ImportBox(desk)
        self.structures = StructureBox(desk)
        self.exporting = ExportBox(desk)
        layout = QVBoxLayout(self)
        layout.addWidget(self.about)
        row = QHBoxLayout()
        row.addWidget(self.open)
        row.addWidget(self.sample)
        layout.addLayout(row)
        layout.addWidget(self.new)
        layout.addWidget(self.importing)
        layout.addWidget(self.structures)
        layout.addWidget(self.exporting)
        layout.addStretch(1)
        desk.session.project_changed.connect(self._show)
        desk.session.cases_changed.connect(self._describe)
        desk.session.bundles_changed.connect(self._describe)
        self._show(desk.session.project)

    def _show(self, project: Project | None) -> None:
        self.new.setVisible(project is None)
        self.importing.setVisible(project is not None)
        self.structures.setVisible(project is not None)
        self.exporting.setVisible(project is not None)
        self.sample.setVisible(project is None)
        self.open.setText("Open a project …" if project is None else "Open another project …")
        self._describe()

    def _describe(self) -> None:
        project = self.desk.session.project
        if project is None:
            self.about.setText(
                "A project is a folder that holds your cases, their labels, the models and the runs. "
                "Your CT files are only read, never changed."
            )
            return
        self.about.setText(
            f"{project.name}\n{project.folder}\n"
            f"Scheme {project.scheme.name}: {counted(len(project.scheme.names), 'organ')}. "
            f"{counted(len(project.cases), 'case')}. Model in use: {self.desk.session.model_title}."
        )

    @guarded
    def _open(self) -> None:
        folder = self.desk.asker.folder("Open a project")
        if folder is not None:
            self.desk.open_project(folder)

    @guarded
    def _sample(self) -> None:
        parent = self.desk.asker.folder("Where shall the synthetic project be made?")
        if parent is not None:
            self.desk.open_sample(parent / f"synthetic_abdomen_{time.strftime('%H%M%S')}")


class NewProjectBox(QGroupBox):
    """Name, place and scheme of a new project."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__("New project", parent)
        self.desk = desk
        self.name = QLineEdit("my_project")
        self.place = QLineEdit(str(Path.home()))
        self.place.setToolTip("The folder in which the project's own folder is made")
        browse = button("…", "Choose the folder", self._browse)
        browse.setMaximumWidth(36)
        self.scheme = QComboBox()
        for name, scheme in SCHEMES.items():
            self.scheme.addItem(f"{name} ({counted(len(scheme.names), 'organ')})", name)
            organs = ", ".join(organ.title for organ in scheme.organs)
            self.scheme.setItemData(self.scheme.count() - 1, organs, Qt.ItemDataRole.ToolTipRole)
        place = QHBoxLayout()
        place.addWidget(self.place, 1)
        place.addWidget(browse)
        form = QFormLayout(self)
        form.addRow("Name", self.name)
        form.addRow("Inside", place)
        form.addRow("Organs", self.scheme)
        form.addRow(button("Make the project", "Makes the folder and opens it", self._make))

    @guarded
    def _browse(self) -> None:
        folder = self.desk.asker.folder("Where shall the project be made?", Path(self.place.text()))
        if folder is not None:
            self.place.setText(str(folder))

    @guarded
    def _make(self) -> None:
        name = self.name.text().strip() or "my_project"
        folder = Path(self.place.text()).expanduser() / name.replace(" ", "_")
        self.desk.create_project(folder, name, self.scheme.currentData())
