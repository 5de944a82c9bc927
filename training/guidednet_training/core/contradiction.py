"""Where a class mixture is sure of another label than the networks gave."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pieces import Mask

LEFT = 0.3  # of the posterior, at most, for the label that the networks gave
SURE = 0.7  # of the entropy map, at least; with LEFT, of 16 classes one other then has P > 0.6

BLIND = 0.1  # an organ of which the mixture finds less than this share of the voxels it does not know

Bytes = NDArray[np.uint8]


def sure_of_another(confidence: Bytes, entropy: Bytes) -> Mask:
    """Tell where the mixture's posterior is sure, and not of the label that the networks gave.

    Parameters
    ----------
    confidence : array of uint8, (z, y, x)
        Posterior of the label that the networks gave, in 255ths.
    entropy : array of uint8, (z, y, x)
        1 - H / ln K of the posterior, in 255ths: 255 is undivided.
    """
    return np.asarray((confidence < LEFT * 255) & (entropy > SURE * 255))


def unknown_to(mixture: Bytes, labels: Bytes) -> list[int]:
    """Give the labels that the mixture hardly uses in this case: against them it says nothing.

    Organs of few labelled voxels can lie so near to another in feature space that they never win.
    """
    said, shown = (np.bincount(array.ravel(), minlength=256) for array in (mixture, labels))
    return [int(value) for value in np.flatnonzero(said < BLIND * shown)]


def only_where_sure(
    mixture: Bytes, otherwise: NDArray[Any], confidence: Bytes, entropy: Bytes
) -> NDArray[np.uint8]:
    """Give the mixture's labels where it is sure of another label, elsewhere the others; all (z, y, x)."""
    return np.where(sure_of_another(confidence, entropy), mixture, otherwise).astype(np.uint8)
