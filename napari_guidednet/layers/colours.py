"""Colours that mean something: organs keep theirs everywhere, confidence goes from red to nothing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from napari.utils.colormaps import Colormap, DirectLabelColormap

from ..backend import UNKNOWN, LabelScheme, Organ

_UNKNOWN_RGBA = (0.75, 0.75, 0.75, 0.6)  # grey: nobody has said what this is
_STRANGE_RGBA = (1.0, 1.0, 1.0, 1.0)  # white: a value the scheme does not know

# Where the model is sure nothing covers the CT; the less sure, the redder and denser.
# Measured on soft tissue: an alpha ramp leaves grey values readable, a full colour scale does not.
_DOUBT = np.array(
    [[0.85, 0.05, 0.05, 0.85], [1.0, 0.45, 0.0, 0.6], [1.0, 0.85, 0.1, 0.3], [1.0, 1.0, 0.6, 0.0]]
)
_CONTROLS = np.array([0.0, 0.5, 0.8, 1.0])


def rgb(organ: Organ) -> tuple[float, float, float]:
    """Give the colour of an organ as red, green, blue in [0, 1]."""
    red, green, blue = organ.colour
    return red / 255, green / 255, blue / 255


def hex_colour(organ: Organ) -> str:
    """Give the colour of an organ as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*organ.colour)


def label_colormap(scheme: LabelScheme, only: Iterable[str] | None = None) -> DirectLabelColormap:
    """Give the colours of a scheme's values; background is transparent, 255 grey.

    Parameters
    ----------
    only : iterable of str, optional
        Names of the organs to show; all if not given.
    """
    shown = set(scheme.names if only is None else only)
    colours: dict[int | None, object] = {None: _STRANGE_RGBA, 0: "transparent", UNKNOWN: _UNKNOWN_RGBA}
    for organ in scheme.organs:
        colours[scheme.value(organ.name)] = (*rgb(organ), 1.0 if organ.name in shown else 0.0)
    return DirectLabelColormap(color_dict=colours)


def doubt_colormap(high_is_sure: bool) -> Colormap:
    """Give a colormap that covers the CT where the model is not sure.

    Parameters
    ----------
    high_is_sure : bool
        True for confidence and typicality, False for entropy and disagreement.
    """
    if high_is_sure:
        return Colormap(_DOUBT, name="guidednet doubt", controls=_CONTROLS)
    return Colormap(_DOUBT[::-1], name="guidednet doubt inverse", controls=1.0 - _CONTROLS[::-1])
