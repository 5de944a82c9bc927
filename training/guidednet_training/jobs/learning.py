"""Which organs are in focus and what corrections count: checked before a training, and said in words."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from ..core.errors import SpecError
from ..core.labels import LabelScheme
from ..core.spec import LearnSpec
from ..core.words import counted
from ..data.store import PreparedCase


def check_focus(focus: Collection[str], scheme: LabelScheme) -> None:
    """Refuse an organ in focus that the scheme does not have.

    Raises
    ------
    SpecError
        With the nearest name that there is.
    """
    strange = [name for name in focus if name not in scheme.names]
    if strange:
        near = difflib.get_close_matches(strange[0], scheme.names, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(scheme.names)}."
        raise SpecError(f"'{strange[0]}' cannot be in focus: scheme '{scheme.name}' has no such organ.", hint)


def learning_notes(learn: LearnSpec, scheme: LabelScheme, labelled: Sequence[PreparedCase]) -> Iterator[str]:
    """Say what corrections and organs in focus come to in these labelled cases."""
    corrected = {case.id: case for case in labelled if case.weight is not None}
    if corrected:
        names = ", ".join(sorted(corrected))
        yield (
            f"Corrections in {names} count {learn.edited:g} times, "
            f"falling back to 1 within {learn.reach_mm:g} mm."
        )
    for name in learn.focus:
        value = scheme.value(name)
        holding = {case.id for case in labelled if case.annotated[value] and _has(case, value)}
        title = scheme.organ(value).title
        if holding:
            yield f"In focus: {title}, in {counted(len(holding), 'labelled case')}."
        else:
            yield f"{title} is in focus, but no labelled case has it confirmed and present: it draws nothing."


def _has(case: PreparedCase, value: int) -> bool:
    return case.label is not None and bool((np.asarray(case.label) == value).any())
