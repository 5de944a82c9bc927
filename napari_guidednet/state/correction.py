"""A person's work on the labels of one case: the gate for every writer, organ states, what is unsaved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from ..backend import (
    UNKNOWN,
    Annotation,
    Edit,
    GeometryError,
    OrganState,
    Project,
    SchemeError,
    Volume,
    current_author,
)
from . import gate
from .session import OpenCase, Prediction

Box = tuple[slice, slice, slice]  # z, y, x

_PIECE = 1 << 18  # voxels; stays in the processor's cache
_PAUSE_S = 20.0  # a longer gap between two strokes is a break, not work


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
        text = f"{len(self.organs)} organs taken from the model ({self.written:,} voxels changed)"
        if self.kept:
            text += f"; {len(self.kept)} protected organs kept as they were ({self.refused:,} voxels refused)"
        return text + "."


@dataclass(frozen=True)
class Writing:
    """What a tool's writing came to, in voxels."""

    written: int
    refused: int
    organs: frozenset[str]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Labels and annotation at one moment, free to be saved in another thread."""

    case: str
    labels: Volume
    annotation: Annotation
    version: int
    seal: gate.Labels | None
    protected: gate.Mask

    def save(self, project: Project) -> int:
        """Write the pair to the project; return how many protected voxels had to be put back first.

        Raises
        ------
        FileError, ProjectError
            When it cannot be written; the earlier pair is untouched.
        """
        repaired = 0
        if self.seal is not None:
            repaired = gate.repair(self.labels.array, self.seal, self.protected)
        project.save_labels(self.case, self.labels, self.annotation)
        return repaired


class Correction:
    """Work on the labels of an open case; every writer asks here first.

    Parameters
    ----------
    case : OpenCase
        Its `labels` array is worked on in place.
    author : str, optional
        Name written beside each edit; the login name if not given.
    clock : callable, optional
        Seconds, monotonic.
    """

    changed = Signal(object)  # frozenset of names of organs whose voxels changed
    rewritten = Signal()  # voxels changed by anything but the layer: it must draw anew
    states_changed = Signal()
    locks_changed = Signal()
    refused = Signal(int)  # voxels a writer wanted and did not get
    dirty_changed = Signal(bool)

    def __init__(
        self, case: OpenCase, author: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.case = case
        self.scheme = case.scheme
        self.labels = case.labels
        self.author = author or current_author()
        self.refused_voxels = 0
        self._clock = clock
        self._states = dict.fromkeys(self.scheme.names, OrganState.UNTOUCHED) | dict(case.annotation.organs)
        self._edits = list(case.annotation.edits)
        self._painting: Edit | None = None  # the last of _edits while strokes follow each other
        self._last_stroke_s: float | None = None
        self._locks: set[str] = set()
        self._version = self._saved = 0
        self._counts = _count(self.labels)
        self._before_merge: tuple[npt.NDArray[np.intp], gate.Labels, dict[str, OrganState]] | None = None
        self._protect()

    # what is known

    @property
    def states(self) -> dict[str, OrganState]:
        """State of each organ of the scheme."""
        return dict(self._states)

    @property
    def locks(self) -> frozenset[str]:
        """Organs locked by hand."""
        return frozenset(self._locks)

    @property
    def confirmed(self) -> frozenset[str]:
        """Organs a person vouches for."""
        return frozenset(name for name, state in self._states.items() if state is OrganState.CONFIRMED)

    @property
    def protected(self) -> frozenset[str]:
        """Organs no writer may change: locked or confirmed."""
        return self.locks | self.confirmed

    @property
    def dirty(self) -> bool:
        """Whether something is not saved yet."""
        return self._version != self._saved

    @property
    def seconds(self) -> float:
        """Seconds a person has painted on this case, over all sessions."""
        return sum(edit.seconds for edit in self._edits)

    @property
    def annotation(self) -> Annotation:
        """The record as it would be saved now."""
        return Annotation(scheme=self.scheme.name, organs=self._states, edits=tuple(self._edits))

    def volumes_ml(self) -> dict[str, float]:
        """Give the volume of each organ now."""
        voxel_ml = self.case.image.geometry.voxel_ml
        return {name: float(self._counts[self.scheme.value(name)]) * voxel_ml for name in self.scheme.names}

    # locks and states

    def lock(self, names: Iterable[str]) -> None:
        """Protect organs from every writer until unlocked."""
        self._set_locks(self._locks | self._known(names))

    def unlock(self, names: Iterable[str]) -> None:
        """Let organs be written again; a confirmed organ stays protected until reopened."""
        self._set_locks(self._locks - self._known(names))

    def confirm(self, names: Iterable[str]) -> None:
        """Vouch for organs, present or absent: they are protected and join the labelled cases."""
        self._vouch(self._known(names) - self.confirmed, OrganState.CONFIRMED, "confirmed")

    def reopen(self, names: Iterable[str]) -> None:
        """Take a confirmation back: the organs can be corrected again."""
        self._vouch(self._known(names) & self.confirmed, OrganState.CORRECTED, "reopened")

    # writers

    def allowed(self, old: gate.Labels, new: gate.Labels | int) -> gate.Mask:
        """Tell where a writer may turn `old` into `new`; see `gate.allowed`."""
        return gate.allowed(old, new, self._table)

    def refuse(self, voxels: int) -> None:
        """Count what a writer wanted and did not get."""
        if voxels:
            self.refused_voxels += voxels
            self.refused.emit(voxels)

    def painted(self, old: gate.Labels, new: gate.Labels | int) -> frozenset[str]:
        """Note a stroke that was written; give the organs it changed.

        Parameters
        ----------
        old, new : array (n,) of uint8
            Values before and after in the voxels that changed.
        """
        lost, gained = _count(old), np.zeros(256, np.int64)
        if isinstance(new, int):
            gained[new] = old.size
        else:
            gained = _count(new)
        self._counts += gained - lost
        names = frozenset(
            self.scheme.organ(int(v)).name
            for v in np.flatnonzero(lost + gained)
            if 0 < v < self.scheme.n_classes
        )
        self._before_merge = None
        self._note_stroke(names)
        self._set_states(names, OrganState.CORRECTED)
        self._touch(names)
        return names

    def write(self, box: Box, new: gate.Labels, tool: str, bundle: str | None = None) -> Writing:
        """Let a tool write labels, as far as the gate allows; the layer draws them anew.

        Parameters
        ----------
        box : three slices (z, y, x)
            Where, on the grid of the case.
        new : array of uint8
            The labels wanted there, of the box's shape; equal to those now where nothing shall change.
        tool : str
            What wrote, in words: "grow".
        bundle : str, optional
            The model whose labels these are.
        """
        old = self.labels[box].copy()
        wanted = old != new
        write = wanted & self.allowed(old, new)
        count = int(np.count_nonzero(write))
        refused = int(np.count_nonzero(wanted)) - count
        organs: frozenset[str] = frozenset()
        if count:
            self.labels[box][write] = new[write]
            organs = self.painted(old[write], new[write])
            self.rewritten.emit()
        self.refuse(refused)
        return Writing(count, refused, organs)

    def merge(self, prediction: Prediction, keep_corrected: bool = True) -> MergeReport:
        """Take a model's labels wherever no person has the say.

        Parameters
        ----------
        prediction : Prediction
            On the grid and in the scheme of the case.
        keep_corrected : bool
            Keep organs a person has corrected as well as those confirmed or locked.

        Raises
        ------
        GeometryError
            When the prediction is on another grid.
        """
        if prediction.labels.array.shape != self.labels.shape:
            raise GeometryError(
                f"The prediction has {prediction.labels.array.shape} voxels, the case {self.labels.shape}.",
                "Segment this case again.",
            )
        kept = self.protected | (self._in_state(OrganState.CORRECTED) if keep_corrected else frozenset())
        table = gate.protection(self.scheme.value(name) for name in kept)
        labels, refused = gate.merged(self.labels, prediction.labels.array, table)
        where = np.flatnonzero(labels != self.labels)
        self._before_merge = (where, self.labels.reshape(-1)[where], self.states)
        self.labels[...] = labels
        self._counts = _count(self.labels)
        organs = frozenset(self.scheme.names) - kept
        self._add_edit("predicted", organs, bundle=prediction.bundle)
        self._set_states(organs, OrganState.PREDICTED)
        self.refuse(refused)
        self.rewritten.emit()
        self._touch(organs)
        return MergeReport(len(where), refused, organs, kept)

    def undo_merge(self) -> bool:
        """Take the last merge back, if nothing was painted, locked or confirmed since; tell whether."""
        if self._before_merge is None:
            return False
        where, values, states = self._before_merge
        self._before_merge = None
        self.labels.reshape(-1)[where] = values
        self._counts = _count(self.labels)
        self._states = states
        self._edits.pop()
        self.rewritten.emit()
        self.states_changed.emit()
        self._touch(frozenset(self.scheme.names))
        return True

    # saving

    def snapshot(self) -> Snapshot:
        """Copy what is to be saved; quick, for the main thread. Then `Snapshot.save` in a worker."""
        labels = self.case.image.like(self.labels.copy(), "labels")
        return Snapshot(self.case.id, labels, self.annotation, self._version, self._seal, self._table)

    def saved(self, snapshot: Snapshot, repaired: int = 0) -> None:
        """Note that a snapshot is on disk; what happened since stays unsaved."""
        if repaired:
            self.repair()
        was_dirty, self._saved = self.dirty, snapshot.version
        if was_dirty != self.dirty:
            self.dirty_changed.emit(self.dirty)

    def repair(self) -> int:
        """Put protected voxels back where something wrote past the gate; return how many."""
        repaired = 0 if self._seal is None else gate.repair(self.labels, self._seal, self._table)
        if repaired:
            self._counts = _count(self.labels)
            self.refuse(repaired)
            self.rewritten.emit()
        return repaired

    # within

    def _known(self, names: Iterable[str]) -> set[str]:
        names = set(names)
        strange = sorted(names - set(self.scheme.names))
        if strange:
            raise SchemeError(
                f"The scheme {self.scheme.name} has no organ '{strange[0]}'.",
                f"Its organs: {', '.join(self.scheme.names)}.",
            )
        return names

    def _in_state(self, state: OrganState) -> frozenset[str]:
        return frozenset(name for name, own in self._states.items() if own is state)

    def _set_locks(self, locks: set[str]) -> None:
        if locks != self._locks:
            self.repair()
            self._locks = locks
            self._before_merge = None
            self._protect()
            self.locks_changed.emit()

    def _vouch(self, names: set[str], state: OrganState, action: str) -> None:
        if not names:
            return
        self.repair()
        self._before_merge = None
        self._add_edit(action, frozenset(names))
        self._set_states(frozenset(names), state)
        self._protect()
        self._touch(frozenset())

    def _protect(self) -> None:
        values = [self.scheme.value(name) for name in self.protected]
        strange = range(self.scheme.n_classes, UNKNOWN)  # values of no organ are never written
        self._table = gate.protection([*values, *strange])
        self._seal = gate.sealed(self.labels, self._table) if values else None

    def _set_states(self, names: frozenset[str], state: OrganState) -> None:
        moved = [name for name in names if self._states[name] is not state]
        for name in moved:
            self._states[name] = state
        if moved:
            self.states_changed.emit()

    def _note_stroke(self, names: frozenset[str]) -> None:
        now_s = self._clock()
        seconds = 1.0 if self._last_stroke_s is None else min(now_s - self._last_stroke_s, _PAUSE_S)
        self._last_stroke_s = now_s
        if self._painting is not None and self._edits[-1] is self._painting:
            last = self._edits.pop()
            names, seconds = names | set(last.organs), seconds + last.seconds
        self._add_edit("painted", names, seconds=round(seconds, 3))
        self._painting = self._edits[-1]

    def _add_edit(
        self, action: str, organs: frozenset[str], bundle: str | None = None, seconds: float = 0.0
    ) -> None:
        named = tuple(name for name in self.scheme.names if name in organs)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        content = {
            "author": self.author,
            "when": when,
            "action": action,
            "organs": named,
            "bundle": bundle,
            "seconds": seconds,
        }
        self._edits.append(Edit.model_validate(content))

    def _touch(self, names: frozenset[str]) -> None:
        was_dirty = self.dirty
        self._version += 1
        if not was_dirty:
            self.dirty_changed.emit(True)
        if names:
            self.changed.emit(names)


def _count(labels: gate.Labels) -> npt.NDArray[np.int64]:
    """Count voxels per value; in pieces, since bincount makes eight bytes of each of its voxels."""
    flat = labels.reshape(-1)
    counts = np.zeros(256, np.int64)
    for start in range(0, flat.size, _PIECE):
        counts += np.bincount(flat[start : start + _PIECE], minlength=256)
    return counts
