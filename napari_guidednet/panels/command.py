"""What a key does: panels list their commands, `Shortcuts` binds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One thing a person can do by a key.

    Attributes
    ----------
    name : str
        Stable, lower case with underscores: "next_place".
    title : str
        What it does, in words for the table of keys: "Go to the next place".
    key : str
        napari's notation: "Shift-N".
    do : callable
    """

    name: str
    title: str
    key: str
    do: Callable[[], object]
