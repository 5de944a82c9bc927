"""DKUXNet's objective: its branches, its terms and what they leave out."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from torch import nn

from guidednet_training.core.errors import SpecError
from guidednet_training.core.labels import UNKNOWN
from guidednet_training.core.spec import NetSpec
from guidednet_training.data.batches import Batch
from guidednet_training.methods import Clock, MethodContext, build_method
from guidednet_training.nets.kmax import QueryDecoder

SIDE, CLASSES = 32, 3
LAST = Clock(9, 10)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def make(net: NetSpec | None = None, **settings):
    net = net or NetSpec(width=4, queries=8)
    context = MethodContext(net, CLASSES, [50_000, 6_000, 700], patch=(SIDE, SIDE, SIDE))
    return build_method("dkuxnet", {"samples": 64, **settings}, context)


def make_batch(labelled: int = 1, unlabelled: int = 1) -> Batch:
    image = torch.rand(labelled + unlabelled, 1, SIDE, SIDE, SIDE)
    label = torch.randint(0, CLASSES, (labelled, SIDE, SIDE, SIDE))
    return Batch(image, label, torch.ones(labelled, CLASSES, dtype=torch.bool))


def terms(method, batch: Batch, clock: Clock = LAST):
    torch.manual_seed(1)
    return method.losses(batch, clock)["segmenter"]


def test_terms_of_both_branches_and_between_them() -> None:
    assert list(terms(make(), make_batch())) == [
        "supervised_a",
        "query_a",
        "supervised_b",
        "query_b",
        "segc",
        "qdc",
    ]


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"use_queries": False}, {"segc"}),
        ({"use_segmentation": False}, {"qdc"}),
        ({"weight": 0}, set()),
    ],
)
def test_components_can_be_left_out(settings, left) -> None:
    found = terms(make(query_weight=0, **settings), make_batch())
    assert set(found) == {"supervised_a", "supervised_b"} | left


def test_the_ramp_and_the_weights_scale_the_terms() -> None:
    batch = make_batch()
    plain = terms(make(ramp="none"), batch)
    heavy = terms(make(ramp="none", weight=0.2, query_weight=0.3, supervised_weight=2), batch)
    for term, factor in (("supervised_b", 2), ("query_a", 3), ("segc", 2), ("qdc", 2)):
        torch.testing.assert_close(heavy[term], factor * plain[term])
    first = terms(make(ramp="full"), batch, Clock(0, 10))
    torch.testing.assert_close(first["segc"], plain["segc"] * torch.exp(torch.tensor(-5.0)))


def test_plain_networks_get_a_branch_of_queries_that_is_not_shipped() -> None:
    method = make()
    assert set(method.branches) == {"a", "b"}
    assert not any(
        isinstance(part, QueryDecoder) for net in method.networks().values() for part in net.modules()
    )
    assert method.branches["a"].stride == 4
    played = {id(p) for p in method.players()["segmenter"]}
    assert played == {id(p) for p in method.parameters()}


def test_no_branch_starts_as_one_of_the_run_with_the_next_seed() -> None:
    context = MethodContext(NetSpec(width=4, queries=8), 3, [100, 10, 1])
    first, second = (build_method("dkuxnet", {}, replace(context, seed=seed)).branches for seed in (0, 1))
    branches = (*first.values(), *second.values())
    weights = [next(p for p in branch.parameters() if p.ndim > 1) for branch in branches]
    assert not any(torch.equal(one, other) for one, other in combinations(weights, 2))


@pytest.mark.parametrize("name", ["uxnet", "dkuxnet"])
def test_published_networks(name: str) -> None:
    method = make(NetSpec(name=name, width=4, queries=8, query_stride=2))
    assert bool(method.branches) == (name == "uxnet")
    found = terms(method, make_batch())
    sum(found.values()).backward()
    late = [p for net in method.networks().values() for p in net.late_parameters() if p.ndim > 1]
    assert all(p.grad.any() for p in late)


def test_a_network_that_hides_its_decoder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from guidednet_training.nets import UNet3D

    original = UNet3D.__init__

    def hide(self, *arguments) -> None:
        original(self, *arguments)
        self.stage_channels = ()

    monkeypatch.setattr(UNet3D, "__init__", hide)
    with pytest.raises(SpecError, match="decoder"):
        make()


def test_shared_weights_ship_one_network() -> None:
    method = make(shared=True)
    assert list(method.networks()) == ["a"]
    found = terms(method, make_batch())
    assert {"supervised_a", "supervised_b", "segc", "qdc"} <= set(found)
    assert not torch.equal(found["supervised_a"], found["supervised_b"])  # the views differ


def test_layers_learn_from_labels_only_when_asked() -> None:
    for asked in (True, False):
        method = make(teach_layers=asked)
        terms(method, make_batch())["query_a"].backward()
        weights = [
            p for layer in method.branches["a"].layers for p in layer.predictor.parameters() if p.ndim > 1
        ]
        assert all((p.grad is not None and bool(p.grad.any())) is asked for p in weights)


def test_equal_branches_agree_best() -> None:
    """One network, the same view twice: exact positives; then those of voxels that lie elsewhere."""
    batch = make_batch()
    same = make(shared=True, strength=0.0, ramp="none").eval()
    for module in same.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    look = same._look("a", batch.image)
    drawn = same._drawn(look, look, batch)
    moved = look.logits.roll(5, 3)
    aligned = same._contrast(look.logits.softmax(1), look.logits.softmax(1), drawn, batch)
    strangers = same._contrast(look.logits.softmax(1), moved.softmax(1), drawn, batch)
    assert aligned < strangers


def test_unknown_voxels_teach_nothing() -> None:
    method, batch = make().eval(), make_batch(unlabelled=0)
    batch.label[:, :16] = UNKNOWN
    look = method._look("a", batch.image)
    ((position, _),) = method._drawn(look, look, batch)
    assert int(position.min()) >= 16 * SIDE * SIDE
    nothing = Batch(batch.image, torch.full_like(batch.label, UNKNOWN), batch.annotated)
    found = terms(method, nothing)
    assert float(found["segc"].detach()) == float(found["query_a"].detach()) == 0


def test_original_setting_is_a_specification() -> None:
    from guidednet_training.core.spec import TrainSpec
    from guidednet_training.methods import METHODS

    tree: dict = TrainSpec(method="dkuxnet").model_dump()
    for path, value in METHODS["dkuxnet"].original.items():
        *folders, key = path.split(".")
        branch = tree
        for folder in folders:
            branch = branch[folder]
        branch[key] = value
    spec = TrainSpec.parse(tree, "original")
    assert (spec.net.name, spec.net.width) == ("dkuxnet", 48)
    assert METHODS["dkuxnet"].Settings.parse(spec.settings, "settings").supervised_weight == 2
