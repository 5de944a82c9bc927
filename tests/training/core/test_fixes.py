"""Corrections fall into connected regions of one label, each with its place."""

from __future__ import annotations

import numpy as np

from guidednet_training.core.fixes import fixed_regions
from guidednet_training.core.provenance import Corrections


def corrections(edit) -> Corrections:
    machine = np.zeros((8, 10, 12), np.uint8)
    machine[2:6, 2:6, 2:6] = 1
    target = machine.copy()
    edit(target)
    return Corrections(target, machine, ("liver", "spleen"))


def test_regions_have_label_former_label_place_and_size():
    def edit(target):
        target[2:6, 2:4, 2] = 0  # liver that was none
        target[4, 4, 5:9] = 3  # spleen, partly where the liver had been
        target[7, 9, 11] = 3  # touches nothing

    found = fixed_regions(corrections(edit), voxel_ml=1.0)
    assert [(r.value, r.was, len(r.index)) for r in found] == [(0, 1, 8), (3, 0, 4), (3, 0, 1)]
    assert [r.extent for r in found] == [(4, 2, 1), (1, 1, 4), (1, 1, 1)]
    assert found[1].centre in ((4, 4, 6), (4, 4, 7))
    assert found[2].centre == (7, 9, 11)
    assert found[2].index.tolist() == [8 * 10 * 12 - 1]


def test_slips_of_the_brush_are_no_corrections():
    def edit(target):
        target[0, 0, 0] = 3
        target[4, 8, 2:10] = 3

    found = fixed_regions(corrections(edit), voxel_ml=0.002)
    assert [len(region.index) for region in found] == [8]


def test_unknown_voxels_and_no_change_give_nothing():
    assert fixed_regions(corrections(lambda target: None), 1.0) == ()
    assert fixed_regions(corrections(lambda target: target.__setitem__(0, 255)), 1.0) == ()
