"""What can be known of a method without importing it: when to use it, its settings, what it needs."""

from __future__ import annotations

from typing import Any

from pydantic import Field, TypeAdapter

from .record import Record


class MethodFacts(Record):
    """A method of the registry, in words and as data."""

    name: str
    when_to_use: str = ""
    unlabelled: bool = Field(False, description="whether it learns from unlabelled cases")
    unlabelled_patches: bool = Field(False, description="whether patches of them stand beside labelled ones")
    original: dict[str, Any] = Field(
        default_factory=dict, description="dotted values of a specification: the setting of its own paper"
    )
    settings_schema: dict[str, Any] = Field(
        default_factory=lambda: {"properties": {}}, description="JSON schema of its settings"
    )

    @property
    def defaults(self) -> dict[str, Any]:
        """The settings as they are when nothing is said."""
        fields = self.settings_schema.get("properties", {})
        return {name: field["default"] for name, field in fields.items() if "default" in field}

    def has_setting(self, name: str) -> bool:
        """Tell whether the method has a setting of this name."""
        return name in self.settings_schema.get("properties", {})


ALL_FACTS: TypeAdapter[dict[str, MethodFacts]] = TypeAdapter(dict[str, MethodFacts])
