"""Differences from a published protocol are found in the specifications and said once."""

from __future__ import annotations

from guidednet_training.core.protocol import differences, leaves
from guidednet_training.core.spec import TrainSpec

PUBLISHED = {
    "steps": 20_000,
    "patch": {"size": [64, 128, 128]},
    "preprocess": {"window_hu": [-325.0, 325.0]},
    "optim": {"lr": 0.1},
}


def spec(**changes):
    return TrainSpec.parse(changes, "spec")


def test_nothing_is_said_of_what_is_alike():
    assert differences({"a": spec(), "b": spec(method="cps", seed=3)}, PUBLISHED) == []


def test_what_all_rows_share_is_said_without_names():
    small = spec(steps=100, patch={"size": [32, 32, 48]}, preprocess={"window_hu": [-125, 275]})
    assert differences({"a": small, "b": small}, PUBLISHED) == [
        "steps: 100 here, 20000 published.",
        "patch.size: 32 x 32 x 48 here, 64 x 128 x 128 published.",
        "preprocess.window_hu: -125 to 275 here, -325 to 325 published.",
    ]


def test_rows_are_named_where_they_differ():
    rows = {
        "a": spec(),
        "b": spec(optim={"lr": 0.01}),
        "c": spec(optim={"lr": 0.01}),
        "d": spec(optim={"lr": 0.3}),
    }
    assert differences(rows, PUBLISHED) == ["optim.lr: 0.01 (b, c); 0.3 (d) here, 0.1 published."]


def test_leaves_carry_their_path():
    assert dict(leaves({"a": {"b": 1, "c": {"d": 2}}, "e": [3]})) == {"a.b": 1, "a.c.d": 2, "e": [3]}
