"""The live chart of a training: every loss term above, the validation Dice below, a tick box per curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QColor, QPalette, QPixmap
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

Curves = Mapping[str, tuple[Any, Any]]

HUES = 9  # distinct hues; the curves after them repeat with another dash
DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
HIDDEN_AT_FIRST = ("lr", "gradient.")  # their scale would flatten the losses


class LossChart(QWidget):
    """Shows `{term: (steps, values)}` and `{network: (steps, Dice)}`; call `show_series` again to update."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curves: dict[str, pg.PlotDataItem] = {}
        self._dice: dict[str, pg.PlotDataItem] = {}
        self._losses = _plot("loss")
        self._scores = _plot("Dice")
        self._scores.setXLink(self._losses)
        self._scores.setYRange(0, 1)
        self._scores.setLabel("bottom", "step")
        self._list = QListWidget()
        self._list.setMaximumHeight(130)
        self._list.setToolTip("Tick the curves to show; the number is the latest value")
        self._list.itemChanged.connect(self._toggle)
        self._log = QCheckBox("Logarithmic losses")
        self._log.toggled.connect(lambda on: self._losses.setLogMode(y=on))
        self._latest = QLabel("No validation yet")
        self._lay_out()
        self._paint_ink()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self._latest, 1)
        row.addWidget(self._log)
        layout.addWidget(self._losses, 3)
        layout.addWidget(self._scores, 2)
        layout.addLayout(row)
        layout.addWidget(self._list)

    def clear(self) -> None:
        """Forget all curves."""
        for plot, curves in ((self._losses, self._curves), (self._scores, self._dice)):
            for curve in curves.values():
                plot.removeItem(curve)
            curves.clear()
        self._list.clear()
        self._latest.setText("No validation yet")

    def show_series(self, terms: Curves, dice: Curves) -> None:
        """Draw the curves as they are now.

        Parameters
        ----------
        terms : mapping
            Name of a loss term to its steps and values.
        dice : mapping
            Name of a network to the steps and mean Dice of its validations.
        """
        for name, (steps, values) in terms.items():
            if name not in self._curves:
                self._add_term(name)
            self._curves[name].setData(np.asarray(steps, float), np.asarray(values, float))
        for row in range(self._list.count()):
            self._describe(self._list.item(row), terms)
        for name, (steps, values) in dice.items():
            if name not in self._dice:
                colour = _colour(len(self._dice))
                self._dice[name] = self._scores.plot(
                    pen=pg.mkPen(colour, width=2),
                    symbol="o",
                    symbolSize=6,
                    symbolBrush=colour,
                    symbolPen=None,
                )
            self._dice[name].setData(np.asarray(steps, float), np.asarray(values, float))
        if dice:
            parts = [
                f"{name or 'network'} {float(values[-1]):.3f}"
                for name, (_, values) in dice.items()
                if len(values)
            ]
            self._latest.setText("Validation Dice: " + ", ".join(parts))

    def points(self, name: str) -> int:
        """Give how many points of a loss term are drawn."""
        curve = self._curves.get(name)
        drawn = curve.xData if curve is not None else None
        return 0 if drawn is None else len(drawn)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the loss terms in the chart."""
        return tuple(self._curves)

    @property
    def dice_points(self) -> int:
        """How many validations are drawn, over all networks."""
        return sum(0 if curve.xData is None else len(curve.xData) for curve in self._dice.values())

    def _add_term(self, name: str) -> None:
        number = len(self._curves)
        pen = pg.mkPen(_colour(number), width=2, style=DASHES[number // HUES % len(DASHES)])
        curve = self._losses.plot(pen=pen)
        self._curves[name] = curve
        chip = QPixmap(12, 12)
        chip.fill(_colour(number))
        item = QListWidgetItem(name)
        item.setData(Qt.ItemDataRole.UserRole, name)
        item.setData(Qt.ItemDataRole.DecorationRole, chip)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        shown = not any(name == part or part in name for part in HIDDEN_AT_FIRST)
        item.setCheckState(Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked)
        curve.setVisible(shown)
        self._list.addItem(item)

    def _describe(self, item: QListWidgetItem, terms: Curves) -> None:
        name = item.data(Qt.ItemDataRole.UserRole)
        if name in terms and len(terms[name][1]):
            item.setText(f"{name}   {float(terms[name][1][-1]):.4g}")

    def _toggle(self, item: QListWidgetItem) -> None:
        curve = self._curves.get(item.data(Qt.ItemDataRole.UserRole))
        if curve is not None:
            curve.setVisible(item.checkState() == Qt.CheckState.Checked)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme: axes and ground take the palette's colours."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._paint_ink()

    def _paint_ink(self) -> None:
        ground = self.palette().color(QPalette.ColorRole.Window)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        for plot in (self._losses, self._scores):
            plot.setBackground(ground)
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(ink)
                axis.setTextPen(ink)


class _Plot(pg.PlotWidget):
    """A plot that asks for little room; pyqtgraph's own asks for 640 by 480."""

    def sizeHint(self) -> QSize:
        """Give the size that fits a dock."""
        return QSize(240, 170)


def _plot(title: str) -> pg.PlotWidget:
    plot = _Plot()
    plot.setMinimumSize(120, 110)  # or the dock grows to 640 pixels
    plot.setMouseEnabled(x=True, y=True)
    plot.showGrid(x=False, y=True, alpha=0.25)
    plot.setLabel("left", title)
    plot.getAxis("left").enableAutoSIPrefix(False)  # losses are plain numbers, not thousandths
    plot.getAxis("left").setWidth(48)
    plot.setDownsampling(auto=True, mode="mean")
    plot.setMenuEnabled(False)
    return plot


def _colour(number: int) -> QColor:
    # lightness in the middle, so that a curve reads on dark and on light ground
    return QColor.fromHslF(number * 0.381966 % 1.0, 0.75, 0.52)
