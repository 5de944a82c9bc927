"""SASSnet: a second head learns distances, and a critic judges them."""

from __future__ import annotations

import pytest
import torch

from guidednet_training.core.labels import UNKNOWN
from guidednet_training.core.recipes import with_values
from guidednet_training.core.spec import NetSpec, TrainSpec
from guidednet_training.data.batches import Batch
from guidednet_training.functional.distance import distance_loss, signed_distances
from guidednet_training.functional.losses import dice_loss
from guidednet_training.methods import METHODS, Clock, Method, MethodContext, build_method

CLOCK = Clock(5, 10)


def make(**settings: object) -> Method:
    context = MethodContext(NetSpec(width=4, dropout=0.0), 3, [100, 10, 1])
    return build_method("sassnet", {"critic_width": 4} | settings, context)


def batch(unlabelled: int = 1) -> Batch:
    image = torch.rand(1 + unlabelled, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    label = torch.zeros(1, 32, 32, 32, dtype=torch.long)
    label[:, 8:24, 8:24, 8:20], label[:, 2:6, 2:30, 2:30] = 1, 2
    return Batch(image, label, torch.ones(1, 3, dtype=torch.bool))


def test_terms_of_each_player() -> None:
    losses = make().losses(batch(), CLOCK)
    assert losses["segmenter"].keys() == {"supervised", "distance", "persuasion"}
    assert losses["critic"].keys() == {"judgement"}
    alone = make().losses(batch(unlabelled=0), CLOCK)
    assert alone.keys() == {"segmenter"}
    assert alone["segmenter"].keys() == {"supervised", "distance"}


def test_the_segmenter_owns_both_heads_and_ships_one() -> None:
    method = make()
    mine = set(map(id, method.players()["segmenter"]))
    assert set(map(id, method.distance.parameters())) <= mine
    assert not any("distance" in key for key in method.predictor().state_dict())


def test_distance_is_that_of_the_labelled_patches() -> None:
    method, given = make(distance_weight=2.0), batch()
    truth = signed_distances(given.label, given.annotated)
    predicted = method.distance(method.net_a(given.image).features)
    wanted = 2.0 * distance_loss(predicted[:1], truth)
    found = method.losses(given, CLOCK)["segmenter"]["distance"]
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)


def test_unknown_labels_teach_no_distance() -> None:
    given = batch()
    unknown = Batch(given.image, torch.full_like(given.label, UNKNOWN), given.annotated)
    assert make().losses(unknown, CLOCK)["segmenter"]["distance"].item() == 0


def test_dice_alone_as_published() -> None:
    method, given = make(dice_alone=True), batch()
    wanted = dice_loss(method.net_a(given.image).logits[:1], given.label, given.annotated)
    found = method.losses(given, CLOCK)["segmenter"]["supervised"]
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)


def test_setting_of_the_paper_works() -> None:
    spec = with_values(TrainSpec(method="sassnet"), METHODS["sassnet"].original)
    assert (spec.net.name, spec.net.norm) == ("vnet", "batch")
    context = MethodContext(spec.net.model_copy(update={"width": 4}), 3, [100, 10, 1])
    method = build_method("sassnet", spec.settings, context)
    losses = method.losses(batch(), CLOCK)
    assert all(torch.isfinite(value) for terms in losses.values() for value in terms.values())
