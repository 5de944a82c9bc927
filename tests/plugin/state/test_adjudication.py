"""One reader's answer goes through the gate of the open case, and can be given back."""

import numpy as np
import pytest

from guidednet_training.core.agreement import find_differences
from napari_guidednet.backend import AMOS_15
from napari_guidednet.state.adjudication import beside, give_back, take

LIVER, SPLEEN = AMOS_15.value("liver"), AMOS_15.value("spleen")


@pytest.fixture
def region(correction):
    """The first reader says liver, the second spleen; the case holds the first reader's labels."""
    correction.write(
        (slice(2, 12), slice(4, 16), slice(4, 16)), np.full((10, 12, 12), LIVER, np.uint8), "paint"
    )
    correction.confirm(AMOS_15.names)
    second = correction.labels.copy()
    second[4:10, 6:14, 6:14] = SPLEEN
    spacing_mm = correction.case.image.geometry.spacing_mm
    (found,) = find_differences(correction.labels, second, spacing_mm, AMOS_15, AMOS_15.names).regions
    return found


def test_the_answer_is_written_and_both_organs_stay_confirmed(correction, region):
    taking = take(correction, region, "second")
    assert (taking.written, taking.refused) == (6 * 8 * 8, 0)
    assert (correction.labels[4:10, 6:14, 6:14] == SPLEEN).all()
    assert correction.confirmed == set(AMOS_15.names)


def test_taking_what_is_there_already_changes_nothing(correction, region):
    assert take(correction, region, "first").written == 0
    assert correction.confirmed == set(AMOS_15.names)


def test_the_answer_can_be_given_back(correction, region):
    before = correction.labels.copy()
    taking = take(correction, region, "second")
    give_back(correction, taking)
    np.testing.assert_array_equal(correction.labels, before)
    assert correction.confirmed == set(AMOS_15.names)


def test_a_decision_is_one_step_back_and_one_forth(correction, region):
    before = correction.labels.copy()
    take(correction, region, "second")
    after = correction.labels.copy()
    undone = correction.undo()
    assert undone.done
    assert "adjudication of" in undone.text
    np.testing.assert_array_equal(correction.labels, before)
    assert correction.confirmed == set(AMOS_15.names)
    assert correction.redo().done
    np.testing.assert_array_equal(correction.labels, after)
    assert correction.confirmed == set(AMOS_15.names)


def test_a_lock_set_since_holds_against_taking_back(correction, region):
    take(correction, region, "second")
    correction.lock(["spleen"])
    assert not correction.undo().done
    assert (correction.labels[4:10, 6:14, 6:14] == SPLEEN).all()


def test_what_others_wrote_into_confirmed_organs_stays_closed(correction, region):
    take(correction, region, "second")
    correction.undo()
    correction.undo()  # the confirmation of before
    assert not correction.confirmed
    assert correction.undo().text.startswith("Taken back: paint")


def test_given_back_after_other_work_that_work_stays(correction, region):
    before = correction.labels.copy()
    taking = take(correction, region, "second")
    correction.reopen(["aorta"])
    give_back(correction, taking)
    np.testing.assert_array_equal(correction.labels, before)
    assert correction.confirmed == set(AMOS_15.names) - {"aorta"}


def test_a_lock_by_hand_holds(correction, region):
    correction.lock(["spleen"])
    taking = take(correction, region, "second")
    assert (taking.written, taking.refused) == (0, 6 * 8 * 8)
    assert (correction.labels[4:10, 6:14, 6:14] == LIVER).all()


def test_what_the_second_has_not_read_is_no_difference():
    labels = np.array([[[LIVER, LIVER, SPLEEN, 0]]], np.uint8)
    second = np.array([[[LIVER, 0, 0, LIVER]]], np.uint8)
    shown = beside(labels, second, [LIVER])
    np.testing.assert_array_equal(shown, [[[LIVER, 0, SPLEEN, LIVER]]])
