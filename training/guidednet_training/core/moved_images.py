"""CTs that were moved: found again by their name in a folder, and taken only if they are the very same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .dicom import is_dicom_file
from .errors import FileError, GuidedNetError, ProjectError
from .new_case import named_path
from .project import Project

Progress = Callable[[int, int, str], None]  # done, of how many, case


@dataclass(frozen=True)
class Relocated:
    """What a search came to.

    Attributes
    ----------
    found : mapping of case to Path
        Where each CT is now; the project knows it.
    missing : mapping of case to str
        Why a CT was not found, in words.
    """

    found: dict[str, Path]
    missing: dict[str, str]


def lost_cases(project: Project) -> tuple[str, ...]:
    """Give the cases whose CT is not where the project thinks."""
    return tuple(case.id for case in project.cases if not project.image_path(case.id).exists())


def relocate_cases(
    project: Project, where: Path, cases: Iterable[str] = (), progress: Progress | None = None
) -> Relocated:
    """Tell the project where CTs are now.

    Parameters
    ----------
    project : Project
        Open for writing.
    where : Path
        The CT of the one case that is named, or a folder that is searched, with all below it, for files and
        DICOM folders of the same names.
    cases : iterable of str
        Those to be searched for; empty for all whose CT is gone.

    Raises
    ------
    FileError
        When there is nothing at `where`.
    ProjectError
        When a case is unknown, or the project is open for reading only.
    """
    where = named_path(where)
    if not where.exists():
        raise FileError(f"There is nothing at {where}.", "Give the file, or a folder above it.")
    wanted = tuple(project.case(name).id for name in cases) or lost_cases(project)
    if where.is_file() and len(wanted) != 1:
        raise ProjectError(
            f"{where} is one file, and {len(wanted)} cases were meant.", "Name the case whose CT it is."
        )
    found: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for number, case in enumerate(wanted):
        if progress is not None:
            progress(number, len(wanted), case)
        why = f"nothing named {Path(project.case(case).image).name} is there"
        for path in _candidates(project, case, where, alone=len(wanted) == 1):
            try:
                project.relocate(case, path)
            except ProjectError:
                raise
            except GuidedNetError as error:  # another CT of that name, or no CT at all
                why = error.message
                continue
            found[case] = path
            break
        if case not in found:
            missing[case] = why
    return Relocated(found, missing)


def _candidates(project: Project, case: str, where: Path, alone: bool) -> Iterator[Path]:
    """Give what may be the CT of a case: what was named itself, then all of its name below."""
    name = Path(project.case(case).image).name
    if where.is_file() or where.name == name or (alone and _holds_slices(where)):
        yield where
    if where.is_dir():
        yield from sorted(where.rglob(_literal(name)))


def _holds_slices(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() and is_dicom_file(path) for path in folder.iterdir())


def _literal(name: str) -> str:
    """Write a name so that its brackets and stars stand for themselves."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
