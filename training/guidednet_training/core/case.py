"""A case and its annotation: which organs a person vouches for, and who changed what."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from .geometry import Geometry
from .record import Record

Split = Literal["train", "val", "test"]
CASE_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # a folder name on every system, never a path
IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm")
Row = tuple[float, float, float, float]
CHANNEL = re.compile(r"_0000$")  # of the CT, which nnU-Net and FLARE put behind the id


class OrganState(StrEnum):
    """How far an organ's labels in a case can be trusted."""

    UNTOUCHED = "untouched"  # nobody and nothing has looked: not annotated, background is unknown
    PREDICTED = "predicted"  # a model wrote it
    CORRECTED = "corrected"  # a person changed it, but has not vouched for all of it
    CONFIRMED = "confirmed"  # a person vouches: annotated, or annotated as absent


class Edit(Record):
    """One piece of work on a case: who, when, on what, from which model."""

    author: str
    when: str = Field(description="UTC, ISO 8601")
    action: Literal["imported", "predicted", "painted", "confirmed", "reopened"]
    organs: tuple[str, ...] = ()
    bundle: str | None = None
    seconds: float = 0.0


class Annotation(Record):
    """State of the labels of a case (`labels.json`); the voxels are `labels.nii.gz` beside it."""

    scheme: str
    organs: dict[str, OrganState]
    edits: tuple[Edit, ...] = ()
    locks: tuple[str, ...] = Field((), description="organs no writer may change until unlocked")
    slices: tuple[int, ...] = Field((), description="confirmed slices, along the axial axis of the grid")
    inside_body: bool = Field(False, description="no organ may be written outside the patient's body")
    change: int | None = Field(None, description="number of the last change that the labels hold")

    @property
    def confirmed(self) -> frozenset[str]:
        """Names of the organs a person vouches for."""
        return frozenset(n for n, s in self.organs.items() if s is OrganState.CONFIRMED)


class Case(Record):
    """A CT volume of a project (`case.json`)."""

    id: str = Field(pattern=CASE_ID)
    image: str = Field(description="path of the image, absolute or relative to the project folder")
    digest: str = Field(description="SHA-256 of the voxels and the affine")
    shape: tuple[int, int, int] = Field(description="voxels along z, y, x")
    affine: tuple[Row, Row, Row, Row] = Field(description="4x4, (z, y, x, 1) to RAS+ mm")
    split: Split

    @property
    def geometry(self) -> Geometry:
        """The grid of the image."""
        return Geometry(self.shape, np.array(self.affine, dtype=np.float64))


def stem_of(path: Path) -> str:
    """Give a file name without the ending of its image format."""
    ending = next((end for end in IMAGE_SUFFIXES if path.name.lower().endswith(end)), "")
    return path.name[: len(path.name) - len(ending)]


def id_from_path(path: Path) -> str:
    """Make a case id from a file name: without its ending and nnU-Net's channel number."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", CHANNEL.sub("", stem_of(path))).lstrip("._-")[:56]
    return plain or "case"
