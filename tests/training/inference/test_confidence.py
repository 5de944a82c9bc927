"""Each confidence map says what it claims, on features made for it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from guidednet_training.core.prediction import MAPS
from guidednet_training.functional.class_bank import ClassBank
from guidednet_training.functional.mixture import MixtureOptions
from guidednet_training.inference import confidence
from guidednet_training.inference.confidence import Reader, Trust, read_posterior
from guidednet_training.nets import Output


class Fixed(nn.Module):
    """A network whose first channels of the input are its logits and the rest its features."""

    def __init__(self, n_classes, shift=0.0):
        super().__init__()
        self.n_classes, self.shift = n_classes, shift

    def forward(self, x):
        logits = x[:, : self.n_classes].clone()
        logits[:, 1] += self.shift
        return Output(logits, x[:, self.n_classes :])


def bank(means, variance=1.0, unseen=()):
    made = ClassBank(len(means), len(means[0]))
    made.mean.copy_(torch.tensor(means))
    made.variance.fill_(variance)
    made.seen.fill_(True)
    for value in unseen:
        made.seen[value] = False
    return made


def read(reader, logits, features):
    """Read voxels given as rows: logits (n, K), features (n, C)."""
    rows = torch.cat([torch.tensor(logits), torch.tensor(features)], 1)
    maps = reader(rows.T[None, :, :, None, None])
    labels, found = reader.finish({name: values[0] for name, values in maps.items()})
    return labels.flatten(), {name: values.flatten() for name, values in found.items()}


MEANS = [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]


def test_agreement_is_the_posterior_of_the_shown_label():
    reader = Reader({"a": Fixed(3)}, {"a": bank(MEANS)}, MAPS)
    labels, maps = read(reader, [[5.0, 0, 0], [0, 5.0, 0], [5.0, 0, 0]], [[0.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    assert labels.tolist() == [0, 1, 0]
    # d^2 over two channels: own 0, others 4/2 = 2 (and 8/2 = 4 between the organs)
    near = 1 / (1 + 2 * math.exp(-1))
    organ = 1 / (1 + math.exp(-1) + math.exp(-2))
    contradicted = math.exp(-1) * organ
    torch.testing.assert_close(maps["confidence"], torch.tensor([near, organ, contradicted]))


def test_entropy_is_low_between_known_classes():
    reader = Reader({"a": Fixed(3)}, {"a": bank([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])}, ("entropy",))
    _, maps = read(reader, [[5.0, 0, 0]] * 3, [[0.0, 0.0], [4.5, 0.0], [4.5, 4.5]])
    sure, two, three = maps["entropy"].tolist()
    assert sure == pytest.approx(1, abs=1e-3)
    assert 0.2 < two < 0.6
    assert three == pytest.approx(0, abs=1e-4)


def test_typicality_flags_what_is_far_from_everything():
    reader = Reader({"a": Fixed(3)}, {"a": bank(MEANS)}, ("confidence", "typicality"))
    _, maps = read(reader, [[5.0, 0, 0]] * 3, [[0.0, 0.0], [1.0, 1.0], [-9.0, -9.0]])
    assert maps["typicality"][0] == 1
    assert maps["typicality"][1] == 1  # d^2 / variance = 1: spread like its class
    assert maps["typicality"][2] < 1e-6
    assert maps["confidence"][2] > 0.99  # the posterior cannot see it: that is why typicality is there


def test_disagreement_is_total_variation():
    networks = {"a": Fixed(3), "b": Fixed(3, shift=20.0)}
    reader = Reader(networks, {n: bank(MEANS) for n in networks}, ("disagreement",))
    _, maps = read(reader, [[10.0, 0, 0], [0, 20.0, 0]], [[0.0, 0.0]] * 2)
    assert maps["disagreement"].tolist() == pytest.approx([1, 0], abs=1e-3)


def test_posteriors_are_averaged_over_networks():
    networks = {"a": Fixed(3), "b": Fixed(3)}
    swapped = [MEANS[1], MEANS[0], MEANS[2]]
    one = Reader({"a": Fixed(3)}, {"a": bank(MEANS)}, ("confidence",))
    other = Reader({"b": Fixed(3)}, {"b": bank(swapped)}, ("confidence",))
    both = Reader(networks, {"a": bank(MEANS), "b": bank(swapped)}, ("confidence",))
    voxel = ([[5.0, 0, 0]], [[0.3, 0.1]])
    values = [read(reader, *voxel)[1]["confidence"] for reader in (one, other, both)]
    torch.testing.assert_close(values[2], (values[0] + values[1]) / 2)


def test_a_class_never_seen_has_no_confidence_and_does_not_share():
    reader = Reader({"a": Fixed(3)}, {"a": bank(MEANS, unseen=(2,))}, MAPS)
    labels, maps = read(reader, [[0, 0, 5.0], [5.0, 0, 0]], [[0.0, 2.0], [1.0, 0.0]])
    assert reader.available.tolist() == [True, True, False]
    assert labels.tolist() == [2, 0]
    assert maps["confidence"].tolist() == pytest.approx([0, 0.5])
    assert maps["typicality"][0] == 0
    assert maps["entropy"][1] == pytest.approx(0, abs=1e-5)  # undecided between the two known classes


def opinion(reader, logits, features):
    rows = torch.cat([torch.tensor(logits), torch.tensor(features)], 1)
    maps = reader(rows.T[None, :, :, None, None])
    scores = dict(reader.scores_apart({name: values[0] for name, values in maps.items()}))
    return {name: values.max(0).indices.flatten().tolist() for name, values in scores.items()}


def test_the_mixture_names_the_nearest_class_whatever_the_networks_say():
    networks = {"a": Fixed(3), "b": Fixed(3)}
    reader = Reader(networks, {n: bank(MEANS) for n in networks}, apart=True, mixture=True)
    said = opinion(reader, [[5.0, 0, 0]] * 3, [[0.1, 0.0], [1.9, 0.0], [0.0, 1.9]])
    assert said == {"a": [0, 0, 0], "b": [0, 0, 0], "mixture": [0, 1, 2]}
    assert reader.opinions == ("a", "b", "mixture")
    assert reader.alone == ("a", "b")


def test_the_mixture_never_names_a_class_that_one_of_the_banks_has_not_seen():
    networks = {"a": Fixed(3), "b": Fixed(3)}
    banks = {"a": bank(MEANS), "b": bank(MEANS, unseen=(2,))}
    reader = Reader(networks, banks, ("confidence",), mixture=True)
    assert opinion(reader, [[0.0, 0, 5]], [[0.3, 9.0]]) == {"mixture": [0]}


def test_the_prior_of_the_bundle_has_its_say():
    plain, weighed = bank(MEANS), bank(MEANS)
    weighed.options = MixtureOptions(prior="train")
    weighed.count.copy_(torch.tensor([1000, 1, 1]))
    voxel = [[5.0, 0, 0]], [[1.2, 0.0]]
    assert opinion(Reader({"a": Fixed(3)}, {"a": plain}, mixture=True), *voxel) == {"mixture": [1]}
    assert opinion(Reader({"a": Fixed(3)}, {"a": weighed}, mixture=True), *voxel) == {"mixture": [0]}


def test_a_fitted_power_moves_the_prior_of_confidence_and_opinion_alike():
    voxel = [[5.0, 0, 0]], [[1.2, 0.0]]
    weighed = bank(MEANS)
    weighed.options = MixtureOptions(prior="train_sqrt")
    weighed.count.copy_(torch.tensor([10_000, 1, 4]))
    plain = bank(MEANS)
    for power, expected in ((0.0, weighed), (-0.5, plain)):
        fitted = Reader({"a": Fixed(3)}, {"a": weighed}, MAPS, Trust(prior_power=power), mixture=True)
        straight = Reader({"a": Fixed(3)}, {"a": expected}, MAPS, mixture=True)
        assert opinion(fitted, *voxel) == opinion(straight, *voxel)
        _, maps = read(fitted, *voxel)
        _, wanted = read(straight, *voxel)
        for name in ("confidence", "entropy", "typicality"):
            torch.testing.assert_close(maps[name], wanted[name], atol=1e-5, rtol=0)


def test_older_calibrations_know_no_power():
    assert Trust.of({"temperature": 2.0, "ece": 0.1}) == Trust(2.0, 0.0)
    assert Trust.of({}) == Trust()


def test_one_available_class_is_certain():
    reader = Reader({"a": Fixed(3)}, {"a": bank(MEANS, unseen=(1, 2))}, ("confidence", "entropy"))
    _, maps = read(reader, [[5.0, 0, 0]], [[7.0, 7.0]])
    assert maps["confidence"].tolist() == pytest.approx([1])
    assert maps["entropy"].tolist() == [1]


def test_without_banks_the_softmax_stands_in():
    reader = Reader({"a": Fixed(3)}, {}, MAPS)
    assert reader.kind == "softmax"
    assert reader.offered == ("confidence", "entropy")
    _, maps = read(reader, [[2.0, 0.0, 0.0]], [[0.0, 0.0]])
    assert maps["confidence"].item() == pytest.approx(math.exp(2) / (math.exp(2) + 2))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_tempered_posterior(temperature):
    posterior = torch.rand(5, 40, generator=torch.Generator().manual_seed(0)).softmax(0)
    labels = posterior.max(0).indices
    agreement, certainty = read_posterior(posterior, labels, temperature)
    tempered = (posterior.log() / temperature).softmax(0)
    torch.testing.assert_close(agreement, tempered.max(0).values)
    entropy = -(tempered * tempered.log()).sum(0) / math.log(5)
    torch.testing.assert_close(certainty, 1 - entropy, atol=1e-5, rtol=0)


def test_maps_stay_in_range_and_do_not_depend_on_the_chunks(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    networks = {"a": Fixed(3), "b": Fixed(3, shift=1.0)}
    banks = {"a": bank(MEANS, 0.01), "b": bank(MEANS, 50.0)}
    reader = Reader(networks, banks, MAPS)
    window = 3 * torch.randn((1, 5, 6, 5, 4), generator=generator)
    whole = {n: v.clone() for n, v in reader(window).items()}
    monkeypatch.setattr(confidence, "CHUNK_VOXELS", 7)
    for name, values in reader(window).items():
        torch.testing.assert_close(values, whole[name])
    _, found = reader.finish({name: values[0] for name, values in whole.items()})
    assert set(found) == set(MAPS)
    for values in found.values():
        assert values.shape == (6, 5, 4)
        assert 0 <= values.min() <= values.max() <= 1
