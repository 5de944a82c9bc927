"""Arrays whose voxels are computed when looked at: no stroke has to touch a whole volume for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.uint8]

_AIR_HU = -300.0  # darker voxels that carry no organ are air: outside, lung, bowel gas
_CERTAIN = 242  # in 255ths, 95 %: background of which the model is as sure as it ever is

ONLY_HERE, ONLY_THERE, ANOTHER = 1, 2, 3  # what `difference` says of a voxel


class OnSight:
    """Stands in for an array in a layer; `array[key]` is computed, `numpy.asarray` gives what is stored.

    Parameters
    ----------
    stored : array (z, y, x) of uint8
        Gives shape and type, and is what a writer saves.
    at : callable
        Index of the array -> values there.
    """

    def __init__(self, stored: Values, at: Callable[[Any], Values]) -> None:
        self._stored, self._at = stored, at
        self.shape, self.dtype, self.ndim, self.size = stored.shape, stored.dtype, stored.ndim, stored.size

    def __getitem__(self, key: Any) -> Values:
        """Give the values at an index."""
        return self._at(key)

    def __len__(self) -> int:
        """Give the number of slices."""
        return int(self.shape[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Give the stored values, not those that are shown."""
        return np.array(self._stored, dtype=dtype, copy=copy)


def without_air(
    values: Values, labels: Values, image: npt.NDArray[Any], confidence: Values | None, clear: int
) -> OnSight:
    """Give a map that shows nothing in air and in certain background.

    Parameters
    ----------
    values : array (z, y, x) of uint8
        The map, in 255ths.
    labels : array (z, y, x) of uint8
        What the model said; only its background can be cleared.
    image : array (z, y, x)
        HU.
    confidence : array (z, y, x) of uint8, optional
        The model's confidence; without it air alone is cleared.
    clear : int
        The value that the map's colours leave transparent.
    """

    def at(key: Any) -> Values:
        empty = image[key] < _AIR_HU
        if confidence is not None:
            empty = empty | (confidence[key] >= _CERTAIN)
        return np.where((labels[key] == 0) & empty, np.uint8(clear), values[key])

    return OnSight(values, at)


def difference(here: Values, there: Values) -> OnSight:
    """Give where two label arrays differ, as they are at the moment of looking.

    Returns
    -------
    OnSight
        0 where they agree, `ONLY_HERE` where only the first has an organ, `ONLY_THERE` where only the
        second has one, `ANOTHER` where they have different organs.
    """

    def at(key: Any) -> Values:
        a, b = here[key], there[key]
        found = np.where(a == 0, np.uint8(ONLY_THERE), np.where(b == 0, ONLY_HERE, ANOTHER))
        return np.where(a == b, np.uint8(0), found).astype(np.uint8)

    return OnSight(there, at)
