"""The store prepares once, notices changed content and keeps arrays on disk."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core.box import Box
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.spec import LearnSpec, PreprocessSpec
from guidednet_training.core.volume import Volume
from guidednet_training.data.store import PreparedStore

SPEC = PreprocessSpec(spacing_mm=(1, 1, 1))


class Source:
    """Counts how often the image is read."""

    def __init__(self, seed: int = 0) -> None:
        array = np.random.default_rng(seed).integers(-200, 300, (8, 9, 10)).astype(np.int16)
        affine = np.eye(4)[[2, 1, 0, 3]]
        self.volume, self.reads = Volume(array, Geometry(array.shape, affine), "ct_hu"), 0

    def __call__(self) -> Volume:
        self.reads += 1
        return self.volume


def test_second_time_comes_from_disk(tmp_path: Path) -> None:
    source, labels = Source(), np.ones((8, 9, 10), np.uint8)
    for _ in range(2):
        store = PreparedStore(tmp_path, SPEC, FLARE_13)
        case = store.get("c", source.volume.digest(), source, labels, ["liver"])
    assert source.reads == 1
    assert isinstance(case.image, np.memmap)
    assert isinstance(case.label, np.memmap)
    assert case.annotated.tolist() == [True, True] + [False] * 12
    assert case.histogram().tolist() == [0, 720] + [0] * 12


def test_changed_labels_image_or_spec_are_prepared_anew(tmp_path: Path) -> None:
    source, labels = Source(), np.ones((8, 9, 10), np.uint8)
    store = PreparedStore(tmp_path, SPEC, FLARE_13)
    store.get("c", source.volume.digest(), source, labels, ["liver"])
    labels[0] = 2
    changed = store.get("c", source.volume.digest(), source, labels, ["liver", "right_kidney"])
    assert changed.histogram()[2] == 90
    other = Source(1)
    image = store.get("c", other.volume.digest(), other).image
    assert not np.array_equal(image, changed.image)
    coarse = PreparedStore(tmp_path, PreprocessSpec(spacing_mm=(2, 2, 2)), FLARE_13)
    assert coarse.get("c", source.volume.digest(), source).image.shape == (4, 4, 5)


def test_unlabelled_case_has_no_label(tmp_path: Path) -> None:
    source = Source()
    case = PreparedStore(tmp_path, SPEC, FLARE_13).get("c", source.volume.digest(), source)
    assert case.label is None
    assert case.histogram().sum() == 0
    assert case.annotated.tolist() == [True] + [False] * 13


def test_a_failed_read_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Volume:
        raise RuntimeError("disk gone")

    with pytest.raises(RuntimeError, match="disk gone"):
        PreparedStore(tmp_path, SPEC, FLARE_13).get("c", "digest", broken)
    assert not list(tmp_path.iterdir())


def test_a_region_has_its_own_entry(tmp_path: Path) -> None:
    source, labels = Source(), np.arange(720, dtype=np.uint16).reshape(8, 9, 10).astype(np.uint8) % 14
    store = PreparedStore(tmp_path, SPEC, FLARE_13)
    whole = store.get("c", source.volume.digest(), source, labels, ["liver"])
    box = Box(start=(0, 1, 2), stop=(8, 9, 9))
    part = store.get("c", source.volume.digest(), source, labels, ["liver"], box)
    assert part.image.shape == part.label.shape == box.shape
    np.testing.assert_array_equal(part.label, whole.label[box.slices])
    np.testing.assert_array_equal(part.image, whole.image[box.slices])


def test_a_value_that_is_not_set_leaves_the_key_as_it_was(tmp_path: Path) -> None:
    source = Source()
    PreparedStore(tmp_path, SPEC, FLARE_13).get("c", "digest", source)
    text = json.dumps(
        {"spacing_mm": [1.0, 1.0, 1.0], "window_hu": [-325.0, 325.0], "normalise": "percentile"}
    )
    old = json.dumps(json.loads(text), indent=2) + "\n"
    key = hashlib.sha256(b"".join(part.encode() + b"\0" for part in ("1", "digest", old))).hexdigest()[:24]
    assert (tmp_path / f"{key}.image.npy").exists()


def test_corrections_weigh_as_the_specification_says(tmp_path: Path) -> None:
    source, labels = Source(), np.ones((8, 9, 10), np.uint8)
    marked = np.zeros(labels.shape, bool)
    marked[4, 4, 4] = True
    store = PreparedStore(tmp_path, SPEC, FLARE_13)

    def heaviest(learn: LearnSpec | None, corrected: np.ndarray | None = marked) -> float | None:
        case = store.get("c", source.volume.digest(), source, labels, ["liver"], None, corrected, learn)
        return None if case.weight is None else float(case.weight.max())

    assert heaviest(LearnSpec(edited=3.0)) == heaviest(LearnSpec(edited=3.0, reach_mm=1.0)) == 3.0
    assert heaviest(LearnSpec(edited=2.0)) == 2.0
    assert source.reads == 3  # once for each way to weigh
    assert heaviest(LearnSpec(edited=2.0)) == 2.0
    assert source.reads == 3
    assert heaviest(LearnSpec()) is None
    assert heaviest(None) is None
    assert heaviest(LearnSpec(edited=3.0), None) is None
