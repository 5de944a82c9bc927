"""Connected pieces of organs: the small ones, apart from the rest, are mostly false."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..core.labels import UNKNOWN

_TOUCHING = np.ones((3, 3, 3), bool)  # corners count: a thin oblique vessel is one piece


def keep_pieces(labels: NDArray[np.uint8], share: float = 1.0) -> NDArray[np.uint8]:
    """Turn the small pieces of each organ to background.

    The components step of two-stage self-training (Wang and Ma, FLARE 2022, section 2.3, which does
    not say which pieces stay: that the largest does is reconstructed).

    Parameters
    ----------
    labels : (z, y, x) uint8
        Left as it is; 255 (unknown) is no organ.
    share : float
        Pieces of at least this share of their organ's largest are kept; 1 keeps the largest alone.

    Returns
    -------
    (z, y, x) uint8
        An organ that is absent stays absent.
    """
    kept = labels.copy()
    for value, part in enumerate(ndimage.find_objects(labels), start=1):
        if part is None or value == UNKNOWN:
            continue
        pieces, count = ndimage.label(labels[part] == value, structure=_TOUCHING)
        if count > 1:
            kept[part][_small(pieces, share)] = 0
    return kept


def _small(pieces: NDArray[np.integer], share: float) -> NDArray[np.bool_]:
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest = sizes.argmax()
    dropped = sizes < share * sizes[largest] if share < 1 else np.arange(len(sizes)) != largest
    dropped[0] = False
    small: NDArray[np.bool_] = dropped[pieces]
    return small
