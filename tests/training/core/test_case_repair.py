"""A case whose journal or labels were damaged opens again: what is kept, what lies aside, what goes on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core import journal_repair
from guidednet_training.core.case import Annotation, OrganState
from guidednet_training.core.case_repair import is_sound, repair_case
from guidednet_training.core.effort import case_effort
from guidednet_training.core.errors import DamagedError, FileError, SpecError
from guidednet_training.core.files import atomic_path
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.journal import LOST, Change, packed, read_journal, segment_name, segments
from guidednet_training.core.journal_writer import JournalWriter
from guidednet_training.core.label_pair import LABELS, NOTES, LabelPair
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.volume import Volume

GEOMETRY = Geometry((2, 3, 4), np.diag([3.0, 2.0, 2.0, 1.0]))
SIX = range(1, 7)


def change(number: int) -> Change:
    """Change `number` writes the voxel of that place, at that hour."""
    index = np.array([number], np.int64)
    when = f"2026-01-01T{number:02d}:00:00+00:00"
    one = np.ones(1, np.uint8)
    return Change(number, "anna", when, "paint", ("spleen",), None, 2.0, index, 0 * one, one)


def write(pair: LabelPair, *numbers: int, after: int = 0) -> None:
    writer = JournalWriter(pair.journal, after=after)
    for number in numbers:
        writer.append(change(number))
    writer.close()


def save(pair: LabelPair, number: int) -> None:
    """Save the labels whole as they were after a change."""
    array = np.zeros(24, np.uint8)
    array[1 : number + 1] = 1
    organs = dict.fromkeys(AMOS_15.names, OrganState.UNTOUCHED)
    known = Annotation(scheme=AMOS_15.name, organs=organs, change=number)
    pair.save(Volume(array.reshape(2, 3, 4), GEOMETRY, "labels"), known)


def damage(path: Path, record: int) -> bytes:
    """Turn a bit in the payload of a record (counted from 0); give the damaged content."""
    content = bytearray(path.read_bytes())
    size = len(packed(change(1)).to_bytes())
    content[(record + 1) * size - 3] ^= 16
    path.write_bytes(content)
    return bytes(content)


def painted(pair: LabelPair) -> list[int]:
    read = pair.read()
    assert read is not None
    return np.flatnonzero(read[0].array).tolist()


@pytest.fixture
def pair(tmp_path: Path) -> LabelPair:
    return LabelPair(tmp_path / "case", GEOMETRY, AMOS_15)


def test_a_whole_case_is_left_alone(pair: LabelPair):
    assert repair_case(pair, "a") is None
    write(pair, *SIX)
    save(pair, 2)
    segments(pair.journal)[0].write_bytes(segments(pair.journal)[0].read_bytes()[:-3])  # torn, not damaged
    before = sorted(path.name for path in pair.folder.rglob("*"))
    assert repair_case(pair, "a") is None
    assert sorted(path.name for path in pair.folder.rglob("*")) == before


def test_after_damage_the_case_is_as_it_was_before_it(pair: LabelPair):
    write(pair, *SIX)
    save(pair, 2)
    file = segments(pair.journal)[0]
    content = damage(file, 4)  # change 5; 6 is sound
    with pytest.raises(DamagedError, match="damaged"):
        pair.read()
    repaired = repair_case(pair, "a")
    assert painted(pair) == [1, 2, 3, 4]
    assert pair.annotation().change == repaired.change == 4
    assert (repaired.when, repaired.left_out) == (change(4).when, 2)
    assert [c.number for c in read_journal(pair.journal)] == [1, 2, 3, 4]
    (kept,) = repaired.damaged
    assert kept.parent == file.parent
    assert kept.read_bytes() == content
    assert repaired.text.startswith("a has its labels of 2026-01-01 ")
    assert "(change 4), without 2 later changes." in repaired.text
    assert str(kept) in repaired.text
    write(pair, 5)  # and on it goes
    assert painted(pair) == [1, 2, 3, 4, 5]
    assert is_sound(pair)


def test_labels_that_were_saved_later_lose_nothing(pair: LabelPair):
    write(pair, *SIX)
    save(pair, 4)
    damage(segments(pair.journal)[0], 1)  # change 2
    repaired = repair_case(pair, "a")
    assert (repaired.change, repaired.left_out) == (6, 0)
    assert painted(pair) == [1, 2, 3, 4, 5, 6]
    changes = list(read_journal(pair.journal))
    assert [(c.number, c.tool) for c in changes] == [
        (1, "paint"), (2, LOST), (3, "paint"), (4, "paint"), (5, "paint"), (6, "paint"),
    ]  # fmt: skip
    effort = case_effort("a", changes, AMOS_15)
    assert effort.total.seconds == 10.0
    assert set(effort.authors) == {"anna"}
    write(pair, 7)
    assert painted(pair)[-1] == 7


def test_the_saved_labels_hold_changes_that_the_journal_lost(pair: LabelPair):
    write(pair, *SIX)
    save(pair, 6)
    file = segments(pair.journal)[0]
    damage(file, 2)
    damage(file, 5)
    size = len(packed(change(1)).to_bytes())
    file.write_bytes(file.read_bytes()[: 5 * size])  # 1, 2, damage, 4, 5; and 6 is gone
    repaired = repair_case(pair, "a")
    assert (repaired.change, repaired.left_out) == (6, 0)
    assert painted(pair) == list(SIX)
    write(pair, 7, after=6)
    assert is_sound(pair)
    assert [c.number for c in read_journal(pair.journal) if c.tool == LOST] == [3, 6]


def test_a_file_cut_short_in_the_middle_of_the_journal(pair: LabelPair):
    for numbers in ((1, 2, 3), (4, 5), (6,)):
        write(pair, *numbers)
    save(pair, 1)
    first = segments(pair.journal)[0]
    first.write_bytes(first.read_bytes()[:-5])  # change 3 is gone, 4 to 6 are sound
    with pytest.raises(DamagedError, match="change 3 is missing"):
        pair.read()
    repaired = repair_case(pair, "a")
    assert (repaired.change, repaired.left_out) == (2, 4)
    assert painted(pair) == [1, 2]
    assert [path.name for path in segments(pair.journal)] == ["000000001.changes"]
    assert sorted(path.name.split(".damaged")[0] for path in repaired.damaged) == [
        "000000004.changes", "000000006.changes",
    ]  # fmt: skip


def test_a_file_that_cannot_be_read(pair: LabelPair, monkeypatch):
    write(pair, 1, 2)
    write(pair, 3, 4)
    save(pair, 1)
    second = segments(pair.journal)[1]
    content = second.read_bytes()
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:  # root may read everything, whatever the mode
        if path == second:
            raise OSError(5, "Input/output error")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(DamagedError, match="cannot be read: Input/output error"):
            pair.annotation()
        repaired = repair_case(pair, "a")
    assert (repaired.change, repaired.left_out) == (2, 1)
    assert repaired.damaged[0].read_bytes() == content
    assert painted(pair) == [1, 2]
    write(pair, 3)
    assert painted(pair) == [1, 2, 3]


def test_changes_of_another_grid_are_left_out(pair: LabelPair):
    write(pair, 1, 2)
    stranger = change(3)
    far = Change(**{**stranger.__dict__, "index": np.array([24], np.int64)})
    (pair.journal / segment_name(3)).write_bytes(packed(far).to_bytes())
    with pytest.raises(DamagedError, match="another size"):
        pair.read()
    assert repair_case(pair, "a").change == 2
    assert painted(pair) == [1, 2]


def test_damaged_labels_give_way_to_earlier_ones_and_the_journal(pair: LabelPair):
    write(pair, *SIX)
    save(pair, 3)
    save(pair, 5)
    (pair.folder / LABELS).write_bytes(b"rubbish")
    with pytest.raises(DamagedError, match="changed by another program"):
        pair.read()
    repaired = repair_case(pair, "a")
    assert repaired.labels
    assert (repaired.change, repaired.left_out) == (6, 0)
    assert painted(pair) == list(SIX)
    assert repaired.damaged[0].read_bytes() == b"rubbish"
    assert [path.name.split(".damaged")[0] for path in repaired.damaged] == [LABELS, NOTES]
    assert is_sound(pair)


@pytest.mark.parametrize("content", [b"", b"\0" * 300, b'{"labels_sha256": ', b"\xff\xfe"])
def test_damaged_notes_give_way_to_earlier_ones_and_the_journal(pair: LabelPair, content: bytes):
    write(pair, *SIX)
    save(pair, 2)
    save(pair, 4)
    (pair.folder / NOTES).write_bytes(content)
    with pytest.raises(DamagedError, match="was damaged"):
        pair.read()
    repaired = repair_case(pair, "a")
    assert repaired is not None
    assert repaired.labels
    assert painted(pair) == list(SIX)
    assert content in [path.read_bytes() for path in repaired.damaged]


def test_notes_of_a_newer_version_are_left_alone(pair: LabelPair):
    save(pair, 2)
    save(pair, 4)
    newer = (pair.folder / NOTES).read_text().replace('"scheme"', '"future": 1, "scheme"', 1)
    (pair.folder / NOTES).write_text(newer)
    with pytest.raises(SpecError, match="future"):
        repair_case(pair, "a")
    assert (pair.folder / NOTES).read_text() == newer


def test_where_no_labels_are_whole_nothing_is_changed(pair: LabelPair):
    write(pair, *SIX)
    save(pair, 3)
    (pair.folder / LABELS).write_bytes(b"rubbish")
    before = {path: path.read_bytes() for path in pair.folder.rglob("*") if path.is_file()}
    with pytest.raises(FileError, match="No earlier labels are whole"):
        repair_case(pair, "a")
    assert {path: path.read_bytes() for path in pair.folder.rglob("*") if path.is_file()} == before


def test_looking_changes_nothing(pair: LabelPair):
    write(pair, *SIX)
    file = segments(pair.journal)[0]
    content = damage(file, 4)
    repaired = repair_case(pair, "a", dry_run=True)
    assert (repaired.change, repaired.left_out, repaired.damaged) == (4, 2, (file,))
    assert f"Damaged is: {file}" in repaired.text
    assert [path.name for path in pair.journal.iterdir()] == [file.name]
    assert file.read_bytes() == content


@pytest.mark.parametrize("step", range(4))
def test_a_repair_that_was_killed_is_done_again(pair: LabelPair, monkeypatch, step: int):
    """Stop before the n-th file is touched, and in the middle of it: no change is lost by that."""
    for numbers in ((1, 2, 3), (4, 5), (6,)):
        write(pair, *numbers)
    damage(segments(pair.journal)[0], 1)
    content = {path.name: path.read_bytes() for path in segments(pair.journal)}
    steps = iter(range(9))

    class Killed(BaseException):
        pass

    def killed(path: Path, stamp: str) -> Path:
        if next(steps) == step // 2:
            if step % 2:
                aside(path, stamp)
            raise Killed
        return aside(path, stamp)

    aside = journal_repair.set_aside
    with monkeypatch.context() as patch:
        patch.setattr(journal_repair, "set_aside", killed)
        with pytest.raises(Killed):
            repair_case(pair, "a")
    repair_case(pair, "a")
    assert painted(pair) == [1]
    for name, whole in content.items():  # each damaged file is still there, as it was
        assert any(path.read_bytes() == whole for path in pair.journal.glob(f"{name}.damaged-*")), name


def test_a_full_disk_leaves_the_journal_as_it_was(pair: LabelPair, monkeypatch):
    write(pair, *SIX)
    file = segments(pair.journal)[0]
    content = damage(file, 4)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(FileError, match="No space left"):
            repair_case(pair, "a")
    assert file.read_bytes() == content
    assert repair_case(pair, "a").change == 4


def test_without_hard_links_the_damaged_file_is_renamed(pair: LabelPair, monkeypatch):
    write(pair, *SIX)
    content = damage(segments(pair.journal)[0], 4)

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(journal_repair.os, "link", refuse)
    assert repair_case(pair, "a").damaged[0].read_bytes() == content
    assert painted(pair) == [1, 2, 3, 4]


def test_two_repairs_in_one_second_keep_both_files(pair: LabelPair):
    write(pair, *SIX)
    file = segments(pair.journal)[0]
    stamp = "20260101-100000"
    names = set()
    for content in (b"one", b"two"):
        with atomic_path(file) as partial:
            partial.write_bytes(content)
        names.add(journal_repair.set_aside(file, stamp))
    assert {path.read_bytes() for path in names} == {b"one", b"two"}


@pytest.mark.parametrize("saved", [0, 1])
def test_a_journal_that_lacks_the_changes_after_the_saved_labels_is_damaged(pair: LabelPair, saved: int):
    for number in (1, 2, 3):
        write(pair, number)  # each sitting has a file of its own
        if number == saved:
            save(pair, number)
    for path in segments(pair.journal)[: saved + 1]:
        path.unlink()
    with pytest.raises(DamagedError, match=f"change {saved + 1} is missing"):
        pair.read()
    with pytest.raises(DamagedError, match=f"change {saved + 1} is missing"):
        pair.annotation()
    repaired = repair_case(pair, "a")
    assert repaired is not None
    assert (repaired.change, repaired.left_out) == (saved, 3 - saved)
    if saved:
        assert painted(pair) == [1]
    else:
        assert pair.read() is None
