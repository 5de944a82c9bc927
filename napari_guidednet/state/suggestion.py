"""What a tool wants: labels in a box. One way to write it, to say it in millilitres and to take it back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend import UNKNOWN, counted
from . import gate
from .boxes import Box
from .correction import Correction, Writing

TOLD = 4  # organs named with what they gained or lost; the status line is short


@dataclass(frozen=True, eq=False)
class Suggestion:
    """Labels a tool would write.

    Attributes
    ----------
    box : three slices (z, y, x)
    old : array of uint8
        The labels in the box when the tool looked at them, a copy.
    new : array of uint8
        The labels it wants there, of the same shape.
    tool : str
        What wrote, in a word for the journal: "grow".
    bundle : str, optional
        The model whose labels these are.
    note : str
        What the tool itself has to say: "3 pieces".
    """

    box: Box
    old: gate.Labels
    new: gate.Labels
    tool: str
    bundle: str | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Done:
    """What came of a suggestion.

    Attributes
    ----------
    changes_ml : dict of str to float
        Of each organ that changed, in ml; below 0 where it lost.
    overtaken : int
        Voxels somebody painted while the tool was thinking: left as they are.
    """

    suggestion: Suggestion
    writing: Writing
    before: gate.Labels
    after: gate.Labels
    changes_ml: dict[str, float]
    overtaken: int

    @property
    def text(self) -> str:
        """What changed, in words: "Liver +3.2 ml, Stomach -1.1 ml"."""
        gains = [f"{title} {ml:+.1f} ml" for title, ml in self.changes_ml.items()]
        said = ", ".join(gains[:TOLD]) if gains else "nothing changed"
        if len(gains) > TOLD:
            more = len(gains) - TOLD
            said += f" and {counted(more, 'more organ')}"
        if self.suggestion.note:
            said += f"; {self.suggestion.note}"
        if self.writing.refused:
            said += f"; {counted(self.writing.refused, 'voxel')} of protected places refused"
        if self.overtaken:
            said += f"; {counted(self.overtaken, 'voxel')} painted meanwhile kept"
        return said


def carry_out(correction: Correction, suggestion: Suggestion) -> Done:
    """Write a suggestion through the gate; what was painted since the tool looked stays."""
    now = correction.labels[suggestion.box].copy()
    wanted = suggestion.new != suggestion.old
    same = now == suggestion.old
    new = np.where(wanted & same, suggestion.new, now)
    writing = correction.write(suggestion.box, new, suggestion.tool, suggestion.bundle)
    after = correction.labels[suggestion.box].copy()
    overtaken = int(np.count_nonzero(wanted & ~same & (suggestion.new != now)))
    return Done(suggestion, writing, now, after, _changes_ml(correction, now, after), overtaken)


def nearest_change(done: Done, axis: int, number: int) -> tuple[int, int, int] | None:
    """Give a voxel that a tool changed, in the slice nearest to the one shown; None if it is seen there.

    Parameters
    ----------
    done : Done
    axis, number : int
        Axis of the case's grid that the view cuts across, and the slice it shows.
    """
    changed, box = done.before != done.after, done.suggestion.box
    others = tuple(each for each in range(3) if each != axis)
    planes = np.flatnonzero(changed.any(axis=others)) + box[axis].start
    if not planes.size or number in planes:
        return None
    nearest = int(planes[np.abs(planes - number).argmin()])
    voxels = np.argwhere(changed) + [side.start for side in box]
    inside = voxels[voxels[:, axis] == nearest]
    z, y, x = (int(i) for i in inside[len(inside) // 2])
    return z, y, x


def take_back(correction: Correction, done: Done) -> Writing:
    """Give the voxels a tool has changed their labels of before, where nobody changed them since."""
    box = done.suggestion.box
    now = correction.labels[box].copy()
    mine = (done.before != done.after) & (now == done.after)
    return correction.write(box, np.where(mine, done.before, now), f"undo {done.suggestion.tool}")


def _changes_ml(correction: Correction, before: gate.Labels, after: gate.Labels) -> dict[str, float]:
    moved = before != after
    gained = np.bincount(after[moved], minlength=UNKNOWN + 1)
    change = gained - np.bincount(before[moved], minlength=UNKNOWN + 1)
    voxel_ml = correction.case.image.geometry.voxel_ml
    scheme = correction.scheme
    touched = [v for v in np.flatnonzero(change).tolist() if 0 < v < scheme.n_classes]
    touched.sort(key=lambda value: -abs(int(change[value])))
    return {scheme.organ(value).title: float(change[value]) * voxel_ml for value in touched}
