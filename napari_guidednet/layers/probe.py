"""Words for what is under the cursor: HU, organ, confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from ..backend import UNKNOWN, LabelScheme

Index = tuple[int, int, int]


def index_at(layer: Layer, position: Sequence[float]) -> Index | None:
    """Give the voxel of a layer at a world position in mm, or None outside of it."""
    data = np.round(layer.world_to_data(np.asarray(position)[-3:])).astype(int)
    inside = np.all(data >= 0) and np.all(data < np.asarray(layer.data.shape))
    return (int(data[0]), int(data[1]), int(data[2])) if inside else None


def organ_words(scheme: LabelScheme, value: int) -> str:
    """Give the title of the organ of a value; nothing for background."""
    if value == UNKNOWN:
        return "unknown"
    return scheme.organ(value).title if 0 < value < scheme.n_classes else ""


def describe(
    index: Index,
    image: npt.NDArray[Any],
    labels: npt.NDArray[np.uint8],
    maps: Mapping[str, npt.NDArray[np.uint8]],
    scheme: LabelScheme,
) -> str:
    """Give one line such as "62 HU · Liver · confidence 93 %".

    Parameters
    ----------
    index : (int, int, int)
        Of all arrays, which are views of one grid.
    maps : mapping of str to array of uint8
        In 255ths.
    """
    words = [f"{float(image[index]):.0f} HU", organ_words(scheme, int(labels[index]))]
    words += [f"{name} {100 * int(values[index]) / 255:.0f} %" for name, values in maps.items()]
    return " · ".join(word for word in words if word)
