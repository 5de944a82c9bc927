"""Rehearsal: what the parent learnt from stays at least half of what is drawn."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from guidednet_training.jobs.cases import labelled_before, rehearsed


def _cases(*ids):
    return [SimpleNamespace(id=case) for case in ids]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (("a",), ["a", "a", "a", "b", "c", "d"]),
        (("a", "b"), ["a", "b", "c", "d"]),
        (("a", "b", "c"), ["a", "b", "c", "d"]),
        ((), ["a", "b", "c", "d"]),
        (("a", "b", "c", "d"), ["a", "b", "c", "d"]),
    ],
)
def test_old_cases_are_repeated_until_they_are_half(before, expected):
    assert sorted(case.id for case in rehearsed(_cases("a", "b", "c", "d"), before)) == expected


@pytest.mark.parametrize(("share", "copies"), [(0.0, 1), (0.25, 1), (0.5, 3), (0.75, 9), (0.9, 27)])
def test_the_share_of_earlier_cases_can_be_chosen(share, copies):
    drawn = [case.id for case in rehearsed(_cases("a", "b", "c", "d"), ("a",), share)]
    assert drawn.count("a") == copies
    assert sorted(set(drawn)) == ["a", "b", "c", "d"]
    assert drawn.count("a") >= share * len(drawn)


def test_only_labelled_cases_of_the_parent_are_rehearsed(make_bundle):
    bundle = make_bundle(training_cases={"l1": "x", "l2": "y", "u1": "z"}, labelled=2, unlabelled=1)
    assert labelled_before(bundle.manifest) == ("l1", "l2")
