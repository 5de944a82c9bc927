"""Propose an organ again from strokes: what was painted and erased spreads to what looks and lies alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..backend import UNKNOWN
from . import gate
from .boxes import Box, Spacing, reach, size, widened
from .stroke import Piece
from .suggestion import Suggestion
from .walker import Floats, leaning, smoothed, walk

_MOST = 350_000  # voxels of the box; more does not fit into a second
_WIDEST_MM = 60.0  # of the region of all strokes
_FAR = 1.4  # reaches at which a stroke has lost its say
_IMAGE = 0.3  # trust in HU right at a stroke, against a neighbour in the random walk
_LABELS = 1.0  # trust in the labels there are, far from all strokes
_LEAST_HU = 12.0  # spread of HU of one tissue


@dataclass(frozen=True, eq=False)
class Strokes:
    """Voxels changed by hand that have to do with one organ.

    Attributes
    ----------
    painted : array (n,) of int64
        Places in the flattened (z, y, x) grid that became the organ.
    taken : array (n,) of uint8
        What they were before.
    erased : array (m,) of int64
        Places that were the organ.
    given : array (m,) of uint8
        What they became.
    """

    painted: npt.NDArray[np.int64]
    taken: npt.NDArray[np.uint8]
    erased: npt.NDArray[np.int64]
    given: npt.NDArray[np.uint8]

    @property
    def empty(self) -> bool:
        """Whether there are none."""
        return not self.painted.size and not self.erased.size


def strokes_of(pieces: Iterable[Piece], labels: gate.Labels, value: int, spacing: Spacing) -> Strokes:
    """Gather what strokes say about an organ.

    Parameters
    ----------
    pieces : iterable of (index, old, new)
        The strokes, newest first: places in the flattened grid, labels before and after. Those that would
        stretch the region of the newer ones over 6 cm are left out.
    labels : array (z, y, x) of uint8
        As they are now: a stroke that was painted over since says nothing.
    value : int
        Of the organ.
    spacing : (z, y, x) in mm
    """
    flat, region = labels.reshape(-1), _Region(labels.shape, spacing)
    places, nothing = np.empty(0, np.int64), np.empty(0, np.uint8)
    painted, taken, erased, given = [places], [nothing], [places], [nothing]
    for index, old, new in pieces:
        holds = flat[index] == new
        won, lost = holds & (new == value), holds & (old == value)
        if not region.takes(index[won | lost]):
            continue
        painted.append(index[won])
        taken.append(old[won])
        erased.append(index[lost])
        given.append(new[lost])
    return Strokes(
        np.concatenate(painted), np.concatenate(taken), np.concatenate(erased), np.concatenate(given)
    )


class _Region:
    """The box of the strokes so far, no larger than some centimetres."""

    def __init__(self, shape: Sequence[int], spacing: Spacing) -> None:
        self.shape, self.spacing = shape, np.asarray(spacing)
        self.ends: npt.NDArray[np.int64] | None = None

    def takes(self, index: npt.NDArray[np.int64]) -> bool:
        """Take a stroke into the box, or tell that it lies too far away."""
        if not index.size:
            return False
        place = np.array(np.unravel_index(index, tuple(self.shape)))
        ends = np.stack([place.min(axis=1), place.max(axis=1)])
        if self.ends is not None:
            ends = np.stack([np.minimum(ends[0], self.ends[0]), np.maximum(ends[1], self.ends[1])])
            if ((ends[1] - ends[0]) * self.spacing > _WIDEST_MM).any():
                return False
        self.ends = ends
        return True


def propose(
    labels: gate.Labels,
    image: npt.NDArray[np.generic],
    value: int,
    strokes: Strokes,
    spacing: Spacing,
    reach_mm: float = 15.0,
    confidence: npt.NDArray[np.uint8] | None = None,
) -> Suggestion | None:
    """Propose an organ anew around the strokes.

    A random walker on the HU, with the strokes as seeds. Near them HU decide that are common under the
    strokes and in the organ, or outside; away from them the labels there are hold more and more, most
    where the model was sure. Who has only painted gets more, who has only erased gets less. Organs that
    the strokes took from, or gave to, may change; others stay.

    Parameters
    ----------
    labels : array (z, y, x) of uint8
        With the strokes in them; left as they are.
    image : array (z, y, x)
        HU.
    value : int
        Of the organ.
    strokes : Strokes
    spacing : (z, y, x) in mm
    reach_mm : float
        How far a stroke has its say.
    confidence : array (z, y, x) of uint8, optional
        Of the labels there were before, in 255ths.

    Returns
    -------
    Suggestion or None
        None without strokes.
    """
    if strokes.empty:
        return None
    box = _around(strokes, labels.shape, spacing, reach_mm)
    old = labels[box].copy()
    seeds = _seeds(strokes, box, labels.shape)
    scene = _Scene(old, value, seeds, strokes, smoothed(image[box], spacing), spacing, reach_mm)
    sure = None if confidence is None else confidence[box]
    inside = scene.walked(sure)
    if not strokes.erased.size:
        inside |= old == value
    if not strokes.painted.size:
        inside &= old == value
    new = old.copy()
    new[scene.open & inside] = value
    lost = scene.open & ~inside & (old == value)
    new[lost] = scene.heirs()[lost]
    return Suggestion(box, old, new, "propose")


@dataclass(frozen=True, eq=False)
class _Scene:
    """The box around the strokes."""

    labels: gate.Labels
    value: int
    seeds: npt.NDArray[np.int8]  # 1 painted, -1 erased, 0 neither
    strokes: Strokes
    hu: Floats
    spacing: Spacing
    reach_mm: float

    @property
    def open(self) -> gate.Mask:
        """Where the labels may change."""
        table = np.zeros(UNKNOWN + 1, bool)
        table[[0, self.value, *self.strokes.taken.tolist(), *self.strokes.given.tolist()]] = True
        table[UNKNOWN] = False
        free: gate.Mask = table[self.labels] & (self.seeds == 0)
        return free

    def walked(self, confidence: npt.NDArray[np.uint8] | None) -> gate.Mask:
        """Tell what lies inside the organ."""
        say = self._say()
        inside = self._alike(say)
        fixed = ~self.open
        sure = 1.0 if confidence is None else confidence.astype(np.float32) / 255
        believed = np.float32(_LABELS) * (1 - say) ** 2 * sure
        lean = self._lean(inside, say)
        seen = np.float32(_IMAGE) * say * np.abs(2 * lean - 1)  # HU of both sides say nothing
        start = self.labels == self.value
        trust = believed + seen
        prior = (believed * start + seen * lean) / np.maximum(trust, 1e-6)
        prior[fixed] = start[fixed]
        chance = walk(self.hu, prior.astype(np.float32), trust.astype(np.float32), fixed, self.spacing)
        return np.asarray(chance > 0.5)

    def heirs(self) -> gate.Labels:
        """Give what a voxel that the organ loses becomes: what the nearest erasing stroke made of it."""
        if not self.strokes.given.any():
            return np.zeros_like(self.labels)
        away = self.seeds != -1
        nearest = ndimage.distance_transform_edt(
            away, sampling=self.spacing, return_distances=False, return_indices=True
        )
        heirs: gate.Labels = self.labels[tuple(nearest)]
        return heirs

    def _say(self) -> Floats:
        """Give how much the strokes have to say: 1 on them and around, a third at their reach, soon 0."""
        distance = ndimage.distance_transform_edt(self.seeds == 0, sampling=self.spacing)
        return np.asarray(np.exp(-((distance / self.reach_mm) ** 4)), np.float32)

    def _alike(self, say: Floats) -> gate.Mask:
        """Give a first guess of the inside: what hangs together with the strokes and has HU like theirs."""
        inside: gate.Mask = self.labels == self.value
        for sign in (1, -1):
            seeds = self.seeds == sign
            if not seeds.any():
                continue
            middle = np.median(self.hu[seeds])
            spread = max(_LEAST_HU, 1.48 * float(np.median(np.abs(self.hu[seeds] - middle))))
            alike = (np.abs(self.hu - middle) < 2 * spread) & (say > 0.1) & (self.open | seeds)
            pieces = ndimage.label(alike)[0]
            touched = np.unique(pieces[seeds])
            inside[np.isin(pieces, touched[touched > 0])] = sign == 1
        return inside

    def _lean(self, inside: gate.Mask, say: Floats) -> Floats:
        close = (say > 0.1) & (self.seeds == 0)
        organ, rest = close & inside, close & ~inside & self.open
        return leaning(
            self.hu,
            [self.hu[self.seeds == 1], self.hu[organ]],
            [self.hu[self.seeds == -1], self.hu[rest]],
        )


def _seeds(strokes: Strokes, box: Box, shape: Sequence[int]) -> npt.NDArray[np.int8]:
    seeds = np.zeros([side.stop - side.start for side in box], np.int8)
    corner = np.array([[side.start] for side in box])
    for index, sign in ((strokes.erased, -1), (strokes.painted, 1)):
        place = np.array(np.unravel_index(index, shape)) - corner
        held = np.all((place >= 0) & (place < np.array(seeds.shape)[:, None]), axis=0)
        seeds[tuple(place[:, held])] = sign
    return seeds


def _around(strokes: Strokes, shape: Sequence[int], spacing: Spacing, reach_mm: float) -> Box:
    """Give the box in which the strokes have a say, smaller where that would take too long."""
    index = np.concatenate([strokes.painted, strokes.erased])
    place = np.array(np.unravel_index(index, shape))
    low, high = place.min(axis=1), place.max(axis=1)
    tight: Box = (
        slice(int(low[0]), int(high[0]) + 1),
        slice(int(low[1]), int(high[1]) + 1),
        slice(int(low[2]), int(high[2]) + 1),
    )
    for share in (_FAR, 1.0, 0.7, 0.5, 0.3):
        box = widened(tight, reach(share * reach_mm, spacing), shape)
        if size(box) <= _MOST:
            break
    return box
