"""Records on disk are strict, frozen and explain what is wrong with them."""

import pytest
from pydantic import Field, ValidationError

from guidednet_training.core.errors import SpecError
from guidednet_training.core.record import Record
from guidednet_training.core.spec import TrainSpec


class Inner(Record):
    spacing_mm: float = 1.0


class Outer(Record):
    name: str
    count: int = Field(default=1, ge=0)
    inner: Inner = Inner()


def test_json_there_and_back() -> None:
    record = Outer(name="Größe", count=3, inner=Inner(spacing_mm=0.1))
    assert Outer.parse(record.to_json(), "x") == record
    assert Outer.parse(record.model_dump(), "x") == record


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(SpecError, match=r"file\.json: unknown key 'cuont'. Did you mean 'count'\?"):
        Outer.parse({"name": "a", "cuont": 2}, "file.json")
    with pytest.raises(SpecError, match=r"'inner\.spacing'. Did you mean 'spacing_mm'"):
        Outer.parse({"name": "a", "inner": {"spacing": 2}}, "file.json")
    with pytest.raises(SpecError, match="Known keys: count, inner, name, spacing_mm"):
        Outer.parse({"name": "a", "zzz": 2}, "file.json")


def test_a_misspelt_required_key_is_named_rather_than_the_missing_one() -> None:
    with pytest.raises(SpecError, match=r"unknown key 'nmae'\. Did you mean 'name'"):
        Outer.parse({"nmae": "a"}, "file.json")


@pytest.mark.parametrize(
    ("content", "word"),
    [('{"name": "a", "count": -1}', "count"), ("{}", "name"), ("{", "JSON"), ('{"name": 3}', "name")],
)
def test_wrong_values_are_named(content: str, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        Outer.parse(content, "file.json")


def test_not_a_number_is_refused() -> None:
    with pytest.raises(SpecError, match="finite"):
        Inner.parse({"spacing_mm": float("nan")}, "x")


def test_records_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Inner().spacing_mm = 2.0  # type: ignore[misc]


def test_a_training_specification_survives_json_and_names_deep_mistakes() -> None:
    spec = TrainSpec(steps=7, settings={"any": [1, 2]})
    assert TrainSpec.parse(spec.to_json(), "x") == spec
    with pytest.raises(SpecError, match=r"unknown key 'patch\.sizes'. Did you mean 'size'"):
        TrainSpec.parse({"patch": {"sizes": [1, 2, 3]}}, "x")
