"""The base of everything stored on disk: strict, versionless pydantic records with clear errors."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import SpecError

FilePart = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]  # of a file name; never a path


class Record(BaseModel):
    """A frozen record that refuses unknown keys and names the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, content: str | bytes | dict[str, Any], origin: str) -> Self:
        """Read a record from JSON text or a dictionary.

        Parameters
        ----------
        content : str, bytes or dict
            JSON text or its parsed form.
        origin : str
            Where it came from, for the error message (a file name).

        Raises
        ------
        SpecError
            When a key is unknown, missing or has an impossible value.
        """
        try:
            if isinstance(content, dict):
                return cls.model_validate(content)
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise SpecError(*_explain(cls, error, origin)) from error

    def to_json(self) -> str:
        """Give the record as indented JSON text."""
        return self.model_dump_json(indent=2) + "\n"


def _explain(model: type[BaseModel], error: ValidationError, origin: str) -> tuple[str, str]:
    # A misspelt key is both unknown and missing: the unknown one can be named with a remedy.
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"]) or "the content"
    if first["type"] != "extra_forbidden":
        return f"{origin}: {where}: {first['msg']}.", "Correct this value and try again."
    known = sorted(_field_names(model))
    near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(known)}."
    return f"{origin}: unknown key '{where}'.", hint


def _field_names(model: type[BaseModel]) -> set[str]:
    names = set(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names |= _field_names(field.annotation)
    return names
