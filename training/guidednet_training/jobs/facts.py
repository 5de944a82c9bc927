"""What there is to train with: every method of the registry, in words and as data."""

from __future__ import annotations

from ..core.errors import SpecError
from ..core.method_facts import ALL_FACTS, MethodFacts
from ..methods import METHODS


def facts_of(name: str) -> MethodFacts:
    """Give what is known of a method.

    Raises
    ------
    SpecError
        When there is none of this name.
    """
    if name not in METHODS:
        raise SpecError(f"Unknown method '{name}'.", f"Known methods: {', '.join(METHODS)}.")
    method = METHODS[name]
    return MethodFacts(
        name=name,
        when_to_use=method.when_to_use,
        unlabelled=method.needs.unlabelled or method.needs.pseudo_labels,
        unlabelled_patches=method.needs.unlabelled,
        original=dict(method.original),
        settings_schema=method.Settings.model_json_schema(),
    )


def all_facts() -> dict[str, MethodFacts]:
    """Give what is known of every method, in the order in which they are shown."""
    return {name: facts_of(name) for name in METHODS}


def print_facts() -> None:
    """Write all of it to the standard output as one line of JSON, for a process that has no torch."""
    print(ALL_FACTS.dump_json(all_facts()).decode())
