"""Where a model's labels deserve a look: connected places of doubt, of unfamiliar tissue, of disagreement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .contradiction import LEFT, SURE, sure_of_another, unknown_to
from .errors import GeometryError
from .geometry import Geometry
from .labels import LabelScheme
from .pieces import CORNERS, Mask, Slices3, core_of, grown, middle, shifted, within
from .place import BACKGROUND_NAME, Kind, Place, make_place, ranked
from .volume import Volume

DOUBTFUL = 0.6  # below this a voxel's label is more a guess than a finding
STRANGE = 0.05  # typicality below this: more than six variances from the class, unlike all that was learnt
OPPOSED = 0.5  # disagreement above this: the two networks name different organs
SMALLEST_ML = 0.05  # a place smaller than this is not worth a click
MISSED_ML = (1.0, 100.0)  # of doubtful background beside an organ; more is a region nobody has labelled
COARSE_MM = 1.6  # voxels are left out as long as those looked at are no further apart
SHELL_MM = 2.5  # along axes this fine, doubt one voxel deep at an organ's edge is no place of its own
SOFT_HU = -300.0  # darker background is air, lung or bowel gas: no missed organ

_THIN = 0.3  # an organ that keeps less than this without its outermost voxels is thin as a whole
EVERYWHERE = (slice(None), slice(None), slice(None))
_EVEN = 0.5  # of two models that differ one is wrong

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Rival:
    """What another says about the same case, on the same grid and in the same scheme."""

    bundle: str  # a model, or "model/network", "model/mixture"
    labels: Volume


def find_doubts(
    labels: Volume,
    maps: Mapping[str, Volume],
    scheme: LabelScheme,
    now: NDArray[np.uint8] | None = None,
    image: Volume | None = None,
    rival: Rival | None = None,
    mixture: Rival | None = None,
    below: float = DOUBTFUL,
    smallest_ml: float = SMALLEST_ML,
    limit: int = 60,
) -> list[Place]:
    """Find connected places where a model's labels may be wrong, the best worth of a minute first.

    Tissue that is *unfamiliar* (typicality under 0.05) is kept apart from that of which the model is
    *unsure* (low confidence between known organs); among the latter, *contradicted* are those where
    the class mixture is sure of another label than the networks gave, and *networks* those where two
    networks name different organs. *models* are differences to a rival's labels.

    Where the labels of the mixture are given, *contradicted* are the parts where they differ and its
    posterior is sure (entropy map above 0.7, less than 0.3 left for the shown label); each names what the
    mixture says and can be repaired by taking that. Organs that it hardly names in the whole case stay out:
    it does not know them. Without them a doubtful place is held for contradicted if
    that is so in most of it, and its neighbour for the other organ.

    The probability of an error is 1 - confidence, half of the disagreement, half of the lack of
    typicality, whichever is largest; a half where two models differ.

    Parameters
    ----------
    labels : Volume
        (z, y, x) what the model said, in `scheme`.
    maps : mapping of str to Volume
        confidence, typicality, entropy, disagreement, as far as there are; bytes in 255ths or floats.
    now : array of uint8, (z, y, x), optional
        The labels as they are: where a person has changed them, the doubt is settled.
    image : Volume, optional
        In HU; with it, doubtful background beside organs is looked at as well.
    rival : Rival, optional
        Another model.
    mixture : Rival, optional
        The class mixture of the model itself.
    below : float
        Voxels with a lower confidence are doubtful.
    smallest_ml : float
        Smaller places are left out.
    limit : int
        At most so many places.

    Raises
    ------
    GeometryError
        When they are not all on one grid.
    """
    others = [*maps.values(), *([image] if image else []), *(one.labels for one in (rival, mixture) if one)]
    if any(other.array.shape != labels.array.shape for other in others):
        raise GeometryError("The maps are not on the grid of the labels.", "Segment the case again.")
    search = _Search.of(labels, maps, scheme, now, image, rival, mixture, below, smallest_ml)
    told = np.zeros(search.labels.shape, bool)  # no voxel is told of twice
    found = [*search.contradictions(told), *search.in_organs(told)]
    found += [*search.beside_organs(), *search.between_models()]
    return ranked(found, limit)


@dataclass(frozen=True, eq=False)
class _Region:
    box: Slices3  # in the coarse arrays
    mask: Mask  # of the box's shape


@dataclass(frozen=True, eq=False)
class _Other:
    labels: Bytes
    source: str
    kind: Kind  # of the places where it says something else

    @classmethod
    def of(cls, rival: Rival | None, kind: Kind, thin: Slices3) -> _Other | None:
        if rival is None:
            return None
        return cls(np.ascontiguousarray(rival.labels.array[thin]), rival.bundle, kind)


@dataclass(frozen=True, eq=False)
class _Search:
    """The arrays, thinned out to a coarse grid."""

    labels: Bytes  # 0 and 255 where a person has changed what the model said
    maps: dict[str, Bytes]
    soft: Mask | None
    rival: _Other | None
    mixture: _Other | None
    scheme: LabelScheme
    geometry: Geometry  # of the full grid
    step: tuple[int, int, int]
    below: int
    smallest_ml: float

    @classmethod
    def of(
        cls,
        labels: Volume,
        maps: Mapping[str, Volume],
        scheme: LabelScheme,
        now: NDArray[np.uint8] | None,
        image: Volume | None,
        rival: Rival | None,
        mixture: Rival | None,
        below: float,
        smallest_ml: float,
    ) -> _Search:
        step = _step(labels.geometry)
        thin = (slice(None, None, step[0]), slice(None, None, step[1]), slice(None, None, step[2]))
        said: Bytes = np.ascontiguousarray(labels.array[thin])
        if now is not None:
            said = np.where(said == now[thin], said, np.uint8(255))
        return cls(
            labels=said,
            maps={name: _bytes(volume.array[thin]) for name, volume in maps.items()},
            soft=None if image is None else np.ascontiguousarray(image.array[thin] > SOFT_HU),
            rival=_Other.of(rival, "models", thin), mixture=_Other.of(mixture, "contradicted", thin),
            scheme=scheme, geometry=labels.geometry, step=step, below=round(below * 255),
            smallest_ml=smallest_ml,
        )  # fmt: skip

    # what is looked for

    def contradictions(self, told: Mask) -> Iterator[Place]:
        """Where the class mixture is sure of another label, or alone finds an organ; noted in `told`."""
        if self.mixture is None or not {"confidence", "entropy"} <= self.maps.keys():
            return
        sure = sure_of_another(self.maps["confidence"], self.maps["entropy"])
        unknown = [*unknown_to(self.mixture.labels, self.labels), 255]
        counts = sure & ~np.isin(self.labels, unknown) & ~self._under("typicality", STRANGE, EVERYWHERE)
        for place, region in self._differences(self.mixture, counts):
            told[region.box] |= region.mask
            yield place

    def in_organs(self, told: Mask) -> Iterator[Place]:
        """Doubt about voxels that have an organ's label, but not those told of already."""
        sure = self.maps.get("confidence")
        if sure is None:
            return
        for value, box, inside in self._organs(self.labels):
            opposed = self._over("disagreement", OPPOSED, box)
            strange = self._under("typicality", STRANGE, box)
            doubtful = (sure[box] < self.below) | opposed
            unsure = inside & doubtful & ~strange & ~told[box]
            thin = _is_thin(inside, self._fine)
            organ_ml = self._ml(inside)
            for region in self._regions(unsure, box, thin):
                yield self._unsure(region, value, organ_ml)
            for region in self._regions(inside & strange, box, thin):
                yield self._unfamiliar(region, value, organ_ml)

    def beside_organs(self) -> Iterator[Place]:
        """Doubtful soft tissue without a label that touches an organ: it may have been missed."""
        sure, every = self.maps.get("confidence"), _hull(self.labels, self.scheme)
        if sure is None or self.soft is None or every is None:
            return
        volumes = {value: self._ml(inside) for value, _, inside in self._organs(self.labels)}
        mask = (self.labels[every] == 0) & (sure[every] < self.below) & self.soft[every]
        for region in self._regions(mask, every, thin=False, smallest_ml=MISSED_ML[0]):
            value = self._neighbour(region, 0)
            if value == 0 or self._ml(region.mask) > MISSED_ML[1]:
                continue
            wrong = 1 - float(self._values("confidence", region).mean())
            yield self._place("unsure", value, region, volumes[value], wrong, missed=True)

    def between_models(self) -> Iterator[Place]:
        """Differences to the rival: where it says something else, and organs that only it finds."""
        if self.rival is not None:
            yield from (place for place, _ in self._differences(self.rival, self.labels != 255))

    def _differences(self, other: _Other, counts: Mask) -> Iterator[tuple[Place, _Region]]:
        for value, box, inside in self._organs(self.labels):
            differs, organ_ml = inside & counts[box] & (other.labels[box] != value), self._ml(inside)
            for region in self._regions(differs, box, _is_thin(inside, self._fine)):
                said = int(np.bincount(other.labels[region.box][region.mask], minlength=1).argmax())
                yield self._said_by(other, value, region, organ_ml, other=self._name(said)), region
        for value, box, inside in self._organs(other.labels):
            lacking, organ_ml = inside & counts[box] & (self.labels[box] == 0), self._ml(inside)
            for region in self._regions(lacking, box, _is_thin(inside, self._fine)):
                yield self._said_by(other, value, region, organ_ml, BACKGROUND_NAME, missed=True), region

    # places

    def _unsure(self, region: _Region, value: int, organ_ml: float) -> Place:
        sure = self._values("confidence", region)
        apart, clear = (self._values(name, region) for name in ("disagreement", "entropy"))
        kind: Kind = "unsure"
        if np.mean(apart > OPPOSED) > 0.5:
            kind = "networks"
        elif self.mixture is None and np.mean((sure < LEFT) & (clear > SURE)) > 0.5:
            kind = "contradicted"
        wrong = float(np.maximum(1 - sure, apart / 2).mean())
        other = self._name(self._neighbour(region, value))
        return self._place(kind, value, region, organ_ml, wrong, other=other)

    def _unfamiliar(self, region: _Region, value: int, organ_ml: float) -> Place:
        doubt = 1 - float(self._values("confidence", region).mean())
        strange = (1 - float(self._values("typicality", region).mean())) / 2
        return self._place("unfamiliar", value, region, organ_ml, max(doubt, strange))

    def _said_by(
        self, by: _Other, value: int, region: _Region, organ_ml: float, other: str, missed: bool = False
    ) -> Place:
        wrong = _EVEN if by.kind == "models" else 1 - float(self._values("confidence", region).mean())
        return self._place(by.kind, value, region, organ_ml, wrong, other, missed, by.source)

    def _place(
        self,
        kind: Kind,
        value: int,
        region: _Region,
        organ_ml: float,
        wrong: float,
        other: str | None = None,
        missed: bool = False,
        source: str | None = None,
    ) -> Place:
        centre = middle(region.mask, region.box, self._spacing_mm)
        shape, step = self.geometry.shape, self.step
        sides = zip(region.box, step, shape, strict=True)
        z, y, x = (slice(side.start * s, min(side.stop * s, n)) for side, s, n in sides)
        return make_place(
            kind, self.scheme.organ(value).name, (z, y, x),
            (centre[0] * step[0], centre[1] * step[1], centre[2] * step[2]),
            self._ml(region.mask), organ_ml, wrong, self.geometry, other=other, missed=missed,
            repair=None if source is None else "take", source=source,
        )  # fmt: skip

    # regions

    def _regions(
        self, mask: Mask, box: Slices3, thin: bool, smallest_ml: float | None = None
    ) -> Iterator[_Region]:
        """Give the connected parts of a mask, without the shells one voxel deep around them."""
        axes = () if thin else self._fine
        core = core_of(mask, axes)
        if not core.any():
            return
        parts, count = ndimage.label(core, structure=CORNERS)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)
        smallest = math.ceil((smallest_ml or self.smallest_ml) / self._voxel_ml - 1e-6)
        least = max(1, smallest // 3) if axes else smallest  # what the shell adds is counted below
        for index, part in enumerate(ndimage.find_objects(parts, max_label=count), start=1):
            if sizes[index] < least:
                continue  # a noisy map has thousands of single voxels
            around = grown(part, mask.shape) if axes else part
            own = parts[around] == index
            if axes:
                own = ndimage.binary_dilation(own, structure=CORNERS) & mask[around]
            if np.count_nonzero(own) >= smallest:
                tight = ndimage.find_objects(own.astype(np.uint8))[0]
                yield _Region(shifted(shifted(tight, around), box), own[tight])

    def _organs(self, labels: Bytes) -> Iterator[tuple[int, Slices3, Mask]]:
        boxes = ndimage.find_objects(labels, max_label=self.scheme.n_classes - 1)
        for value, box in enumerate(boxes, start=1):
            if box is not None:
                yield value, box, labels[box] == value

    def _neighbour(self, region: _Region, value: int) -> int:
        """Give the label most seen around a region; an organ counts from a fifth of its border on."""
        around = grown(region.box, self.labels.shape)
        own = np.zeros([side.stop - side.start for side in around], bool)
        own[within(region.box, around)] = region.mask
        labels = self.labels[around][ndimage.binary_dilation(own, structure=CORNERS) & ~own]
        counts = np.bincount(labels, minlength=256)
        total, counts[[0, value, 255]] = counts.sum() - counts[value], 0
        best = int(counts.argmax())
        return best if counts[best] > 0.2 * total else 0

    def _values(self, name: str, region: _Region) -> NDArray[np.float32]:
        """Give a map's values in a region, 0 to 1; zeros where there is no such map."""
        if name not in self.maps:
            return np.zeros(np.count_nonzero(region.mask), np.float32)
        return np.asarray(self.maps[name][region.box][region.mask] / np.float32(255), np.float32)

    def _under(self, name: str, limit: float, box: Slices3) -> Mask | np.bool_:
        return self.maps[name][box] < limit * 255 if name in self.maps else np.False_

    def _over(self, name: str, limit: float, box: Slices3) -> Mask | np.bool_:
        return self.maps[name][box] > limit * 255 if name in self.maps else np.False_

    def _name(self, value: int) -> str:
        return self.scheme.organ(value).name if 0 < value < self.scheme.n_classes else BACKGROUND_NAME

    def _ml(self, mask: Mask) -> float:
        return float(np.count_nonzero(mask)) * self._voxel_ml

    @property
    def _voxel_ml(self) -> float:
        return self.geometry.voxel_ml * math.prod(self.step)

    @property
    def _spacing_mm(self) -> NDArray[np.float64]:
        return np.asarray(self.geometry.spacing_mm) * self.step

    @property
    def _fine(self) -> tuple[int, ...]:
        return tuple(int(axis) for axis in np.flatnonzero(self._spacing_mm < SHELL_MM))


def _step(geometry: Geometry) -> tuple[int, int, int]:
    z, y, x = (max(1, int(COARSE_MM / mm)) for mm in geometry.spacing_mm)
    return z, y, x


def _bytes(values: NDArray[Any]) -> Bytes:
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)


def _is_thin(inside: Mask, axes: tuple[int, ...]) -> bool:
    return bool(np.count_nonzero(core_of(inside, axes)) < _THIN * np.count_nonzero(inside))


def _hull(labels: Bytes, scheme: LabelScheme) -> Slices3 | None:
    """Give the box that holds all organs, one voxel wider."""
    boxes = [b for b in ndimage.find_objects(labels, max_label=scheme.n_classes - 1) if b is not None]
    if not boxes:
        return None
    sides = zip(*boxes, strict=True)
    z, y, x = (slice(min(s.start for s in side), max(s.stop for s in side)) for side in sides)
    return grown((z, y, x), labels.shape)
