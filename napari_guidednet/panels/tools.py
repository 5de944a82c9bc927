"""The brush: its radius in mm, disc or ball, the smart brush, and what it may paint on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSpinBox, QWidget
from superqt import QLabeledDoubleSlider

from ..backend import counted
from ..layers.hover import Hover
from ..state.brush import HU_CEILING, HU_FLOOR, HU_PRESETS, RADIUS_MM, TOLERANCE, BrushSettings, organ_range
from .canvases import main_canvas
from .command import Command
from .guard import guarded
from .over_picker import OverPicker
from .preview import DabPreview
from .row import row

if TYPE_CHECKING:
    from ..state.correction import Correction
    from .desk import Desk

ORGAN_KEYS = 9  # Alt+1 to Alt+9
_AS_ORGAN = "Selected organ, as it is now"
_NARROW = 60  # screen pixels


class ToolsBox(QWidget):
    """Shows how the brush is set and sets it; every change holds for the next dab.

    Parameters
    ----------
    desk : Desk
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.settings: BrushSettings = desk.layers.brushes.settings
        viewer = desk.layers.viewer
        hover = Hover(viewer, desk.layers, lambda: desk.layers.labels)
        self.hover = DabPreview(hover, main_canvas(viewer), self)
        self._make_brush()
        self._make_limits()
        self._lay_out()
        self._connect()
        self._begin(desk.correction)

    def _make_brush(self) -> None:
        self.radius = _slider(
            RADIUS_MM, "Radius of the brush in mm. Live: Shift and the wheel, [ and ], or Alt and the mouse"
        )
        self.smart = _box(
            "Smart",
            "Paints only tissue like that under the stroke, as far as the circle and never across an edge. "
            "It holds for the eraser too (Shift+B)",
        )
        self.ball = _box("3-D ball", "Paint through the neighbouring slices as well")
        self.preview = _box(
            "Preview",
            "While the cursor rests on the picture: outlines what the smart brush, or one that is limited,\n"
            "would paint there, in white what the eraser would remove",
        )
        self.tolerance = _slider(
            TOLERANCE, "How far the smart brush may leave the tissue under the stroke: more paints more"
        )
        self.heed = _box(
            "Heed the model",
            "The smart brush keeps out of organs the model is sure of, and goes further in its own. "
            "Needs a segmentation of this case",
        )

    def _make_limits(self) -> None:
        self.hu = _box(
            "Only HU", "Brush, eraser, fill and polygon change only voxels in this range (Shift+H)"
        )
        self.low, self.high = (_hu_box(f"{end} HU that is painted") for end in ("Lowest", "Highest"))
        self.preset = QComboBox()
        self.preset.setToolTip("HU ranges of tissues, or that of the selected organ as it is labelled now")
        self.preset.setMinimumWidth(2 * _NARROW)  # its longest entry would widen the dock
        self.preset.addItem("HU range of …", None)
        for name, (low, high, meaning) in HU_PRESETS.items():
            self.preset.addItem(name, (low, high))
            tip = f"{low:g} to {high:g} HU: {meaning}"
            self.preset.setItemData(self.preset.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.preset.addItem(_AS_ORGAN, _AS_ORGAN)
        self.over = _box(
            "Only over", "Brush, eraser, fill and polygon change only voxels of the ticked organs (Shift+O)"
        )
        self.picker = OverPicker()

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Radius (mm)", self.radius)
        form.addRow("Brush", row(self.smart, self.ball))
        form.addRow("Tolerance", self.tolerance)
        form.addRow("", self.heed)
        form.addRow("", self.preview)
        form.addRow(self.hu, row(self.low, self.high))
        form.addRow("", self.preset)
        form.addRow(self.over, self.picker)

    def _connect(self) -> None:
        self.radius.valueChanged.connect(partial(self._set, "radius_mm"))
        self.tolerance.valueChanged.connect(partial(self._set, "tolerance"))
        self.ball.toggled.connect(partial(self._set, "ball"))
        self.preview.toggled.connect(partial(self._set, "preview"))
        self.heed.toggled.connect(partial(self._set, "heed_model"))
        self.smart.toggled.connect(self._set_smart)
        self.hu.toggled.connect(self._set_hu)
        self.over.toggled.connect(self._set_over)
        self.low.valueChanged.connect(self._set_low)
        self.high.valueChanged.connect(self._set_high)
        self.preset.activated.connect(self._set_preset)
        self.picker.picked.connect(partial(self._set, "over"))
        self.settings.events.connect(self._show)
        self.desk.layers.brushes.held_back.connect(self._on_held_back)
        self.desk.layers.brushes.model_changed.connect(self._show)
        self.desk.layers.colouring.changed.connect(self._recolour)
        self.desk.correction_changed.connect(self._begin)

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        organs = (
            Command(f"brush_organ_{n}", f"Paint organ {n} of the table", f"Alt-{n}", partial(self._paint, n))
            for n in range(1, ORGAN_KEYS + 1)
        )
        return (
            Command("smart_brush", "Smart brush on or off", "Shift-B", self.smart.toggle),
            Command("hu_range", "Paint only in the HU range, or everywhere", "Shift-H", self.hu.toggle),
            Command(
                "only_over", "Paint only over the ticked organs, or over all", "Shift-O", self.over.toggle
            ),
            *organs,
        )

    # what is shown

    def _begin(self, correction: Correction | None) -> None:
        self.setEnabled(correction is not None)
        if correction is not None:
            self.picker.begin(self.desk.layers.colouring.on(correction.scheme))
        self._show()

    def _recolour(self) -> None:
        if self.desk.correction is not None:
            self.picker.colour(self.desk.layers.colouring.on(self.desk.correction.scheme))

    def _show(self, *_: object) -> None:
        """Show the settings; the wheel, keys and napari's own controls change them too."""
        settings = self.settings
        shown = {self.smart: settings.smart, self.ball: settings.ball, self.heed: settings.heed_model,
                 self.hu: settings.hu_limited, self.over: settings.over_limited,
                 self.preview: settings.preview}  # fmt: skip
        for box, on in shown.items():
            with QSignalBlocker(box):
                box.setChecked(on)
        numbers = {self.radius: settings.radius_mm, self.tolerance: settings.tolerance}
        for slider, value in numbers.items():
            with QSignalBlocker(slider):
                slider.setValue(value)
        for spin, hu in zip((self.low, self.high), settings.hu_range, strict=True):
            with QSignalBlocker(spin):
                spin.setValue(round(hu))
        self.preset.setCurrentIndex(max(0, self._preset_of(settings.hu_range)))
        self.picker.tick(settings.over)
        self.tolerance.setEnabled(settings.smart)
        self.preview.setEnabled(settings.smart or settings.limited)
        self.heed.setEnabled(settings.smart and self.desk.layers.brushes.has_model)

    def _preset_of(self, hu_range: tuple[float, float]) -> int:
        ranges = [self.preset.itemData(row) for row in range(1, self.preset.count() - 1)]
        return ranges.index(hu_range) + 1 if hu_range in ranges else 0

    # what is asked

    @guarded
    def _set(self, name: str, value: object) -> None:
        setattr(self.settings, name, value)

    @guarded
    def _set_smart(self, on: bool) -> None:
        self.settings.smart = on
        if on:
            self._take_brush()
        self.desk.say(
            "Smart brush: it follows the tissue under the stroke, inside the circle. Shift+B turns it off."
            if on
            else "Plain brush: it paints the whole circle."
        )

    @guarded
    def _set_hu(self, on: bool) -> None:
        self.settings.hu_limited = on
        self._say_limits()

    @guarded
    def _set_over(self, on: bool) -> None:
        self.settings.over_limited = on
        self._say_limits()

    @guarded
    def _set_low(self, value: int) -> None:
        self.settings.hu_range = (float(value), max(float(value), self.settings.hu_range[1]))

    @guarded
    def _set_high(self, value: int) -> None:
        self.settings.hu_range = (min(float(value), self.settings.hu_range[0]), float(value))

    @guarded
    def _set_preset(self) -> None:
        chosen = self.preset.currentData()
        if chosen == _AS_ORGAN:
            self._take_range_of_organ()
        elif chosen is not None:
            self._take_range(tuple(chosen), self.preset.currentText())
        self._show()

    def _take_range(self, hu_range: tuple[float, float], what: str) -> None:
        self.settings.hu_range = hu_range
        self.settings.hu_limited = True
        self.desk.say(
            f"{what}: the brush keeps to {hu_range[0]:g} to {hu_range[1]:g} HU.",
            "Paint everywhere",
            self.settings.unlimit,
        )

    def _take_range_of_organ(self) -> None:
        correction, layer = self.desk.correction, self.desk.layers.labels
        value = 0 if layer is None else int(layer.selected_label)
        if correction is None or not 0 < value < correction.scheme.n_classes:
            self.desk.say("Click the organ in the table whose HU range the brush shall keep to.")
            return
        title = correction.scheme.organ(value).title
        found = organ_range(correction.case.image.array, correction.labels, value)
        if found is None:
            self.desk.say(f"{title} has no voxels in {correction.case.id} yet: paint some of it first.")
        else:
            self._take_range(found, f"{title} of {correction.case.id}")

    @guarded
    def _paint(self, number: int) -> None:
        correction = self.desk.correction
        if correction is None:
            self.desk.say("Open a case in the step Cases first.")
        elif number > len(correction.scheme.organs):
            self.desk.say(
                f"The scheme {correction.scheme.name} has {counted(len(correction.scheme.organs), 'organ')}."
            )
        else:
            organ = correction.scheme.organs[number - 1]
            self.desk.layers.select_organ(organ.name)
            self.desk.layers.paint(True)
            self.desk.say(f"The brush paints {organ.title}.")

    def _take_brush(self) -> None:
        layer = self.desk.layers.labels
        if layer is not None and str(layer.mode) not in ("paint", "erase"):
            self.desk.layers.paint(True)

    def _say_limits(self) -> None:
        correction = self.desk.correction
        if correction is None:
            return
        words = self.settings.words(correction.scheme)
        self.desk.say(
            f"The brush is limited to {words}." if words else "The brush paints everywhere.",
            "Paint everywhere" if words else "",
            self.settings.unlimit if words else None,
        )

    def _on_held_back(self, limits: str) -> None:
        self.desk.say(
            f"The stroke changed nothing: the brush is limited to {limits}.",
            "Paint everywhere",
            self.settings.unlimit,
        )


def _box(text: str, tip: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setToolTip(tip)
    return box


def _slider(ends: tuple[float, float], tip: str) -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(*ends)
    slider.setDecimals(1)
    slider.setSingleStep(0.5)  # type: ignore[arg-type]  # superqt: of a slider of whole numbers
    slider.setToolTip(tip)
    return slider


def _hu_box(tip: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(HU_FLOOR, HU_CEILING)
    spin.setSingleStep(10)
    spin.setMinimumWidth(_NARROW)  # napari's buttons would ask for twice that
    spin.setKeyboardTracking(False)
    spin.setToolTip(tip)
    return spin
