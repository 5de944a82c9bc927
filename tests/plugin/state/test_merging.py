"""What a model's labels would write is worked out aside, and taken only where it still holds."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import AMOS_15, GeometryError, make_phantom
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.merging import plan_merge
from napari_guidednet.state.session import OpenCase, Prediction, Session

LIVER, SPLEEN = AMOS_15.value("liver"), AMOS_15.value("spleen")


@pytest.fixture
def prediction(session: Session, open_case: OpenCase, store_prediction) -> Prediction:
    store_prediction(session.opened)
    loaded = session.load_prediction("unlabelled", "model-1")
    assert loaded is not None
    return loaded


def test_a_plan_changes_nothing_until_it_is_carried_out(correction: Correction, prediction: Prediction):
    plan = plan_merge(correction, prediction)
    assert not correction.labels.any()
    assert correction.history.undoable is None
    report = correction.merge_planned(plan)
    assert report is not None
    assert report.written == np.count_nonzero(prediction.labels.array)
    assert np.array_equal(correction.labels, prediction.labels.array)
    assert np.array_equal(correction.voxels.counts, np.bincount(correction.labels.ravel(), minlength=256))


@pytest.mark.parametrize(
    "work",
    [
        lambda c: c.put(np.arange(40), SPLEEN, "paint"),
        lambda c: c.lock(["liver"]),
        lambda c: c.confirm(["liver"]),
        lambda c: c.confirm_slices([3]),
        lambda c: c.undo(),
    ],
    ids=("paint", "lock", "confirm", "slice", "undo"),
)
def test_what_was_done_meanwhile_is_respected(correction: Correction, prediction: Prediction, work):
    correction.put(np.arange(100, 140), LIVER, "paint")
    plan = plan_merge(correction, prediction, keep_corrected=False)
    work(correction)
    before = correction.labels.copy()
    assert correction.merge_planned(plan) is None
    assert np.array_equal(correction.labels, before)
    again = correction.merge_planned(plan_merge(correction, prediction, keep_corrected=False))
    assert again is not None


def test_a_stroke_that_is_still_held_counts_as_work(correction: Correction, prediction: Prediction):
    correction.begin()
    plan = plan_merge(correction, prediction)
    correction.put(np.arange(40), SPLEEN, "paint")
    assert correction.merge_planned(plan) is None
    assert np.count_nonzero(correction.labels == SPLEEN) == 40


def test_a_prediction_of_another_grid_is_refused(correction: Correction):
    _ct, labels = make_phantom(1, shape=(16, 24, 24), spacing_mm=(12, 12, 12))
    wrong = Prediction("unlabelled", "m", labels, {}, None, AMOS_15)  # type: ignore[arg-type]
    with pytest.raises(GeometryError, match="Segment this case again"):
        plan_merge(correction, wrong)
