"""Other labels beside those of the case: shown in turn with them, or only where the two differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from psygnal import Signal

from .guarded import GuardedLabels
from .on_sight import ANOTHER, ONLY_HERE, ONLY_THERE, difference
from .organ_names import name_options
from .probe import Index, organ_words

if TYPE_CHECKING:
    from .case_layers import CaseLayers

Showing = Literal["now", "other", "difference"]

# Three colours that no organ border hides and that the colour-blind can tell apart (Okabe and Ito).
DIFFERENCE_COLOURS: dict[int | None, str] = {ONLY_HERE: "#e69f00", ONLY_THERE: "#56b4e9", ANOTHER: "#cc79a7"}
_LOOKS = ("opacity", "contour", "colormap")


class Compare:
    """Shows the labels of a model or of a version against those of the case.

    Parameters
    ----------
    layers : CaseLayers
        Of the open case.
    """

    changed = Signal(str)  # what is shown: now, other or difference

    def __init__(self, layers: CaseLayers) -> None:
        self._case = layers
        self._viewer = layers.viewer
        self._labels: GuardedLabels | None = None  # those of the case, while others are beside them
        self._mode = "pan_zoom"  # of the brush, while it is put down
        self.title = ""
        self.showing: Showing = "now"
        self.other: GuardedLabels | None = None
        self.difference: Labels | None = None

    @property
    def layers(self) -> tuple[Labels, ...]:
        """The layers that are added to those of the case."""
        return tuple(layer for layer in (self.other, self.difference) if layer is not None)

    def take(self, title: str, labels: npt.NDArray[np.uint8]) -> None:
        """Put other labels beside those of the case; nothing of them is shown yet.

        Parameters
        ----------
        title : str
            Whose they are, in words: "bundle-2".
        labels : array (z, y, x) of uint8
            On the grid and in the scheme of the case.
        """
        self.clear()
        case, display = self._case, self._case.display
        if case.labels is None or case.correction is None or display is None:
            return
        there = display.view(labels).view()
        there.flags.writeable = False
        options = display.layer_options()
        self._labels, self.title = case.labels, title
        self.other = GuardedLabels(
            there, name=f"Labels of {title}", visible=False, **name_options(case.correction.scheme), **options
        )
        self.difference = GuardedLabels(
            difference(case.labels.data, there), name=f"Difference to {title}", visible=False,
            colormap=_difference_colormap(), opacity=0.8, **display.layer_options(),
        )  # fmt: skip
        for name in _LOOKS:
            setattr(self.other, name, getattr(self._labels, name))
            getattr(self._labels.events, name).connect(self._follow_looks)
        active = self._viewer.layers.selection.active
        for layer in self.layers:
            layer.editable = False
            layer.describe = case.status_text
            self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = active
        case.layers_changed.emit()

    def clear(self) -> None:
        """Take the other labels away."""
        if self._labels is None:
            return
        self.show("now")
        for name in _LOOKS:
            getattr(self._labels.events, name).disconnect(self._follow_looks)
        for layer in self.layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self.other = self.difference = self._labels = None
        self.title = ""
        self._case.layers_changed.emit()

    def show(self, what: Showing) -> None:
        """Show the labels of the case, the other ones in their place, or both with their difference."""
        if self._labels is None or self.other is None or self.difference is None or what == self.showing:
            return
        if what == "other":
            self._mode, self._labels.mode = str(self._labels.mode), "pan_zoom"  # nobody paints unseen
        self._labels.visible = what != "other"
        self.other.visible = what == "other"
        self.difference.visible = what == "difference"
        if self.showing == "other":
            self._labels.mode = self._mode
        self.showing = what
        self.changed.emit(what)

    def refresh(self) -> None:
        """Draw the difference anew after a stroke."""
        if self.difference is not None and self.difference.visible:
            self.difference.refresh(thumbnail=False, extent=False, highlight=False)

    def words(self, index: Index) -> str:
        """Say what the other labels are at a voxel of the view, where they are shown and differ."""
        if self._labels is None or self.other is None or self.showing == "now":
            return ""
        value = int(self.other.data[index])
        if value == int(self._labels.data[index]) or self._case.correction is None:
            return ""
        return f" · {self.title}: {organ_words(self._case.correction.scheme, value) or 'no organ'}"

    def _follow_looks(self, event: Any) -> None:
        if self.other is not None and self._labels is not None:
            setattr(self.other, event.type, getattr(self._labels, event.type))


def _difference_colormap() -> DirectLabelColormap:
    colours: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    colours.update(DIFFERENCE_COLOURS)
    return DirectLabelColormap(color_dict=colours)
