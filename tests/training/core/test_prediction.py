"""A prediction on disk: what each network says alone lies beside what they say together."""

from __future__ import annotations

import json

import numpy as np
import pytest

from guidednet_training.core.errors import FileError, SpecError
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.prediction import (
    PredictionRecord,
    read_labels,
    read_prediction,
    read_record,
    write_prediction,
)


@pytest.fixture
def labels():
    return make_phantom(0, shape=(8, 10, 12), spacing_mm=(20.0, 20.0, 20.0))[1]


@pytest.fixture
def record():
    return PredictionRecord(case="case", bundle="model", scheme=AMOS_15.name, organs={})


def test_labels_of_networks_are_stored_and_read_alone(tmp_path, labels, record):
    turned = labels.like(np.ascontiguousarray(labels.array[::-1]), "labels")
    folder = tmp_path / "model"
    write_prediction(folder, labels, {}, record, {"a": turned, "b": labels})
    assert read_record(folder).networks == ("a", "b")
    np.testing.assert_array_equal(read_labels(folder)[0].array, labels.array)
    found, read = read_labels(folder, "a")
    np.testing.assert_array_equal(found.array, turned.array)
    assert (found.kind, read.bundle) == ("labels", "model")
    assert read_prediction(folder)[1] == {}


def test_the_mixture_is_read_like_a_network_but_is_none(tmp_path, labels, record):
    turned = labels.like(np.ascontiguousarray(labels.array[::-1]), "labels")
    folder = tmp_path / "model"
    write_prediction(folder, labels, {}, record, {"a": labels}, {"mixture": turned})
    assert (read_record(folder).networks, read_record(folder).opinions) == (("a",), ("mixture",))
    np.testing.assert_array_equal(read_labels(folder, "mixture")[0].array, turned.array)
    write_prediction(folder, labels, {}, record)
    with pytest.raises(FileError, match="class mixture said was not stored"):
        read_labels(folder, "mixture")


def test_a_network_that_was_not_stored_is_named(tmp_path, labels, record):
    write_prediction(tmp_path / "model", labels, {}, record)
    with pytest.raises(FileError, match="'a'"):
        read_labels(tmp_path / "model", "a")
    with pytest.raises(FileError, match="no finished prediction"):
        read_labels(tmp_path / "other")


def test_records_of_before_are_read(tmp_path, record):
    text = record.to_json()
    later = ('"networks"', '"opinions"')
    assert all(name in text for name in later)
    older = "".join(x for x in text.splitlines(keepends=True) if not any(name in x for name in later))
    read = PredictionRecord.parse(older, "older")
    assert (read.networks, read.opinions) == ((), ())


@pytest.mark.parametrize("field", ["maps", "networks", "opinions"])
@pytest.mark.parametrize("name", ["../secret", "/../../tmp/secret", "a/b"])
def test_a_record_cannot_lead_out_of_its_folder(tmp_path, labels, record, field, name):
    folder = tmp_path / "model"
    write_prediction(folder, labels, {}, record)
    content = json.loads((folder / "prediction.json").read_text()) | {field: [name]}
    (folder / "prediction.json").write_text(json.dumps(content))
    with pytest.raises(SpecError, match=field):
        read_prediction(folder)
