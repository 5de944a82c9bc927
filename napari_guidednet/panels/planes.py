"""The coronal and sagittal canvases: strokes reach every view, the cross-hair is in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QSplitter, QVBoxLayout, QWidget

from ..layers.hover import Hover
from ..layers.planes import Plane, Planes
from .canvases import CrossHair, SideCanvas, main_canvas
from .preview import DabPreview

if TYPE_CHECKING:
    from ..state.correction import Correction
    from .desk import Desk

REST_MS = 80  # a stroke reaches the other views when the hand rests: the brush must not wait for them


class SideViews(QWidget):
    """The canvases themselves, one below the other or side by side as there is room.

    Parameters
    ----------
    desk : Desk
    """

    removed = Signal()  # the person closed the dock

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        viewer = desk.layers.viewer
        self.desk = desk
        self._closed = False
        self._correction: Correction | None = None
        self.planes = Planes(desk.layers)
        self.canvases = tuple(SideCanvas(model, viewer) for model in self.planes.models)
        self.cross_hairs = (
            CrossHair(main_canvas(viewer), viewer, viewer),
            *(CrossHair(c.canvas, c.viewer, viewer) for c in self.canvases),
        )
        self.previews = tuple(
            DabPreview(self._hover(plane), canvas.canvas, self)
            for plane, canvas in zip(self.planes.planes, self.canvases, strict=True)
        )
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        for plane, canvas in zip(self.planes.planes, self.canvases, strict=True):
            canvas.setMinimumSize(120, 100)
            canvas.setToolTip(
                f"{plane.title}: paint here as in the axial view. Hold Shift and move: all views follow."
            )
            _name(canvas, plane.title)
            self.splitter.addWidget(canvas)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._refresh)
        desk.correction_changed.connect(self._watch)
        self._watch(desk.correction)

    def fit(self) -> None:
        """Show the case whole in each view."""
        self.planes.fit()

    def show_cross_hair(self, on: bool) -> None:
        """Draw the cross-hair in all views, or leave it out."""
        for cross_hair in self.cross_hairs:
            cross_hair.show(on)

    def close_views(self) -> None:
        """Let go of everything; the widget is of no use any more."""
        if self._closed:
            return
        self._closed = True
        self._rest.stop()
        self.desk.correction_changed.disconnect(self._watch)
        self._watch(None)
        for cross_hair in self.cross_hairs:
            cross_hair.close()
        for preview in self.previews:
            preview.close()
        self.planes.close()
        for canvas in self.canvases:
            canvas.close()
            canvas.setParent(None)
            canvas.deleteLater()
        self.canvases = self.cross_hairs = self.previews = ()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the views out along the longer side."""
        super().resizeEvent(event)
        wide = event.size().width() > event.size().height()
        self.splitter.setOrientation(Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical)

    def event(self, event: QEvent) -> bool:
        """Notice that napari took the dock away."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and not self._closed:
            self.removed.emit()
        return bool(super().event(event))

    def _hover(self, plane: Plane) -> Hover:
        return Hover(plane.model, self.desk.layers, lambda: plane.labels)

    def _watch(self, correction: Correction | None) -> None:
        if self._correction is not None:
            self._correction.changed.disconnect(self._on_changed, missing_ok=True)
            self._correction.rewritten.disconnect(self.planes.redraw, missing_ok=True)
        self._correction = correction
        if correction is not None:
            correction.changed.connect(self._on_changed)
            correction.rewritten.connect(self.planes.redraw)

    def _on_changed(self, *_: object) -> None:
        self._rest.start()

    def _refresh(self) -> None:
        if not self._closed:
            self.planes.refresh()


def _name(canvas: SideCanvas, title: str) -> None:
    text = canvas.viewer.canvas.overlays.text
    text.text, text.position, text.visible = title, "top_left", True
