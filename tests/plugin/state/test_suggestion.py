"""What a tool suggests is written through the gate, said in millilitres, and can be taken back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import AMOS_15
from napari_guidednet.state.suggestion import Suggestion, carry_out, nearest_change, take_back

LIVER, SPLEEN = AMOS_15.value("liver"), AMOS_15.value("spleen")
VOXEL_ML = 11.0 * 12.0 * 12.0 / 1000
BOX = (slice(2, 6), slice(2, 6), slice(2, 6))


@pytest.fixture
def labelled(correction):
    """A case with liver in half of the box and spleen in a quarter."""
    new = np.zeros((4, 4, 4), np.uint8)
    new[:2], new[3] = LIVER, SPLEEN
    correction.write(BOX, new, "paint")
    return correction


def suggest(correction, new):
    return Suggestion(BOX, correction.labels[BOX].copy(), new, "grow", note="a note")


def test_what_changed_is_said_in_millilitres_the_largest_first(labelled):
    new = labelled.labels[BOX].copy()
    new[2] = LIVER
    new[3, 0] = 0
    done = carry_out(labelled, suggest(labelled, new))
    assert done.changes_ml == {
        "Liver": pytest.approx(16 * VOXEL_ML), "Spleen": pytest.approx(-4 * VOXEL_ML),
    }  # fmt: skip
    assert done.text == f"Liver +{16 * VOXEL_ML:.1f} ml, Spleen -{4 * VOXEL_ML:.1f} ml; a note"
    np.testing.assert_array_equal(labelled.labels[BOX], new)


def test_protected_organs_stay_and_that_is_said(labelled):
    labelled.lock(["spleen"])
    done = carry_out(labelled, suggest(labelled, np.full((4, 4, 4), LIVER, np.uint8)))
    assert (labelled.labels[BOX][3] == SPLEEN).all()
    assert done.writing.refused == 16
    assert "16 voxels of protected places refused" in done.text


def test_what_was_painted_meanwhile_stays(labelled):
    suggestion = suggest(labelled, np.full((4, 4, 4), LIVER, np.uint8))
    stroke = (slice(4, 5), slice(2, 3), slice(2, 6))
    labelled.write(stroke, np.full((1, 1, 4), SPLEEN, np.uint8), "paint")
    done = carry_out(labelled, suggestion)
    assert (labelled.labels[stroke] == SPLEEN).all()
    assert done.overtaken == 4
    assert "4 voxels painted meanwhile kept" in done.text


def test_it_is_taken_back_but_for_what_was_changed_since(labelled):
    before = labelled.labels.copy()
    done = carry_out(labelled, suggest(labelled, np.full((4, 4, 4), LIVER, np.uint8)))
    stroke = (slice(5, 6), slice(2, 3), slice(2, 6))
    labelled.write(stroke, np.zeros((1, 1, 4), np.uint8), "erase")
    writing = take_back(labelled, done)
    assert writing.written == 16 + 12
    before[stroke] = 0
    np.testing.assert_array_equal(labelled.labels, before)


def test_nothing_to_do_is_said(labelled):
    done = carry_out(labelled, suggest(labelled, labelled.labels[BOX].copy()))
    assert done.text == "nothing changed; a note"


def test_a_change_out_of_sight_is_found_in_the_nearest_slice(labelled):
    new = labelled.labels[BOX].copy()
    new[2, 1:3] = LIVER
    done = carry_out(labelled, suggest(labelled, new))
    z, y, _ = nearest_change(done, 0, 9)
    assert (z, y in (3, 4)) == (4, True)  # the third slice of the box
    assert nearest_change(done, 0, 4) is None
    assert nearest_change(done, 1, 0)[1] == 3


def test_only_a_few_organs_are_told(labelled):
    new = labelled.labels[BOX].copy()
    new[0, 0], new[0, 1], new[0, 2], new[0, 3] = 2, 3, 4, 5
    text = carry_out(labelled, suggest(labelled, new)).text
    assert text.count(" ml") == 4
    assert "and 1 more organ" in text
