"""A person's work on the labels of one case: every writer comes here; all is journaled, all can be undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from psygnal import Signal

from ..backend import (
    DISPLAY,
    FENCE,
    LOCK,
    UNFENCE,
    UNKNOWN,
    UNLOCK,
    Annotation,
    GeometryError,
    OrganState,
    Outside,
    current_author,
)
from . import gate
from .gate import Index, Labels, Mask, refusal
from .history import History
from .ledger import Ledger, States
from .merging import Merging, plan_merge
from .outcome import MergeReport, Snapshot, Undone, Writing
from .session import OpenCase, Prediction
from .stroke import Piece, Stroke, combined
from .undoing import Undoing
from .voxels import Voxels

__all__ = ["Box", "Correction", "MergeReport", "Snapshot", "Undone", "Writing"]

Box = tuple[slice, slice, slice]  # z, y, x

_NOTHING: Piece = combined(())
STRANGER = "another program"  # what wrote past the gate


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
    locks_changed = Signal()  # organs, slices, or the edge of the body
    refused = Signal(int)  # voxels a writer wanted and did not get; `refusal` says why
    undone = Signal(object)  # Undone: something was taken back or done again, or could not be
    journaled = Signal(object)  # Change: to be put on disk
    dirty_changed = Signal(bool)

    def __init__(
        self, case: OpenCase, author: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.case = case
        self.scheme = case.scheme
        self.labels = case.labels
        self.author = author or current_author()
        self.refused_voxels = 0
        self.refusal = ""
        self.voxels = Voxels(case.labels, case.counts)
        self._undoing = Undoing(self)
        number = max(case.annotation.change or 0, case.past[-1].header.number if case.past else 0)
        self._ledger = Ledger(self.scheme, case.annotation, number, self.author, clock)
        self._version, self._saved = 0, -1 if case.recovered else 0
        self._outside = case.outside
        self._stroke = Stroke()
        self._protect()

    # what is known

    @property
    def annotation(self) -> Annotation:
        """The record as it would be saved now."""
        return self._ledger.annotation

    @property
    def states(self) -> dict[str, OrganState]:
        """State of each organ of the scheme."""
        return dict(self.annotation.organs)

    @property
    def begun(self) -> bool:
        """Whether a person or a model has done anything to an organ."""
        return set(self.states.values()) != {OrganState.UNTOUCHED}

    @property
    def locks(self) -> frozenset[str]:
        """Organs locked by hand."""
        return frozenset(self.annotation.locks)

    @property
    def confirmed(self) -> frozenset[str]:
        """Organs a person vouches for."""
        return self.annotation.confirmed

    @property
    def confirmed_slices(self) -> frozenset[int]:
        """Slices a person vouches for, along the axial axis of the grid."""
        return frozenset(self.annotation.slices)

    @property
    def protected(self) -> frozenset[str]:
        """Organs no writer may change: locked or confirmed."""
        return self.locks | self.confirmed

    @property
    def dirty(self) -> bool:
        """Whether something is journaled only, and not in the saved labels yet."""
        return self._version != self._saved

    @property
    def seconds(self) -> float:
        """Seconds a person has worked on this case, over all sessions."""
        return sum(edit.seconds for edit in self.annotation.edits)

    def volumes_ml(self) -> dict[str, float]:
        """Give the volume of each organ now."""
        voxel_ml = self.case.image.geometry.voxel_ml
        return {
            name: float(self.voxels.counts[self.scheme.value(name)]) * voxel_ml for name in self.scheme.names
        }

    # locks and states

    def lock(self, names: Iterable[str]) -> None:
        """Protect organs from every writer until unlocked."""
        self._turn_locks(LOCK, self._ledger.known(names) - self.locks)

    def unlock(self, names: Iterable[str]) -> None:
        """Let organs be written again; a confirmed organ stays protected until reopened."""
        self._turn_locks(UNLOCK, self._ledger.known(names) & self.locks)

    def confirm(self, names: Iterable[str]) -> None:
        """Vouch for organs, present or absent: they are protected and join the labelled cases."""
        self._vouch("confirm", self._ledger.known(names) - self.confirmed, OrganState.CONFIRMED)

    def reopen(self, names: Iterable[str]) -> None:
        """Take a confirmation back: the organs can be corrected again."""
        self._vouch("reopen", self._ledger.known(names) & self.confirmed, OrganState.CORRECTED)

    def confirm_slices(self, slices: Iterable[int]) -> None:
        """Vouch for whole slices along the axial axis of the grid: no writer changes them."""
        self._turn_slices("confirm slice", set(slices) - self.confirmed_slices)

    def reopen_slices(self, slices: Iterable[int]) -> None:
        """Let slices be written again."""
        self._turn_slices("reopen slice", set(slices) & self.confirmed_slices)

    @property
    def inside_body(self) -> bool:
        """Whether no organ may be written outside the body."""
        return self._outside is not None

    def keep_inside(self, outside: Outside | None) -> None:
        """Let no organ be written there (see `find_outside`), or anywhere again if None."""
        self._settle()
        self._outside = outside
        if (outside is not None) != self.annotation.inside_body:
            tool = UNFENCE if outside is None else FENCE
            self._make(tool, frozenset(), _NOTHING, {}, by_hand=False)
        self._protect()

    # writers

    def allowed(self, old: Labels, new: Labels | int) -> Mask:
        """Tell where organ locks let a writer turn `old` into `new`; see `gate.allowed`."""
        return gate.allowed(old, new, self.gate.protected)

    def gate_of(self, tool: str) -> gate.Gate:
        """Give what a tool is measured by: a confirmation gives way to whoever vouches, a lock does not."""
        return self._vouched_gate if tool in gate.VOUCHED else self.gate

    def begin(self) -> None:
        """What is written from now on is one stroke."""
        self.commit()
        self._stroke.held, self._stroke.begun = True, False

    def end(self) -> bool:
        """The stroke is over; tell whether it changed anything."""
        self.commit()
        wrote = self._stroke.begun
        self._stroke.held = self._stroke.begun = False
        return wrote

    def put(self, index: Index, new: Labels | int, tool: str, bundle: str | None = None) -> Mask:
        """Let a tool write voxels, as far as the gate allows; the layer that asks draws them itself.

        Parameters
        ----------
        index : array (n,) of int64
            Different places in the flattened (z, y, x) grid.
        new : array (n,) of uint8, or one value
            The labels wanted there.
        tool : str
            What wrote, in words: "paint".

        Returns
        -------
        array (n,) of bool
            Where something was written.
        """
        old = self.voxels.at(index)
        write, refused = self.gate_of(tool).judge(index, old, new)
        places = index[write]
        values = np.full(places.size, new, np.uint8) if isinstance(new, int) else new[write]
        piece = places, old[write], values
        self.voxels.write(piece)
        self._stroke.write(piece, tool)
        self._stroke.refuse(refused)
        if not self._stroke.held:
            self.commit(bundle)
        return write

    def commit(self, bundle: str | None = None) -> None:
        """Journal what was written since; a stroke that goes on is continued by the next change."""
        refused = self._stroke.take_refused()
        tool, piece = self._stroke.tool, self._stroke.take()
        if piece[0].size:
            names = self._ledger.organs_in(piece)
            states = self._ledger.moved(names - self.confirmed, OrganState.CORRECTED)
            goes_on = self._stroke.held and self._stroke.begun
            self._stroke.begun = True
            self._make(tool, names, piece, states, bundle=bundle, continues=goes_on)
        self._refuse(refused)

    def write(self, box: Box, new: Labels, tool: str, bundle: str | None = None) -> Writing:
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
        self.end()
        index, wanted = self.voxels.differing(box, new)
        old = self.voxels.at(index)
        write = self.put(index, wanted, tool, bundle)
        count = int(np.count_nonzero(write))
        if count:
            self.rewritten.emit()
        organs = self._ledger.organs_in((index[write], old[write], wanted[write]))
        return Writing(count, index.size - count, organs)

    def restore(self, labels: Labels) -> Writing:
        """Take former labels of the case, (z, y, x), as far as the gate allows."""
        everywhere = tuple(slice(0, n) for n in self.labels.shape)
        return self.write((everywhere[0], everywhere[1], everywhere[2]), labels, "restore")

    def merge(self, prediction: Prediction, keep_corrected: bool = True) -> MergeReport:
        """Take a model's labels wherever no person has the say; see `merging.plan_merge`."""
        self.end()
        return self._carry_out(plan_merge(self, prediction, keep_corrected))

    def merge_planned(self, plan: Merging) -> MergeReport | None:
        """Take a model's labels as it was worked out aside; None where somebody has worked since."""
        self.end()
        return self._carry_out(plan) if plan.holds(self) else None

    def _carry_out(self, plan: Merging) -> MergeReport:
        self.voxels.write(plan.piece, plan.gained, plan.lost)
        organs = frozenset(self.scheme.names) - plan.kept
        states = self._ledger.moved(organs, OrganState.PREDICTED)
        bundle = plan.prediction.bundle
        self._make("model", organs, plan.piece, states, bundle=bundle, by_hand=False)
        self._refuse({gate.ORGANS: plan.refused} if plan.refused else {})
        self.rewritten.emit()
        return MergeReport(plan.piece[0].size, plan.refused, organs, plan.kept)

    # taking back

    @property
    def history(self) -> History:
        """The changes that can be taken back or done again."""
        return self._undoing.history

    def undo(self) -> Undone:
        """Take the last change back, whatever made it and in whichever session."""
        self.end()
        return self._told(self._undoing.undo())

    def redo(self) -> Undone:
        """Do again what was taken back last."""
        self.end()
        return self._told(self._undoing.redo())

    def undo_organ(self, name: str) -> Undone:
        """Take back the last change of one organ; what was done to others since stays."""
        self.end()
        self._ledger.known([name])
        return self._told(self._undoing.undo_organ(name, self.scheme.value(name)))

    def undo_merge(self) -> bool:
        """Take the last merge back, if nothing was done since; tell whether."""
        number = self.history.undoable
        if number is None or self.history.headers(number)[0].tool != "model":
            return False
        return self.undo().done

    def turn(self, piece: Piece, tool: str, organs: frozenset[str], states: States, **more: Any) -> None:
        """Write what the history asks for; `Undoing` has asked the gate."""
        touched = self._ledger.organs_of(self.voxels.write(piece))
        self._make(tool, organs | touched, piece, states, **more)
        self._protect()
        if piece[0].size:
            self.rewritten.emit()

    # saving

    def snapshot(self) -> Snapshot:
        """Copy what is to be saved; quick, for the main thread. Then `Snapshot.save` in a worker."""
        self.commit()
        self.repair()
        known = self.annotation.model_copy(update={"change": self._ledger.number})
        labels = self.case.image.like(self.voxels.copy(), "labels")
        return Snapshot(self.case.id, labels, known, self._version)

    def saved(self, snapshot: Snapshot) -> None:
        """Note that a snapshot is on disk and needed no more; what happened since stays unsaved."""
        self.voxels.give_back(snapshot.labels.array)
        was_dirty, self._saved = self.dirty, snapshot.version
        if was_dirty != self.dirty:
            self.dirty_changed.emit(self.dirty)

    def repair(self) -> int:
        """Let what was written past the gate through it; return how many voxels had to be put back."""
        index, wanted = self.voxels.take_strays()
        if not index.size:
            return 0
        self.end()
        kept = int(np.count_nonzero(~self.put(index, wanted, STRANGER)))
        self.rewritten.emit()
        return kept

    def titles(self, names: Iterable[str]) -> str:
        """Give organs in words."""
        return ", ".join(self.scheme.organ(self.scheme.value(name)).title for name in sorted(names))

    # within

    def _vouch(self, tool: str, names: set[str], state: OrganState) -> None:
        if names:
            self._settle()
            self._make(tool, frozenset(names), _NOTHING, self._ledger.moved(names, state))
            self._protect()

    def _turn_locks(self, tool: str, names: set[str]) -> None:
        if names:
            self._settle()
            self._make(tool, frozenset(names), _NOTHING, {}, by_hand=False)
            self._protect()

    def _turn_slices(self, tool: str, slices: set[int]) -> None:
        strange = [n for n in slices if not 0 <= n < self.labels.shape[self.gate.axis]]
        if strange:
            raise GeometryError(f"The case has no slice {strange[0]} along its axial axis.")
        if slices:
            self._settle()
            self._make(tool, frozenset(), _NOTHING, {}, slices=tuple(sorted(slices)))
            self._protect()

    def _settle(self) -> None:
        """Bring everything written so far to the gate as it was, before it changes."""
        self.end()
        self.repair()

    def _protect(self) -> None:
        former = getattr(self, "gate", None)
        self.gate, self._vouched_gate = self._closed_to(self.protected), self._closed_to(self.locks)
        if former is not None:
            self.locks_changed.emit()

    def _closed_to(self, organs: frozenset[str]) -> gate.Gate:
        geometry = self.case.image.geometry
        strange = range(self.scheme.n_classes, UNKNOWN)  # values of no organ are never written
        table = gate.protection([*(self.scheme.value(name) for name in organs), *strange])
        axis = geometry.reorient_to(DISPLAY).permutation[0]
        return gate.Gate(table, geometry.shape, axis, self.confirmed_slices, self._outside)

    def _make(self, tool: str, organs: frozenset[str], piece: Piece, states: States, **more: Any) -> None:
        """Journal a change whose voxels are written, and tell everybody."""
        change = self._ledger.change(tool, organs, piece, states, **more)
        self.history.take(change)
        self.journaled.emit(change)
        was_dirty = self.dirty
        self._version += 1
        if not was_dirty:
            self.dirty_changed.emit(True)
        if change.states:
            self.states_changed.emit()
        if change.voxels or change.tool == "model":
            self.changed.emit(organs)

    def _refuse(self, counts: dict[str, int]) -> None:
        voxels = sum(counts.values())
        if voxels:
            self.refused_voxels += voxels
            self.refusal = refusal(counts, self.titles(self.protected))
            self.refused.emit(voxels)

    def _told(self, undone: Undone) -> Undone:
        self.undone.emit(undone)
        return undone
