"""Writing into a case that no window has open: the same gate as there, and what it refused in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .body import find_outside
from .case import Annotation
from .gate import Gate, protection, refusal
from .labels import UNKNOWN, LabelScheme
from .place import axial_axis
from .project import Project

Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Passed:
    """What the gate let through.

    Attributes
    ----------
    labels : array (z, y, x) of uint8
        As they are afterwards.
    written : int
        Voxels that changed.
    refused : array (n,) of int64
        Places in the flattened grid that were wanted and stay as they were.
    refusal : str
        Why, by reason, in voxels; empty where nothing was refused.
    """

    labels: Labels
    written: int
    refused: NDArray[np.int64]
    refusal: str


def gate_of(
    project: Project, case_id: str, known: Annotation, organs: Iterable[str], outside_body: bool = False
) -> Gate:
    """Give the gate of a case.

    Parameters
    ----------
    known : Annotation
        Of the case; confirmed slices, and whether organs end inside the body, are taken from it.
    organs : iterable of str
        Those that may neither shrink nor grow.
    outside_body : bool
        Let organs be written outside the body, whatever the case says. Otherwise its CT is read.
    """
    case, scheme = project.case(case_id), project.scheme
    fenced = known.inside_body and not outside_body
    return Gate(
        protection([*(scheme.value(name) for name in organs), *range(scheme.n_classes, UNKNOWN)]),
        case.shape,
        axial_axis(case.geometry),
        frozenset(known.slices),
        find_outside(project.image(case_id)) if fenced else None,
    )


def let_through(gate: Gate, old: Labels, new: Labels, protected: str) -> Passed:
    """Write what the gate allows.

    Parameters
    ----------
    old, new : array (z, y, x) of uint8
        Labels as they are, and as they are wanted.
    protected : str
        The protected organs, in words.
    """
    before, wanted = np.ascontiguousarray(old).reshape(-1), np.ascontiguousarray(new).reshape(-1)
    index = np.flatnonzero(before != wanted).astype(np.int64)
    write, refused = gate.judge(index, before[index], wanted[index])
    labels = before.copy()
    labels[index[write]] = wanted[index[write]]
    counts = {reason: int(places.size) for reason, places in refused.items()}
    return Passed(
        labels.reshape(old.shape), int(np.count_nonzero(write)), index[~write], refusal(counts, protected)
    )


def titles(scheme: LabelScheme, organs: Iterable[str]) -> str:
    """Give organs in words, in the order of the scheme."""
    named = set(organs)
    return ", ".join(organ.title for organ in scheme.organs if organ.name in named)
