"""What a person does with the tools here is what a training takes for corrections."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.fixes import fixed_regions
from guidednet_training.core.provenance import read_corrections
from napari_guidednet.backend import AMOS_15, JournalWriter
from napari_guidednet.state.correction import Correction

LIVER, SPLEEN = AMOS_15.value("liver"), AMOS_15.value("spleen")


@pytest.fixture
def worked(session, open_case, store_prediction):
    """The unlabelled case with a model's labels taken over, its journal kept on disk."""
    store_prediction(session.opened)
    correction = Correction(open_case, author="tester")
    writer = JournalWriter(session.opened.journal_folder(open_case.id))
    correction.journaled.connect(writer.append)
    correction.merge(session.load_prediction("unlabelled", "model-1"))
    yield correction
    writer.close()


def _saved(session, correction):
    correction.snapshot().save(session.opened)
    found = read_corrections(session.opened, "unlabelled")
    return np.array([], int) if found is None else np.flatnonzero(found.mask.reshape(-1))


def test_what_was_painted_over_a_models_labels_is_a_correction_once_confirmed(session, worked):
    liver = np.flatnonzero(worked.labels.reshape(-1) == LIVER)[:6]
    spleen = np.flatnonzero(worked.labels.reshape(-1) == SPLEEN)[:4]
    worked.put(liver, 0, "erase")
    worked.put(spleen, 0, "erase")
    assert _saved(session, worked).size == 0  # nobody vouches for anything yet
    worked.confirm(["liver"])
    assert _saved(session, worked).tolist() == liver.tolist()
    corrections = read_corrections(session.opened, "unlabelled")
    assert sum(len(region.index) for region in fixed_regions(corrections, 1.0)) == 6
    assert {(region.value, region.was) for region in fixed_regions(corrections, 1.0)} == {(0, LIVER)}


def test_what_was_taken_back_is_no_correction(session, worked):
    air = np.flatnonzero(worked.labels.reshape(-1) == 0)[:8]
    worked.put(air[:5], LIVER, "paint")
    worked.put(air[5:], LIVER, "paint")
    worked.undo()
    worked.confirm(["liver"])
    assert _saved(session, worked).tolist() == air[:5].tolist()


def test_a_model_taken_back_and_done_again_is_still_the_models(session, worked):
    air = np.flatnonzero(worked.labels.reshape(-1) == 0)[:3]
    worked.undo()
    worked.redo()
    worked.put(air, LIVER, "paint")
    worked.confirm(AMOS_15.names)
    assert _saved(session, worked).tolist() == air.tolist()


def test_a_region_taken_from_a_model_is_no_correction_by_hand(session, worked):
    box = (slice(0, 2), slice(0, 3), slice(0, 3))
    worked.write(box, np.full((2, 3, 3), LIVER, np.uint8), "take", bundle="model-2")
    worked.confirm(["liver"])
    assert _saved(session, worked).size == 0
