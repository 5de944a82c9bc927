"""Labels as everybody reads them: what was saved and what was journaled since."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core.case import Annotation, Edit, OrganState
from guidednet_training.core.errors import FileError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.journal import JOURNAL, Change, read_journal
from guidednet_training.core.journal_writer import JournalWriter
from guidednet_training.core.label_pair import LabelPair
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.replay import noted, replay
from guidednet_training.core.volume import Volume

GEOMETRY = Geometry((2, 3, 4), np.diag([3.0, 2.0, 2.0, 1.0]))
LIVER = AMOS_15.value("liver")


def _change(number: int, places=(), tool="paint", when="2026-01-01T10:00:00+00:00", **more) -> Change:
    index = np.array(places, np.int64)
    old, new = np.zeros(index.size, np.uint8), np.full(index.size, LIVER, np.uint8)
    organs = more.pop("organs", ("liver",))
    return Change(number, "anna", when, tool, organs, None, 2.0, index, old, new, **more)


def _annotation(**organs: OrganState) -> Annotation:
    untouched = dict.fromkeys(AMOS_15.names, OrganState.UNTOUCHED)
    return Annotation(scheme=AMOS_15.name, organs=untouched | organs)


def _labels(*values: int) -> Volume:
    array = np.zeros(24, np.uint8)
    array[: len(values)] = values
    return Volume(array.reshape(2, 3, 4), GEOMETRY, "labels")


def _journal(folder: Path, *changes: Change, after: int = 0) -> None:
    writer = JournalWriter(folder / JOURNAL, after=after)
    for change in changes:
        writer.append(change)
    writer.close()


@pytest.fixture
def pair(tmp_path: Path) -> LabelPair:
    return LabelPair(tmp_path, GEOMETRY, AMOS_15)


def test_a_case_that_was_never_saved_lives_in_its_journal(pair: LabelPair):
    assert pair.read() is None
    assert pair.annotation() is None
    moved = {"liver": (OrganState.UNTOUCHED, OrganState.CORRECTED)}
    _journal(pair.folder, _change(1, [3, 4], states=moved))
    labels, annotation = pair.read()
    assert np.flatnonzero(labels.array).tolist() == [3, 4]
    assert annotation == pair.annotation()
    assert annotation.organs["liver"] is OrganState.CORRECTED
    assert [edit.action for edit in annotation.edits] == ["painted"]


def test_changes_after_the_saved_labels_count_and_earlier_ones_do_not(pair: LabelPair):
    _journal(pair.folder, _change(1, [0]), _change(2, [1]), _change(3, [2]))
    pair.save(_labels(5, 5), _annotation().model_copy(update={"change": 2}))
    labels, annotation = pair.read()
    assert labels.array.ravel()[:4].tolist() == [5, 5, LIVER, 0]
    assert annotation.change == 3
    assert pair.saved_change == 2
    pair.save(labels, annotation)
    assert (pair.saved_change, pair.read()[0].array.ravel()[2]) == (3, LIVER)


def test_labels_from_outside_are_journaled_as_what_they_change(pair: LabelPair):
    pair.save(_labels(1, 1), _annotation())
    edit = Edit(author="lab", when="2026-01-01T10:00:00+00:00", action="imported", organs=("liver",))
    known = _annotation(liver=OrganState.CONFIRMED).model_copy(update={"edits": (edit,)})
    pair.save(_labels(1, LIVER, LIVER), known)
    (change,) = read_journal(pair.journal)
    assert (change.tool, change.author, change.organs) == ("import", "lab", ("liver",))
    assert change.index.tolist() == [1, 2]
    assert change.old.tolist() == [1, 0]
    assert change.states == {"liver": (OrganState.UNTOUCHED, OrganState.CONFIRMED)}
    labels, annotation = pair.read()
    assert labels.array.ravel()[:4].tolist() == [1, LIVER, LIVER, 0]
    assert annotation.edits == (edit,)
    assert annotation.confirmed == {"liver"}


def test_locks_slices_and_the_bodys_edge_are_known_after_replay():
    known = _annotation()
    for change in (
        _change(1, tool="lock", organs=("liver", "aorta")),
        _change(2, tool="unlock", organs=("liver",)),
        _change(3, tool="confirm slice", organs=(), slices=(4, 7)),
        _change(4, tool="undo", organs=(), slices=(7,), of=3),
        _change(5, tool="keep inside the body", organs=()),
    ):
        known = noted(known, change)
    assert known.locks == ("aorta",)
    assert known.slices == (4,)
    assert known.inside_body
    assert known.change == 5
    assert known.edits == ()


def test_strokes_of_one_sitting_are_one_edit():
    known = _annotation()
    known = noted(known, _change(1, [1]))
    known = noted(known, _change(2, [2], when="2026-01-01T10:20:00+00:00", organs=("spleen",)))
    known = noted(known, _change(3, [3], when="2026-01-01T15:00:00+00:00"))
    assert [(edit.seconds, set(edit.organs)) for edit in known.edits] == [
        (4.0, {"liver", "spleen"}),
        (2.0, {"liver"}),
    ]


def test_a_journal_of_another_case_is_refused():
    with pytest.raises(FileError, match="another size"):
        replay(np.zeros((2, 2, 2), np.uint8), [_change(1, [8])])


def test_a_lost_journal_does_not_shadow_what_follows(pair: LabelPair):
    pair.save(_labels(1), _annotation().model_copy(update={"change": 7}))  # and its journal was moved away
    _journal(pair.folder, _change(8, [5]), after=pair.saved_change)
    assert pair.read()[0].array.ravel()[5] == LIVER
