"""The documentation speaks of the code as it is: tables, links and commands."""

import argparse
import importlib.util
import re
from pathlib import Path

import pytest

from guidednet_training.cli.main import build_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
        *(ROOT / "experiments").glob("*.md"),
    ]
)


def field_tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "scripts" / "write_field_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_of_fields_are_those_of_the_records():
    page = (ROOT / "docs" / "file-formats.md").read_text(encoding="utf-8")
    assert page.count("| field | type |") > 15
    assert field_tables().rewritten(page) == page, "run: python scripts/write_field_tables.py"


# modules of core/ whose records lie on disk
RECORDS = (
    "adjudication",
    "bundle",
    "case",
    "experiment",
    "label_pair",
    "organ_colours",
    "place",
    "place_notes",
    "prediction",
    "project_file",
    "request",
    "scores",
    "second_reading",
    "spec",
    "trial_results",
    "usual_volumes",
)


def test_every_record_on_disk_has_its_table():
    from guidednet_training.core.record import Record

    page = (ROOT / "docs" / "file-formats.md").read_text(encoding="utf-8")
    for module in (importlib.import_module(f"guidednet_training.core.{name}") for name in RECORDS):
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, Record) and value.__module__ == module.__name__:
                assert f":{name} -->" in page, f"{module.__name__}.{name} is not described"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page):
    (verbs,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    spoken = re.findall(
        r"(?:^|`)guidednet ([a-z]+)((?: [^`\n#]*)?)", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    for verb, options in spoken:
        if verb not in verbs.choices:
            pytest.fail(f"{page.relative_to(ROOT)} speaks of 'guidednet {verb}'")
        for option in re.findall(r"(?<= )--[a-z-]+", options):
            assert option in verbs.choices[verb].format_help(), f"guidednet {verb} has no {option}"


def test_scripts_of_the_readme_exist():
    for script in re.findall(r"sh (scripts/\w+\.sh)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / script).is_file()
