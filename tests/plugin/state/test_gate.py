"""The gate: protected organs neither shrink nor grow, whoever writes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_guidednet.backend import Outside
from napari_guidednet.state import gate

SMALL = arrays.arrays(np.uint8, (3, 4), elements=st.integers(0, 5))


def test_a_protected_value_cannot_be_overwritten_nor_painted():
    old = np.array([0, 1, 2, 3], np.uint8)
    protected = gate.protection([2])
    assert gate.allowed(old, 1, protected).tolist() == [True, True, False, True]
    assert gate.allowed(old, 2, protected).tolist() == [False] * 4
    new = np.array([2, 0, 0, 1], np.uint8)
    assert gate.allowed(old, new, protected).tolist() == [False, True, False, True]


@settings(max_examples=40, deadline=None)
@given(SMALL, SMALL, st.sets(st.integers(1, 5)))
def test_merging_never_changes_where_a_protected_organ_is(human, prediction, values):
    protected = gate.protection(values)
    labels, refused = gate.merged(human, prediction, protected)
    for value in values:
        assert np.array_equal(labels == value, human == value)
    free = ~protected[human] & ~protected[prediction]
    assert np.array_equal(labels[free], prediction[free])
    assert refused == np.count_nonzero(labels != prediction)


def test_a_place_can_be_closed_whatever_the_organ():
    shape = (3, 4, 5)
    index = np.arange(60)
    closed = gate.Gate(gate.protection([]), shape, axis=1, slices=frozenset({2}))
    write, refused = closed.judge(index, np.zeros(60, np.uint8), 1)
    assert not write.reshape(shape)[:, 2].any()
    assert write.reshape(shape)[:, [0, 1, 3]].all()
    assert refused[gate.SLICES].size == 15


def test_outside_the_body_can_be_emptied_and_restored_but_not_filled():
    cells = np.zeros((2, 2, 2), bool)
    cells[0, 0, 0] = True  # stands for 2 voxels along each axis
    fence = gate.Gate(gate.protection([]), (4, 4, 4), 0, outside=Outside(cells, (2, 2, 2), (4, 4, 4)))
    index = np.arange(64)
    write, refused = fence.judge(index, np.zeros(64, np.uint8), 1)
    assert np.count_nonzero(~write) == refused[gate.OUTSIDE].size == 8
    assert not write.reshape(4, 4, 4)[:2, :2, :2].any()
    assert fence.judge(index, np.ones(64, np.uint8), 0)[0].all()
    assert fence.judge(index, np.zeros(64, np.uint8), 1, undoing=True)[0].all()
