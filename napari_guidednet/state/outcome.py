"""What came of a writing, a merging, an undoing: counts and sentences."""

from __future__ import annotations

from dataclasses import dataclass

from ..backend import Annotation, Project, Volume, counted


@dataclass(frozen=True, eq=False)
class MergeReport:
    """What a merge did, in voxels; `text` says it in plain words."""

    written: int
    refused: int
    organs: frozenset[str]
    kept: frozenset[str]

    @property
    def text(self) -> str:
        """One sentence for the user."""
        organs, voxels = counted(len(self.organs), "organ"), counted(self.written, "voxel")
        text = f"{organs} taken from the model ({voxels} changed)"
        if self.kept:
            kept, refused = counted(len(self.kept), "protected organ"), counted(self.refused, "voxel")
            text += f"; {kept} left as before ({refused} refused)"
        return text + "."


@dataclass(frozen=True)
class Writing:
    """What a tool's writing came to, in voxels."""

    written: int
    refused: int
    organs: frozenset[str]


@dataclass(frozen=True)
class Undone:
    """What taking back, or doing again, came to.

    Attributes
    ----------
    done : bool
        False where nothing could be done; `text` says why and what helps.
    voxel : (int, int, int) or None
        One of those that changed, (z, y, x) on the grid of the case.
    """

    done: bool
    text: str
    voxel: tuple[int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Labels and annotation at one moment, free to be saved in another thread."""

    case: str
    labels: Volume
    annotation: Annotation
    version: int

    def save(self, project: Project) -> None:
        """Write the pair to the project.

        Raises
        ------
        FileError, ProjectError
            When it cannot be written; the earlier pair is untouched.
        """
        project.save_labels(self.case, self.labels, self.annotation)
