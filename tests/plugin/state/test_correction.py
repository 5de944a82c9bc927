"""Work on labels: locks, states, merging, what is unsaved, and saving for real."""

from __future__ import annotations

import numpy as np
import pytest
from psygnal.testing import SignalTester

from napari_guidednet.backend import (
    AMOS_15,
    Change,
    GeometryError,
    JournalWriter,
    OrganState,
    ProjectError,
    SchemeError,
    find_outside,
    make_phantom,
)
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.session import OpenCase, Prediction, Session

VOXEL_ML = 11.0 * 12.0 * 12.0 / 1000
LIVER, SPLEEN = AMOS_15.value("liver"), AMOS_15.value("spleen")


def _paint(correction: Correction, where: tuple[slice, ...], value: int) -> None:
    """Write as the layer does."""
    index = np.arange(correction.labels.size).reshape(correction.labels.shape)[where].ravel()
    correction.put(index, value, "paint")


@pytest.fixture
def prediction(session: Session, open_case: OpenCase, store_prediction) -> Prediction:
    store_prediction(session.opened)
    loaded = session.load_prediction("unlabelled", "model-1")
    assert loaded is not None
    return loaded


def test_painting_makes_the_organs_corrected_and_the_case_unsaved(correction: Correction):
    with SignalTester(correction.changed) as changed, SignalTester(correction.dirty_changed) as dirty:
        _paint(correction, np.s_[2:4, 2:4, 2:4], LIVER)
        _paint(correction, np.s_[2:4, 2:4, 2:3], SPLEEN)
    changed.assert_ever_emitted_with(frozenset({"liver"}))
    changed.assert_ever_emitted_with(frozenset({"liver", "spleen"}))
    dirty.assert_emitted_once_with(True)
    assert correction.states["liver"] is correction.states["spleen"] is OrganState.CORRECTED
    assert correction.states["aorta"] is OrganState.UNTOUCHED
    assert correction.volumes_ml()["spleen"] == pytest.approx(4 * VOXEL_ML)
    assert correction.volumes_ml()["liver"] == pytest.approx(4 * VOXEL_ML)


def test_time_is_counted_but_not_breaks(open_case: OpenCase):
    now = iter([0.0, 4.0, 4000.0])
    correction = Correction(open_case, clock=lambda: next(now))
    for z in range(3):
        _paint(correction, np.s_[z, :2, :2], LIVER)
    assert correction.seconds == pytest.approx(1 + 4 + 20)
    assert [edit.action for edit in correction.annotation.edits] == ["painted"]


def test_locked_and_confirmed_organs_are_protected_until_released(correction: Correction):
    _paint(correction, np.s_[2:4, 2:4, 2:4], LIVER)
    correction.lock(["liver"])
    correction.confirm(["liver"])
    correction.unlock(["liver"])
    _paint(correction, np.s_[2:4, 2:4, 2:4], SPLEEN)
    _paint(correction, np.s_[10:12, 2:4, 2:4], LIVER)
    assert np.count_nonzero(correction.labels == LIVER) == 8
    correction.reopen(["liver"])
    assert correction.states["liver"] is OrganState.CORRECTED
    _paint(correction, np.s_[2:4, 2:4, 2:4], SPLEEN)
    assert np.count_nonzero(correction.labels == LIVER) == 0


def test_values_of_no_organ_are_never_written(correction: Correction):
    _paint(correction, np.s_[:2, :2, :2], 16)
    assert not correction.labels.any()
    _paint(correction, np.s_[:2, :2, :2], 255)
    assert np.count_nonzero(correction.labels == 255) == 8


def test_unknown_organs_are_refused_with_the_known_ones(correction: Correction):
    with pytest.raises(SchemeError, match=r"no organ 'liverr'.*spleen"):
        correction.lock(["liverr"])


def test_merge_takes_the_model_where_no_person_has_the_say(correction: Correction, prediction: Prediction):
    truth = prediction.labels.array
    assert np.count_nonzero(truth == LIVER) > 10
    _paint(correction, np.s_[0, 0, :5], LIVER)
    correction.confirm(["liver"])
    _paint(correction, np.s_[1, 0, :3], SPLEEN)
    with SignalTester(correction.rewritten) as rewritten, SignalTester(correction.refused) as refused:
        report = correction.merge(prediction)
    rewritten.assert_emitted_once()
    refused.assert_emitted_once_with(report.refused)
    assert report.kept == {"liver", "spleen"}
    assert np.count_nonzero(correction.labels == LIVER) == 5
    assert np.count_nonzero(correction.labels == SPLEEN) == 3
    others = ~np.isin(truth, (LIVER, SPLEEN)) & ~np.isin(correction.labels, (LIVER, SPLEEN))
    assert np.array_equal(correction.labels[others], truth[others])
    assert correction.states["aorta"] is OrganState.PREDICTED
    assert correction.annotation.edits[-1].bundle == "model-1"
    assert "2 protected organs left as before" in report.text
    assert report.written == np.count_nonzero(correction.labels) - 8


def test_merge_can_replace_corrected_organs(correction: Correction, prediction: Prediction):
    _paint(correction, np.s_[1, 0, :3], SPLEEN)
    correction.merge(prediction, keep_corrected=False)
    assert np.array_equal(correction.labels, prediction.labels.array)
    assert correction.volumes_ml()["spleen"] == pytest.approx(prediction.record.organs["spleen"].volume_ml)


def test_a_merge_is_taken_back_exactly(correction: Correction, prediction: Prediction):
    _paint(correction, np.s_[1, 0, :3], SPLEEN)
    before, states = correction.labels.copy(), correction.states
    correction.merge(prediction, keep_corrected=False)
    assert correction.undo_merge()
    assert np.array_equal(correction.labels, before)
    assert correction.states == states
    assert not correction.undo_merge()


def test_a_merge_cannot_be_taken_back_over_later_work(correction: Correction, prediction: Prediction):
    correction.merge(prediction)
    correction.confirm(["aorta"])
    assert not correction.undo_merge()


def test_a_prediction_of_another_grid_is_refused(correction: Correction):
    _ct, labels = make_phantom(1, shape=(16, 24, 24), spacing_mm=(12, 12, 12))
    wrong = Prediction("unlabelled", "m", labels, {}, None, AMOS_15)  # type: ignore[arg-type]
    with pytest.raises(GeometryError, match="Segment this case again"):
        correction.merge(wrong)


def test_saving_writes_what_was_there_at_the_snapshot(session: Session, correction: Correction):
    _paint(correction, np.s_[2:4, 2:4, 2:4], LIVER)
    correction.confirm(["liver"])
    snapshot = correction.snapshot()
    _paint(correction, np.s_[5:7, 2:4, 2:4], SPLEEN)
    snapshot.save(session.opened)
    correction.saved(snapshot)
    assert correction.dirty
    stored = session.load_case("unlabelled")
    assert stored.recovered == 0
    assert np.count_nonzero(stored.labels == LIVER) == 8
    assert not (stored.labels == SPLEEN).any()
    assert stored.annotation.confirmed == {"liver"}
    last = correction.snapshot()
    with SignalTester(correction.dirty_changed) as dirty:
        last.save(session.opened)
        correction.saved(last)
    dirty.assert_emitted_once_with(False)
    assert np.array_equal(session.load_case("unlabelled").labels, correction.labels)


def test_a_failed_save_leaves_the_work_unsaved(session: Session, correction: Correction):
    _paint(correction, np.s_[2:4, 2:4, 2:4], LIVER)
    snapshot = correction.snapshot()
    session.opened.close()
    with pytest.raises(ProjectError):
        snapshot.save(session.opened)
    assert correction.dirty
    assert session.opened.labels("unlabelled") is None


def test_what_went_past_the_gate_is_repaired_on_disk_and_in_memory(session: Session, correction: Correction):
    _paint(correction, np.s_[2:4, 2:4, 2:4], LIVER)
    correction.confirm(["liver"])
    correction.labels[2, 2, 2] = SPLEEN  # a stranger's script writes to the array
    correction.labels[9, 9, 9] = LIVER
    correction.labels[9, 9, 10] = SPLEEN  # this it may
    with SignalTester(correction.rewritten) as rewritten, SignalTester(correction.refused) as refused:
        correction.snapshot().save(session.opened)
    rewritten.assert_emitted_once()
    refused.assert_emitted_once_with(2)
    assert "Liver" in correction.refusal
    for labels in (correction.labels, session.load_case("unlabelled").labels):
        assert np.count_nonzero(labels == LIVER) == 8
        assert labels[2, 2, 2] == LIVER
        assert labels[9, 9, 9] == 0
        assert labels[9, 9, 10] == SPLEEN
    assert correction.volumes_ml()["liver"] == pytest.approx(8 * VOXEL_ML)
    correction.undo()
    assert correction.labels[9, 9, 10] == 0  # even what a stranger wrote can be taken back


def test_confirmed_slices_are_closed_to_every_writer(correction: Correction, prediction: Prediction):
    _paint(correction, np.s_[4:8, 2:4, 2:4], LIVER)
    correction.confirm_slices([5])
    with SignalTester(correction.refused) as refused:
        _paint(correction, np.s_[4:8, 2:4, 2:4], SPLEEN)
    refused.assert_emitted_once_with(4)
    assert "confirmed slices" in correction.refusal
    box = (slice(5, 7), slice(0, 3), slice(0, 3))
    written = correction.write(box, np.full((2, 3, 3), SPLEEN, np.uint8), "grow")
    assert (written.written, written.refused, written.organs) == (8, 9, {"spleen"})
    before = correction.labels[5].copy()
    correction.merge(prediction, keep_corrected=False)
    assert np.array_equal(correction.labels[5], before)
    assert not np.array_equal(correction.labels[6], before)
    correction.reopen_slices([5])
    assert correction.write(box, np.full((2, 3, 3), LIVER, np.uint8), "grow").refused == 0


def test_a_slice_that_is_not_there_is_refused(correction: Correction):
    with pytest.raises(GeometryError, match="no slice 20"):
        correction.confirm_slices([20])


def test_no_organ_is_written_outside_the_body(correction: Correction):
    outside = find_outside(correction.case.image)
    body = correction.case.image.array > -100
    middle = tuple(int(c) for c in np.argwhere(body).mean(axis=0))
    correction.keep_inside(outside)
    _paint(correction, np.s_[:1, :1, :1], LIVER)
    assert "outside the body" in correction.refusal
    inside = tuple(slice(c, c + 1) for c in middle)
    _paint(correction, inside, LIVER)
    assert np.argwhere(correction.labels == LIVER).tolist() == [list(middle)]
    assert correction.annotation.inside_body
    correction.keep_inside(None)
    _paint(correction, np.s_[:1, :1, :1], LIVER)
    assert correction.labels[0, 0, 0] == LIVER


def test_a_held_stroke_is_one_change_in_as_many_records_as_it_took(correction: Correction):
    changes: list[Change] = []
    correction.journaled.connect(changes.append)
    correction.begin()
    _paint(correction, np.s_[2, 2:4, 2:4], LIVER)
    assert not changes
    correction.commit()  # the clock ticks while the button is held
    _paint(correction, np.s_[2, 3:6, 2:4], LIVER)
    _paint(correction, np.s_[2, 5, 2:4], SPLEEN)
    assert correction.end()
    assert [change.continues for change in changes] == [False, True]
    assert [change.voxels for change in changes] == [4, 4]
    assert changes[1].organs == ("spleen", "liver") or changes[1].organs == ("liver", "spleen")
    assert (np.diff(changes[1].index) > 0).all()
    correction.undo()
    assert not correction.labels.any()
    assert changes[-1].voxels == 8


def test_a_stroke_tells_each_refused_voxel_once(correction: Correction):
    _paint(correction, np.s_[2, 2:4, 2:4], LIVER)
    correction.lock(["liver"])
    with SignalTester(correction.refused) as refused:
        correction.begin()
        for _ in range(3):
            _paint(correction, np.s_[2, 2:4, 2:4], SPLEEN)
        correction.end()
    refused.assert_emitted_once_with(4)


def test_the_journal_replayed_is_what_is_known(
    session: Session, correction: Correction, prediction: Prediction
):
    """The annotation in memory, the one after a crash, and the labels come from the same changes."""
    project = session.opened
    writer = JournalWriter(project.journal_folder("unlabelled"))
    correction.journaled.connect(writer.append)
    _paint(correction, np.s_[2:4, 2:4, 2:4], LIVER)
    correction.merge(prediction)
    correction.lock(["spleen", "aorta"])
    correction.confirm(["liver"])
    correction.confirm_slices([3, 4])
    correction.unlock(["aorta"])
    correction.undo()
    correction.undo()
    correction.redo()
    writer.close()
    again = session.load_case("unlabelled")
    assert again.recovered == 9
    assert np.array_equal(again.labels, correction.labels)
    assert again.annotation == correction.annotation
    assert again.annotation.confirmed == {"liver"}
    reopened = Correction(again, author="somebody else")
    assert reopened.locks == {"spleen"}
    assert reopened.dirty
    assert reopened.volumes_ml() == correction.volumes_ml()
    reopened.unlock(["spleen"])
    for _ in range(3):  # the confirmation, the model, the stroke: of the session before
        assert reopened.undo().done
    assert not reopened.labels.any()
    assert set(reopened.states.values()) == {OrganState.UNTOUCHED}


def test_a_box_in_the_middle_is_written_where_it_is(correction: Correction):
    rng = np.random.default_rng(0)
    before = correction.labels.copy()
    box = (slice(3, 7), slice(5, None), slice(None, 9))
    new = rng.integers(0, 3, before[box].shape).astype(np.uint8)
    index, wanted = correction.voxels.differing(box, new)
    expected = before.copy()
    expected[box] = new
    np.testing.assert_array_equal(index, np.flatnonzero(expected != before))
    np.testing.assert_array_equal(wanted, expected.reshape(-1)[index])
    assert correction.write(box, new, "test").written == index.size
    np.testing.assert_array_equal(correction.labels, expected)
    assert correction.voxels.differing(box, new)[0].size == 0
