"""Grey values by the mouse: Ctrl and the right button, across for the width, up and down for the centre."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from napari.layers import Image

_PIXELS = 300.0  # a drag of so many pixels doubles the width, or moves the centre by one width
_RIGHT = 2


class WindowDrag:
    """A drag callback for any viewer that shows the CT.

    Parameters
    ----------
    image : callable
        Gives the CT's layer, or None where no case is open.
    """

    def __init__(self, image: Callable[[], Image | None]) -> None:
        self._image = image

    def __call__(self, viewer: Any, event: Any) -> Iterator[None]:
        """Follow one drag; see napari's `mouse_drag_callbacks`."""
        image = self._image()
        held = [str(getattr(modifier, "name", modifier)) for modifier in event.modifiers]
        if image is None or event.button != _RIGHT or held != ["Control"]:
            return
        brush = viewer.layers.selection.active
        mode = getattr(brush, "mode", None)
        if mode is not None:
            brush.mode = "pan_zoom"  # or this drag would paint as well
        start, limits = event.pos, tuple(image.contrast_limits)
        yield
        while event.type == "mouse_move":
            image.contrast_limits = dragged(limits, event.pos[0] - start[0], event.pos[1] - start[1])
            yield
        if mode is not None:
            brush.mode = mode


def dragged(limits: tuple[float, ...], right: float, down: float) -> tuple[float, float]:
    """Give the limits in HU after a drag of so many pixels from `limits`."""
    width = limits[1] - limits[0]
    centre = (limits[0] + limits[1]) / 2 - down / _PIXELS * width
    width = max(1.0, width * 2 ** (right / _PIXELS))
    return centre - width / 2, centre + width / 2
