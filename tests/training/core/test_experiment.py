"""An experiment file says exactly what is run, and refuses what it does not know."""

from __future__ import annotations

import pytest

from guidednet_training.core.errors import SpecError
from guidednet_training.core.experiment import Experiment, merged, nested, trials

FILE = {
    "name": "tiny",
    "question": "Does it help?",
    "data": {"folder": "data"},
    "settings": [
        {
            "name": "few",
            "title": "2 labelled",
            "folds": [{"labelled": 2, "test": 1}, {"labelled": ["a", "b"]}],
        },
        {"name": "all", "title": "all labelled", "folds": [{"test": 1}]},
    ],
    "rows": [
        {"name": "sup", "method": "supervised"},
        {
            "name": "ours",
            "method": "guidednet",
            "spec": {"settings": {"lambda_g": 0.2}, "optim": {"lr": 0.02}},
        },
        {"name": "paper", "method": "cps", "original": True, "settings": ["few"]},
    ],
    "seeds": [0, 1],
    "spec": {"steps": 10, "optim": {"lr": 0.05, "clip": 10}},
}
ORIGINALS = {"cps": {"net.width": 8, "optim.lr": 0.3, "settings.weight": 1.5}}


def make(**changes):
    return Experiment.parse(FILE | changes, "tiny.json")


def test_every_row_in_every_setting_fold_and_seed():
    found = [(t.seed, t.setting.name, t.number, t.row.name) for t in trials(make(), ORIGINALS)]
    assert len(found) == 2 * (2 * 3 + 1 * 2)
    assert found[:3] == [(0, "few", 1, "sup"), (0, "few", 1, "ours"), (0, "few", 1, "paper")]
    assert [seed for seed, *_ in found] == sorted(seed for seed, *_ in found)


def test_a_row_may_be_run_with_fewer_seeds():
    rows = [FILE["rows"][0] | {"seeds": [1]}, FILE["rows"][1]]
    found = [
        (trial.row.name, trial.seed) for trial in trials(make(rows=rows, settings=FILE["settings"][1:]), {})
    ]
    assert found == [("ours", 0), ("sup", 1), ("ours", 1)]


def test_a_row_may_start_from_the_model_of_an_earlier_one():
    rows = [FILE["rows"][0] | {"seeds": [0]}, FILE["rows"][1] | {"start": "sup"}]
    by_name = {
        (trial.row.name, trial.seed): trial
        for trial in trials(make(rows=rows, settings=FILE["settings"][1:]), {})
    }
    parent = by_name["sup", 0]
    assert parent.parent is None
    assert by_name["ours", 0].parent == by_name["ours", 1].parent == parent.bundle
    alone = make(rows=[FILE["rows"][0], FILE["rows"][1]], settings=FILE["settings"][1:])
    assert by_name["ours", 0].bundle not in {trial.bundle for trial in trials(alone, {})}


def test_with_all_seeds_each_starts_from_its_own():
    rows = [FILE["rows"][0], FILE["rows"][1] | {"start": "sup"}]
    found = list(trials(make(rows=rows, settings=FILE["settings"][1:]), {}))
    parents = {trial.seed: trial.bundle for trial in found if trial.row.name == "sup"}
    assert {trial.seed: trial.parent for trial in found if trial.row.name == "ours"} == parents


def test_a_row_overrules_the_file_and_the_file_overrules_the_paper():
    by_row = {trial.row.name: trial.spec for trial in trials(make(), ORIGINALS)}
    assert (by_row["sup"].optim.lr, by_row["sup"].optim.clip) == (0.05, 10)
    assert (by_row["ours"].optim.lr, by_row["ours"].optim.clip) == (0.02, 10)
    assert by_row["ours"].settings == {"lambda_g": 0.2}
    assert (by_row["paper"].net.width, by_row["paper"].optim.lr) == (8, 0.05)
    assert by_row["paper"].settings == {"weight": 1.5}


def test_what_is_trained_names_the_bundle_and_where_it_is_trained_does_not():
    def bundles(**changes):
        return [trial.bundle for trial in trials(make(**changes), ORIGINALS)]

    first = bundles()
    assert len(set(first)) == len(first)
    assert bundles(data={"folder": "elsewhere"}, spec=FILE["spec"] | {"devices": "cpu"}) == first
    assert not set(bundles(spec={"steps": 11})) & set(first)
    assert not set(bundles(data={"folder": "data", "scheme": "AMOS_15"})) & set(first)
    rows = [*FILE["rows"][:2], FILE["rows"][2] | {"spec": {"steps": 3}}]
    assert sum(bundle in first for bundle in bundles(rows=rows)) == len(first) - 4, (
        "only changed rows run anew"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sead": [0]}, "sead"),
        ({"rows": [{"name": "a", "methode": "cps"}]}, "methode"),
        ({"rows": [{"name": "a", "method": "cps"}] * 2}, "row a is there twice"),
        ({"seeds": [1, 1]}, "seed 1 is there twice"),
        ({"rows": [{"name": "a", "method": "cps", "settings": ["many"]}]}, "many"),
        ({"rows": [{"name": "a", "method": "cps", "seeds": [7]}]}, "seed 7"),
        ({"rows": [{"name": "a", "method": "cps", "start": "b"}]}, "starts from b, which is no row above"),
        ({"spec": {"method": "cps"}}, "belongs to the rows"),
        ({"rows": [{"name": "a/../b", "method": "cps"}]}, "name"),
        ({"seeds": []}, "seeds"),
    ],
)
def test_mistakes_are_named(changes, said):
    with pytest.raises(SpecError, match=said):
        make(**changes)


def test_a_wrong_specification_is_found_before_anything_runs():
    with pytest.raises(SpecError, match=r"row 'sup'.*stepps"):
        list(trials(make(spec={"stepps": 3}), {}))


def test_trees():
    assert nested({"net.name": "vnet", "net.width": 8, "steps": 1}) == {
        "net": {"name": "vnet", "width": 8},
        "steps": 1,
    }
    tree = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merged(tree, {"a": {"c": [3]}, "e": {"f": 1}}) == {"a": {"b": 1, "c": [3]}, "d": 1, "e": {"f": 1}}
    assert tree == {"a": {"b": 1, "c": [1, 2]}, "d": 1}
