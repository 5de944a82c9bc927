"""What another program drew, as labels for the open case: what it changes, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..backend import LabelScheme, StructureSet, changed_box, counted, paint_structures, replace_organs
from .suggestion import Suggestion


def suggest_structures(
    labels: npt.NDArray[np.uint8], found: StructureSet, organs: Mapping[int, str], scheme: LabelScheme
) -> Suggestion | None:
    """Suggest labels in which the chosen organs are as they were drawn; None where nothing would change.

    Parameters
    ----------
    labels : array of uint8, shape (z, y, x)
        Of the case now.
    found : StructureSet
        On the grid of the case.
    organs : mapping of int to str
        Organ of each structure by its number; others are left out.

    Raises
    ------
    SchemeError
        When a number or an organ is not known.
    """
    drawn, doubled = paint_structures(found, organs, scheme)
    values = [scheme.value(name) for name in set(organs.values())]
    box = changed_box(labels, drawn, values)
    if box is None:
        return None
    old = labels[box].copy()
    new = replace_organs(old, drawn[box], values)
    if np.array_equal(old, new):
        return None
    note = f"{counted(doubled, 'voxel')} drawn twice, the later structure has them" if doubled else ""
    return Suggestion(box, old, new, "import", note=note)
