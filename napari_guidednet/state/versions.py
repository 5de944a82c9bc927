"""Former labels of a case: listed, compared with those of now, brought back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..backend import Annotation, Edit, LabelPair, LabelScheme, Project, counted

Labels = npt.NDArray[np.uint8]

_WORDS = {
    "imported": "imported",
    "predicted": "the model's labels",
    "painted": "corrected",
    "confirmed": "confirmed",
    "reopened": "reopened",
}
_FEW = 3  # organs that are named; more are counted


@dataclass(frozen=True)
class Version:
    """Labels as they were once saved.

    Attributes
    ----------
    folder : Path
        Where they lie.
    when : str
        UTC, ISO 8601: of the last edit they hold; empty if unknown.
    author : str
        Of that edit.
    what : str
        What was done since the version before, in words.
    confirmed : int
        Organs that were confirmed.
    """

    folder: Path
    when: str
    author: str
    what: str
    confirmed: int


@dataclass(frozen=True, eq=False)
class Compared:
    """A former version beside the labels of now.

    Attributes
    ----------
    labels : array (z, y, x) of uint8
        The former ones.
    dice : dict of str to float
        Per organ that is in either of them.
    voxels : int
        How many differ.
    """

    version: Version
    labels: Labels
    annotation: Annotation
    dice: dict[str, float]
    voxels: int

    @property
    def mean_dice(self) -> float:
        """Mean over the organs; 1 where neither has any."""
        return float(np.mean(list(self.dice.values()))) if self.dice else 1.0


def list_versions(project: Project, case: str, scheme: LabelScheme) -> tuple[Version, ...]:
    """Give the former labels of a case, newest first (reads small files)."""
    found: list[Version] = []
    before: tuple[Edit, ...] = ()
    for folder in project.label_history(case):
        annotation = LabelPair(folder).annotation()
        if annotation is None:
            continue
        last = annotation.edits[-1] if annotation.edits else None
        new = annotation.edits[len(before) :] or annotation.edits[-1:]
        what = "; ".join(dict.fromkeys(_words(edit, scheme) for edit in new[-_FEW:])) or "saved"
        when, author = (last.when, last.author) if last else ("", "")
        found.append(Version(folder, when, author, what, len(annotation.confirmed)))
        before = annotation.edits
    return tuple(reversed(found))


def compare(version: Version, now: Labels, scheme: LabelScheme) -> Compared:
    """Read a version and set it beside the labels of now (a second for a large CT: for a worker).

    Parameters
    ----------
    now : array (z, y, x) of uint8
        Read only.

    Raises
    ------
    FileError
        When the version cannot be read.
    """
    volume, annotation = _read(version)
    both = np.zeros(256, np.int64)
    one, other = _counts(volume), _counts(now)
    for former, current in zip(volume, now, strict=True):
        both += np.bincount(former[former == current], minlength=256)
    dice = {
        name: float(2 * both[value] / (one[value] + other[value]))
        for name in scheme.names
        if one[value := scheme.value(name)] + other[value]
    }
    return Compared(version, volume, annotation, dice, int(now.size - both.sum()))


def _read(version: Version) -> tuple[Labels, Annotation]:
    pair = LabelPair(version.folder).read()
    if pair is None:
        raise FileNotFoundError(version.folder)  # listed a moment ago
    return np.ascontiguousarray(pair[0].array), pair[1]


def _counts(labels: Labels) -> npt.NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for plane in labels:
        counts += np.bincount(plane.reshape(-1), minlength=256)
    return counts


def _words(edit: Edit, scheme: LabelScheme) -> str:
    names = [name for name in scheme.names if name in edit.organs]
    if len(names) > _FEW or not names:
        return f"{_WORDS[edit.action]} ({counted(len(names), 'organ')})" if names else _WORDS[edit.action]
    titles = ", ".join(scheme.organ(scheme.value(name)).title for name in names)
    return f"{titles} {_WORDS[edit.action]}" if edit.action != "predicted" else f"{titles} from the model"
