"""How large organs usually are: a robust measure over the confirmed cases of a project."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .anatomy_facts import TUBES
from .errors import GuidedNetError
from .files import read_text, write_text
from .project import Project
from .record import Record

FEWEST = 5  # cases; from fewer nobody can tell what is usual
_LEAST_SPREAD = 0.1  # of the logarithm: people differ by more than a tenth
_MAY_LACK = 0.1  # share of cases without the organ from which lacking it is usual
_ABSENT_Z = -99.0
_BOOK = "volumes.json"


@dataclass(frozen=True)
class Usual:
    """The volume of an organ in the cases that have it.

    Attributes
    ----------
    spread : float
        Median absolute deviation of the natural logarithm of the volume, times 1.4826.
    absent : float
        Share of the cases in which it is absent.
    """

    cases: int
    median_ml: float
    spread: float
    lowest_ml: float
    highest_ml: float
    absent: float

    def z(self, ml: float) -> float:
        """Give how far a volume is from the usual, in robust standard deviations of its logarithm."""
        if ml <= 0:
            return 0.0 if self.absent > _MAY_LACK else _ABSENT_Z
        return math.log(ml / self.median_ml) / self.spread

    @property
    def words(self) -> str:
        """What is usual, in words."""
        return f"{self.cases} confirmed cases have {self.lowest_ml:.0f} to {self.highest_ml:.0f} ml"


def usual_volumes(cases: Iterable[Mapping[str, float]]) -> dict[str, Usual]:
    """Give what is usual for each organ with enough cases.

    Parameters
    ----------
    cases : iterable of mapping
        Of each case, the volume in ml of each confirmed organ; 0 where it is confirmed as absent.
    """
    volumes: dict[str, list[float]] = {}
    for case in cases:
        for name, ml in case.items():
            volumes.setdefault(name, []).append(ml)
    found = {name: _usual(all_ml) for name, all_ml in volumes.items()}
    return {name: usual for name, usual in found.items() if usual is not None}


class CaseVolumes(Record):
    """Volumes of the confirmed organs of a case that lie in the scan as a whole."""

    stamp: str = Field(description="size and time of its labels")
    ml: dict[str, float]


class VolumeBook(Record):
    """Content of `cache/volumes.json`: can be made anew, safe to delete."""

    format: Literal[2] = 2  # 1 counted organs that the scan cuts
    cases: dict[str, CaseVolumes] = Field(default_factory=dict)


def confirmed_volumes(project: Project, without: str = "", most: int = 4) -> list[dict[str, float]]:
    """Give the volumes of the confirmed organs of each case; for a worker, since it reads labels.

    An organ that the edge of the scan cuts is left out: its volume is that of the part in sight. Not so
    the vessels and the esophagus, which leave every scan.

    Parameters
    ----------
    project : Project
        What was measured is kept in its cache, if it is open for writing.
    without : str
        A case to be left out: the one that shall be compared.
    most : int
        Label maps read in one call, a second each; the others are read by later calls.
    """
    book, known = _read_book(project), {}
    for case in project.cases:
        stamp = project.label_stamp(case.id)
        if stamp is None:
            continue
        entry = book.cases.get(case.id)
        if (entry is None or entry.stamp != stamp) and most > 0:
            entry, most = CaseVolumes(stamp=stamp, ml=_measured(project, case.id)), most - 1
        if entry is not None:
            known[case.id] = entry
    if known != book.cases and project.writable:
        write_text(project.cache_folder / _BOOK, VolumeBook(cases=known).to_json())
    return [entry.ml for case_id, entry in known.items() if case_id != without and entry.ml]


def _usual(volumes: list[float]) -> Usual | None:
    present = [ml for ml in volumes if ml > 0]
    if len(present) < FEWEST:
        return None
    logs = [math.log(ml) for ml in present]
    centre = median(logs)
    spread = max(_LEAST_SPREAD, 1.4826 * median(abs(value - centre) for value in logs))
    absent = 1 - len(present) / len(volumes)
    return Usual(len(present), math.exp(centre), spread, min(present), max(present), absent)


def _read_book(project: Project) -> VolumeBook:
    path = project.cache_folder / _BOOK
    try:
        return VolumeBook.parse(read_text(path), str(path)) if path.is_file() else VolumeBook()
    except GuidedNetError:
        return VolumeBook()  # a cache that cannot be read is made anew


def _measured(project: Project, case_id: str) -> dict[str, float]:
    annotation, labels = project.annotation(case_id), None
    confirmed = annotation.confirmed if annotation is not None else frozenset()
    if confirmed:
        labels = project.labels(case_id)
    if labels is None:
        return {}
    counts = np.zeros(256, np.int64)
    for plane in labels.array:  # bincount makes eight bytes of each of its voxels
        counts += np.bincount(plane.ravel(), minlength=256)
    scheme, voxel_ml, edge = project.scheme, labels.geometry.voxel_ml, _at_edge(labels.array)
    values = {name: scheme.value(name) for name in scheme.names if name in confirmed}
    whole = {name: value for name, value in values.items() if name in TUBES or value not in edge}
    return {name: float(counts[value]) * voxel_ml for name, value in whole.items()}


def _at_edge(labels: NDArray[Any]) -> set[int]:
    """Give the values on the outermost planes of a label map (z, y, x)."""
    faces = [np.moveaxis(labels, axis, 0)[side] for axis in range(3) for side in (0, -1)]
    return {int(value) for face in faces for value in np.unique(face)}
