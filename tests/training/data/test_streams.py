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
