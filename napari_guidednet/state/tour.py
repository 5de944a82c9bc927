"""The way through the places of a case: which come next, which are worth it, what was decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from ..backend import LabelScheme, Place, PlaceNotes, Verdict, counted, open_places

# name: (title, kinds of place); "unsure" and "unfamiliar" are different questions and stay apart
GROUPS: dict[str, tuple[str, frozenset[str]]] = {
    "all": ("everything", frozenset()),
    "unsure": ("unsure", frozenset({"unsure", "contradicted"})),
    "unfamiliar": ("unfamiliar", frozenset({"unfamiliar"})),
    "differences": ("models differ", frozenset({"networks", "models"})),
    "anatomy": (
        "anatomy",
        frozenset({"pieces", "side", "touching", "hole", "cut", "volume", "mirrored"}),
    ),
}
KIND_TITLES = {
    "unsure": "unsure", "contradicted": "contradicted", "unfamiliar": "unfamiliar",
    "networks": "networks differ", "models": "models differ", "pieces": "in pieces", "side": "wrong side",
    "touching": "touching", "hole": "hole", "cut": "cut off", "volume": "volume", "mirrored": "mirrored",
}  # fmt: skip


class Tour:
    """The places of one case and the one a person stands at.

    Parameters
    ----------
    case : str
        Its id.
    places : sequence of Place
        The best worth of a minute first.
    notes : PlaceNotes
        What was decided before.
    author : str
        Who decides now.
    protected : callable
        Gives the organs that are confirmed or locked: their places need no look.
    """

    changed = Signal()

    def __init__(
        self,
        case: str,
        places: Sequence[Place],
        notes: PlaceNotes,
        author: str,
        protected: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.case = case
        self.notes = notes
        self.group = "all"
        self.level = 0.0  # points of Dice a minute; places that promise less are left
        self.current: Place | None = None
        self._after: Place | None = None  # what came behind the place decided last
        self._author = author
        self._protected = protected
        self._places = tuple(places)

    @property
    def waiting(self) -> tuple[Place, ...]:
        """Places of the chosen group that are open, then those skipped; protected organs' are left out."""
        protected = self._protected()
        return tuple(place for place in self._open if place.organ not in protected)

    @property
    def hidden(self) -> tuple[Place, ...]:
        """Open places of the chosen group that are left out: their organs are confirmed or locked."""
        protected = self._protected()
        return tuple(place for place in self._open if place.organ in protected)

    @property
    def _open(self) -> tuple[Place, ...]:
        kinds = GROUPS[self.group][1]
        seen = [place for place in self._places if not kinds or place.kind in kinds]
        return tuple(open_places(seen, self.notes, skipped=True))

    @property
    def worth(self) -> tuple[Place, ...]:
        """Those that promise the chosen level."""
        return tuple(place for place in self.waiting if place.rate >= self.level)

    def renew(self, places: Sequence[Place]) -> None:
        """Take what a new search found; the place stood at stays if it was found again."""
        self._places = tuple(places)
        here = self.current
        if here is not None and here not in self._places:
            found = self.as_found(here)
            self.current = found if found in self._places else None
        self.changed.emit()

    def choose(self, group: str, level: float) -> None:
        """Choose what is shown and from which gain on it is worth a look."""
        self.group, self.level = group, level
        self.changed.emit()

    def step(self, by: int = 1) -> Place | None:
        """Go to the next place that is worth it, or with -1 to the one before; None where there is none."""
        worth = self.worth
        if not worth:
            self.stand_at(None)
            return None
        if self.current in worth:
            place = worth[(worth.index(self.current) + by) % len(worth)]
        elif self._after in worth:
            place = worth[worth.index(self._after) + min(by, 0)]
        else:
            place = worth[0 if by > 0 else -1]
        self.stand_at(place)
        return place

    def as_found(self, place: Place) -> Place:
        """Give a place of an earlier search as the latest found it: its repair may be another."""
        return next((found for found in self._places if _same(found, place)), place)

    def stand_at(self, place: Place | None) -> None:
        """Make a place the current one."""
        self.current, self._after = place, None
        self.changed.emit()

    def decide(self, place: Place, verdict: Verdict) -> Place | None:
        """Note a decision; give the place that comes next, without going there."""
        worth = self.worth
        at = worth.index(place) if place in worth else -1
        self.notes = self.notes.decided(place, verdict, self._author)
        behind = (*worth[at + 1 :], *worth[: max(at, 0)])
        still = self.worth
        self._after = next((other for other in behind if other in still and other != place), None)
        self.changed.emit()
        return self._after

    def reopen(self, place: Place) -> None:
        """Take a decision back."""
        self.notes = self.notes.reopened(place)
        self.changed.emit()

    def drop_settled(self, labels: npt.NDArray[np.uint8], scheme: LabelScheme) -> int:
        """Leave out the places whose labels are no longer those that were found; return how many."""
        kept = tuple(p for p in self._places if not is_settled(p, labels, scheme))
        dropped = len(self._places) - len(kept)
        if dropped:
            self._places = kept
            self.changed.emit()
        return dropped

    @property
    def left_words(self) -> str:
        """How much is left, in a sentence."""
        waiting, worth = self.waiting, self.worth
        if not waiting:
            return f"No place of {self.case} is waiting for a look.{self._hidden_words}"
        if not worth:
            return (
                f"{counted(len(waiting), 'place')} of {self.case} left, none worth {self.level:g} points a "
                "minute: good enough. Confirm the organs, or lower the level to go on."
            )
        gain = sum(place.gain for place in worth)
        return (
            f"{counted(len(worth), 'place')} of {self.case} worth a look, {gain:.0f} points of Dice in all."
        )

    @property
    def _hidden_words(self) -> str:
        if not self.hidden:
            return ""
        return (
            f" {counted(len(self.hidden), 'place')} in confirmed or locked organs left out: untick OK and "
            "Lock of an organ to see its own."
        )


def is_settled(place: Place, labels: npt.NDArray[np.uint8], scheme: LabelScheme) -> bool:
    """Whether the label in the middle of a place is not the one it was found for."""
    if not place.organ or place.kind == "volume":
        return False
    value, found = scheme.value(place.organ), int(labels[place.centre])
    if place.missed and place.kind != "cut":
        return found == value
    return found != value and place.kind != "touching"


def rate_text(place: Place) -> str:
    """Give the gain of a place in points of Dice a minute, short enough for a column."""
    return f"{place.rate:.1f}" if place.rate < 99 else "99+"


def _same(one: Place, other: Place) -> bool:
    return (one.kind, one.organ, one.centre) == (other.kind, other.organ, other.centre)
