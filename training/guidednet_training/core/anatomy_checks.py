"""What cannot be right in a label map, model or not: pieces, sides, neighbours, holes, cuts, volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .anatomy_facts import (
    NEVER_TOUCH,
    TUBES,
    CheckedCase,
    OrganPlace,
    OrganShape,
    Piece,
    middle_mm,
    organ_shapes,
)
from .anatomy_sides import mirrored_case, on_its_side, wrong_sides
from .geometry import Geometry
from .labels import LabelScheme
from .pieces import Mask, Slices3, grown, middle, shifted, within
from .place import Place, ranked
from .usual_volumes import Usual
from .volume import Volume
from .words import counted

CRUMB_ML = 0.2  # smaller pieces of an organ are named together, not one by one
MOST_PIECES = 6  # of one organ, named one by one
PART_SHARE = 0.3  # of the largest piece: a piece as large is not crumbs, and no key takes it away
HOLE_ML = 0.02
CONTACT_CM2 = 0.5
FLAT_SHARE, FLAT_CM2 = 0.6, 4.0  # an organ whose last slice is so large, of its largest, ends as if cut
FAR = 3.5  # robust z of a volume: one in two thousand
SHOULD_BE = {"pieces": 0.9, "touching": 0.5, "hole": 0.9, "cut": 0.5, "volume": 0.4}  # wrong
_LACKING_MM = 10.0  # how much of an organ a flat end is taken to lack


def check_anatomy(
    labels: NDArray[np.uint8],
    scheme: LabelScheme,
    geometry: Geometry,
    image: Volume | None = None,
    usual: Mapping[str, Usual] | None = None,
    limit: int = 60,
) -> list[Place]:
    """Find what cannot be right in a label map, the best worth of a minute first.

    Parameters
    ----------
    labels : array of uint8, (z, y, x)
        Values of `scheme`.
    scheme : LabelScheme
    geometry : Geometry
        Says which side is the patient's right.
    image : Volume, optional
        The CT: tells the middle of the body, and whether mirrored labels would fit better.
    usual : mapping of str to Usual, optional
        Volumes in the confirmed cases.
    limit : int
        At most so many places.
    """
    case = CheckedCase(labels, scheme, geometry, image)
    found: list[Place] = []
    organs: dict[str, OrganPlace] = {}
    strays: list[tuple[Place, float, str]] = []
    for shape in organ_shapes(labels, scheme, geometry):
        organs[shape.name] = organ = _organ_place(case, shape)
        found += [*_holes(case, shape), *_ends(case, shape, organ)]
        strays += [(place, piece.right_mm, shape.name) for place, piece in _pieces(case, shape)]
    plane = middle_mm(organs, image, geometry)
    mirrored = mirrored_case(case, organs, plane)
    sided = [] if mirrored else list(wrong_sides(case, organs, plane))
    pieces = [place if mirrored else on_its_side(place, right, plane) for place, right, _ in strays]
    found += [*mirrored, *sided, *pieces, *_touching(case, organs), *_volumes(case, organs, usual or {})]
    return ranked(found, limit)


def _organ_place(case: CheckedCase, shape: OrganShape) -> OrganPlace:
    cut = any(s.start == 0 or s.stop == n for s, n in zip(shape.box, case.labels.shape, strict=True))
    return OrganPlace(shape.name, shape.value, shape.box, case.ml(shape.voxels), shape.right_mm, cut)


# pieces


def _pieces(case: CheckedCase, shape: OrganShape) -> Iterator[tuple[Place, Piece]]:
    """Give a place for every piece but the largest; the small ones share one.

    Two pieces that both end at the same edge of the scan, like the two ends of the aortic arch, are one
    organ that is joined outside.
    """
    edges = _edges(case, shape.pieces[0])
    rest = [piece for piece in shape.pieces[1:] if not edges & _edges(case, piece)]
    large = [piece for piece in rest if case.ml(piece.voxels) >= CRUMB_ML][:MOST_PIECES]
    for piece in large:
        yield _piece_place(case, shape, piece), piece
    crumbs = [piece for piece in rest if case.ml(piece.voxels) < CRUMB_ML]
    if crumbs:
        yield _crumbs_place(case, shape, crumbs), crumbs[0]


def _edges(case: CheckedCase, piece: Piece) -> set[tuple[int, str]]:
    """Give the edges of the scan that a piece reaches."""
    sides = list(zip(piece.box, case.labels.shape, strict=True))
    first = {(axis, "first") for axis, (side, _) in enumerate(sides) if side.start == 0}
    return first | {(axis, "last") for axis, (side, n) in enumerate(sides) if side.stop == n}


def _piece_place(case: CheckedCase, shape: OrganShape, piece: Piece) -> Place:
    title, ml = case.title(shape.name), case.ml(piece.voxels)
    own = shape.parts[within(piece.box, shape.box)] == piece.index
    is_part = piece.voxels > PART_SHARE * shape.pieces[0].voxels
    return case.place(
        "pieces", shape.name, piece.box, middle(own, piece.box, case.spacing_mm), ml,
        case.ml(shape.voxels), SHOULD_BE["pieces"] / (2 if is_part else 1),
        repair=None if is_part else "drop",
        note=f"{title}: a piece of {ml:.1f} ml lies apart from the rest.",
    )  # fmt: skip


def _crumbs_place(case: CheckedCase, shape: OrganShape, crumbs: list[Piece]) -> Place:
    voxels = sum(piece.voxels for piece in crumbs)
    largest = crumbs[0]
    own = shape.parts[within(largest.box, shape.box)] == largest.index
    many = counted(len(crumbs), "crumb")
    return case.place(
        "pieces", shape.name, shape.box, middle(own, largest.box, case.spacing_mm),
        case.ml(voxels), case.ml(shape.voxels), SHOULD_BE["pieces"], repair="drop small",
        note=f"{case.title(shape.name)}: {many} of together {case.ml(voxels):.2f} ml lie apart from it.",
    )  # fmt: skip


# neighbours, holes, ends, volumes


def _touching(case: CheckedCase, organs: Mapping[str, OrganPlace]) -> Iterator[Place]:
    for pair in sorted(NEVER_TOUCH, key=sorted):
        if not pair <= set(organs):
            continue
        first, second = (organs[name] for name in sorted(pair, key=lambda name: organs[name].ml))
        box = _joint(grown(first.box, case.labels.shape), grown(second.box, case.labels.shape))
        if box is None:
            continue
        contact = contact_of(case.labels[box], first.value, second.value)
        area_cm2 = np.count_nonzero(contact) / 2 * case.geometry.voxel_ml ** (2 / 3)  # both sides of a face
        if area_cm2 < CONTACT_CM2:
            continue
        near = shifted(ndimage.find_objects(contact.astype(np.uint8))[0], box)
        spot = middle(contact[within(near, box)], near, case.spacing_mm)
        yield case.place(
            "touching", first.name, near, spot, case.ml(int(np.count_nonzero(contact))), first.ml,
            SHOULD_BE["touching"], other=second.name, repair="part",
            note=f"{case.title(first.name)} and {case.title(second.name).lower()} touch"
            f" ({area_cm2:.1f} cm²).",
        )  # fmt: skip


def contact_of(labels: NDArray[np.uint8], first: int, second: int) -> Mask:
    """Give the voxels of two organs that share a face with the other, (z, y, x)."""
    contact = np.zeros(labels.shape, bool)
    a, b = labels == first, labels == second
    for axis in range(3):
        (p, q, c) = (np.moveaxis(array, axis, 0) for array in (a, b, contact))
        meets = (p[:-1] & q[1:]) | (q[:-1] & p[1:])
        c[:-1] |= meets
        c[1:] |= meets
    return contact


def _holes(case: CheckedCase, shape: OrganShape) -> Iterator[Place]:
    """Give each place without a label that an organ encloses on all sides."""
    for part, own in holes_in(case.labels[shape.box], shape.mask):
        voxels = int(np.count_nonzero(own))
        if case.ml(voxels) < HOLE_ML:
            continue
        box = shifted(part, shape.box)
        yield case.place(
            "hole", shape.name, box, middle(own, box, case.spacing_mm), case.ml(voxels),
            case.ml(shape.voxels), SHOULD_BE["hole"], missed=True, repair="fill",
            note=f"{case.title(shape.name)} has a hole of {case.ml(voxels):.2f} ml.",
        )  # fmt: skip


def holes_in(labels: NDArray[np.uint8], mask: Mask) -> Iterator[tuple[Slices3, Mask]]:
    """Give box and mask of each enclosed part without a label; what touches the array's edge is open."""
    parts, count = ndimage.label(~mask)
    edges = [np.moveaxis(parts, axis, 0)[side] for axis in range(3) for side in (0, -1)]
    outside = np.zeros(count + 1, bool)
    for edge in edges:
        outside[np.unique(edge)] = True
    if outside[1:].all():
        return
    for index, part in enumerate(ndimage.find_objects(parts, max_label=count), start=1):
        if not outside[index]:
            own = parts[part] == index
            if not labels[part][own].any():
                yield part, own


def _ends(case: CheckedCase, shape: OrganShape, organ: OrganPlace) -> Iterator[Place]:
    """Give the ends of an organ that look cut: by the edge of the scan, or as with a knife inside it."""
    if shape.name in TUBES:
        return
    spacing = case.geometry.spacing_mm
    for axis in range(3):
        areas = shape.mask.sum(axis=tuple({0, 1, 2} - {axis}))
        cm2 = case.geometry.voxel_ml / (spacing[axis] / 10)
        for end in (0, -1):
            side = shape.box[axis]
            at_edge = side.start == 0 if end == 0 else side.stop == case.labels.shape[axis]
            flat = areas[end] >= FLAT_SHARE * areas.max() and len(areas) >= 6
            if areas[end] * cm2 < FLAT_CM2 or not (at_edge or flat):
                continue
            yield _end_place(case, shape, organ, axis, end, at_edge, float(areas[end] * cm2))


def _end_place(
    case: CheckedCase, shape: OrganShape, organ: OrganPlace, axis: int, end: int, at_edge: bool, cm2: float
) -> Place:
    sides = list(shape.box)
    last = sides[axis].start if end == 0 else sides[axis].stop - 1
    sides[axis] = slice(last, last + 1)
    box = (sides[0], sides[1], sides[2])
    own = shape.mask[within(box, shape.box)]
    how = "is cut off by the edge of the scan" if at_edge else "ends as if cut with a knife"
    return case.place(
        "cut", shape.name, box, middle(own, box, case.spacing_mm),
        cm2 * _LACKING_MM / 10, organ.ml, 0.0 if at_edge else SHOULD_BE["cut"], missed=True,
        repair="note" if at_edge else None,
        note=f"{case.title(shape.name)} {how} ({cm2:.0f} cm²)." + (_EDGE_NOTE if at_edge else ""),
    )  # fmt: skip


_EDGE_NOTE = " Its volume is that of the part in sight."


def _volumes(
    case: CheckedCase, organs: Mapping[str, OrganPlace], usual: Mapping[str, Usual]
) -> Iterator[Place]:
    """Give organs far smaller or larger than in the confirmed cases; what the scan cuts may be smaller."""
    for name, normal in usual.items():
        organ = organs.get(name)
        ml = organ.ml if organ is not None else 0.0
        far = normal.z(ml)
        if abs(far) < FAR or (far < 0 and organ is not None and organ.cut):
            continue
        found = f"{ml:.0f} ml" if ml else "absent"
        box = organ.box if organ is not None else case.whole
        spot = case.middle_of(organ) if organ is not None else case.centre
        yield case.place(
            "volume", name, box, spot, abs(ml - normal.median_ml), max(ml, normal.median_ml),
            SHOULD_BE["volume"], missed=far < 0,
            note=f"{case.title(name)} is {found}; {normal.words}.",
        )  # fmt: skip


def _joint(one: Slices3, other: Slices3) -> Slices3 | None:
    z, y, x = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return (z, y, x) if all(side.start < side.stop for side in (z, y, x)) else None
