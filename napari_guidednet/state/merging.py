"""A model's labels laid under a person's: what that would write, worked out while the person goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..backend import GeometryError, OrganState
from . import gate
from .session import Prediction
from .stroke import Piece
from .voxels import Counts, count_voxels

if TYPE_CHECKING:
    from .correction import Correction


@dataclass(frozen=True, eq=False)
class Merging:
    """What taking a model's labels would write.

    Attributes
    ----------
    piece : (index, old, new)
        Voxels that change.
    gained, lost : array (256,) of int64
        Voxels per value in `new` and `old`.
    refused : int
        Voxels in which the model's wish is not followed.
    kept : frozenset of str
        Organs a person has the say about.
    gate : Gate
        That judged.
    edition : int
        Of the labels that were judged.
    """

    prediction: Prediction
    piece: Piece
    gained: Counts
    lost: Counts
    refused: int
    kept: frozenset[str]
    gate: gate.Gate
    edition: int

    def holds(self, correction: Correction) -> bool:
        """Tell whether labels and locks are still those that were judged."""
        return self.gate is correction.gate and self.edition == correction.voxels.edition


def plan_merge(correction: Correction, prediction: Prediction, keep_corrected: bool = True) -> Merging:
    """Work out what taking a model's labels would write, and write nothing (for a worker: it takes a while).

    Parameters
    ----------
    prediction : Prediction
        On the grid and in the scheme of the case.
    keep_corrected : bool
        Keep organs a person has corrected as well as those confirmed or locked.

    Raises
    ------
    GeometryError
        When the prediction is on another grid.
    """
    said, labels = prediction.labels.array, correction.labels
    if said.shape != labels.shape:
        raise GeometryError(
            f"The prediction has {said.shape} voxels, the case {labels.shape}.", "Segment this case again."
        )
    judge, edition = correction.gate, correction.voxels.edition  # first: what changes later is noticed
    corrected = {name for name, state in correction.states.items() if state is OrganState.CORRECTED}
    kept = correction.protected | (corrected if keep_corrected else set())
    table = gate.protection(correction.scheme.value(name) for name in kept)
    everywhere = tuple(slice(0, n) for n in labels.shape)
    index, wanted = correction.voxels.differing(everywhere, said)
    human = correction.voxels.at(index)
    merged, refused = gate.merged(human, wanted, table)
    write, closed = judge.judge(index, human, merged)
    piece = (index, human, merged) if write.all() else (index[write], human[write], merged[write])
    refused += sum(places.size for places in closed.values())
    lost, gained = (count_voxels(values) for values in piece[1:])
    return Merging(prediction, piece, gained, lost, refused, frozenset(kept), judge, edition)
