"""How specifications differ from a published protocol, said in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .spec import TrainSpec


def differences(specs: Mapping[str, TrainSpec], protocol: Mapping[str, Any]) -> list[str]:
    """Compare the specifications of rows with the part of one that was published.

    Parameters
    ----------
    specs : mapping of row to TrainSpec
    protocol : mapping
        Part of a specification: what was published.

    Returns
    -------
    list of str
        "steps: 2000 here, 20000 published."; rows are named where they differ among each other.
    """
    return [said for path, value in leaves(protocol) if (said := _difference(specs, path, value))]


def leaves(tree: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    """Give every value of a tree with its dotted path."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{start}{key}.")
        else:
            yield f"{start}{key}", value


def _difference(specs: Mapping[str, TrainSpec], path: str, published: Any) -> str:
    rows: dict[str, list[str]] = {}
    for row, spec in specs.items():
        mine = _words(dict(leaves(spec.model_dump(mode="json"))).get(path))
        if mine != _words(published):
            rows.setdefault(mine, []).append(row)
    everywhere = sum(len(names) for names in rows.values()) == len(specs)
    parts = [
        value if everywhere and len(rows) == 1 else f"{value} ({', '.join(names)})"
        for value, names in rows.items()
    ]
    return f"{path}: {'; '.join(parts)} here, {_words(published)} published." if parts else ""


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return (" to " if len(value) == 2 else " x ").join(_words(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
