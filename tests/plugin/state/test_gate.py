"""The gate: protected organs neither shrink nor grow, whoever writes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

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


@settings(max_examples=40, deadline=None)
@given(SMALL, SMALL, st.sets(st.integers(1, 5)))
def test_repair_puts_every_protected_voxel_back(labels, vandalised, values):
    protected = gate.protection(values)
    seal = gate.sealed(labels, protected)
    gate.repair(vandalised, seal, protected)
    for value in values:
        assert np.array_equal(vandalised == value, labels == value)
    assert gate.repair(vandalised, seal, protected) == 0
