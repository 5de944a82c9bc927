"""The journal of a case: what was appended is read back, torn ends are left out, damage is told."""

from __future__ import annotations

import errno
import os
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core import journal_writer
from guidednet_training.core.case import OrganState
from guidednet_training.core.errors import DamagedError, FileError
from guidednet_training.core.journal import (
    Change,
    Entry,
    last_number,
    packed,
    read_entries,
    read_journal,
    segments,
)
from guidednet_training.core.journal_writer import JournalWriter


def _change(number: int, index: list[int] | None = None, tool: str = "paint", **more) -> Change:
    places = np.array([3, 4, 5, 900 + number] if index is None else index, np.int64)
    old = np.zeros(places.size, np.uint8)
    new = (np.arange(places.size) % 3 + 1).astype(np.uint8)
    return Change(
        number, "anna", "2026-01-01T10:00:00+00:00", tool, ("liver",), None, 1.5, places, old, new, **more
    )


def _write(folder: Path, *changes: Change) -> None:
    writer = JournalWriter(folder)
    for change in changes:
        writer.append(change)
    writer.close()


def _assert_same(one: Change, other: Change) -> None:
    for name in Change.__dataclass_fields__:
        if name in ("index", "old", "new"):
            got, wanted = getattr(one, name), getattr(other, name)
            assert got.dtype == wanted.dtype
            assert np.array_equal(got, wanted)
        else:
            assert getattr(one, name) == getattr(other, name), name


def test_what_was_written_is_read_back_whole(tmp_path: Path):
    states = {"liver": (OrganState.PREDICTED, OrganState.CONFIRMED)}
    changes = [
        _change(1),
        _change(2, [], "confirm", states=states, slices=(4, 5)),
        _change(3, list(range(10_000)), "model"),
        _change(4, tool="undo", of=1, continues=True),
    ]
    _write(tmp_path / "journal", *changes)
    read = list(read_journal(tmp_path / "journal"))
    assert len(read) == 4
    for got, wanted in zip(read, changes, strict=True):
        _assert_same(got, wanted)
    assert [change.number for change in read_journal(tmp_path / "journal", after=2)] == [3, 4]
    assert [change.voxels for change in read] == [4, 0, 10_000, 4]


def test_a_listener_that_fails_does_not_end_the_saving(tmp_path: Path, monkeypatch):
    def fail(entry: Entry) -> None:
        raise RuntimeError("a bug of the listener")

    said = []
    monkeypatch.setattr(threading, "excepthook", said.append)
    writer = JournalWriter(tmp_path / "journal", fail)
    writer.append(_change(1))
    writer.flush()
    writer.append(_change(2))
    writer.close()
    assert last_number(tmp_path / "journal") == 2
    assert str(said[0].exc_value) == "a bug of the listener"


def test_what_finds_no_memory_is_told_and_tried_again(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(journal_writer, "_RETRY_S", 0.01)
    calls = []

    def scarce(change: Change) -> Entry:
        calls.append(change)
        if len(calls) == 1:
            raise MemoryError
        return packed(change)

    monkeypatch.setattr(journal_writer, "packed", scarce)
    writer = JournalWriter(tmp_path / "journal")
    writer.append(_change(1))
    deadline = time.monotonic() + 20
    while last_number(tmp_path / "journal") < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    writer.close()
    assert len(calls) == 2


def test_random_changes_survive_packing():
    rng = np.random.default_rng(0)
    for size in (1, 2, 50, 3000):
        index = np.sort(rng.choice(10**9, size, replace=False)).astype(np.int64)
        if size == 50:
            index = np.arange(7, 57)
        old, new = (rng.integers(0, 3, size).astype(np.uint8) for _ in range(2))
        change = Change(1, "a", "now", "t", (), None, 0.0, index, old, new)
        _assert_same(packed(change).change(), change)


def test_a_compact_stroke_costs_little_disk(tmp_path: Path):
    rows = (np.arange(100)[:, None] * 512 + np.arange(60)).ravel()
    assert len(packed(_change(1, list(rows))).to_bytes()) < 60_000
    one = Change(1, "a", "n", "model", (), None, 0, rows, np.zeros(6000, np.uint8), np.ones(6000, np.uint8))
    assert len(packed(one).to_bytes()) < 500


def test_each_session_goes_on_in_a_file_of_its_own(tmp_path: Path):
    _write(tmp_path, _change(1), _change(2))
    _write(tmp_path)
    _write(tmp_path, _change(3))
    assert [path.name for path in segments(tmp_path)] == ["000000001.changes", "000000003.changes"]
    assert last_number(tmp_path) == 3
    assert [change.number for change in read_journal(tmp_path)] == [1, 2, 3]
    segments(tmp_path)[0].write_bytes(b"rubbish")  # who wants the newest does not read the oldest
    assert [change.number for change in read_journal(tmp_path, after=2)] == [3]


def test_no_journal_is_an_empty_one(tmp_path: Path):
    assert list(read_journal(tmp_path / "none")) == []
    assert last_number(tmp_path / "none") == 0


def test_a_torn_last_record_is_left_out_and_its_number_used_again(tmp_path: Path):
    _write(tmp_path, _change(1), _change(2))
    file = segments(tmp_path)[0]
    whole = file.read_bytes()
    second = len(packed(_change(1)).to_bytes())
    for end in range(second, len(whole)):
        file.write_bytes(whole[:end])
        assert [change.number for change in read_journal(tmp_path)] == [1], end
    file.write_bytes(whole[:-3] + bytes(4096))  # a power cut: the length is there, the content is not
    assert last_number(tmp_path) == 1
    _write(tmp_path, _change(2, tool="erase"))
    assert [change.tool for change in read_journal(tmp_path)] == ["paint", "erase"]


def test_damage_before_sound_records_is_told(tmp_path: Path):
    _write(tmp_path, _change(1), _change(2), _change(3))
    file = segments(tmp_path)[0]
    whole = file.read_bytes()
    first = len(packed(_change(1)).to_bytes())
    for place in range(0, 2 * first, 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with pytest.raises(FileError, match="damaged"):
            list(read_journal(tmp_path))


def test_a_missing_file_of_the_journal_is_told(tmp_path: Path):
    for number in (1, 2, 3):
        _write(tmp_path, _change(number))
    segments(tmp_path)[1].unlink()
    with pytest.raises(FileError, match="change 2 is missing"):
        list(read_entries(tmp_path))


def test_a_change_is_on_disk_within_a_second(tmp_path: Path):
    told = []
    writer = JournalWriter(tmp_path, told.append)
    writer.append(_change(1))
    end = time.monotonic() + 1
    while not list(read_journal(tmp_path)):
        assert time.monotonic() < end
        time.sleep(0.01)
    writer.flush()
    assert [entry.header.number for entry in told] == [1]
    writer.close()


def test_numbers_follow_each_other(tmp_path: Path):
    writer = JournalWriter(tmp_path)
    with pytest.raises(ValueError, match="change 1 was expected, not 2"):
        writer.append(_change(2))
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.append(_change(1))


def test_a_full_disk_loses_nothing_that_is_in_memory(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(journal_writer, "_RETRY_S", 0.02)
    full = True

    def sync(descriptor: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journal_writer.os, "fsync", sync)
    monkeypatch.setattr(journal_writer, "flush_folder", lambda folder: None)
    writer = JournalWriter(tmp_path)
    writer.append(_change(1))
    with pytest.raises(FileError, match="No space left"):
        writer.flush()
    assert list(read_journal(tmp_path)) == []  # what could not be made safe was taken back
    writer.append(_change(2))
    full = False
    end = time.monotonic() + 5
    while writer.error is not None and time.monotonic() < end:
        time.sleep(0.01)
    writer.close()
    assert [change.number for change in read_journal(tmp_path)] == [1, 2]


def test_a_run_without_length_is_damage(tmp_path: Path):
    step = np.array([3, 4], np.int64).tobytes()
    length = np.array([2, 0], np.uint32).tobytes()
    payload = zlib.compress(step + length + bytes([0, 0]) + bytes([1, 1]))
    entry = Entry(packed(_change(1, [3, 4])).header, payload)
    with pytest.raises(DamagedError, match="does not hold"):
        entry.change()
