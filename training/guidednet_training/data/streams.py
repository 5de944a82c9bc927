"""Two streams of patches, labelled and unlabelled; every step is drawn from its own number."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.random import Generator, default_rng
from torch import Tensor

from ..core.errors import ProjectError
from ..core.spec import PatchSpec
from .augment import augment
from .batches import Batch
from .patches import Index3, Patch, PatchCutter, split_pair
from .store import PreparedCase


class TwoStreams:
    """Gives the batch of any step without state, so that a resumed training sees what it would have seen.

    Each stream passes through its cases in a fresh order every round, without replacement.

    Parameters
    ----------
    labelled, unlabelled : sequence of PreparedCase
        Cases of the train split; `unlabelled` may be empty.
    spec : PatchSpec
        Sizes, numbers and augmentation.
    seed : int
        Of the training.
    overlap : float, optional
        Draw the unlabelled patches as pairs that share at least this part of each side, one pair
        for each patch asked for; for methods that need pairs.
    focus : collection of int
        Values of the organs in focus.
    focus_share : float
        Probability that a labelled patch is centred on one of them, where its case has one.

    Raises
    ------
    ProjectError
        When there is no labelled case.
    """

    def __init__(
        self,
        labelled: Sequence[PreparedCase],
        unlabelled: Sequence[PreparedCase],
        spec: PatchSpec,
        seed: int,
        overlap: float | None = None,
        focus: Collection[int] = (),
        focus_share: float = 0.0,
    ) -> None:
        if not labelled:
            raise ProjectError(
                "There is no labelled case to train on.", "Confirm the organs of at least one train case."
            )
        self.spec, self.seed, self.overlap, self.focus_share = spec, seed, overlap, focus_share
        self._labelled = [PatchCutter(case, spec.size, focus) for case in labelled]
        self._unlabelled = [PatchCutter(case, spec.size) for case in unlabelled]

    def batch(self, step: int) -> Batch:
        """Give the batch of step 0, 1, ..."""
        rng = default_rng((self.seed, step))
        images, labels, annotated, weights = [], [], [], []
        for cutter in self._draw(self._labelled, 0, step, self.spec.labelled):
            image, label, weight = self._labelled_patch(cutter, rng)
            images.append(image)
            labels.append(label)
            weights.append(weight)
            annotated.append(torch.from_numpy(cutter.case.annotated))
        more, shifts = self._unlabelled_patches(step, rng)
        return Batch(
            torch.stack(images + more)[:, None],
            torch.stack(labels).long(),
            torch.stack(annotated),
            shifts,
            _together(weights),
        )

    def _unlabelled_patches(self, step: int, rng: Generator) -> tuple[list[Tensor], tuple[Index3, ...]]:
        """Cut the unlabelled patches of a step; as pairs, all first ones come before all second ones."""
        drawn = self._draw(self._unlabelled, 1, step, self.spec.unlabelled) if self._unlabelled else []
        if self.overlap is None:
            return [self._changed(cutter.cut(rng, 0.0), rng)[0] for cutter in drawn], ()
        first, second, shifts = [], [], []
        for cutter in drawn:
            box, shift = cutter.cut_pair(rng, self.overlap)
            # both patches are cut from one augmented box, so that the shift between them stays true
            one, other = split_pair(augment(torch.from_numpy(box), None, self.spec, rng)[0], shift)
            first.append(one)
            second.append(other)
            shifts.append(shift)
        return first + second, tuple(shifts)

    def _draw(self, cutters: list[PatchCutter], stream: int, step: int, count: int) -> list[PatchCutter]:
        drawn = []
        for turn in range(step * count, (step + 1) * count):
            order = default_rng((self.seed, 1 + stream, turn // len(cutters), 7)).permutation(len(cutters))
            drawn.append(cutters[order[turn % len(cutters)]])
        return drawn

    def _labelled_patch(self, cutter: PatchCutter, rng: Generator) -> tuple[Tensor, Tensor, Tensor | None]:
        patch = cutter.cut(rng, self.spec.foreground, self.focus_share)
        return self._changed(patch, rng)  # type: ignore[return-value]

    def _changed(self, patch: Patch, rng: Generator) -> tuple[Tensor, Tensor | None, Tensor | None]:
        image, label, weight = (
            None if part is None else torch.from_numpy(np.ascontiguousarray(part)) for part in patch
        )
        return augment(image, label, self.spec, rng, weight)  # type: ignore[arg-type]


def _together(weights: Sequence[Tensor | None]) -> Tensor | None:
    """Stack the weights of patches (B_l, D, H, W); None where all voxels count alike."""
    known = next((weight for weight in weights if weight is not None), None)
    if known is None:
        return None
    return torch.stack([torch.ones_like(known) if weight is None else weight for weight in weights])
