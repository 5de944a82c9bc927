"""A coarse stage finds a region, and a bundle looks there alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from guidednet_training.core.box import Box
from guidednet_training.core.bundle import ModelBundle, publish_cascade
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.prediction import MAPS
from guidednet_training.data.preprocess import plan_steps
from guidednet_training.inference.cascade import CoarseLook, region
from guidednet_training.inference.predictor import Predictor
from guidednet_training.inference.sliding import Stopped


@pytest.fixture(scope="module")
def ct():
    return make_phantom(0, shape=(20, 28, 30), spacing_mm=(9.0, 10.0, 10.0))[0]


@pytest.fixture
def pair(make_bundle, tmp_path):
    """A bundle alone and with a coarse stage."""
    fine = make_bundle(networks=("a",))
    coarse = make_bundle(networks=("a",), banks=False, spacing_mm=(20.0, 20.0, 20.0))
    both = publish_cascade(tmp_path / "both", ModelBundle.read(fine), ModelBundle.read(coarse))
    return Predictor.load(fine, "cpu"), Predictor.load(both.folder, "cpu")


def test_the_region_of_no_organ_is_none() -> None:
    assert region(np.zeros((4, 4, 4), np.uint8), (8, 8, 8)) is None


def test_the_region_holds_the_largest_pieces_and_a_margin() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:10, 5:15, 8:12] = 1
    labels[0, 0, 0] = 1  # a false piece does not make the region larger
    labels[10, 6, 8] = 2
    assert region(labels, (40, 20, 60), 0.1) == Box(start=(8, 4, 21), stop=(24, 16, 39))


def test_the_coarse_stage_of_a_bundle_is_found_through_its_networks(pair, ct, monkeypatch) -> None:
    look = pair[1].coarse
    shape = plan_steps(ct.geometry, look.manifest.preprocess).shape
    truth = np.zeros(shape, np.uint8)
    truth[3:6, 5:9, 4:8] = 7
    monkeypatch.setattr(CoarseLook, "labels", lambda *_: truth)
    canonical = plan_steps(ct.geometry, look.manifest.preprocess).canonical_shape
    assert look.find(ct) == Box(start=(2, 4, 3), stop=(7, 10, 9)).on(shape, canonical)


def test_where_the_coarse_stage_finds_nothing_the_whole_ct_is_looked_at(pair, ct, monkeypatch) -> None:
    monkeypatch.setattr(CoarseLook, "find", lambda *_: None)
    alone, both = (predictor.predict(ct, maps=MAPS) for predictor in pair)
    np.testing.assert_array_equal(both.labels.array, alone.labels.array)
    for name, volume in alone.maps.items():
        np.testing.assert_array_equal(both.maps[name].array, volume.array)
    assert any("found no organ" in note for note in both.notes)


def test_outside_the_region_there_is_no_organ_and_no_doubt(pair, ct, monkeypatch) -> None:
    box = Box(start=(4, 6, 5), stop=(15, 20, 24))
    monkeypatch.setattr(CoarseLook, "find", lambda *_: box)
    found = pair[1].predict(ct, maps=MAPS)
    assert found.labels.geometry.same_grid(ct.geometry, 0.0)
    steps = plan_steps(ct.geometry, pair[1].manifest.preprocess, box)
    outside = np.ones(ct.array.shape, bool)
    steps.part(outside)[...] = False
    assert 0 < outside.mean() < 1
    assert found.labels.array[~outside].any()
    assert not found.labels.array[outside].any()
    for name, volume in found.maps.items():
        assert (volume.array[outside] == (0 if name == "disagreement" else 255)).all()
    share = round(100 * box.share_of(steps.canonical_shape))
    assert any(f"{share} %" in note for note in found.notes)


def test_memory_that_does_not_suffice_sends_the_first_look_to_the_cpu(pair, ct, monkeypatch) -> None:
    asked = []

    def find(self, volume, device, should_stop):
        asked.append(torch.device(device).type)
        if torch.device(device).type != "cpu":
            raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(CoarseLook, "find", find)
    predictor = pair[1]
    object.__setattr__(predictor, "device", torch.device("meta"))
    assert predictor._first_look(predictor.coarse, ct, None) is None
    assert asked == ["meta", "cpu"]


def test_a_stop_is_heard_in_the_first_look(pair, ct) -> None:
    with pytest.raises(Stopped):
        pair[1].predict(ct, should_stop=lambda: True)


def test_small_pieces_are_dropped_and_doubted(make_bundle: Path, ct) -> None:
    predictor = Predictor.load(make_bundle(networks=("a",)), "cpu")
    plain, tidy = (
        predictor.predict(ct, maps=("confidence",)),
        predictor.predict(ct, maps=("confidence",), pieces=1.0),
    )
    dropped = plain.labels.array != tidy.labels.array
    assert dropped.any()  # random networks speckle
    assert not tidy.labels.array[dropped].any()
    assert not tidy.maps["confidence"].array[dropped].any()
    np.testing.assert_array_equal(tidy.labels.array[~dropped], plain.labels.array[~dropped])
    gone_ml = sum(plain.table[organ].volume_ml - tidy.table[organ].volume_ml for organ in plain.table)
    assert any(f"{gone_ml:.1f} ml in small pieces" in note for note in tidy.notes)
