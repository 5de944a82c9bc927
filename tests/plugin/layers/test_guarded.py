"""Every way napari writes labels passes the gate; without a gate the layer is napari's own."""

from __future__ import annotations

import numpy as np
import pytest

from napari_guidednet.backend import AMOS_15, GeometryError, OrganState
from napari_guidednet.layers.display import Display
from napari_guidednet.layers.guarded import GuardedLabels
from napari_guidednet.state.correction import Correction

LIVER, SPLEEN, AORTA = (AMOS_15.value(name) for name in ("liver", "spleen", "aorta"))


@pytest.fixture
def layer(correction: Correction) -> GuardedLabels:
    """The display view of the case, with a cube of liver that is then confirmed."""
    layer = GuardedLabels(Display(correction.case.image.geometry).view(correction.labels))
    layer.guard(correction)
    layer.brush_size = 3
    layer.n_edit_dimensions = 3
    layer.data_setitem(tuple(np.ix_(*[range(5, 9)] * 3)), LIVER)
    assert _count(correction, LIVER) == 64
    return layer


def _count(correction: Correction, value: int) -> int:
    return int(np.count_nonzero(correction.labels == value))


def _vandalise(layer: GuardedLabels) -> None:
    """Use every writer there is, against the liver and with it."""
    layer.paint((6, 6, 6), SPLEEN)
    layer.fill((6, 6, 6), SPLEEN)
    layer.paint((14, 14, 14), LIVER)
    layer.data_setitem(([6, 15], [6, 15], [6, 15]), [AORTA, LIVER])
    layer.n_edit_dimensions = 2
    layer.paint_polygon([[6, 0, 0], [6, 0, 20], [6, 20, 20], [6, 20, 0]], SPLEEN)
    layer.contiguous = False
    layer.fill((6, 6, 6), 0)
    layer.data = np.full(layer.data.shape, AORTA, np.uint8)
    for _ in range(20):
        layer.undo()
    for _ in range(20):
        layer.redo()


def test_no_writer_changes_a_confirmed_organ(layer: GuardedLabels, correction: Correction):
    where = correction.labels == LIVER
    correction.confirm(["liver"])
    _vandalise(layer)
    assert np.array_equal(correction.labels == LIVER, where)
    assert correction.refused_voxels > 64
    assert correction.states["liver"] is OrganState.CONFIRMED


def test_undo_goes_through_the_confirmation_not_past_it(layer: GuardedLabels, correction: Correction):
    layer.paint((6, 6, 6), SPLEEN)
    correction.confirm(["liver"])
    liver = _count(correction, LIVER)
    layer.undo()  # takes the confirmation back, in plain sight
    assert correction.states["liver"] is OrganState.CORRECTED
    assert _count(correction, LIVER) == liver
    layer.undo()
    assert _count(correction, LIVER) == 64
    assert _count(correction, SPLEEN) == 0


def test_a_drag_is_one_change_and_is_taken_back_at_once(layer: GuardedLabels, correction: Correction):
    with layer.block_history():
        for x in range(4):
            layer.paint((14, 14, 12 + x), SPLEEN)
    assert _count(correction, SPLEEN) > 20
    layer.undo()
    assert _count(correction, SPLEEN) == 0
    assert _count(correction, LIVER) == 64


def test_an_aborted_lasso_leaves_nothing(layer: GuardedLabels, correction: Correction):
    layer._begin_stroke()
    layer.paint((14, 14, 14), SPLEEN)
    layer._abort_stroke()
    assert _count(correction, SPLEEN) == 0
    layer._begin_stroke()
    layer._abort_stroke()
    assert _count(correction, LIVER) == 64  # an empty one takes nothing back


@pytest.mark.parametrize("axes", ["SAR", "IPL", "LPI", "ARS"])
def test_strokes_land_where_they_are_painted_in_any_view(open_case, axes):
    correction = Correction(open_case)
    view = open_case.image.geometry.reorient_to(axes).apply(correction.labels)
    layer = GuardedLabels(view)
    layer.guard(correction)
    layer.brush_size = 1
    layer.paint((3, 5, 7), LIVER)
    assert view[3, 5, 7] == LIVER
    assert _count(correction, LIVER) == 1
    layer.data_setitem((np.array([1, 2]), np.array([4, 4]), np.array([6, 6])), [SPLEEN, AORTA])
    assert (view[1, 4, 6], view[2, 4, 6]) == (SPLEEN, AORTA)
    assert correction.labels.any(axis=(1, 2)).sum() >= 1
    assert np.count_nonzero(correction.labels) == 3


def test_the_journal_says_what_painted(layer: GuardedLabels, correction: Correction):
    changes = []
    correction.journaled.connect(changes.append)
    layer.mode = "paint"
    layer.paint((14, 14, 14), SPLEEN)
    layer.stroke_tool = "smart brush"
    layer.paint((12, 14, 14), SPLEEN)
    layer.mode = "fill"
    layer.fill((14, 14, 14), AORTA)
    layer.mode = "erase"
    layer.stroke_tool = None
    layer.paint((14, 14, 14), 0)
    assert [change.tool for change in changes] == ["paint", "smart brush", "fill", "erase"]


def test_writers_work_and_undo_where_nothing_is_protected(layer: GuardedLabels, correction: Correction):
    layer.paint((14, 14, 14), SPLEEN)
    painted = _count(correction, SPLEEN)
    assert painted > 1
    layer.undo()
    assert _count(correction, SPLEEN) == 0
    layer.redo()
    assert _count(correction, SPLEEN) == painted
    layer.fill((14, 14, 14), AORTA)
    assert _count(correction, AORTA) == painted
    layer.undo()
    layer.undo()
    layer.undo()
    assert not correction.labels.any()
    volumes = correction.volumes_ml()
    assert not any(volumes.values())


def test_replacing_the_data_writes_into_the_shared_array(layer: GuardedLabels, correction: Correction):
    new = np.zeros(layer.data.shape, np.uint8)
    new[0] = SPLEEN
    layer.data = new
    assert np.shares_memory(layer.data, correction.labels)
    assert np.array_equal(layer.data, new)
    with pytest.raises(GeometryError, match="grid of the open case"):
        layer.data = np.zeros((2, 2, 2), np.uint8)


def test_preserving_labels_still_works_and_is_no_refusal(layer: GuardedLabels, correction: Correction):
    layer.preserve_labels = True
    layer.paint((6, 6, 6), SPLEEN)
    assert _count(correction, LIVER) == 64
    assert correction.refused_voxels == 0


def test_for_napari_it_is_a_labels_layer(layer: GuardedLabels):
    assert layer._type_string == "labels"
    assert layer.as_layer_data_tuple()[2] == "labels"


def test_without_a_gate_it_is_an_ordinary_layer():
    layer = GuardedLabels(np.zeros((4, 4, 4), np.uint8))
    layer.paint((1, 1, 1), 7)
    layer.undo()
    layer.redo()
    assert layer.data.any()
    layer.data = np.ones((2, 2, 2), np.uint8)
    assert layer.data.shape == (2, 2, 2)
