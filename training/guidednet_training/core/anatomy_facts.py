"""What anatomy expects of organs: their sides, their neighbours, and where each one lies in a label map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .box import Index3
from .geometry import Geometry
from .labels import LabelScheme
from .pieces import CORNERS, Mask, Slices3, middle
from .place import Kind, Place, make_place, title_of
from .volume import Volume

RIGHT, LEFT = 1, -1  # along the patient's left-right axis, of which right is the positive end (RAS)

SIDES: dict[str, int] = {
    "liver": RIGHT, "gallbladder": RIGHT, "right_kidney": RIGHT, "right_adrenal_gland": RIGHT,
    "spleen": LEFT, "stomach": LEFT, "left_kidney": LEFT, "left_adrenal_gland": LEFT,
}  # fmt: skip
PARTNERS = {
    "right_kidney": "left_kidney",
    "left_kidney": "right_kidney",
    "right_adrenal_gland": "left_adrenal_gland",
    "left_adrenal_gland": "right_adrenal_gland",
}
TUBES = frozenset({"aorta", "inferior_vena_cava", "esophagus"})  # they leave the field of view
NEVER_TOUCH = frozenset(
    frozenset(pair.split())
    for pair in (
        "right_kidney left_kidney", "right_kidney spleen", "right_adrenal_gland left_adrenal_gland",
        "right_adrenal_gland spleen", "left_kidney liver", "left_kidney gallbladder", "gallbladder spleen",
        "gallbladder aorta", "gallbladder esophagus", "esophagus right_kidney", "esophagus left_kidney",
        "esophagus pancreas", "spleen inferior_vena_cava", "spleen aorta", "bladder liver", "bladder spleen",
        "bladder right_kidney", "bladder left_kidney", "bladder pancreas", "bladder gallbladder",
        "bladder stomach", "bladder duodenum", "prostate_uterus liver", "prostate_uterus spleen",
        "prostate_uterus right_kidney", "prostate_uterus left_kidney", "prostate_uterus stomach",
    )
)  # fmt: skip
BODY_HU = -300.0
MOST_PIECES = 200  # of one organ; a label map of noise has more
_THIN = 8  # every so many voxels tell where the middle of the body is


@dataclass(frozen=True, eq=False)
class CheckedCase:
    """The label map that is looked at, (z, y, x), with what its values and its grid mean."""

    labels: NDArray[np.uint8]
    scheme: LabelScheme
    geometry: Geometry
    image: Volume | None

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Voxel size along z, y, x."""
        return np.asarray(self.geometry.spacing_mm)

    @property
    def whole(self) -> Slices3:
        """The box that is the whole array."""
        z, y, x = (slice(0, n) for n in self.labels.shape)
        return z, y, x

    @property
    def centre(self) -> Index3:
        """The voxel in the middle of the array."""
        z, y, x = (n // 2 for n in self.labels.shape)
        return z, y, x

    def ml(self, voxels: float) -> float:
        """Give the volume of so many voxels."""
        return float(voxels) * self.geometry.voxel_ml

    def title(self, name: str) -> str:
        """Give the title of an organ."""
        return title_of(name, self.scheme)

    def middle_of(self, organ: OrganPlace) -> Index3:
        """Give the voxel of an organ nearest to its centre of mass."""
        return middle(self.labels[organ.box] == organ.value, organ.box, self.spacing_mm)

    def place(
        self, kind: Kind, organ: str, box: Slices3, centre: Index3, ml: float, organ_ml: float, wrong: float,
        **more: Any,
    ) -> Place:  # fmt: skip
        """Make a place on this grid; see `make_place`."""
        return make_place(kind, organ, box, centre, ml, organ_ml, wrong, self.geometry, **more)


@dataclass(frozen=True, eq=False)
class Piece:
    """A connected part of an organ; the first of an organ is its largest.

    Attributes
    ----------
    index : int
        Its value among the organ's `pieces`.
    box : three slices
        In the whole array.
    """

    index: int
    box: Slices3
    voxels: int
    right_mm: float  # of its centre of mass, to the patient's right


@dataclass(frozen=True, eq=False)
class OrganShape:
    """One organ of a label map, cut out.

    Attributes
    ----------
    box : three slices
        Of the whole array.
    mask : array of bool
    parts : array of int32
        0 outside, else the index of the piece; both of the box's shape.
    pieces : tuple of Piece
        The largest first, at most `MOST_PIECES`.
    """

    name: str
    value: int
    box: Slices3
    mask: Mask
    parts: NDArray[np.int32]
    pieces: tuple[Piece, ...]
    voxels: int
    right_mm: float


@dataclass(frozen=True)
class OrganPlace:
    """Where an organ lies and how large it is: what stays of its shape when the next is cut out."""

    name: str
    value: int
    box: Slices3
    ml: float
    right_mm: float
    cut: bool  # by the edge of the scan


def organ_shapes(labels: NDArray[np.uint8], scheme: LabelScheme, geometry: Geometry) -> Iterator[OrganShape]:
    """Cut out each organ that is there, one after the other: together they would fill the memory."""
    boxes = ndimage.find_objects(labels, max_label=scheme.n_classes - 1)
    for value, box in enumerate(boxes, start=1):
        if box is not None:
            yield _shape(labels, scheme.organ(value).name, value, box, geometry)


def middle_mm(places: Mapping[str, OrganPlace], image: Volume | None, geometry: Geometry) -> float:
    """Give where the patient's middle plane is, in mm to the right.

    Half way between aorta and inferior vena cava, which lie on the spine; else the middle of the body
    in the CT; else that of the grid.
    """
    vessels = [places[name] for name in ("aorta", "inferior_vena_cava") if name in places]
    if len(vessels) == 2 and min(vessel.ml for vessel in vessels) > 5:
        return sum(vessel.right_mm for vessel in vessels) / 2
    if image is not None:
        body = np.argwhere(image.array[::_THIN, ::_THIN, ::_THIN] > BODY_HU)
        if len(body):
            return right_mm(body.mean(axis=0) * _THIN, geometry)
    return right_mm((np.asarray(geometry.shape) - 1) / 2, geometry)


def right_mm(index: Iterable[float] | NDArray[Any], geometry: Geometry) -> float:
    """Give how far to the patient's right a voxel (z, y, x) lies, in mm."""
    return float(geometry.affine[0, :3] @ np.asarray(index, dtype=float) + geometry.affine[0, 3])


def _shape(labels: NDArray[np.uint8], name: str, value: int, box: Slices3, geometry: Geometry) -> OrganShape:
    mask = labels[box] == value
    parts, count = ndimage.label(mask, structure=CORNERS)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    whole = [tuple(slice(0, n) for n in parts.shape)]
    boxes = ndimage.find_objects(parts, max_label=count) if count > 1 else whole
    corner = np.array([side.start for side in box])
    order = np.argsort(-sizes[1:], kind="stable")[:MOST_PIECES] + 1
    pieces = tuple(
        _piece(parts, int(index), boxes[index - 1], int(sizes[index]), corner, geometry) for index in order
    )
    seen = sum(piece.voxels for piece in pieces)
    centre = sum(piece.right_mm * piece.voxels for piece in pieces) / seen
    return OrganShape(name, value, box, mask, parts, pieces, int(sizes[1:].sum()), centre)


def _piece(
    parts: NDArray[np.int32],
    index: int,
    box: Slices3,
    voxels: int,
    corner: NDArray[np.intp],
    geometry: Geometry,
) -> Piece:
    own = parts[box] == index
    profiles = [own.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    start = [side.start for side in box]
    centre = [float((p * np.arange(len(p))).sum() / voxels) + s for p, s in zip(profiles, start, strict=True)]
    z, y, x = (slice(side.start + int(c), side.stop + int(c)) for side, c in zip(box, corner, strict=True))
    return Piece(index, (z, y, x), voxels, right_mm(np.array(centre) + corner, geometry))
