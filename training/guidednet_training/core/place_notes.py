"""What a person decided about places of a case, accepted, fixed or skipped, and what a search found."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from .box import Box
from .errors import GuidedNetError, ProjectError
from .files import read_text, write_text
from .place import DOUBTS, Kind, Place
from .project import Project
from .record import Record

Verdict = Literal["accepted", "fixed", "skipped"]
SAME_SHARE = 0.5  # of their joint box that two boxes share if they are the same place


class Decision(Record):
    """One decision about one place; it is recognised by organ and box when the case is searched again."""

    verdict: Verdict
    kind: Kind
    organ: str
    box: Box
    author: str
    when: str = Field(description="UTC, ISO 8601")

    def settles(self, place: Place) -> bool:
        """Whether it was about this place: the same organ, half of the box, doubt or the same check."""
        same_sort = self.kind == place.kind or {self.kind, place.kind} <= DOUBTS
        return same_sort and self.organ == place.organ and self._overlap(place) >= SAME_SHARE

    def _overlap(self, place: Place) -> float:
        sides = zip(self.box.start, self.box.stop, place.box.start, place.box.stop, strict=True)
        both = math.prod(max(0, min(b, d) - max(a, c)) for a, b, c, d in sides)
        return both / (math.prod(self.box.shape) + math.prod(place.box.shape) - both)


class PlaceNotes(Record):
    """Content of `places.json` of a case: the decisions, the latest last."""

    format: Literal[1] = 1
    decisions: tuple[Decision, ...] = ()

    def verdict(self, place: Place) -> Verdict | None:
        """Give the latest decision about a place, None while it is open."""
        return next((d.verdict for d in reversed(self.decisions) if d.settles(place)), None)

    def decided(self, place: Place, verdict: Verdict, author: str) -> PlaceNotes:
        """Give notes with one more decision; an earlier one about this place goes."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        decision = Decision(
            verdict=verdict, kind=place.kind, organ=place.organ, box=place.box, author=author,
            when=when,
        )  # fmt: skip
        return self.model_copy(update={"decisions": (*self.reopened(place).decisions, decision)})

    def reopened(self, place: Place) -> PlaceNotes:
        """Give notes without a decision about this place."""
        kept = tuple(d for d in self.decisions if not d.settles(place))
        return self.model_copy(update={"decisions": kept})


class Findings(Record):
    """What a search of a case found (`cache/places/<case>.json`): can be made anew, safe to delete."""

    format: Literal[1] = 1
    case: str
    bundle: str | None = Field(None, description="whose doubt it is; none: anatomy alone")
    when: str = Field("", description="UTC, ISO 8601")
    places: tuple[Place, ...] = ()


def open_places(places: Iterable[Place], notes: PlaceNotes, skipped: bool = False) -> list[Place]:
    """Give the places without a decision, in their order; those skipped too, at the end, if wanted."""
    verdicts = [(place, notes.verdict(place)) for place in places]
    fresh = [place for place, verdict in verdicts if verdict is None]
    late = [place for place, verdict in verdicts if verdict == "skipped"]
    return fresh + late if skipped else fresh


def read_notes(project: Project, case_id: str) -> PlaceNotes:
    """Read what was decided about a case; empty notes where nothing was."""
    path = project.places_path(case_id)
    return PlaceNotes.parse(read_text(path), str(path)) if path.is_file() else PlaceNotes()


def save_notes(project: Project, case_id: str, notes: PlaceNotes) -> None:
    """Keep what was decided about a case.

    Raises
    ------
    FileError
        When it cannot be written; the earlier notes are untouched.
    ProjectError
        When the project is open for reading only.
    """
    if not project.writable:
        raise ProjectError(
            f"Project '{project.name}' is open for reading only: nothing can be decided about places.",
            "Close it where it is open for writing, then open it again.",
        )
    write_text(project.places_path(case_id), notes.to_json())


def read_findings(project: Project, case_id: str) -> Findings | None:
    """Read what the last search of a case found, None without one; a damaged file counts as none."""
    path = project.findings_path(case_id)
    try:
        return Findings.parse(read_text(path), str(path)) if path.is_file() else None
    except GuidedNetError:
        return None


def save_findings(project: Project, found: Findings) -> None:
    """Keep what a search found, for the list over all cases; FileError when it cannot be written."""
    write_text(project.findings_path(found.case), found.to_json())
