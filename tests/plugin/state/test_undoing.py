"""Taking back and doing again: over organs, tools and model fills; of one organ; what blocks it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from guidednet_training.core.journal import packed
from napari_guidednet.backend import AMOS_15, OrganState
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import Prediction, Session
from napari_guidednet.state.stroke import combined

LIVER, SPLEEN, AORTA = (AMOS_15.value(name) for name in ("liver", "spleen", "aorta"))


def _paint(correction: Correction, where: tuple[slice, ...], value: int) -> None:
    index = np.arange(correction.labels.size).reshape(correction.labels.shape)[where].ravel()
    correction.put(index, value, "paint")


@pytest.fixture
def prediction(session: Session, open_case, store_prediction) -> Prediction:
    store_prediction(session.opened)
    loaded = session.load_prediction("unlabelled", "model-1")
    assert loaded is not None
    return loaded


def test_everything_is_taken_back_and_done_again_in_order(correction: Correction, prediction: Prediction):
    seen = [(correction.labels.copy(), correction.states)]

    def look() -> None:
        seen.append((correction.labels.copy(), correction.states))

    correction.merge(prediction)
    look()
    _paint(correction, np.s_[2:4, 2:9, 2:9], LIVER)
    look()
    correction.write((slice(3, 6), slice(0, 5), slice(0, 5)), np.full((3, 5, 5), SPLEEN, np.uint8), "grow")
    look()
    correction.confirm(["liver"])
    look()
    for labels, states in reversed(seen[:-1]):
        assert correction.undo().done
        assert np.array_equal(correction.labels, labels)
        assert correction.states == states
    assert not correction.undo().done
    for labels, states in seen[1:]:
        assert correction.redo().done
        assert np.array_equal(correction.labels, labels)
        assert correction.states == states
    assert not correction.redo().done
    counts = np.bincount(correction.labels.ravel(), minlength=256)
    assert np.array_equal(counts, correction.voxels.counts)


def test_new_work_ends_what_could_be_done_again(correction: Correction):
    _paint(correction, np.s_[2, 2, 2:4], LIVER)
    correction.undo()
    _paint(correction, np.s_[2, 2, 2:4], SPLEEN)
    assert correction.redo().text == "There is nothing to do again."
    assert np.count_nonzero(correction.labels == SPLEEN) == 2


def test_what_was_taken_back_is_told_with_its_place(correction: Correction):
    told = []
    correction.undone.connect(told.append)
    _paint(correction, np.s_[7, 8, 2:5], LIVER)
    correction.undo()
    assert told[0].text == "Taken back: paint of Liver (3 voxels)."
    assert told[0].voxel == (7, 8, 3)
    correction.redo()
    assert told[1].text == "Done again: paint of Liver (3 voxels)."


def test_a_locked_organ_is_not_changed_by_taking_back(correction: Correction):
    _paint(correction, np.s_[2, 2, 2:4], LIVER)
    correction.lock(["liver"])
    undone = correction.undo()
    assert not undone.done
    assert "Liver" in undone.text
    assert "Unlock" in undone.text
    assert np.count_nonzero(correction.labels == LIVER) == 2
    correction.unlock(["liver"])
    assert correction.undo().done
    assert not correction.labels.any()


def test_taking_back_a_confirmation_opens_the_organ(correction: Correction):
    _paint(correction, np.s_[2, 2, 2:4], LIVER)
    correction.confirm(["liver"])
    correction.confirm_slices([2])
    assert correction.undo().text == "Taken back: confirm slice."
    assert correction.confirmed_slices == frozenset()
    assert correction.undo().text == "Taken back: confirm of Liver."
    assert correction.states["liver"] is OrganState.CORRECTED
    assert correction.undo().done
    assert correction.states["liver"] is OrganState.UNTOUCHED


def test_one_organ_is_taken_back_past_the_work_on_others(correction: Correction):
    _paint(correction, np.s_[2, 2, :6], LIVER)
    _paint(correction, np.s_[3, 2, :6], LIVER)
    _paint(correction, np.s_[4, 2, :6], SPLEEN)
    assert correction.undo_organ("liver").text == "Taken back: paint of Liver (6 voxels)."
    assert [int(np.count_nonzero(correction.labels[z])) for z in (2, 3, 4)] == [6, 0, 6]
    correction.undo_organ("liver")
    assert [int(np.count_nonzero(correction.labels[z])) for z in (2, 3, 4)] == [0, 0, 6]
    assert correction.undo_organ("liver").text == "There is nothing of Liver to take back."
    correction.undo()  # the taking back itself
    correction.undo()
    assert [int(np.count_nonzero(correction.labels[z])) for z in (2, 3, 4)] == [6, 6, 6]
    correction.undo()
    assert not (correction.labels == SPLEEN).any()


def test_one_organ_of_a_model_fill_is_taken_back(correction: Correction, prediction: Prediction):
    correction.merge(prediction)
    said = correction.labels.copy()
    correction.undo_organ("liver")
    assert not (correction.labels == LIVER).any()
    others = said != LIVER
    assert np.array_equal(correction.labels[others], said[others])


def test_what_another_organ_holds_since_is_left_to_it(correction: Correction):
    _paint(correction, np.s_[2, 2, :6], LIVER)
    _paint(correction, np.s_[2, 2, :3], SPLEEN)
    correction.undo_organ("liver")  # the newest change of the liver: it lost three voxels
    assert np.count_nonzero(correction.labels == LIVER) == 6
    correction.undo_organ("liver")
    assert not correction.labels.any()


PIECES = st.lists(
    st.tuples(arrays.arrays(np.int64, 4, elements=st.integers(0, 7)), st.integers(0, 3)), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(PIECES)
def test_pieces_combined_do_what_they_did_one_by_one(writes):
    labels, pieces = np.zeros(8, np.uint8), []
    for index, value in writes:
        index = np.unique(index)[::-1]
        pieces.append((index, labels[index].copy(), np.full(index.size, value, np.uint8)))
        labels[index] = value
    index, old, new = combined(pieces)
    assert (np.diff(index) > 0).all()
    assert (old != new).all()
    assert not old.any()
    again = np.zeros(8, np.uint8)
    again[index] = new
    assert np.array_equal(again, labels)


def test_packed_changes_are_taken_back_like_fresh_ones(correction: Correction):
    """The writing thread packs changes as they reach the disk: the newest may be packed before or after."""
    made = []
    correction.journaled.connect(made.append)
    for z in range(2, 6):
        _paint(correction, np.s_[z, 2, :6], LIVER)
        correction.history.packed(packed(made[-1]))
    correction.undo()
    correction.redo()
    _paint(correction, np.s_[6, 2, :6], SPLEEN)
    for change in made[-3:]:
        correction.history.packed(packed(change))
    for left in (24, 18, 12, 6, 0):
        assert correction.undo().done
        assert np.count_nonzero(correction.labels) == left
