"""Gathers the facts that decide the next step; reads the disk only when something on it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..backend import OrganState, first_folder
from ..state.session import BundleRow, CaseRow
from .guide import Facts

if TYPE_CHECKING:
    from .desk import Desk


class Overview:
    """Keeps the rows of cases and bundles as they were last read."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._cases: tuple[CaseRow, ...] = ()
        self._bundles: tuple[BundleRow, ...] = ()
        session = desk.session
        for signal in (session.project_changed, session.cases_changed):
            signal.connect(self._read_cases)
        for signal in (session.project_changed, session.bundles_changed):
            signal.connect(self._read_bundles)
        self._read_cases()
        self._read_bundles()

    def _read_cases(self, *_: object) -> None:
        self._cases = self._desk.session.case_rows()

    def _read_bundles(self, *_: object) -> None:
        self._bundles = self._desk.session.bundle_rows()

    @property
    def facts(self) -> Facts:
        """The facts now."""
        desk, session = self._desk, self._desk.session
        if session.project is None:
            return Facts()
        correction = desk.correction
        second = first_folder(session.project.folder) is not None  # read by a person, nothing else
        states = set(correction.states.values()) if correction is not None else set()
        return Facts(
            project=True,
            cases=len(self._cases),
            models=0 if second else len(session.model_refs()),
            case=None if session.case is None else session.case.id,
            held_out=session.case is not None and session.case.split != "train",
            segmented=bool(states - {OrganState.UNTOUCHED}),
            open_organs=0 if correction is None else len(correction.states) - len(correction.confirmed),
            segmenting=session.case is not None and session.case.id in self._being_segmented(),
            training=bool(desk.board.running("train")),
            candidate=desk.candidate,
            untrained=0 if second else self._untrained(),
            next_case=self._next_case(),
        )

    def _being_segmented(self) -> set[str]:
        """Cases that a running segmentation has still to do."""
        jobs = self._desk.board.running("predict")
        return {name for job in jobs for name in job.cases_ahead}

    def _untrained(self) -> int:
        labelled = sum(row.split == "train" and row.confirmed > 0 for row in self._cases)
        return max(0, labelled - sum(row.labelled for row in self._bundles if row.current))

    def _next_case(self) -> str | None:
        opened = self._desk.session.case
        waiting = [
            row for row in self._cases
            if row.split == "train" and row.confirmed == 0 and (opened is None or row.id != opened.id)
        ]  # fmt: skip
        waiting.sort(key=lambda row: 2.0 if row.mean_confidence is None else row.mean_confidence)
        return waiting[0].id if waiting else None
