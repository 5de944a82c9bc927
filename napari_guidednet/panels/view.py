"""How the open case is looked at: CT window, outlines, and which confidence map lies over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QHBoxLayout, QSlider, QWidget

from ..layers.display import WINDOWS
from .guard import guarded

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
        self.window_preset.setToolTip("Grey values of the CT")
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
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("CT window", _row(self.window_preset, self.outline))
        form.addRow("Map", _row(self.map, self.opacity))
        desk.session.prediction_changed.connect(self._list_maps)
        desk.correction_changed.connect(self._on_case)
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

    @guarded
    def _set_window(self) -> None:
        self.desk.layers.set_window(self.window_preset.currentData())

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


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget, 1)
    return row
