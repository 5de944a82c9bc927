"""Structure sets (RTSTRUCT) of any program, onto the voxels of the CT that they were drawn on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dicom_object import read_object
from .errors import FileError, GeometryError
from .geometry import Geometry, lps_to_ras
from .outlines import Polygon, filled
from .rtstruct import CONTOUR_DATA, RTSTRUCT_STORAGE
from .stream import DAMAGED
from .structures import Structure, StructureSet

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_OFF_SLICE = 0.25  # of a slice's distance: further, and it was drawn on another CT
_SPARSE = 0.75  # fewer of its slices have outlines: it was drawn on every second one


@dataclass(frozen=True, eq=False)
class _Outline:
    points: NDArray[np.float64]  # (n, 3) indices z, y, x


def read_rtstruct(path: Path, geometry: Geometry) -> StructureSet:
    """Read the regions of a structure set onto the grid of a CT.

    A voxel belongs to a region where its centre lies inside an odd number of its outlines on that slice
    (so an outline within another is a hole), or on an outline. Nothing is filled in between slices.

    Parameters
    ----------
    path : Path
    geometry : Geometry
        Of the CT that it was drawn on; its axes may run otherwise.

    Raises
    ------
    FileError
        When it is no structure set or damaged.
    GeometryError
        When the outlines do not lie on slices of the CT.
    """
    data = read_object(path, (RTSTRUCT_STORAGE,), "structure set (RTSTRUCT)")
    to_index = np.linalg.inv(geometry.affine) @ lps_to_ras(np.eye(4))
    try:
        rois = [(int(roi.ROINumber), str(roi.ROIName)) for roi in data.StructureSetROISequence]
        names = dict(rois)
        regions: dict[int, list[Any]] = {number: [] for number in names}
        for each in data.get("ROIContourSequence") or ():
            regions.setdefault(int(each.ReferencedROINumber), []).append(each)
        drawn = {n: _outlines(regions[n], to_index) for n in names}
    except (AttributeError, TypeError, ValueError) as error:
        raise FileError(f"{path} is a damaged structure set.", DAMAGED) from error
    if len(names) != len(rois):
        raise FileError(f"{path} gives a region number twice.", DAMAGED)
    if nameless := sorted(regions.keys() - names.keys()):
        raise FileError(f"{path} has outlines of a region {nameless[0]} that it does not name.", DAMAGED)
    axis = _slice_axis([outline for each, _ in drawn.values() for outline in each])
    structures, notes = [], []
    for number, name in names.items():
        found, open_ones = drawn[number]
        voxels, beyond, planes = _voxels(found, axis, geometry, path)
        structures.append(Structure(number, name, voxels, beyond))
        notes += _notes(name, planes, open_ones)
    return StructureSet(path, "RTSTRUCT", geometry, tuple(structures), tuple(notes))


def _outlines(parts: list[Any], to_index: NDArray[np.float64]) -> tuple[list[_Outline], int]:
    """Give the closed outlines of a region, and how many others there are."""
    found, others = [], 0
    for contour in (contour for part in parts for contour in part.get("ContourSequence") or ()):
        if str(contour.get("ContourGeometricType")) not in CLOSED:
            others += 1
            continue
        places = _numbers(contour.get_item(CONTOUR_DATA)).reshape(-1, 3)
        if not np.isfinite(places).all():
            raise ValueError("an outline has points that are no numbers")
        found.append(_Outline(places @ to_index[:3, :3].T + to_index[:3, 3]))
    return found, others


def _numbers(element: Any) -> NDArray[np.float64]:
    value = element.value
    if isinstance(value, bytes):  # not looked at by pydicom yet: quicker than a million objects
        return np.array(value.decode("ascii").strip(" \0").split("\\"), np.float64)
    return np.array(value, np.float64)


def _slice_axis(found: list[_Outline]) -> int:
    """Give the axis of the grid along which outlines do not extend."""
    if not found:
        return 0
    spans = np.array([np.ptp(outline.points, axis=0) for outline in found])
    return int(np.median(spans, axis=0).argmin())


def _voxels(
    found: Iterable[_Outline], axis: int, geometry: Geometry, path: Path
) -> tuple[NDArray[np.int64], int, list[int]]:
    """Give the voxels of a region, how many lie on slices beyond the CT, and its slices."""
    planes: dict[int, list[Polygon]] = {}
    for outline in found:
        along = outline.points[:, axis]
        plane = int(np.rint(along.mean()))
        if np.abs(along - plane).max() > _OFF_SLICE:
            raise GeometryError(
                f"The outlines of {path.name} do not lie on the slices of the CT.",
                "Import it where the CT that it was drawn on is the case.",
            )
        planes.setdefault(plane, []).append(np.delete(outline.points, axis, axis=1))
    parts, beyond = [np.zeros(0, np.int64)], 0
    for plane, polygons in planes.items():
        if 0 <= plane < geometry.shape[axis]:
            parts.append(_on_plane(polygons, plane, axis, geometry.shape))
        else:
            beyond += round(sum(_area(polygon) for polygon in polygons))
    return np.sort(np.concatenate(parts)), beyond, sorted(planes)


def _on_plane(polygons: list[Polygon], plane: int, axis: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    rows, columns = (other for other in range(3) if other != axis)
    points = np.concatenate(polygons)
    low = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 1, (shape[rows], shape[columns]))
    if (high <= low).any():
        return np.zeros(0, np.int64)
    mask = filled([polygon - low for polygon in polygons], (int(high[0] - low[0]), int(high[1] - low[1])))
    where = np.zeros((3, np.count_nonzero(mask)), np.int64)
    where[axis] = plane
    where[[rows, columns]] = np.stack(np.nonzero(mask)) + low[:, None]
    flat: NDArray[np.int64] = np.ravel_multi_index(tuple(where), shape).astype(np.int64)
    return flat


def _area(polygon: Polygon) -> float:
    after = np.roll(polygon, -1, axis=0)
    return abs(float(np.sum(polygon[:, 0] * after[:, 1] - after[:, 0] * polygon[:, 1]))) / 2.0


def _notes(name: str, planes: list[int], open_ones: int) -> list[str]:
    notes = []
    if open_ones:
        notes.append(f"{name} has {open_ones} points or open lines, which were left out")
    if planes and len(planes) < _SPARSE * (planes[-1] - planes[0] + 1):
        between = planes[-1] - planes[0] + 1
        notes.append(f"{name} has outlines on {len(planes)} of the {between} slices that it spans")
    return notes
