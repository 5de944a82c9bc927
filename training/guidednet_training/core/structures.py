"""Structures that other programs drew on a CT: named sets of voxels, and which organ each is meant to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import SchemeError
from .geometry import Geometry
from .labels import BACKGROUND, LabelScheme, canonical_name

NEAR_VOXELS = 0.1  # how far a voxel of another program's grid may lie from ours


@dataclass(frozen=True, eq=False)
class Structure:
    """One structure on the grid of a CT.

    Attributes
    ----------
    number : int
        Its own number in the file.
    name : str
        As the file calls it.
    voxels : array of int64, shape (n,)
        Flat C-order indices into the (z, y, x) grid, ascending, each once.
    outside : int
        Voxels that were drawn beyond the CT.
    """

    number: int
    name: str
    voxels: NDArray[np.int64]
    outside: int = 0


@dataclass(frozen=True, eq=False)
class StructureSet:
    """What a file holds.

    Attributes
    ----------
    path : Path
    kind : str
        "DICOM-SEG" or "RTSTRUCT".
    geometry : Geometry
        The grid of the CT on which the structures were put.
    structures : tuple of Structure
    notes : tuple of str
        What a person should know.
    """

    path: Path
    kind: str
    geometry: Geometry
    structures: tuple[Structure, ...]
    notes: tuple[str, ...] = ()

    def volumes_ml(self) -> dict[int, float]:
        """Give the volume of each structure, by its number."""
        return {each.number: each.voxels.size * self.geometry.voxel_ml for each in self.structures}


def propose_organs(found: StructureSet, scheme: LabelScheme) -> dict[int, str]:
    """Say which organ of a scheme each structure is by its name; structures of other names are left out.

    Where two structures have the name of one organ the first counts.
    """
    organs: dict[int, str] = {}
    for structure in found.structures:
        name = canonical_name(structure.name)
        if name in scheme.names and name not in organs.values():
            organs[structure.number] = name
    return organs


def check_organs(found: StructureSet, organs: Mapping[int, str], scheme: LabelScheme) -> None:
    """Refuse numbers that the file lacks and organs that the scheme lacks.

    Raises
    ------
    SchemeError
    """
    known = {structure.number for structure in found.structures}
    for number, organ in organs.items():
        if number not in known:
            raise SchemeError(f"{found.path.name} has no structure {number}.", f"It has: {listed(found)}.")
        scheme.value(organ)


def paint_structures(
    found: StructureSet, organs: Mapping[int, str], scheme: LabelScheme
) -> tuple[NDArray[np.uint8], int]:
    """Give a label map of the chosen structures.

    Parameters
    ----------
    organs : mapping of int to str
        Organ of each structure by its number; others are left out. Several may be one organ.

    Returns
    -------
    labels : array of uint8, shape (z, y, x)
    doubled : int
        Voxels that belong to more than one organ; the later structure of the file has them.

    Raises
    ------
    SchemeError
        When a number or an organ is not known.
    """
    check_organs(found, organs, scheme)
    labels = np.zeros(found.geometry.shape, np.uint8)
    flat, doubled = labels.reshape(-1), 0
    for structure in found.structures:
        if structure.number in organs:
            value = scheme.value(organs[structure.number])
            before = flat[structure.voxels]
            doubled += int(np.count_nonzero((before != BACKGROUND) & (before != value)))
            flat[structure.voxels] = value
    return labels, doubled


def listed(found: StructureSet, most: int = 12) -> str:
    """Name the structures of a file."""
    names = [f"{each.number} {each.name}" for each in found.structures]
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
