"""Writes the tables of docs/file-formats.md from the records in the code; `--check` only compares."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any, get_args

from guidednet_training.core import events
from guidednet_training.core.labels import SCHEMES
from guidednet_training.core.record import Record

PAGE = Path(__file__).resolve().parent.parent / "docs" / "file-formats.md"
BLOCK = re.compile(r"<!-- (fields: (?P<where>[\w:]+)|schemes|events) -->\n.*?<!-- /\w+ -->", re.DOTALL)


def rewritten(text: str) -> str:
    """Give the page with every table made anew."""
    return BLOCK.sub(_block, text)


def _block(match: re.Match[str]) -> str:
    start = match.group(1)
    if where := match.group("where"):
        module, _, name = where.partition(":")
        table = record_table(getattr(importlib.import_module(f"guidednet_training.core.{module}"), name))
    else:
        table = scheme_table() if start == "schemes" else event_table()
    return f"<!-- {start} -->\n{table}\n<!-- /{start.partition(':')[0]} -->"


def record_table(record: type[Record]) -> str:
    """One row per field: name, type, default, meaning."""
    rows = [_row(record, name) for name in record.model_fields]
    return _table(("field", "type", "default", "meaning"), rows)


def scheme_table() -> str:
    """One row per value, one column per scheme."""
    highest = max(scheme.n_classes for scheme in SCHEMES.values())
    rows = [
        (str(value), *(s.organ(value).name if value < s.n_classes else "" for s in SCHEMES.values()))
        for value in range(1, highest)
    ]
    return _table(("value", *(f"`{name}`" for name in SCHEMES)), rows)


def event_table() -> str:
    """One row per kind of event, with its own fields."""
    kinds = get_args(get_args(events.AnyEvent)[0])
    common = set(events.Event.model_fields) | {"event"}
    rows = []
    for kind in kinds:
        fields = [_field_words(kind, name) for name in kind.model_fields if name not in common]
        rows.append((f"`{kind.__name__}`", "; ".join(fields)))
    return _table(("event", "fields"), rows)


def _row(record: type[Record], name: str) -> tuple[str, ...]:
    return (f"`{name}`", f"`{_type(record, name)}`", _default(record, name), _meaning(record, name))


def _field_words(record: type[Record], name: str) -> str:
    meaning = _meaning(record, name)
    return f"`{name}`" + (f" ({meaning})" if meaning else "")


def _type(record: type[Record], name: str) -> str:
    for owner in record.__mro__:
        annotation = inspect.get_annotations(owner).get(name)
        if annotation is not None:
            return str(annotation if isinstance(annotation, str) else annotation.__name__).replace("|", "or")
    raise KeyError(name)


def _default(record: type[Record], name: str) -> str:
    field = record.model_fields[name]
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Record):
        return "its defaults"
    if value is None or value == "" or value == () or value == {}:
        return "none" if value is None else "empty"
    return f"`{list(value) if isinstance(value, tuple) else value}`".replace("'", '"')


def _meaning(record: type[Record], name: str) -> str:
    """The field's description, or the comment behind it in the source."""
    field = record.model_fields[name]
    words = field.description or ""
    if field.title:
        words = f"{field.title}: {words}" if words else field.title
    return words or _comment(record, name)


def _comment(record: type[Record], name: str) -> str:
    for owner in record.__mro__:
        if name in inspect.get_annotations(owner):
            found = re.search(rf"^    {name}:.*?  # (.+)$", inspect.getsource(owner), re.MULTILINE)
            return found.group(1) if found else ""
    return ""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main() -> int:
    """Write the page, or with `--check` say whether it is up to date."""
    before = PAGE.read_text(encoding="utf-8")
    after = rewritten(before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
