"""Taking one reader's answer in a region of the open case: through the gate, and back again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ..backend import Difference, Side, settled_labels
from . import gate
from .correction import Correction

TOOL = "adjudication"  # its name in the journal


@dataclass(frozen=True, eq=False)
class Taking:
    """What taking an answer came to, in voxels, and the labels that were there before.

    `change` is the number of the change it made, None where nothing changed.
    """

    difference: Difference
    side: Side
    written: int
    refused: int
    before: gate.Labels
    change: int | None


def take(correction: Correction, difference: Difference, side: Side) -> Taking:
    """Write one reading's answer into a region; confirmed organs stay confirmed, locks hold.

    Who settles a difference vouches for the answer, so a confirmation gives way to it. Organs that are
    locked by hand do not.
    """
    before = correction.labels[difference.box].copy()
    wanted = settled_labels(correction.labels, difference, side)
    writing = correction.write(difference.box, wanted, TOOL)
    change = correction.history.undoable if writing.written else None
    return Taking(difference, side, writing.written, writing.refused, before, change)


def beside(labels: gate.Labels, second: gate.Labels, values: Collection[int]) -> gate.Labels:
    """Give the second reading to be laid beside the labels, as far as it can be compared.

    Parameters
    ----------
    labels, second : arrays (z, y, x) of uint8
    values : collection of int
        Of the organs that both readers confirmed. What the second has not read yet is no difference:
        there the labels of the case are given.
    """
    chosen, result = gate.protection(values), np.array(labels, order="C")
    for now, there, laid in zip(labels, second, result, strict=True):  # two readings hardly differ
        where = np.flatnonzero(now != there)
        former, answer = now.reshape(-1)[where], there.reshape(-1)[where]
        laid.reshape(-1)[where] = np.where(chosen[former] | chosen[answer], answer, former)
    return result


def give_back(correction: Correction, taking: Taking) -> None:
    """Put the labels of a region back to what they were before an answer was taken."""
    if taking.change is not None and correction.history.undoable == taking.change:
        correction.undo()
        return
    box, mask = taking.difference.box, taking.difference.mask
    now = correction.labels[box].copy()
    wanted = np.where(mask, taking.before, now)  # there was other work since: that stays
    correction.write(box, wanted, f"undo {TOOL}")
