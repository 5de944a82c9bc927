"""Taking one reader's answer in a region of the open case: through the gate, and back again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend import Difference, Side, settled_labels
from . import gate
from .correction import Correction

TOOL = "adjudication"  # its name in the journal


@dataclass(frozen=True, eq=False)
class Taking:
    """What taking an answer came to, in voxels, and the labels that were there before."""

    difference: Difference
    written: int
    refused: int
    before: gate.Labels


def take(correction: Correction, difference: Difference, side: Side) -> Taking:
    """Write one reading's answer into a region; confirmed organs stay confirmed, locks hold.

    Who settles a difference vouches for the answer, so a confirmation gives way to it. Organs that are
    locked by hand do not.
    """
    before = correction.labels[difference.box].copy()
    wanted = settled_labels(correction.labels, difference, side)
    return _write(correction, difference, wanted, before, TOOL)


def give_back(correction: Correction, taking: Taking) -> Taking:
    """Put the labels of a region back to what they were before an answer was taken."""
    box, mask = taking.difference.box, taking.difference.mask
    now = correction.labels[box].copy()
    wanted = np.where(mask, taking.before, now)
    return _write(correction, taking.difference, wanted, now, f"undo {TOOL}")


def _write(
    correction: Correction, difference: Difference, wanted: gate.Labels, before: gate.Labels, tool: str
) -> Taking:
    changed = wanted != before
    values = np.union1d(before[changed], wanted[changed]).tolist()
    concerned = {name for name in correction.confirmed if correction.scheme.value(name) in values}
    correction.reopen(concerned)
    try:
        writing = correction.write(difference.box, wanted, tool)
    finally:
        correction.confirm(concerned)
    return Taking(difference, writing.written, writing.refused, before)
