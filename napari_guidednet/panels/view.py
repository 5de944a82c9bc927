"""How the open case is looked at: CT window, outlines, and which confidence map lies over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSlider, QWidget

from ..layers.display import WINDOWS, window_limits
from .buttons import button
from .command import Command
from .compare import CompareBox
from .guard import guarded
from .planes import SideViews
from .row import row
from .side_dock import ViewsDock
from .view_3d import OrgansView

if TYPE_CHECKING:
    from .desk import Desk

MEANINGS = {
    "confidence": "how sure: the calibrated probability of the label the model gave",
    "typicality": "how familiar: low where the tissue looks like nothing the model has learned",
    "entropy": "how torn: high where several organs are likely",
    "disagreement": "how divided: high where the model's two networks differ",
}


class ViewBox(QWidget):
    """Window presets, outline, map and its opacity."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.window_preset = QComboBox()
        for name, (centre, width) in WINDOWS.items():
            self.window_preset.addItem(name, name)
            tip = f"centre {centre:g} HU, width {width:g} HU"
            self.window_preset.setItemData(self.window_preset.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.window_preset.setToolTip(
            "Grey values of the CT (Shift+W: the next). By the mouse: Ctrl and drag with the right button,\n"
            "across for the width, up and down for the centre."
        )
        self.window_preset.currentIndexChanged.connect(self._set_window)
        self.outline = QCheckBox("Outlines")
        self.outline.setToolTip("Draw the organs as outlines, so that the CT can be seen")
        self.outline.toggled.connect(self._set_outline)
        self.map = QComboBox()
        self.map.setToolTip("Coloured where the model is unsure: red least sure, yellow a little unsure")
        self.map.currentIndexChanged.connect(self._set_map)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(100)
        self.opacity.setToolTip("Opacity of the map")
        self.opacity.valueChanged.connect(self._set_opacity)
        self.views = ViewsDock(desk, self, "GuidedNet views", SideViews)
        self.views.changed.connect(self._on_views)
        self.organs_3d = ViewsDock(desk, self, "GuidedNet 3-D", OrgansView)
        self.organs_3d.changed.connect(self._on_3d)
        self.views.beside, self.organs_3d.beside = self.organs_3d, self.views
        self.three_d = button(
            "3-D",
            "Show the organs as surfaces in a view of their own; they follow your strokes (Shift+T)",
            self.turn_3d,
        )
        self.three_d.setCheckable(True)
        self.planes = button(
            "Planes",
            "Show coronal and sagittal views beside the axial one; paint in each of them (Alt+Shift+V).\n"
            "Hold Shift and move the mouse: all views follow the cursor.",
            self.turn_planes,
        )
        self.planes.setCheckable(True)
        self.cross_hair = QCheckBox("Cross-hair")
        self.cross_hair.setChecked(True)
        self.cross_hair.setToolTip("Lines that show where the other views cut this one")
        self.cross_hair.toggled.connect(self._set_cross_hair)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Views", row(self.planes, self.three_d, self.cross_hair))
        form.addRow("CT window", row(self.window_preset, self.outline))
        form.addRow("Map", row(self.map, self.opacity))
        self.compare = CompareBox(desk)
        form.addRow("Compare", self.compare)
        desk.session.prediction_changed.connect(self._list_maps)
        desk.correction_changed.connect(self._on_case)
        desk.layers.windowed.connect(self._on_windowed)
        self._list_maps()

    def _on_case(self, *_: object) -> None:
        if self.desk.correction is not None:
            self._set_window()
            self._set_outline()

    def _list_maps(self, *_: object) -> None:
        prediction = self.desk.session.prediction
        chosen = self.map.currentData()
        with QSignalBlocker(self.map):
            self.map.clear()
            self.map.addItem("none" if prediction is not None else "none (segment the case first)", None)
            for name in prediction.maps if prediction is not None else ():
                self.map.addItem(name, name)
                meaning = MEANINGS.get(name, "")
                self.map.setItemData(self.map.count() - 1, meaning, Qt.ItemDataRole.ToolTipRole)
            self.map.setCurrentIndex(max(0, self.map.findData(chosen)))
        self.map.setEnabled(prediction is not None)
        self.opacity.setEnabled(prediction is not None)

    def show_map(self, name: str | None) -> None:
        """Choose a map by name, None for no map."""
        self.map.setCurrentIndex(max(0, self.map.findData(name)))
        self._set_map()

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        return (
            Command("views", "Show or hide the coronal and sagittal views", "Alt-Shift-V", self.turn_planes),
            Command(
                "next_window", "Next CT window: abdomen, liver, lung, bone, wide", "Shift-W", self.next_window
            ),
            Command("organs_3d", "Show or hide the organs in 3-D", "Shift-T", self.turn_3d),
            *self.compare.commands(),
        )

    @guarded
    def turn_planes(self) -> None:
        """Open the coronal and sagittal views, or close them."""
        if self.views.is_open:
            self.views.close()
            self.desk.say("The coronal and sagittal views are closed.")
            return
        self.views.open()
        self._set_cross_hair()
        self.desk.say(
            "Coronal and sagittal views: paint in each. Hold Shift and move: all views follow the cursor."
        )

    @guarded
    def turn_3d(self) -> None:
        """Open the view of the organs in 3-D, or close it."""
        if self.organs_3d.is_open:
            self.organs_3d.close()
            self.desk.say("The 3-D view is closed.")
            return
        self.organs_3d.open()
        self.desk.say("The organs in 3-D: drag to turn them. They follow your strokes when the hand rests.")

    def _on_3d(self, on: bool) -> None:
        with QSignalBlocker(self.three_d):
            self.three_d.setChecked(on)

    def _on_views(self, on: bool) -> None:
        with QSignalBlocker(self.planes):
            self.planes.setChecked(on)

    @guarded
    def _set_cross_hair(self) -> None:
        if self.views.views is not None:
            self.views.views.show_cross_hair(self.cross_hair.isChecked())

    @guarded
    def next_window(self) -> None:
        """Take the next window of the list."""
        known = len(WINDOWS)  # what follows in the box is a window set by the mouse
        following = (min(self.window_preset.currentIndex(), known - 1) + 1) % known
        self.window_preset.setCurrentIndex(following)
        centre, width = WINDOWS[self.window_preset.currentData()]
        self.desk.say(
            f"CT window {self.window_preset.currentData()}: centre {centre:g} HU, width {width:g} HU. "
            "Ctrl and the right mouse button set it freely."
        )

    def _on_windowed(self, low: float, high: float) -> None:
        """Name a window that was not chosen here: set by the mouse or in napari's own controls."""
        box, known = self.window_preset, list(WINDOWS)
        named = [n for n in known if np.allclose(window_limits(n), (low, high))]
        with QSignalBlocker(box):
            while box.count() > len(known):
                box.removeItem(len(known))
            if named:
                box.setCurrentIndex(known.index(named[0]))
                return
            box.addItem(f"{(low + high) / 2:.0f} / {high - low:.0f} HU", (low, high))
            box.setCurrentIndex(len(known))
            box.setItemData(len(known), "centre / width, set by the mouse", Qt.ItemDataRole.ToolTipRole)

    @guarded
    def _set_window(self) -> None:
        chosen = self.window_preset.currentData()
        limits = window_limits(chosen) if isinstance(chosen, str) else tuple(chosen)
        self.desk.layers.set_limits(limits)

    @guarded
    def _set_outline(self) -> None:
        self.desk.layers.outline(self.outline.isChecked())

    @guarded
    def _set_map(self) -> None:
        name = self.map.currentData()
        self.desk.layers.show_map(name)
        if name is not None:
            self._set_opacity()
            self.desk.say(f"Showing {name}: {MEANINGS.get(name, name)}.")

    @guarded
    def _set_opacity(self) -> None:
        self.desk.layers.set_map_opacity(self.opacity.value() / 100)
