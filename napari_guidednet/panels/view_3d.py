"""The canvas of the organs in 3-D: surfaces are made in the worker, and anew when the hand rests."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ..layers.organs_3d import Organs3D
from ..state.surfaces import Surface, organ_surfaces
from .canvases import SideCanvas

if TYPE_CHECKING:
    from ..state.correction import Correction
    from .desk import Desk

REST_MS = 1500  # surfaces of large organs take a second: they are not made anew between two strokes
NOTHING = "No organ of this case has voxels yet."


class OrgansView(QWidget):
    """Shows the organs of the open case as surfaces.

    Parameters
    ----------
    desk : Desk
    """

    removed = Signal()  # the person closed the dock

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._closed = False
        self._correction: Correction | None = None
        self._stale: set[str] = set()  # organs whose surface is not that of their voxels
        self.organs = Organs3D()
        self.canvas: SideCanvas | None = SideCanvas(self.organs.model, desk.layers.viewer)
        self.canvas.setMinimumSize(120, 100)
        self.canvas.setToolTip("Drag to turn, wheel to zoom, Shift and drag to move")
        self.label = QLabel()
        self.label.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.label)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._make)
        desk.correction_changed.connect(self._watch)
        desk.layers.only_changed.connect(self._show_only)
        desk.layers.colouring.changed.connect(self._colour)
        desk.layers.viewer.events.theme.connect(self._on_theme)
        self._on_theme()
        self._watch(desk.correction)

    def fit(self) -> None:
        """Look at all organs from the front."""
        self.organs.fit()

    def close_views(self) -> None:
        """Let go of everything; the widget is of no use any more."""
        if self._closed:
            return
        self._closed = True
        self.desk.correction_changed.disconnect(self._watch)
        self.desk.layers.only_changed.disconnect(self._show_only)
        self.desk.layers.colouring.changed.disconnect(self._colour)
        self.desk.layers.viewer.events.theme.disconnect(self._on_theme)
        self._watch(None)
        canvas, self.canvas = self.canvas, None
        if canvas is not None:
            canvas.close()
            canvas.setParent(None)
            canvas.deleteLater()

    def event(self, event: QEvent) -> bool:
        """Notice that napari took the dock away."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and not self._closed:
            self.removed.emit()
        return bool(super().event(event))

    def _watch(self, correction: Correction | None) -> None:
        if self._correction is not None:
            self._correction.changed.disconnect(self._on_changed, missing_ok=True)
        self._rest.stop()
        self.organs.clear()
        self._correction = correction
        self.label.setVisible(correction is None)
        self.label.setText("Open a case to see its organs.")
        if correction is not None:
            correction.changed.connect(self._on_changed)
            self._stale = set(correction.scheme.names)
            self._make()

    def _on_changed(self, names: Iterable[str]) -> None:
        self._stale |= set(names)
        self._rest.start()

    def _make(self) -> None:
        """Have the surfaces of the changed organs made in the worker."""
        correction = self._correction
        if correction is None or self._closed:
            return
        names, self._stale = self._stale, set()
        values = {correction.scheme.value(name) for name in names}
        spacing_mm = correction.case.image.geometry.spacing_mm
        self.desk.in_thread(
            f"Making surfaces of the organs of {correction.case.id}",
            lambda: tuple(organ_surfaces(correction.labels, values, spacing_mm)),
            partial(self._show, correction, values),
            quiet=True,
        )

    def _show(self, correction: Correction, wanted: set[int], surfaces: tuple[Surface, ...]) -> None:
        display = self.desk.layers.display
        if correction is not self._correction or self._closed or display is None:
            return
        self.organs.remove(wanted - {surface.value for surface in surfaces})
        self.organs.show(surfaces, display, self.desk.layers.colouring.on(correction.scheme))
        self._show_only()
        self.label.setVisible(not self.organs.values)
        self.label.setText(NOTHING)

    def _on_theme(self, event: Any = None) -> None:
        self.organs.model.theme = self.desk.layers.viewer.theme

    def _colour(self) -> None:
        if self._correction is not None:
            self.organs.colour(self.desk.layers.colouring.on(self._correction.scheme))

    def _show_only(self) -> None:
        if self._correction is not None:
            scheme = self._correction.scheme
            self.organs.show_only(scheme.value(name) for name in self.desk.layers.only)
