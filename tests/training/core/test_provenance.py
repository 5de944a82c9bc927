"""Voxels know whether they are the machine's, a person's, or vouched for."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.case import Annotation, OrganState
from guidednet_training.core.journal import Change
from guidednet_training.core.journal_writer import JournalWriter
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.project import Project
from guidednet_training.core.provenance import (
    CONFIRMED,
    EDITED,
    MACHINE,
    provenance,
    read_corrections,
    trace,
)
from guidednet_training.core.volume import write_volume

WHEN = "2026-01-01T00:00:00+00:00"
LIVER, SPLEEN = FLARE_13.value("liver"), FLARE_13.value("spleen")


class Work:
    """Labels and the journal of what happened to them."""

    def __init__(self, labels):
        self.labels, self.changes = np.array(labels, np.uint8), []

    def set(self, index, new, tool="paint", bundle=None, of=None):
        index = np.array(index, np.int64)
        flat = self.labels.reshape(-1)
        old = flat[index]
        flat[index] = new
        number = len(self.changes) + 1
        self.changes.append(
            Change(
                number,
                "eva",
                "2026-01-01T00:00:00+00:00",
                tool,
                (),
                bundle,
                1.0,
                index,
                old,
                flat[index],
                of=of,
            )
        )
        return self.changes[-1]

    def undo(self, change):
        return self.set(change.index, change.old, "undo", of=change.number)

    def redo(self, change):
        return self.set(change.index, change.new, "redo", of=change.number)

    def edited(self):
        origin = trace(self.labels, self.changes)
        return np.flatnonzero(provenance(self.labels, origin, FLARE_13, ()) & EDITED).tolist()

    def machine(self):
        return trace(self.labels, self.changes).machine.reshape(-1).tolist()


@pytest.fixture
def work():
    """A row of six voxels in which a model found a liver of three."""
    work = Work(np.zeros((1, 1, 6)))
    work.set([0, 1, 2], LIVER, "model", "m1")
    return work


def test_what_a_hand_changed_is_edited_and_the_rest_the_machines(work):
    work.set([2, 3], SPLEEN)
    assert work.edited() == [2, 3]
    assert work.machine() == [LIVER, LIVER, LIVER, 0, 0, 0]


def test_erased_and_painted_again_is_the_machines(work):
    work.set([1], 0, "erase")
    assert work.edited() == [1]
    work.set([1], LIVER)
    assert work.edited() == []


def test_an_undone_stroke_is_no_edit_and_a_redone_one_is(work):
    stroke = work.set([2, 3], SPLEEN)
    work.undo(stroke)
    assert work.edited() == []
    work.redo(stroke)
    assert work.edited() == [2, 3]


def test_what_a_newer_model_wrote_over_an_edit_is_its_own(work):
    work.set([4], LIVER)
    work.set([4, 5], SPLEEN, "model", "m2")
    assert work.edited() == []
    assert work.machine()[4:] == [SPLEEN, SPLEEN]


def test_a_model_fill_taken_back_leaves_what_was_the_machines_before(work):
    work.set([4], SPLEEN)
    fill = work.set([0, 4, 5], SPLEEN - 1, "model", "m2")
    work.undo(fill)
    assert work.edited() == [4]
    assert work.machine() == [LIVER, LIVER, LIVER, 0, 0, 0]
    work.redo(fill)
    assert work.edited() == []


def test_a_model_fill_taken_back_in_part(work):
    fill = work.set([0, 4, 5], SPLEEN, "model", "m2")
    work.set([5], 0, "undo", of=fill.number)  # of one organ or place only
    assert work.machine() == [SPLEEN, LIVER, LIVER, 0, SPLEEN, 0]
    assert work.edited() == []


def test_an_organs_undo_can_be_taken_back_itself(work):
    fill = work.set([0, 4, 5], SPLEEN, "model", "m2")
    back = work.set([4, 5], 0, "undo organ", of=fill.number)
    assert work.machine() == [SPLEEN, LIVER, LIVER, 0, 0, 0]
    work.undo(back)
    assert work.machine() == [SPLEEN, LIVER, LIVER, 0, SPLEEN, SPLEEN]
    assert work.edited() == []


def test_a_tool_that_was_tried_out_leaves_no_trace(work):
    taken = work.set([3, 4], SPLEEN, "take", "m2")
    work.set(taken.index, taken.old, "undo take")
    assert work.machine() == [LIVER, LIVER, LIVER, 0, 0, 0]
    work.set([3], LIVER, "grow")
    work.set([3], 0, "undo grow")
    assert work.edited() == []


def test_whose_a_restored_version_was_is_not_known(work):
    work.set([3], SPLEEN)
    work.set([0, 3], [0, LIVER], "restore")
    assert work.edited() == []


def test_bits_of_edited_and_confirmed(work):
    work.set([2, 3], SPLEEN)
    origin = trace(work.labels, work.changes)
    some = provenance(work.labels, origin, FLARE_13, ("spleen",)).reshape(-1)
    assert some.tolist() == [MACHINE, MACHINE, EDITED | CONFIRMED, EDITED | CONFIRMED, MACHINE, MACHINE]
    everything = provenance(work.labels, origin, FLARE_13, FLARE_13.names).reshape(-1)
    assert everything.tolist() == [CONFIRMED, CONFIRMED, 3, 3, CONFIRMED, CONFIRMED]


@pytest.fixture
def project(tmp_path):
    ct, labels = make_phantom(1, shape=(16, 20, 24), spacing_mm=(16.0, 16.0, 14.0), scheme=FLARE_13)
    write_volume(tmp_path / "ct.nii.gz", ct)
    with Project.create(tmp_path / "project", "p", "FLARE_13") as project:
        project.add_case(tmp_path / "ct.nii.gz", "c", "train", labels, ("liver", "spleen"))
        yield project


def _worked(project, bundle):
    """Let a model write, then erase a bit of the liver and paint some kidney, which nobody confirms."""
    volume = project.labels("c")
    labels = volume.array.copy()
    flat = labels.reshape(-1)
    liver = np.flatnonzero(flat == LIVER)
    empty = np.flatnonzero(flat == 0)
    work = Work(labels)
    work.set(liver[:1], LIVER - 1, "model" if bundle else "paint", bundle)
    work.set(liver[:1], LIVER)
    work.set(liver[-4:], 0, "erase")
    work.set(empty[:3], FLARE_13.value("left_kidney"))
    writer = JournalWriter(project.journal_folder("c"))
    for change in work.changes:
        writer.append(change)
    writer.close()
    states = dict.fromkeys(FLARE_13.names, OrganState.CORRECTED)
    states |= dict.fromkeys(("liver", "spleen"), OrganState.CONFIRMED)
    project.save_labels("c", volume.like(work.labels, "labels"), Annotation(scheme="FLARE_13", organs=states))
    return liver


def test_corrections_are_those_of_confirmed_organs(project):
    liver = _worked(project, "m1")
    found = read_corrections(project, "c")
    assert found.annotated == ("liver", "spleen")
    assert np.flatnonzero(found.mask.reshape(-1)).tolist() == sorted([int(liver[0]), *liver[-4:].tolist()])
    assert (found.target == project.target("c")[0]).all()


def test_without_a_model_there_is_nothing_to_put_right(project):
    _worked(project, None)
    assert read_corrections(project, "c") is None


def test_without_a_journal_there_are_no_corrections(project):
    assert read_corrections(project, "c") is None
