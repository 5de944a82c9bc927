"""The two streams are fair, stateless and keep labels away from the unlabelled."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch

from guidednet_training.core.errors import ProjectError
from guidednet_training.core.spec import PatchSpec
from guidednet_training.data.patches import PatchCutter
from guidednet_training.data.store import PreparedCase
from guidednet_training.data.streams import TwoStreams
from guidednet_training.functional.overlap import shared_voxels

MakeCase = Callable[..., PreparedCase]
SPEC = PatchSpec(size=(32, 32, 32), labelled=2, unlabelled=3, intensity=True, affine=True, foreground=0.5)


def streams(make_case: MakeCase, seed: int = 0) -> TwoStreams:
    labelled = [make_case(name) for name in "abc"]
    unlabelled = [make_case(name, labelled=False) for name in "defg"]
    return TwoStreams(labelled, unlabelled, SPEC, seed)


def test_batch_has_labelled_first_and_labels_for_them_only(make_case: MakeCase) -> None:
    batch = streams(make_case).batch(0)
    assert batch.image.shape == (5, 1, 32, 32, 32)
    assert batch.label.shape == (2, 32, 32, 32)
    assert batch.n_labelled == 2
    assert batch.annotated.tolist() == [[True] * 3] * 2


def test_a_step_depends_on_its_number_and_the_seed_alone(make_case: MakeCase) -> None:
    first, again = streams(make_case), streams(make_case)
    for step in (0, 1, 2):
        first.batch(step)
    assert torch.equal(first.batch(7).image, again.batch(7).image)
    assert torch.equal(first.batch(7).label, again.batch(7).label)
    assert not torch.equal(first.batch(7).image, first.batch(8).image)
    assert not torch.equal(first.batch(7).image, streams(make_case, seed=1).batch(7).image)


def test_every_case_is_seen_once_per_round(make_case: MakeCase) -> None:
    source = streams(make_case)
    drawn: Counter[str] = Counter()

    def note(cutter: PatchCutter) -> str:
        return cutter.case.id

    for step in range(3):  # 2 per step: two whole rounds of three cases
        drawn.update(map(note, source._draw(source._labelled, 0, step, 2)))
    assert drawn == {"a": 2, "b": 2, "c": 2}


def test_without_unlabelled_cases_the_batch_is_labelled_alone(make_case: MakeCase) -> None:
    batch = TwoStreams([make_case("a")], [], SPEC, 0).batch(0)
    assert batch.image.shape[0] == batch.n_labelled == 2


def test_without_labelled_cases_training_is_refused(make_case: MakeCase) -> None:
    with pytest.raises(ProjectError, match=r"no labelled case.*Confirm"):
        TwoStreams([], [make_case("a", labelled=False)], SPEC, 0)


def pairs_of(make_case: MakeCase, seed: int = 0) -> TwoStreams:
    unlabelled = [make_case(name, shape=(40, 44, 48), labelled=False) for name in "defg"]
    return TwoStreams([make_case("a")], unlabelled, SPEC, seed, overlap=0.5)


def test_unlabelled_patches_come_as_pairs_when_asked(make_case: MakeCase) -> None:
    source, moved = pairs_of(make_case), False
    for step in range(3):
        batch = source.batch(step)
        assert batch.image.shape == (2 + 2 * 3, 1, 32, 32, 32)
        assert len(batch.shifts) == 3
        here, there = shared_voxels(batch.image[2:5], batch.image[5:], batch.shifts)
        assert torch.equal(here, there)  # whatever the augmentation did
        assert here.shape[2] >= 3 * 16**3
        moved = moved or any(any(shift) for shift in batch.shifts)
    assert moved
    assert batch.to("cpu").shifts == batch.shifts


def test_pairs_depend_on_step_and_seed_alone(make_case: MakeCase) -> None:
    first, again = pairs_of(make_case), pairs_of(make_case)
    first.batch(0)
    one, two, other = first.batch(5), again.batch(5), pairs_of(make_case, seed=1).batch(5)
    assert torch.equal(one.image, two.image)
    assert one.shifts == two.shifts != other.shifts


def test_no_unlabelled_case_means_no_pairs(make_case: MakeCase) -> None:
    batch = TwoStreams([make_case("a")], [], SPEC, 0, overlap=0.5).batch(0)
    assert batch.shifts == ()
    assert batch.image.shape[0] == 2


def test_weights_move_with_the_labels(make_case: MakeCase) -> None:
    cases = [make_case("a", weighted=True), make_case("b")]
    source = TwoStreams(cases, [], SPEC, 0)
    weighted = 0
    for step in range(6):
        batch = source.batch(step)
        assert batch.weight is not None
        assert batch.weight.shape == batch.label.shape
        for label, weight in zip(batch.label, batch.weight, strict=True):
            heavy = weight > 2.9  # of the weighted case: where its organ 2 is, and nowhere else
            assert set(label[heavy].tolist()) <= {2}
            assert weight.min() >= 1 - 1e-5
            weighted += int(heavy.any())
    assert 0 < weighted <= 6


def test_without_weighted_cases_nothing_is_weighed(make_case: MakeCase) -> None:
    assert streams(make_case).batch(0).weight is None


def test_organs_in_focus_are_drawn_more_often(make_case: MakeCase) -> None:
    spec = PatchSpec(size=(32, 32, 32), labelled=1, unlabelled=1, flip=False)
    cases = [make_case(name, shape=(40, 80, 80)) for name in "ab"]

    def hits(focus: tuple[int, ...], share: float) -> int:
        source = TwoStreams(cases, [], spec, 0, focus=focus, focus_share=share)
        return sum(bool((source.batch(step).label == 2).any()) for step in range(30))

    assert hits((2,), 1.0) == 30
    assert hits((), 1.0) < 25
    assert hits((2,), 0.0) == hits((), 0.0)


def test_an_organ_in_focus_that_no_case_has_changes_nothing(make_case: MakeCase) -> None:
    cases = [make_case("a")]
    plain, focused = (TwoStreams(cases, [], SPEC, 0, focus=f, focus_share=0.6).batch(3) for f in ((), (9,)))
    assert torch.equal(plain.image, focused.image)
