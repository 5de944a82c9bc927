"""The content of `project.json`: its schema, the named upgrades to it, the split rule, the model in use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from .case import Split
from .errors import GuidedNetError, ProjectError
from .record import Record

SCHEMA = 1  # raise it with an Upgrade below whenever the meaning of a stored file changes

Content = dict[str, Any]


@dataclass(frozen=True)
class Upgrade:
    """One step from schema `to - 1` to schema `to`, with a name a person can read in a message."""

    to: int
    name: str
    apply: Callable[[Content], Content]


UPGRADES: tuple[Upgrade, ...] = ()  # schema 1 is the first


class SplitRule(Record):
    """How a new case gets its split: by its id and the seed alone, so the order of adding is no matter."""

    seed: int = 0
    val: float = Field(default=0.2, ge=0, le=1)
    test: float = Field(
        default=0.2, ge=0, le=1, description="of cases that come with labels; others are never test"
    )

    def split_of(self, case_id: str, labelled: bool) -> Split:
        """Give the split of a case; a CT without labels goes to train or val, for test needs truth."""
        digest = hashlib.sha256(f"{self.seed}:{case_id}".encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        if share < self.val:
            return "val"
        return "test" if labelled and share < self.val + self.test else "train"


class PointerMove(Record):
    """One change of the model in use."""

    action: Literal["promoted", "rolled back"]
    bundle: str | None  # in use afterwards; none = the starter
    when: str


class ProjectFile(Record):
    """The content of `project.json`."""

    schema_version: int = SCHEMA
    name: str = Field(min_length=1, max_length=200)
    scheme: str
    splits: SplitRule = SplitRule()
    current: str | None = None
    history: tuple[PointerMove, ...] = ()
    declined: tuple[str, ...] = Field(
        default=(), description="bundles that a person looked at and did not put in use"
    )

    @property
    def decided(self) -> frozenset[str]:
        """The bundles that a person has decided about."""
        return frozenset((*self.declined, *(move.bundle for move in self.history if move.bundle)))

    def declining(self, bundle: str) -> ProjectFile:
        """Give the file with the decision not to put a bundle in use."""
        return self.model_copy(update={"declined": (*self.declined, bundle)})

    def promoted(self, bundle: str) -> ProjectFile:
        """Give the file with another model in use."""
        return self._moved("promoted", bundle)

    def rolled_back(self) -> ProjectFile:
        """Give the file with the model in use that was there before the last promotion not yet undone.

        Raises
        ------
        ProjectError
            When there is nothing to go back to.
        """
        before = self.before()
        if not before:
            raise ProjectError("There is no earlier model to go back to.", "No promotion is left to undo.")
        return self._moved("rolled back", before[-1])

    def before(self) -> tuple[str | None, ...]:
        """Give the models that going back would put in use, the next one last; None is the starter."""
        stack: list[str | None] = [None]
        for move in self.history:
            if move.action == "promoted":
                stack.append(move.bundle)
            elif len(stack) > 1:  # a file written by hand may go back further
                stack.pop()
        return tuple(stack[:-1])

    def _moved(self, action: Literal["promoted", "rolled back"], bundle: str | None) -> ProjectFile:
        move = PointerMove(action=action, bundle=bundle, when=utc_now())
        return self.model_copy(update={"current": bundle, "history": (*self.history, move)})


def parse_project_file(text: str, origin: str) -> tuple[ProjectFile, tuple[str, ...]]:
    """Read `project.json`, bringing an older schema up to date in memory.

    Returns
    -------
    (ProjectFile, names of the upgrades that were applied)

    Raises
    ------
    ProjectError
        When it is damaged or was made by a newer version of the program.
    """
    try:
        content = json.loads(text)
        version = int(content["schema_version"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ProjectError(
            f"{origin} is damaged: it does not say its schema version.", "Restore it from a backup."
        ) from error
    if version > SCHEMA:
        raise ProjectError(
            f"{origin} has schema {version}; this version of the program knows up to {SCHEMA}.",
            "Open the project with the newer version that made it. Nothing was changed.",
        )
    content, applied = _upgraded(content, version, origin)
    try:
        return ProjectFile.parse(content, origin), applied
    except GuidedNetError as error:
        raise ProjectError(error.message, error.hint) from error


def utc_now() -> str:
    """Give the time as UTC, ISO 8601, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _upgraded(content: Content, version: int, origin: str) -> tuple[Content, tuple[str, ...]]:
    steps = {upgrade.to: upgrade for upgrade in UPGRADES}
    applied = []
    for target in range(version + 1, SCHEMA + 1):
        if target not in steps:
            raise ProjectError(f"{origin} has schema {version}, which can no longer be upgraded.")
        content = steps[target].apply(content) | {"schema_version": target}
        applied.append(steps[target].name)
    return content, tuple(applied)
