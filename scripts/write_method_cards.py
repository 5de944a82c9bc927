"""Writes a card per method into docs/methods, from its docstring and settings; `--check` only compares."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from guidednet_training.methods import METHODS, Method

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "methods"
SECTION = re.compile(r"^(.+)\n-{3,}$", re.MULTILINE)  # a numpy section inside a docstring
SIGNS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "multiple_of": "a multiple of"}


def pages() -> dict[str, str]:
    """Give every page by its file name."""
    cards = {f"{name}.md": card(name, method) for name, method in METHODS.items()}
    return {"README.md": index()} | cards


def card(name: str, method: type[Method]) -> str:
    """Give the card of a method."""
    summary, _, body = inspect.cleandoc(method.__doc__ or "").partition("\n\n")
    module = inspect.getfile(method)
    source = Path(module).resolve().relative_to(ROOT).as_posix()
    parts = [
        f"# {name}",
        f"**{method.when_to_use}**",
        summary,
        _as_markdown(body),
        f"## What it learns from\n\n{_needs(method)}",
        f"## Settings\n\n{_settings(method)}",
        f"## The setting of its own paper\n\n{_original(method)}",
        "## Use\n\n"
        f"```sh\nguidednet train my_project --method {name}\n```\n\n"
        f"The code: [{source.rsplit('/', 1)[-1]}](../../{source}). Made from it by "
        "`python scripts/write_method_cards.py`; [all methods](README.md).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def index() -> str:
    """Give the page that lists all methods."""
    rows = [(f"[{name}]({name}.md)", method.when_to_use) for name, method in METHODS.items()]
    return (
        "# Methods\n\nEvery method trains, predicts and is compared by the same commands. Their defaults are "
        "the common protocol of GuidedNet's tables (a 3D U-Net, the same loss on labelled patches, the same "
        "ramps); the setting of a method's own paper is on its card, and so is what a paper leaves open and "
        "was filled in here.\n\n" + _table(("method", "when to use it"), rows) + "\n"
    )


def _as_markdown(text: str) -> str:
    """Turn the sections of a numpy docstring into headings; what is indented stays verbatim."""
    return SECTION.sub(lambda found: f"## {found.group(1)}\n", text)


def _needs(method: type[Method]) -> str:
    needs = method.needs
    said = ["Labelled patches"]
    if needs.unlabelled:
        said.append("unlabelled patches")
    if needs.overlap is not None:
        said.append("overlapping pairs of them")
    if needs.pseudo_labels:
        said.append("labels that an earlier round gave to unlabelled cases")
    return ", ".join(said) + "."


def _settings(method: type[Method]) -> str:
    fields = method.Settings.model_fields
    if not fields:
        return "None."
    rows = [
        (f"`{name}`", _value(field.get_default(call_default_factory=True, validated_data={})), _range(field),
         f"{field.title}: {field.description}")
        for name, field in fields.items()
    ]  # fmt: skip
    return _table(("setting", "default", "range", "meaning"), rows)


def _range(field: FieldInfo) -> str:
    options = _options(field.annotation)
    limits = [
        f"{words} {_value(getattr(limit, sign))}"
        for limit in field.metadata
        for sign, words in SIGNS.items()
        if hasattr(limit, sign)
    ]
    return ", ".join(options or limits)


def _options(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [_value(option) for option in get_args(annotation)]
    return [option for part in get_args(annotation) for option in _options(part)]


def _original(method: type[Method]) -> str:
    if not method.original:
        return "The common protocol is its own."
    rows = [(f"`{key}`", _value(value)) for key, value in method.original.items()]
    return "Where it differs from the defaults:\n\n" + _table(("key", "value"), rows)


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(_value(part) for part in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main() -> int:
    """Write all cards and remove those of methods that are gone; `--check` says whether they are current."""
    wanted = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    if "--check" in sys.argv[1:]:
        return int(wanted != there)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for name in there.keys() - wanted.keys():
        (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
