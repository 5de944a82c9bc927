"""A bundle is whole, checked and unchanging, or it is refused with a reason."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core.bundle import (
    BundleManifest,
    ModelBundle,
    publish_bundle,
    publish_cascade,
    resolve_bundle,
)
from guidednet_training.core.errors import BundleError, FileError
from guidednet_training.core.spec import NetSpec, PatchSpec, PreprocessSpec

ORGANS = ("liver", "spleen")


def manifest(**changes: object) -> BundleManifest:
    fields = {
        "name": "first", "method": "supervised", "net": NetSpec(), "scheme": "FLARE_13", "organs": ORGANS,
        "preprocess": PreprocessSpec(), "patch": PatchSpec(),
    }  # fmt: skip
    return BundleManifest.model_validate(fields | changes)


def tensors(n_classes: int = 3, channels: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "net.a.out.weight": rng.normal(size=(n_classes, channels)).astype(np.float16),
        "bank.a.mean": rng.normal(size=(n_classes, channels)).astype(np.float32),
        "bank.a.variance": np.ones(n_classes, np.float32),
        "bank.a.count": np.ones(n_classes, np.float64),
        "bank.a.seen": np.ones(n_classes, bool),
    }


def publish(folder: Path) -> Path:
    publish_bundle(folder, manifest(), tensors(), "# card")
    return folder


def test_what_is_published_is_read_back_exactly(tmp_path: Path) -> None:
    bundle = ModelBundle.read(publish(tmp_path / "models" / "first"))
    assert bundle.name == "first"
    assert bundle.manifest.organs == ORGANS
    assert bundle.card() == "# card"
    read = bundle.tensors()
    assert read.keys() == tensors().keys()
    for name, array in tensors().items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_transposed_tensors_keep_their_values(tmp_path: Path) -> None:
    turned = tensors() | {"net.a.out.weight": np.arange(12, dtype=np.float32).reshape(4, 3).T}
    publish_bundle(tmp_path / "b", manifest(), turned, "")
    np.testing.assert_array_equal(
        ModelBundle.read(tmp_path / "b").tensors()["net.a.out.weight"], turned["net.a.out.weight"]
    )


def test_a_bundle_is_never_replaced(tmp_path: Path) -> None:
    folder = publish(tmp_path / "first")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BundleError, match="never change"):
        publish_bundle(folder, manifest(method="other"), tensors(), "")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_is_left_when_publishing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FileError, match="No space left"):
        publish_bundle(tmp_path / "first", manifest(), tensors(), "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("position", [3, 200, -1])
def test_one_changed_bit_is_noticed(tmp_path: Path, position: int) -> None:
    weights = publish(tmp_path / "first") / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[position] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match="checksum"):
        ModelBundle.read(tmp_path / "first")


def test_truncated_and_missing_weights_are_refused(tmp_path: Path) -> None:
    weights = publish(tmp_path / "first") / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(BundleError, match="checksum"):
        ModelBundle.read(tmp_path / "first")
    weights.unlink()
    with pytest.raises(BundleError, match="Could not read"):
        ModelBundle.read(tmp_path / "first")


def edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_another_format_version_is_named(tmp_path: Path) -> None:
    folder = publish(tmp_path / "first")
    edit_manifest(folder, format=2, something_new=1)
    with pytest.raises(BundleError, match="format 2; this version reads format 1"):
        ModelBundle.read(folder)


def test_unknown_keys_and_no_json_are_refused(tmp_path: Path) -> None:
    folder = publish(tmp_path / "first")
    edit_manifest(folder, organ=["liver"])
    with pytest.raises(BundleError, match="Did you mean 'organs'"):
        ModelBundle.read(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        ModelBundle.read(folder)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('executed')",)


def test_a_pickle_in_place_of_weights_is_refused_and_not_run(tmp_path: Path) -> None:
    import hashlib

    folder = publish(tmp_path / "first")
    content = pickle.dumps(Bomb())
    (folder / "weights.safetensors").write_bytes(content)
    edit_manifest(folder, weights_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(BundleError, match="not a safetensors file"):
        ModelBundle.read(folder).tensors()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"net.b.x": np.zeros(2)}, "do not belong: net.b.x"),
        ({"evil": np.zeros(2)}, "do not belong: evil"),
        ({"bank.a.mean": np.zeros((4, 4))}, "do not fit 3 classes"),
        ({"bank.a.variance": np.zeros((3, 5))}, "do not fit 3 classes"),
        ({"net.a.out.weight": np.full(3, np.nan)}, "not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_not_published(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        publish_bundle(tmp_path / "first", manifest(), tensors() | change, "")
    assert not (tmp_path / "first").exists()


def test_every_network_must_have_weights(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no weights for network 'b'"):
        publish_bundle(tmp_path / "first", manifest(networks=("a", "b")), tensors(), "")


def test_a_name_is_never_a_path() -> None:
    with pytest.raises(ValueError, match="name"):
        manifest(name="../first")


@pytest.mark.parametrize("name", ["../a", "a/../../b", "", "a.b", "x" * 40])
def test_a_network_is_never_a_path(tmp_path: Path, name: str) -> None:
    edit_manifest(publish(tmp_path / "a"), networks=[name], best=name)  # files of predictions are named by it
    with pytest.raises(BundleError, match="networks"):
        ModelBundle.read(tmp_path / "a")


def test_a_reference_is_a_path_or_an_explained_error(tmp_path: Path) -> None:
    folder = publish(tmp_path / "first")
    assert resolve_bundle(str(folder)) == folder
    with pytest.raises(BundleError, match=r"no bundle 'nothing'.*Known: starter"):
        resolve_bundle("nothing")


def test_a_coarse_stage_travels_inside_the_bundle_it_serves(tmp_path: Path) -> None:
    first = ModelBundle.read(publish(tmp_path / "first"))
    assert first.coarse() is None
    both = publish_cascade(tmp_path / "both", first, first, margin=0.2)
    shutil.rmtree(tmp_path / "first")
    read = ModelBundle.read(both.folder)
    assert read.name == "both"
    assert read.manifest.coarse.margin == 0.2
    assert read.coarse().name == read.manifest.coarse.name == "first"
    assert read.coarse().tensors().keys() == read.tensors().keys() == tensors().keys()
    with pytest.raises(BundleError, match="has a coarse stage itself"):
        publish_cascade(tmp_path / "three", read, read)
    assert not (tmp_path / "three").exists()


def test_a_coarse_stage_that_is_gone_damaged_or_exchanged_is_refused(tmp_path: Path) -> None:
    first = ModelBundle.read(publish(tmp_path / "first"))
    both = publish_cascade(tmp_path / "both", first, first).folder
    for name in ("manifest.json", "weights.safetensors", "README.md"):
        (both / "coarse" / name).unlink()
    with pytest.raises(BundleError, match="not a model bundle"):
        ModelBundle.read(both)
    (both / "coarse").rmdir()
    other = tensors()
    other["net.a.out.weight"] += 1
    publish_bundle(both / "coarse", manifest(), other, "")
    with pytest.raises(BundleError, match="not the one its manifest names"):
        ModelBundle.read(both)


def test_a_manifest_from_before_coarse_stages_is_read(tmp_path: Path) -> None:
    folder = publish(tmp_path / "first")
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    del content["coarse"], content["preprocess"]["grid"]
    path.write_text(json.dumps(content))
    assert ModelBundle.read(folder).manifest.coarse is None
