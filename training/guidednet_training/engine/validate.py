"""Validation while training: Dice per organ on the prepared grid of the validation cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.labels import UNKNOWN, LabelScheme
from ..core.spec import PatchSpec
from ..data.store import PreparedCase
from ..inference.sliding import Windows, segment
from ..nets import SegNet


def validator(
    cases: Sequence[PreparedCase], patch: PatchSpec, scheme: LabelScheme, should_stop: Callable[[], bool]
) -> Callable[[SegNet], dict[str, float]]:
    """Give the function that scores a network on labelled cases.

    Parameters
    ----------
    cases : sequence of PreparedCase
        Cases of the val split with labels.
    patch : PatchSpec
        Windows.
    scheme : LabelScheme
        Organ names.
    should_stop : callable
        Ends a long validation between windows (raises `Stopped`).
    """

    def validate(net: SegNet) -> dict[str, float]:
        device = next(net.parameters()).device
        found = {
            case.id: segment(case.image, net, Windows.of(patch), device=device, should_stop=should_stop)
            for case in cases
        }
        return mean_dice([(case, found[case.id]) for case in cases], scheme)

    return validate


def mean_dice(
    pairs: Sequence[tuple[PreparedCase, NDArray[np.uint8]]], scheme: LabelScheme
) -> dict[str, float]:
    """Average each organ's Dice over the cases that annotate and have it; organs in no case are left out."""
    scores: dict[str, list[float]] = {}
    for case, labels in pairs:
        truth = np.asarray(case.label)
        for name in scheme.names:
            value = scheme.value(name)
            if case.annotated[value] and (truth == value).any():
                scores.setdefault(name, []).append(_dice(labels, truth, value))
    return {name: float(np.mean(values)) for name, values in scores.items()}


def _dice(labels: NDArray[np.uint8], truth: NDArray[np.uint8], value: int) -> float:
    a, b = (labels == value) & (truth != UNKNOWN), truth == value
    both = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return float(2 * np.count_nonzero(a & b) / max(both, 1))
