"""Files are whole or not there, and what fails leaves what was there before."""

import errno
import os
import stat
from pathlib import Path

import pytest

from guidednet_training.core.errors import FileError
from guidednet_training.core.files import (
    PARTIAL,
    atomic_folder,
    atomic_path,
    read_text,
    remove_folder,
    sweep_partials,
    write_bytes,
    write_text,
)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.json", "1")  # folders are made
    write_text(tmp_path / "new" / "a.json", "Größe")
    assert read_text(tmp_path / "new" / "a.json") == "Größe"
    assert names(tmp_path / "new") == {"a.json"}


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_file_that_is_replaced_keeps_its_rights(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "1")
    for rights in (0o600, 0o664):
        (tmp_path / "a").chmod(rights)
        write_text(tmp_path / "a", "2")
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == rights


def test_a_share_that_knows_no_rights_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*arguments: object, **more: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    write_text(tmp_path / "a", "1")
    monkeypatch.setattr(os, "chmod", refusing)
    write_text(tmp_path / "a", "2")
    assert read_text(tmp_path / "a") == "2"


def test_a_drive_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(folder: Path, **options: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "The system cannot find the path specified", str(folder))

    monkeypatch.setattr(Path, "is_dir", lambda _: False)
    monkeypatch.setattr(Path, "mkdir", absent)
    with pytest.raises(FileError, match="cannot find the path"):
        write_text(Path("/drive/a.json"), "1")


def test_nobody_sees_the_new_file_before_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.nii.gz"
    target.write_bytes(b"old")
    with atomic_path(target) as partial:
        partial.write_bytes(b"ne")
        assert target.read_bytes() == b"old"
        assert partial.name.endswith("a.nii.gz")  # writers choose the format by the ending
        assert partial.parent == target.parent  # a rename, not a copy
        partial.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")

    def write_half() -> None:
        with atomic_path(target) as partial:
            partial.write_bytes(b"half")
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        write_half()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == {"a"}


def test_a_full_disk_is_named_and_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bytes(tmp_path / "a", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"No space left on device.*untouched"):
        write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == {"a"}
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="no folder is read-only for root")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(FileError, match="Permission denied"):
            write_bytes(tmp_path / "a", b"new")
    finally:
        tmp_path.chmod(0o755)


def test_a_file_limit_of_the_system_leaves_the_old_file(tmp_path: Path) -> None:
    """A real write error in the middle of the content, as on a full disk."""
    resource = pytest.importorskip("resource")
    import signal

    write_bytes(tmp_path / "a", b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(FileError, match="File too large"):
            write_bytes(tmp_path / "a", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == {"a"}


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "models" / "one") as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "a").write_text("1")
        assert names(tmp_path / "models") == {partial.name}
    assert (tmp_path / "models" / "one" / "inner" / "a").read_text() == "1"

    def write_half() -> None:
        with atomic_folder(tmp_path / "models" / "two") as partial:
            (partial / "a").write_text("1")
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        write_half()
    assert names(tmp_path / "models") == {"one"}


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on POSIX only")
def test_every_name_on_the_way_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    sync = os.fsync

    def noting(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    with atomic_folder(tmp_path / "a" / "b" / "target") as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "file").write_bytes(b"1")
    target = tmp_path / "a" / "b" / "target"
    inner = target / "inner"
    on_the_way = (tmp_path, tmp_path / "a", target.parent, target, inner, inner / "file")
    assert {path.stat().st_ino for path in on_the_way} <= set(flushed)


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on POSIX only")
def test_a_share_that_cannot_flush_folders_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def refusing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)
    write_text(tmp_path / "a" / "file", "1")
    assert read_text(tmp_path / "a" / "file") == "1"


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(FileError, match="exists already"), atomic_folder(tmp_path / "one"):
        pass

    def be_slower_than_another() -> None:
        with atomic_folder(tmp_path / "two"):
            (tmp_path / "two").mkdir()
            (tmp_path / "two" / "theirs").write_text("")

    with pytest.raises(FileError, match="Could not write"):
        be_slower_than_another()
    assert names(tmp_path / "two") == {"theirs"}


def test_a_folder_is_removed_at_once(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a").write_text("")
    remove_folder(tmp_path / "one")
    assert names(tmp_path) == set()
    with pytest.raises(FileError, match="Could not remove"):
        remove_folder(tmp_path / "one")


def test_leftovers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / f"{PARTIAL}1-a").write_text("")
    (tmp_path / f"{PARTIAL}2-b").mkdir()
    (tmp_path / f"{PARTIAL}2-b" / "inner").write_text("")
    (tmp_path / "kept").write_text("")
    assert sweep_partials(tmp_path, older_than_s=3600) == 0
    assert sweep_partials(tmp_path) == 2
    assert names(tmp_path) == {"kept"}
    assert sweep_partials(tmp_path / "nowhere") == 0


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="nowhere"):
        read_text(tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not a text file"):
        read_text(tmp_path / "binary")
