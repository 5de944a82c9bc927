"""A bundle predicts on exactly the CT's own grid, says what it cannot know, and stops cleanly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from guidednet_training.core.errors import BundleError, GuidedNetError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.prediction import MAPS
from guidednet_training.core.volume import Volume, read_volume, write_volume
from guidednet_training.data.preprocess import prepare
from guidednet_training.inference import predictor as module
from guidednet_training.inference.predictor import Predictor, measure
from guidednet_training.inference.sliding import Stopped, Windows, predict_maps


@pytest.fixture(scope="module")
def ct():
    return make_phantom(0, shape=(20, 28, 30), spacing_mm=(9.0, 10.0, 10.0))[0]  # two windows


def affine(axes, spacing, angle=0.0):
    """An affine (z, y, x) -> RAS+ whose indices grow along `axes`, turned by `angle` about S."""
    matrix = np.eye(4)
    directions = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    matrix[:3, :3] = 0
    for column, letter in enumerate(axes):
        row, sign = directions[letter]
        matrix[row, column] = sign * spacing[column]
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = (12.5, -80, 333)
    return turn @ matrix


def full_labels(predictor, volume, name="probability"):
    """The plain way: all class scores on the canonical grid at once, argmax, back to the source."""
    prepared = prepare(volume, predictor.manifest.preprocess)
    slabs = predict_maps(prepared.image, predictor.reader, Windows.of(predictor.manifest.patch))
    scores = torch.cat([slab.maps[name].clone() for slab in slabs], 1)
    full = interpolate(scores[None], size=prepared.steps.canonical_shape, mode="trilinear")[0]
    return prepared.steps.reorient.invert(full.max(0).indices.numpy())


def test_end_to_end(make_bundle, ct, tmp_path):
    predictor = Predictor.load(make_bundle(spacing_mm=(5.0, 9.0, 9.0)), device="cpu")  # two rows of windows
    seen = []
    result = predictor.predict(ct, progress=lambda *at: seen.append(at), maps=MAPS)
    assert result.labels.geometry.same_grid(ct.geometry, 0.0)
    assert result.labels.array.dtype == np.uint8
    np.testing.assert_array_equal(result.labels.array, full_labels(predictor, ct))
    assert set(result.maps) == set(MAPS)
    for volume in result.maps.values():
        assert volume.geometry is ct.geometry
        assert volume.array.shape == ct.array.shape
        assert volume.kind == "confidence"
    assert seen[-1] == (len(seen), len(seen))
    assert result.kind == "cgmm_posterior"
    assert result.unavailable == ()
    assert result.notes == ()
    assert tuple(result.table) == AMOS_15.names
    for organ, row in result.table.items():
        mask = result.labels.array == AMOS_15.value(organ)
        assert row.volume_ml == pytest.approx(mask.sum() * 9 * 10 * 10 / 1000)
        if mask.any():
            mean = result.maps["confidence"].array[mask].mean() / 255
            assert row.mean_confidence == pytest.approx(mean, abs=1e-6)
        else:
            assert row.mean_confidence is None
    for name, volume in {"labels": result.labels, **result.maps}.items():
        write_volume(tmp_path / f"{name}.nii.gz", volume)
        assert read_volume(tmp_path / f"{name}.nii.gz", kind=volume.kind).geometry.same_grid(ct.geometry)


@pytest.mark.parametrize(
    ("axes", "angle"), [("SAR", 0.0), ("IPL", 0.0), ("RSA", 0.0), ("PLS", 0.0), ("SPL", 0.3), ("ALI", -0.2)]
)
def test_any_orientation_gives_labels_on_its_own_grid(make_bundle, ct, axes, angle):
    """The same voxels, stored in another order: the same answer voxel for voxel."""
    predictor = Predictor.load(make_bundle(networks=("a",)), device="cpu")
    array = ct.array[:14, :18, :20]
    base = Geometry(array.shape, affine("SAR", (9.0, 8.0, 8.0), angle))
    order = base.reorient_to(axes)
    turned = Volume(np.ascontiguousarray(order.apply(array)), order.geometry(base), "ct_hu")
    assert turned.geometry.axes == axes
    expected = predictor.predict(Volume(array, base, "ct_hu"))
    found = predictor.predict(turned)
    assert found.labels.geometry is turned.geometry
    np.testing.assert_array_equal(order.invert(found.labels.array), expected.labels.array)
    np.testing.assert_array_equal(
        order.invert(found.maps["confidence"].array), expected.maps["confidence"].array
    )


@pytest.mark.parametrize("shape", [(7, 5, 3), (1, 1, 1), (2, 40, 3), (34, 9, 12)])
@pytest.mark.parametrize("spacing", [(9.0, 9.0, 9.0), (2.5, 30.0, 11.0)])
def test_volumes_of_any_size(make_bundle, shape, spacing):
    rng = np.random.default_rng(0)
    volume = Volume(
        rng.integers(-200, 200, shape).astype(np.int16), Geometry(shape, affine("LPS", spacing)), "ct_hu"
    )
    predictor = Predictor.load(make_bundle(networks=("b",)), device="cpu")
    result = predictor.predict(volume)
    assert result.labels.array.shape == shape
    np.testing.assert_array_equal(result.labels.array, full_labels(predictor, volume))
    total = sum(row.volume_ml for row in result.table.values())
    assert total == pytest.approx((result.labels.array > 0).sum() * np.prod(spacing) / 1000)


def test_best_network_alone(make_bundle, ct):
    folder = make_bundle()
    both, best = (Predictor.load(folder, "cpu", networks) for networks in ("all", "best"))
    assert tuple(best.reader.networks) == ("b",)
    result = best.predict(ct, maps=MAPS)
    assert set(result.maps) == set(MAPS) - {"disagreement"}
    assert "two networks" in result.notes[0]
    assert (both.predict(ct).labels.array != result.labels.array).any()


def test_what_each_network_says_alone_is_what_it_says_by_itself(make_bundle, ct):
    folder = make_bundle(organs=("liver", "spleen", "aorta"))
    both = Predictor.load(folder, "cpu")
    assert both.predict(ct).networks == {}
    result = both.predict(ct, apart=True, pieces=1.0)
    assert list(result.networks) == ["a", "b"]
    best = Predictor.load(folder, "cpu", networks="best")
    alone = best.predict(ct, apart=True, pieces=1.0)
    assert alone.networks == {}
    other = result.networks["b"]  # rounding may turn a tie: it is what the mean leaves over
    assert other.geometry is ct.geometry
    assert np.count_nonzero(other.array != alone.labels.array) < 1e-3 * ct.array.size
    assert (result.networks["a"].array != other.array).any()
    assert set(np.unique(other.array)) <= {0, *map(AMOS_15.value, ("liver", "spleen", "aorta"))}


def test_what_the_mixture_says_is_the_class_of_its_highest_posterior(make_bundle, ct):
    organs = ("liver", "spleen", "aorta")
    predictor = Predictor.load(make_bundle(organs=organs), "cpu")
    assert predictor.predict(ct).opinions == {}
    result = predictor.predict(ct, mixture=True, apart=True, pieces=1.0)
    assert list(result.networks) == ["a", "b"]
    assert list(result.opinions) == ["mixture"]
    said = result.opinions["mixture"]
    assert said.geometry is ct.geometry
    assert (said.array != result.labels.array).any()
    values = np.array([0, *map(AMOS_15.value, organs)], np.uint8)
    expected = values[full_labels(predictor, ct, "posterior")]
    np.testing.assert_array_equal(said.array, expected)  # pieces apart are kept


def test_the_mixture_speaks_without_maps_but_not_without_class_banks(make_bundle, ct):
    asked = Predictor.load(make_bundle(), "cpu").predict(ct, maps=(), mixture=True)
    assert list(asked.opinions) == ["mixture"]
    without = Predictor.load(make_bundle(banks=False), "cpu").predict(ct, mixture=True)
    assert without.opinions == {}


def test_without_maps_there_is_no_confidence(make_bundle, ct):
    result = Predictor.load(make_bundle(networks=("a",)), "cpu").predict(ct, maps=())
    assert result.maps == {}
    assert result.mean_confidence is None
    assert all(row.mean_confidence is None for row in result.table.values())


def test_bundle_without_banks_gives_the_softmax(make_bundle, ct):
    result = Predictor.load(make_bundle(banks=False), "cpu").predict(ct, maps=("confidence", "typicality"))
    assert result.kind == "softmax"
    assert set(result.maps) == {"confidence"}
    assert "class statistics" in result.notes[0]
    assert result.mean_confidence > 1 / 16


def test_an_organ_the_bank_never_saw_is_unavailable(make_bundle, ct):
    shown = Predictor.load(make_bundle(), "cpu").predict(ct)
    value = int(np.bincount(shown.labels.array.ravel())[1:].argmax()) + 1
    organ = AMOS_15.organ(value).name
    result = Predictor.load(make_bundle(unseen=(value,)), "cpu").predict(ct)
    assert result.unavailable == (organ,)
    assert organ in result.notes[0]
    assert result.table[organ].volume_ml > 0
    assert result.table[organ].mean_confidence is None


def test_temperature_of_the_bundle_is_used(make_bundle, ct):
    """Of the softmax, whose shown label is its largest: softening must lower every confidence."""
    sharp, soft = (
        Predictor.load(make_bundle(banks=False, calibration={"temperature": t}), "cpu").predict(ct)
        for t in (0.5, 5.0)
    )
    np.testing.assert_array_equal(sharp.labels.array, soft.labels.array)
    assert (sharp.maps["confidence"].array >= soft.maps["confidence"].array).all()
    assert sharp.mean_confidence > 1.5 * soft.mean_confidence


def test_organs_get_the_values_of_the_scheme(make_bundle, ct):
    organs = ("liver", "bladder")
    predictor = Predictor.load(make_bundle(networks=("a",), organs=organs), "cpu")
    result = predictor.predict(ct)
    values = {0, AMOS_15.value("liver"), AMOS_15.value("bladder")}
    assert set(np.unique(result.labels.array)) <= values
    mask = result.labels.array == AMOS_15.value("liver")
    assert result.table["liver"].volume_ml == pytest.approx(mask.sum() * ct.geometry.voxel_ml)


def test_stop_leaves_nothing(make_bundle, ct, tmp_path):
    predictor = Predictor.load(make_bundle(spacing_mm=(5.0, 7.0, 7.0)), "cpu")
    before = sorted(tmp_path.rglob("*"))
    done = []
    with pytest.raises(Stopped):
        predictor.predict(ct, lambda *at: done.append(at), should_stop=lambda: len(done) >= 2)
    assert len(done) == 2
    assert sorted(tmp_path.rglob("*")) == before
    assert predictor.predict(make_phantom(1, (8, 9, 9), (30.0, 30.0, 30.0))[0]).labels.array.shape == (
        8,
        9,
        9,
    )


def test_too_little_memory_falls_back_to_smaller_windows(make_bundle, ct, monkeypatch):
    predictor = Predictor.load(make_bundle(networks=("a",)), "cpu")
    big = predictor.manifest.patch.model_copy(update={"window": (32, 64, 64)})
    object.__setattr__(predictor, "manifest", predictor.manifest.model_copy(update={"patch": big}))
    original = module._run

    def short_of_memory(prepared, reader, windows, *rest):
        if windows.size[1] > 32:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(prepared, reader, windows, *rest)

    monkeypatch.setattr(module, "_run", short_of_memory)
    result = predictor.predict(ct)
    assert "32 x 32 x 32" in result.notes[0]
    monkeypatch.setattr(module, "_run", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(GuidedNetError, match="not enough memory"):
        predictor.predict(ct)


def test_a_gpu_that_is_full_hands_over_to_the_cpu(make_bundle, ct, monkeypatch):
    predictor = Predictor.load(make_bundle(networks=("a",)), "cpu")
    expected = predictor.predict(ct)
    object.__setattr__(predictor, "device", torch.device("cuda"))
    original = module._run

    def full(prepared, reader, windows, device, *rest):
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(prepared, reader, windows, device, *rest)

    monkeypatch.setattr(module, "_run", full)
    result = predictor.predict(ct)
    assert result.device == "cpu"
    assert "the CPU was used" in result.notes[0]
    np.testing.assert_array_equal(result.labels.array, expected.labels.array)


def test_other_errors_are_not_hidden(make_bundle, ct, monkeypatch):
    predictor = Predictor.load(make_bundle(networks=("a",)), "cpu")
    monkeypatch.setattr(module, "_run", lambda *_: (_ for _ in ()).throw(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        predictor.predict(ct)


def test_mistakes_are_explained(make_bundle, ct, tmp_path):
    folder = make_bundle(networks=("a",))
    with pytest.raises(GuidedNetError, match="no device 'warp'"):
        Predictor.load(folder, device="warp")
    if not torch.cuda.is_available():
        with pytest.raises(GuidedNetError, match="no device 'cuda'"):
            Predictor.load(folder, device="cuda")
    with pytest.raises(BundleError):
        Predictor.load(tmp_path / "nowhere")
    with pytest.raises(GuidedNetError, match="no map 'colour'"):
        Predictor.load(folder, "cpu").predict(ct, maps=("colour",))
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="checksum"):
        Predictor.load(folder)


def test_measure_by_hand():
    labels = np.array([[[0, 1, 1, 2]], [[2, 2, 0, 0]]], np.uint8)
    confidence = np.array([[[255, 255, 0, 51]], [[51, 51, 255, 255]]], np.uint8)
    table, mean = measure(labels, confidence, 0.5, ("liver", "spleen", "aorta"), [True, False, True])
    assert table["liver"].volume_ml == 1.0
    assert table["liver"].mean_confidence == pytest.approx(0.5)
    assert table["spleen"].volume_ml == 1.5
    assert table["spleen"].mean_confidence is None
    assert table["aorta"].volume_ml == 0
    assert mean == pytest.approx(0.5)


MEMORY = r"""
import re, sys
import numpy as np, torch
torch.set_num_threads(1)
from guidednet_training.inference.restore import Restorer
n_classes, lazy = int(sys.argv[1]), sys.argv[2] == "slabs"
source, target = (40, 48, 48), (120, 192, 192)
labels = np.zeros(target, np.uint8)
coarse = torch.rand(n_classes, 5, 6, 6, generator=torch.Generator().manual_seed(0))
up = lambda s, size: torch.nn.functional.interpolate(s[None], size=size, mode="trilinear")[0]
scores = (20 * up(coarse, source)).softmax(0)
def high_water():
    with open("/proc/self/status") as status:  # ru_maxrss would begin with that of the parent process
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1])
small = (8, 8, 8)
Restorer(small, np.zeros((16, 16, 16), np.uint8)).add(0, up(coarse, small).contiguous())
before = high_water()
if lazy:
    restorer = Restorer(source, labels)
    for z in range(0, 40, 8):
        restorer.add(z, scores[:, z:z + 8])
else:
    labels[:] = up(scores, target).max(0).indices.numpy()
print(high_water() - before, int(labels.sum()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_classes_times_the_original_grid():
    """Peak of restoring, in KiB: small against the full interpolation, and not growing with K."""

    def peak(n_classes, way):
        out = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n_classes), way], capture_output=True, text=True, check=True
        )
        return [int(word) for word in out.stdout.split()]

    (few, _), (many, labels), (full, reference) = peak(4, "slabs"), peak(16, "slabs"), peak(16, "full")
    assert labels == reference
    one_grid_kib = 120 * 192 * 192 * 4 / 1024
    assert full > 14 * one_grid_kib
    assert many < 0.25 * full
    assert many - few < 2 * one_grid_kib
