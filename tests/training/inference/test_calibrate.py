"""Class banks equal the plain statistics of the labelled voxels; calibration finds what was put in."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from guidednet_training.core.spec import NetSpec
from guidednet_training.data.store import PreparedCase
from guidednet_training.functional.mixture import MixtureOptions
from guidednet_training.inference.calibrate import calibrate, fit_banks
from guidednet_training.inference.reliability import reliability
from guidednet_training.inference.sliding import Stopped, Windows
from guidednet_training.nets import Output, build_net

WINDOWS = Windows((32, 32, 32))
ORGANS = ("liver", "spleen", "pancreas")


class Intensity(nn.Module):
    """Voxel by voxel: features are powers of the intensity, logits stand at chosen intensities."""

    feature_channels = 2

    def __init__(self, centres):
        super().__init__()
        self.centres = torch.tensor(centres)
        self.modes = []

    def forward(self, x):
        self.modes.append(self.training)
        return Output(-50 * (x - self.centres[:, None, None, None]).square(), torch.cat([x, x * x], 1))


def case(seed, shape=(20, 37, 33), annotated=(True, True, True, True), name="c"):
    rng = np.random.default_rng(seed)
    image = rng.random(shape).astype(np.float16)
    label = rng.choice([0, 1, 2, 255], size=shape, p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
    return PreparedCase(name, image, label, np.array(annotated))


def moments(features, mask):
    chosen = features[:, mask].astype(np.float64)
    return chosen.mean(1), chosen.var(1)


@pytest.mark.parametrize("covariance", ["isotropic", "diagonal"])
def test_bank_equals_the_plain_moments(covariance):
    cases = [case(0), case(1, (40, 20, 20))]
    net = Intensity([0.0, 0.3, 0.6, 9.0])
    bank = fit_banks({"a": net}, cases, WINDOWS, MixtureOptions(covariance=covariance))["a"]
    image = np.concatenate([c.image.ravel() for c in cases]).astype(np.float32)
    label = np.concatenate([c.label.ravel() for c in cases])
    features = np.stack([image, image * image])
    for value in (0, 1, 2):
        mean, variance = moments(features, label == value)
        variance = variance if covariance == "diagonal" else variance.mean()
        np.testing.assert_allclose(bank.mean[value].numpy(), mean, rtol=1e-6)
        np.testing.assert_allclose(bank.variance[value].numpy(), variance, rtol=1e-5)
        assert int(bank.count[value]) == (label == value).sum()
    assert bank.seen.tolist() == [True, True, True, False]
    assert net.modes == [False] * len(net.modes)
    assert net.training


def test_background_that_may_be_an_unannotated_organ_is_left_out():
    hidden = case(2, annotated=(True, True, True, False))
    net = Intensity([0.0, 0.3, 0.6, 0.9])
    bank = fit_banks({"a": net}, [hidden], WINDOWS)["a"]
    image = hidden.image.astype(np.float32)
    sure = (hidden.label == 0) & (np.abs(image - 0.9) >= np.abs(image - 0.6))
    assert int(bank.count[0]) == pytest.approx(sure.sum(), abs=2)
    assert bank.mean[0, 0].item() == pytest.approx(image[sure].mean(), abs=1e-3)
    assert not bank.seen[3]


def test_a_voxel_of_its_class_is_typical_on_average():
    """Windows as in inference: with a real network, own-class d^2 / variance averages 1."""
    net = build_net(NetSpec(width=4), n_classes=3).train()
    rng = np.random.default_rng(3)
    image = rng.random((32, 32, 32)).astype(np.float16)
    label = (image > 0.5).astype(np.uint8) + (image > 0.8)
    prepared = PreparedCase("c", image, label, np.ones(3, bool))
    bank = fit_banks({"a": net}, [prepared], WINDOWS)["a"]
    assert net.training
    with torch.inference_mode():
        features = net.eval()(torch.from_numpy(image.astype(np.float32))[None, None]).features[0]
    for value in range(3):
        own = features[:, torch.from_numpy(label == value)]
        distance = (own - bank.mean[value][:, None]).square().mean(0) / bank.variance[value]
        assert distance.mean().item() == pytest.approx(1, abs=1e-3)


def test_half_overlapping_windows_count_each_voxel_once():
    wide = case(4, (50, 34, 33))
    bank = fit_banks({"a": Intensity([0.0, 0.3, 0.6, 9.0])}, [wide], WINDOWS)["a"]
    assert bank.count.tolist() == np.bincount(wide.label.ravel(), minlength=4)[:4].tolist()


def test_reliability_by_hand():
    confidence = torch.tensor([0.95, 0.95, 0.15, 1.0])
    right = torch.tensor([True, False, False, True])
    curve, ece = reliability(confidence, right, torch.tensor([1.0, 1.0, 2.0, 1.0]))
    assert len(curve) == 2
    assert curve[0] == pytest.approx((0.15, 0.0, 0.4))
    assert curve[1] == pytest.approx((2.9 / 3, 2 / 3, 0.6))
    assert ece == pytest.approx(0.4 * 0.15 + 0.6 * 0.3)


class Logits(nn.Module):
    """Two classes; the logit of class 1 is `gain` times the intensity's."""

    feature_channels = 1

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, x):
        z = self.gain * (x - 0.5) * 8
        return Output(torch.cat([-z / 2, z / 2], 1), x)


@pytest.mark.parametrize("gain", [0.4, 1.0, 5.0])
def test_the_temperature_undoes_over_and_under_confidence(gain):
    rng = np.random.default_rng(5)
    image = rng.random((32, 64, 64)).astype(np.float16)
    truth = rng.random(image.shape) < 1 / (1 + np.exp(-8 * (image.astype(np.float64) - 0.5)))
    prepared = PreparedCase("v", image, truth.astype(np.uint8), np.ones(2, bool))
    result = calibrate({"a": Logits(gain)}, {}, [prepared], ["liver"], WINDOWS)
    assert result["kind"] == "softmax"
    assert result["temperature"] == pytest.approx(gain, rel=0.12)
    assert result["ece"] < 0.03
    assert set(result["organs"]) == {"background", "liver"}
    if gain == 5.0:
        assert result["organs"]["liver"]["ece_before"] > 0.08
    shown = (image.astype(np.float32) > 0.5).sum()
    assert result["organs"]["liver"]["voxels"] == pytest.approx(shown, abs=5)
    assert json.loads(json.dumps(result))["cases"] == ["v"]


def test_calibration_leaves_out_what_is_not_annotated_and_says_what_is_unavailable():
    prepared = case(6, annotated=(True, True, False, True))
    net = Intensity([0.0, 0.3, 0.6, 0.9])
    banks = fit_banks({"a": net}, [prepared], WINDOWS)
    result = calibrate({"a": net}, banks, [prepared], ORGANS, WINDOWS)
    assert result["unavailable"] == ["spleen", "pancreas"]
    assert set(result["organs"]) == {"background", "liver"}
    assert result["kind"] == "cgmm_posterior"


def test_background_is_not_called_right_where_a_known_organ_is_not_annotated():
    whole, partly = case(6), case(7, annotated=(True, True, False, True), name="p")
    partly.label[partly.label == 2] = 0  # as what nobody vouches for is stored
    net = Intensity([0.0, 0.3, 0.6, 0.9])
    banks = fit_banks({"a": net}, [whole], WINDOWS)
    names = {case.id: calibrate({"a": net}, banks, [case], ORGANS, WINDOWS) for case in (whole, partly)}
    assert set(names["c"]["organs"]) == {"background", "liver", "spleen"}
    assert set(names["p"]["organs"]) == {"liver"}


def test_nothing_to_compare():
    result = calibrate({"a": Intensity([0.0, 1.0])}, {}, [], ["liver"], WINDOWS)
    assert result == {"kind": "softmax", "cases": [], "unavailable": []}


def test_progress_and_stop():
    ticks = []
    cases = [case(7), case(8)]
    net = Intensity([0.0, 0.3, 0.6, 9.0])
    fit_banks({"a": net}, cases, WINDOWS, progress=lambda *at: ticks.append(at))
    assert ticks == [(i + 1, 8) for i in range(8)]
    with pytest.raises(Stopped):
        fit_banks({"a": net}, cases, WINDOWS, should_stop=lambda: True)
    with pytest.raises(Stopped):
        calibrate({"a": net}, {}, cases, ORGANS, WINDOWS, should_stop=lambda: True)
    assert net.training


def test_a_case_without_labels_is_refused():
    bare = PreparedCase("u", np.zeros((8, 8, 8), np.float16), None, np.ones(2, bool))
    with pytest.raises(ValueError, match="'u' has no labels"):
        fit_banks({"a": Intensity([0.0, 1.0])}, [bare], WINDOWS)
