"""Self-training asks for rounds, not for unlabelled patches."""

from __future__ import annotations

from guidednet_training.core.spec import TrainSpec
from guidednet_training.methods import METHODS, RoundSettings

METHOD = METHODS["self_training"]


def test_unlabelled_cases_teach_through_pseudo_labels_only():
    assert METHOD.needs.pseudo_labels
    assert not METHOD.needs.unlabelled
    assert METHOD.needs.unlabelled_cases
    assert issubclass(METHOD.Settings, RoundSettings)
    assert METHOD.Settings() == METHOD.Settings(rounds=1, confidence=0.0, pieces=1.0, pseudo_share=0.5)


def test_only_methods_in_rounds_have_pseudo_labels():
    for name, method in METHODS.items():
        assert method.needs.pseudo_labels == issubclass(method.Settings, RoundSettings), name


def test_the_paper_s_two_stages_are_possible_specifications():
    tree = TrainSpec(method="self_training").model_dump(mode="json")
    for key, value in METHOD.original.items():
        *path, last = key.split(".")
        branch = tree
        for part in path:
            branch = branch[part]
        branch[last] = value
    spec = TrainSpec.parse(tree, "the paper")
    assert spec.preprocess.grid == spec.patch.size == (160, 160, 160)
    assert METHOD.Settings.parse(spec.settings, "settings").coarse_grid == (192, 192, 192)
