"""The cards in docs/methods say what the code says."""

import importlib.util
from pathlib import Path

import pytest

from guidednet_training.methods import METHODS

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "docs" / "methods"


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("cards", ROOT / "scripts" / "write_method_cards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


def test_there_is_a_card_per_method_and_no_other(pages):
    assert {path.name for path in CARDS.iterdir()} == set(pages)
    assert {f"{name}.md" for name in METHODS} | {"README.md"} == set(pages)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_card_is_current_and_complete(name, pages):
    card = pages[f"{name}.md"]
    assert (CARDS / f"{name}.md").read_text(encoding="utf-8") == card, (
        "run: python scripts/write_method_cards.py"
    )
    assert METHODS[name].when_to_use in card
    for key in METHODS[name].Settings.model_fields:
        assert f"| `{key}` |" in card
    for key in METHODS[name].original:
        assert f"| `{key}` |" in card


def test_the_index_is_current(pages):
    assert (CARDS / "README.md").read_text(encoding="utf-8") == pages["README.md"]
