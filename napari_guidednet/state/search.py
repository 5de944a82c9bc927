"""The search for places worth a look in one case: what it needs, and the work, for a thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from ..backend import (
    Change,
    CheckedCase,
    Findings,
    Place,
    Project,
    Volume,
    check_anatomy,
    confirmed_volumes,
    find_doubts,
    ranked,
    remedied,
    save_findings,
    usual_volumes,
)
from .correction import Correction
from .history import History
from .opinions import mixture_of, newest_other, opinions
from .session import Prediction, Session

MOST = 60  # places of a case; more are not looked at in one go
WHOLESALE = frozenset({"model", "restore"})  # they change labels everywhere: what was found before is past


@dataclass(frozen=True, eq=False)
class Search:
    """What a search of a case needs.

    Attributes
    ----------
    labels : array (z, y, x) of uint8
        As they are now.
    grid : Volume
        Labels or CT: for its geometry.
    image : Volume or None
        The CT, where it is in memory.
    prediction : Prediction or None
        Without one only the anatomy is checked.
    """

    project: Project
    case: str
    labels: npt.NDArray[np.uint8]
    grid: Volume
    image: Volume | None
    prediction: Prediction | None

    @classmethod
    def of_open(cls, session: Session, correction: Correction) -> Search:
        """Look through the open case; its labels are read as they are when the thread comes to them."""
        image, shown = correction.case.image, session.prediction
        prediction = shown if shown is not None and shown.case == correction.case.id else None
        return cls(session.opened, correction.case.id, correction.labels, image, image, prediction)

    @classmethod
    def of_stored(cls, session: Session, case_id: str) -> Search | None:
        """Look through a case as it is on disk (reads it: for a worker); None where there are no labels."""
        project = session.opened
        prediction, stored = session.load_prediction(case_id), project.labels(case_id)
        labels = stored if stored is not None else prediction.labels if prediction is not None else None
        if labels is None:
            return None
        return cls(project, case_id, labels.array, labels, None, prediction)

    def run(self) -> tuple[Place, ...]:
        """Search, keep what was found for the list over all cases, and give it, the best first.

        Seconds on a large CT: for a worker.
        """
        found = [*self._doubts(), *self._checks()]
        places = tuple(ranked(found, MOST))
        if self.project.writable:
            bundle = None if self.prediction is None else self.prediction.bundle
            when = datetime.now(UTC).isoformat(timespec="seconds")
            save_findings(self.project, Findings(case=self.case, bundle=bundle, when=when, places=places))
        return places

    def _doubts(self) -> list[Place]:
        said = self.prediction
        if said is None:
            return []
        rival = newest_other(self.project, self.case, said.bundle)
        mixture = mixture_of(self.project, self.case, said.bundle)
        return find_doubts(
            said.labels, said.maps, said.scheme, now=self.labels, image=self.image,
            rival=rival, mixture=mixture, limit=MOST,
        )  # fmt: skip

    def _checks(self) -> list[Place]:
        if not self.labels.any():
            return []  # nothing is labelled yet: every organ would be absent
        usual = usual_volumes(confirmed_volumes(self.project, without=self.case))
        case = CheckedCase(self.labels, self.project.scheme, self.grid.geometry, self.image)
        found = check_anatomy(case.labels, case.scheme, case.geometry, case.image, usual, MOST)
        shown = None if self.prediction is None else self.prediction.bundle
        return remedied(found, case, usual, opinions(self.project, self.case, first=shown))


def outdates(change: Change, history: History) -> bool:
    """Tell whether a change makes a new search due: labels written, undone or redone all over the case."""
    tool = change.tool if change.of is None else history.headers(change.of)[0].tool
    return tool in WHOLESALE
