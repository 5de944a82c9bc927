"""The project of the demo: synthetic patients, some labelled, most not, some held out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.case import Split
from ..core.labels import AMOS_15, LabelScheme
from ..core.phantom import make_phantom
from ..core.project import Project
from ..core.volume import Volume, write_volume

SCHEME: LabelScheme = AMOS_15
# id -> split and whether it comes with labels. Few labelled and more unlabelled cases, as in a hospital.
CASES: dict[str, tuple[Split, bool]] = {
    "labelled-1": ("train", True),
    "labelled-2": ("train", True),
    "labelled-3": ("train", True),
    "unlabelled-1": ("train", False),
    "unlabelled-2": ("train", False),
    "unlabelled-3": ("train", False),
    "unlabelled-4": ("train", False),
    "validation-1": ("val", True),
    "validation-2": ("val", True),
    "test-1": ("test", True),
    "test-2": ("test", True),
}
FIRST = "unlabelled-1"  # the case the person opens


def patient(case: str, seed: int) -> tuple[Volume, Volume]:
    """Give CT and true labels of a synthetic patient; the same for the same case and seed."""
    return make_phantom(1000 * seed + list(CASES).index(case), scheme=SCHEME)


def make_project(folder: Path, seed: int, progress: Callable[[int, int], None]) -> Project:
    """Make the project, open for writing, its CTs in a folder of their own inside it."""
    project = Project.create(folder, "GuidedNet demo", SCHEME.name)
    for done, (case, (split, labelled)) in enumerate(CASES.items()):
        progress(done, len(CASES))
        ct, labels = patient(case, seed)
        path = folder / "images" / f"{case}.nii.gz"
        write_volume(path, ct)
        confirmed = SCHEME.names if labelled else ()
        project.add_case(path, case, split, labels if labelled else None, confirmed)
    return project
