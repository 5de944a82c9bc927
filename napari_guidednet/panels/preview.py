"""The preview of the brush on a canvas: computed when there is time, never while the hand is faster."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer
from vispy.scene.visuals import Image, Line
from vispy.visuals.transforms import STTransform

if TYPE_CHECKING:
    from ..layers.hover import Footprint, Hover

SOON_MS = 15  # between two previews: the screen shows no more
SLOW_S = 0.010  # a preview that costs more waits until the hand rests
_LAST = 3  # previews that must have cost so much: one alone may have been held up by something else
REST_MS = 120
_ON_TOP = 9_000  # of all layers, below the cross-hair
_FILL, _HALO = 0.25, (0.0, 0.0, 0.0, 0.7)
_LINE_PX, _HALO_PX = 1.5, 3.5


class DabPreview(QObject):
    """Draws what a dab at the cursor would change, a little after the cursor has moved.

    Everything runs in this thread, and a new preview is begun by one timer: there is never more than one.

    Parameters
    ----------
    hover : Hover
        Of the same view as the canvas.
    canvas : napari's canvas
        `QtViewer.canvas`.
    """

    def __init__(self, hover: Hover, canvas: Any, parent: QObject) -> None:
        super().__init__(parent)
        self.hover, self.outline = hover, Outline(canvas.view.scene)
        self.costs_s: deque[float] = deque(maxlen=_LAST)  # of the last previews
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.refresh)
        hover.moved.connect(self._on_moved)
        hover.left.connect(self._on_left)
        parent.destroyed.connect(lambda: hover.close())  # napari outlives the panel

    def refresh(self) -> None:
        """Draw what a dab would change now."""
        start = time.perf_counter()
        self.outline.show(self.hover.footprint())
        self.costs_s.append(time.perf_counter() - start)

    def close(self) -> None:
        """Take everything off the canvas and listen no more."""
        self._later.stop()
        self.hover.close()
        self.outline.close()

    def _on_moved(self) -> None:
        if len(self.costs_s) == _LAST and min(self.costs_s) > SLOW_S:
            self._later.start(REST_MS)  # begins anew with each move
        elif not self._later.isActive():
            self._later.start(SOON_MS)

    def _on_left(self) -> None:
        self._later.stop()
        self.outline.show(None)


class Outline:
    """A thin line in the organ's colour with a dark rim, and a light filling.

    Parameters
    ----------
    scene : vispy node
        Whose axes are mm across and down.
    """

    def __init__(self, scene: Any) -> None:
        self.footprint: Footprint | None = None
        self._filling = Image(np.zeros((1, 1, 4), np.float32), interpolation="nearest", parent=scene)
        self._filling.transform = STTransform()
        nowhere = np.zeros((2, 2), np.float32)
        self._halo, self._line = (
            Line(nowhere, connect="segments", method="gl", width=width, parent=scene)
            for width in (_HALO_PX, _LINE_PX)
        )
        for place, node in enumerate(self._nodes):
            node.order = _ON_TOP + place
            node.set_gl_state("translucent", depth_test=False)
            node.visible = False

    @property
    def _nodes(self) -> tuple[Any, ...]:
        return self._filling, self._halo, self._line

    def show(self, footprint: Footprint | None) -> None:
        """Draw a footprint in place of the one before; None for none."""
        if footprint is None and self.footprint is None:
            return
        self.footprint = footprint
        if footprint is not None:
            self._draw(footprint)
        for node in self._nodes:
            node.visible = footprint is not None

    def close(self) -> None:
        """Take it off the canvas."""
        for node in self._nodes:
            node.parent = None

    def _draw(self, footprint: Footprint) -> None:
        rim = footprint.rim_mm()
        self._halo.set_data(pos=rim, color=_HALO)
        self._line.set_data(pos=rim, color=(*footprint.colour, 1.0))
        picture = np.zeros((*footprint.mask.shape, 4), np.float32)
        picture[footprint.mask] = (*footprint.colour, _FILL)
        self._filling.set_data(picture)
        self._filling.transform.scale = footprint.voxel_mm[::-1]
        self._filling.transform.translate = footprint.corner_mm[::-1]
