"""A project keeps its promises: one writer, nothing half done, nothing trained on that should not be."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core import label_pair, project_file
from guidednet_training.core.bundle import BundleManifest, publish_bundle, resolve_bundle
from guidednet_training.core.case import Annotation, OrganState, id_from_path
from guidednet_training.core.errors import (
    BundleError,
    FileError,
    GeometryError,
    ProjectError,
    SchemeError,
    SpecError,
)
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.moved_images import relocate_cases
from guidednet_training.core.project import Project
from guidednet_training.core.project_file import PointerMove, ProjectFile, SplitRule, Upgrade
from guidednet_training.core.request import PredictRequest
from guidednet_training.core.run import RunFolder
from guidednet_training.core.spec import NetSpec, PatchSpec, PreprocessSpec
from guidednet_training.core.volume import Volume, write_volume

SHAPE = (4, 5, 6)
GRID = Geometry(SHAPE, np.diag([3.0, 2.0, 1.5, 1.0])[:, [2, 1, 0, 3]])  # x, y, z from z, y, x


def write_ct(path: Path, seed: int = 0) -> Path:
    array = np.random.default_rng(seed).integers(-1000, 1000, SHAPE).astype(np.int16)
    write_volume(path, Volume(array, GRID, "ct_hu"))
    return path


def label_volume(*values: int, grid: Geometry = GRID) -> Volume:
    array = np.zeros(grid.shape, np.uint8)
    array.ravel()[: len(values)] = values
    return Volume(array, grid, "labels")


def states(**organs: OrganState) -> Annotation:
    return Annotation(scheme="FLARE_13", organs=organs)


@pytest.fixture
def project(tmp_path: Path):
    with Project.create(tmp_path / "project", "Test") as project:
        yield project


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    return write_ct(tmp_path / "scan_0000.nii.gz")


# The folder


def test_create_then_open_gives_the_same_project(tmp_path: Path) -> None:
    Project.create(tmp_path / "p", "Liver study", "amos_15").close()
    project = Project.open(tmp_path / "p")
    assert (project.name, project.scheme.name, project.current, project.cases) == (
        "Liver study", "AMOS_15", None, (),
    )  # fmt: skip


def test_create_refuses_a_folder_with_something_in_it(tmp_path: Path, project: Project) -> None:
    with pytest.raises(ProjectError, match="open it"):
        Project.create(project.folder)
    with pytest.raises(ProjectError, match="not empty"):
        Project.create(tmp_path)
    with pytest.raises(SchemeError, match="Known schemes"):
        Project.create(tmp_path / "q", scheme="X")
    assert not (tmp_path / "q").exists()


def test_open_refuses_what_is_no_project_or_damaged(tmp_path: Path, project: Project) -> None:
    with pytest.raises(ProjectError, match=r"no project\.json"):
        Project.open(tmp_path)
    (project.folder / "project.json").write_text('{"name"')
    with pytest.raises(ProjectError, match="damaged"):
        Project.open(project.folder)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "content", ["", "\0\0", "[]", '{"schema_version": Infinity}', "[" * 100_000, '{"schema_version": 1}']
)
def test_a_damaged_project_file_is_told(project: Project, content: str) -> None:
    (project.folder / "project.json").write_text(content)
    with pytest.raises(ProjectError, match=r"project\.json"):
        Project.open(project.folder)


def test_a_history_that_goes_back_too_far_is_no_crash(project: Project) -> None:
    back = PointerMove(action="rolled back", bundle=None, when="")
    file = ProjectFile(name="p", scheme="FLARE_13", history=(back, back))
    assert file.before() == ()
    assert file.promoted("m").before() == (None,)


def test_a_copied_case_folder_does_not_count_twice(project: Project, ct: Path) -> None:
    project.add_case(ct, "a")
    shutil.copytree(project.folder / "cases" / "a", project.folder / "cases" / "b")
    with pytest.raises(ProjectError, match="is of case 'a', not 'b'"):
        _ = project.cases
    shutil.rmtree(project.folder / "cases" / "b")
    assert [case.id for case in project.cases] == ["a"]


def test_a_case_that_may_not_be_read_is_not_left_out_in_silence(
    project: Project, ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_case(ct, "a")
    stat = os.stat

    def forbidding(path, **more):
        if str(path).endswith("case.json"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **more)

    monkeypatch.setattr(os, "stat", forbidding)
    with pytest.raises(FileError, match=r"Could not read .*case\.json: Permission denied"):
        _ = project.cases


def test_a_project_that_may_not_be_read_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidding(path, **more):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    folder = project.folder
    monkeypatch.setattr(Path, "is_file", forbidding)
    with pytest.raises(FileError, match=r"Could not read .*: Permission denied"):
        Project.open(folder)


def test_a_damaged_affine_is_told(project: Project, ct: Path) -> None:
    project.add_case(ct, "a")
    path = project.folder / "cases" / "a" / "case.json"
    content = json.loads(path.read_text())
    content["affine"][1] = [1.0, 2.0]
    path.write_text(json.dumps(content))
    with pytest.raises(SpecError, match="affine"):
        project.labels("a")


def test_a_damaged_word_of_the_writer_does_not_hide_that_there_is_one(project: Project) -> None:
    (project.folder / "writer.json").write_text("{")
    with pytest.raises(ProjectError, match="already open for writing by another process"):
        Project.open(project.folder, write=True)


def test_a_newer_schema_is_refused_and_left_alone(project: Project) -> None:
    path = project.folder / "project.json"
    edit(path, schema_version=99, new_thing=1)
    before = path.read_bytes()
    project.close()
    with pytest.raises(ProjectError, match=r"schema 99.*knows up to 1"):
        Project.open(project.folder, write=True)
    assert path.read_bytes() == before


def test_an_older_schema_is_upgraded_by_name_and_the_old_file_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Upgrade(
        to=2, name="title becomes name", apply=lambda c: {k: v for k, v in c.items() if k != "title"}
    )
    monkeypatch.setattr(project_file, "UPGRADES", (rename,))
    monkeypatch.setattr(project_file, "SCHEMA", 2)
    path = project.folder / "project.json"
    edit(path, title="old")
    project.close()
    assert Project.open(project.folder).name == "Test"
    assert json.loads(path.read_text())["schema_version"] == 1  # reading changes nothing
    Project.open(project.folder, write=True).close()
    assert json.loads(path.read_text())["schema_version"] == 2
    assert json.loads((project.folder / "project.before-schema-2.json").read_text())["title"] == "old"


# One writer


def test_a_second_writer_is_told_who_and_since_when_but_may_read(project: Project) -> None:
    with pytest.raises(ProjectError, match=rf"process {os.getpid()} on .* since 20\d\d-"):
        Project.open(project.folder, write=True)
    reader = Project.open(project.folder)
    assert not reader.writable
    project.close()
    Project.open(project.folder, write=True).close()


def test_a_reader_cannot_change_anything(project: Project, ct: Path) -> None:
    project.add_case(ct, "a", labels=label_volume(1), confirmed=["liver"])
    reader = Project.open(project.folder)
    for change in (
        lambda: reader.add_case(ct),
        lambda: reader.save_labels("a", label_volume(1), states()),
        lambda: reader.promote("x"),
        lambda: reader.roll_back(),
        lambda: reader.relocate("a", ct),
    ):
        with pytest.raises(ProjectError, match="reading only"):
            change()


HOLDER = """
import sys, time
from guidednet_training.core.project import Project
project = Project.open(sys.argv[1], write=True)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_writer_blocks_nobody(project: Project) -> None:
    project.close()
    command = [sys.executable, "-c", HOLDER, str(project.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(ProjectError, match=f"process {process.pid} "):
            Project.open(project.folder, write=True)
        process.kill()
    Project.open(project.folder, write=True).close()


# Cases


def test_a_case_keeps_where_its_ct_is_and_what_it_was(project: Project, ct: Path) -> None:
    case = project.add_case(ct)
    assert case.id == "scan"
    assert case.image == str(ct)
    assert project.case("scan") == case
    assert project.cases == (case,)
    assert case.geometry.same_grid(GRID)
    assert project.image("scan").digest() == case.digest


def test_a_copied_ct_is_independent_of_the_original(project: Project, ct: Path) -> None:
    case = project.add_case(ct, copy=True)
    assert case.image == "cases/scan/image.nii.gz"
    ct.unlink()
    assert project.image("scan").digest() == case.digest


def test_a_ct_inside_the_project_moves_with_it(project: Project, tmp_path: Path) -> None:
    (project.folder / "images").mkdir()
    project.add_case(write_ct(project.folder / "images" / "a.nii.gz"))
    project.close()
    project.folder.rename(tmp_path / "moved")
    assert Project.open(tmp_path / "moved").image("a").geometry.shape == SHAPE


def test_a_link_keeps_its_name_whatever_the_file_behind_it(project: Project, tmp_path: Path) -> None:
    ct = write_ct(tmp_path / "a.nii.gz").rename(tmp_path / "5f3c9d")  # as data stores keep their files
    for name in ("scan.nii.gz", "moved.nii.gz"):
        (tmp_path / name).symlink_to(ct)
    project.add_case(tmp_path / "scan.nii.gz")
    assert project.image("scan").geometry.shape == SHAPE
    (tmp_path / "scan.nii.gz").unlink()
    relocate_cases(project, tmp_path / "moved.nii.gz", ["scan"])
    assert project.image_path("scan") == tmp_path / "moved.nii.gz"
    with Project.create(tmp_path / "other") as other:
        other.lend_case(project, "scan")
        assert other.image("scan").geometry.shape == SHAPE


def test_a_changed_or_missing_ct_is_a_clear_error_and_can_be_relocated(
    project: Project, ct: Path, tmp_path: Path
) -> None:
    project.add_case(ct, "a")
    moved = ct.rename(tmp_path / "elsewhere.nii.gz")
    with pytest.raises(FileError, match="'a' is gone"):
        project.image("a")
    with pytest.raises(FileError, match="not the CT of case 'a'"):
        project.relocate("a", write_ct(tmp_path / "other.nii.gz", seed=1))
    project.relocate("a", moved)
    assert project.image("a").geometry.shape == SHAPE
    write_ct(moved, seed=2)
    with pytest.raises(FileError, match="'a' has changed"):
        project.image("a")


def test_the_same_ct_cannot_become_two_cases(project: Project, ct: Path, tmp_path: Path) -> None:
    project.add_case(ct, "a")
    (tmp_path / "again.nii.gz").write_bytes(ct.read_bytes())
    with pytest.raises(ProjectError, match="same CT as case 'a'"):
        project.add_case(tmp_path / "again.nii.gz")
    with pytest.raises(ProjectError, match="'a' already"):
        project.add_case(write_ct(tmp_path / "b.nii.gz", 3), "a")
    assert [path.name for path in (project.folder / "cases").iterdir()] == ["a"]


def test_files_of_one_name_get_different_ids(project: Project, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        project.add_case(write_ct(tmp_path / str(number) / "ct.nii.gz", number))
    assert [case.id for case in project.cases] == ["ct", "ct-2", "ct-3"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("btcv_04_0000.nii.gz", "btcv_04"),
        ("Ct 1.NRRD", "Ct_1"),
        ("crlm_1004", "crlm_1004"),
        ("ö.mha", "case"),
    ],
)
def test_ids_come_from_file_names(name: str, wanted: str) -> None:
    assert id_from_path(Path(name)) == wanted


@pytest.mark.parametrize("bad", ["../a", "a/b", "", ".hidden", "a" * 65])
def test_an_id_is_never_a_path(project: Project, ct: Path, bad: str) -> None:
    with pytest.raises(ProjectError, match="cannot be a name"):
        project.add_case(ct, bad)


@pytest.mark.parametrize(
    ("labels", "confirmed", "error"),
    [
        (label_volume(14), (), SchemeError),
        (label_volume(1), ("bladder",), SchemeError),
        (label_volume(1, grid=Geometry(SHAPE, GRID.affine * [[2], [1], [1], [1]])), (), GeometryError),
        (None, ("liver",), ProjectError),
    ],
)
def test_labels_that_do_not_fit_add_nothing(project, ct, labels, confirmed, error) -> None:
    with pytest.raises(error):
        project.add_case(ct, labels=labels, confirmed=confirmed)
    assert project.cases == ()
    assert not list((project.folder / "cases").glob("*"))


def test_a_full_disk_adds_nothing(project: Project, ct: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(FileError, match="No space left"):
        project.add_case(ct, copy=True)
    assert not list((project.folder / "cases").glob("*"))


# Splits


def test_splits_depend_on_id_and_seed_alone_and_keep_their_shares() -> None:
    rule = SplitRule(seed=1, val=0.2, test=0.2)
    ids = [f"case_{n}" for n in range(2000)]
    first = {case_id: rule.split_of(case_id, True) for case_id in ids}
    assert first == {case_id: rule.split_of(case_id, True) for case_id in reversed(ids)}
    shares = [list(first.values()).count(split) / 2000 for split in ("train", "val", "test")]
    assert np.allclose(shares, [0.6, 0.2, 0.2], atol=0.03)
    assert {SplitRule(seed=2).split_of(i, True) == first[i] for i in ids} == {True, False}
    assert {rule.split_of(case_id, False) for case_id in ids} == {"train", "val"}


def test_a_split_given_is_kept(project: Project, ct: Path) -> None:
    project.add_case(ct, "a", split="test")
    assert Project.open(project.folder).case("a").split == "test"


# Labels


def test_imported_organs_get_the_state_a_person_gave_them(project: Project, ct: Path) -> None:
    project.add_case(ct, "a", labels=label_volume(1, 3), confirmed=["liver", "gallbladder"])
    annotation = project.annotation("a")
    assert annotation is not None
    assert annotation.confirmed == {"liver", "gallbladder"}  # annotated and absent counts
    assert annotation.organs["spleen"] is OrganState.CORRECTED  # in the map, but nobody vouches
    assert annotation.organs["pancreas"] is OrganState.UNTOUCHED
    assert annotation.edits[0].action == "imported"


def test_target_keeps_only_confirmed_organs_and_unknown(project: Project, ct: Path) -> None:
    project.add_case(ct, "a", labels=label_volume(3, 1, 255, 4, 0), confirmed=["spleen", "liver"])
    labels, annotated = project.target("a")
    assert annotated == ("liver", "spleen")  # order of the scheme
    assert labels.ravel()[:5].tolist() == [3, 1, 255, 0, 0]
    assert labels.dtype == np.uint8


def test_target_refuses_a_case_nobody_vouches_for(project: Project, ct: Path) -> None:
    project.add_case(ct, "a", labels=label_volume(1))
    with pytest.raises(ProjectError, match="No organ of case 'a' is confirmed"):
        project.target("a")


def test_labelled_and_unlabelled_follow_confirmation_and_split(project: Project, tmp_path: Path) -> None:
    def add(name: str, split: str, confirmed: list[str]) -> None:
        path = write_ct(tmp_path / f"{name}.nii.gz", seed=hash(name) % 1000)
        project.add_case(path, name, split=split, labels=label_volume(1), confirmed=confirmed)

    add("a", "train", ["liver"])
    add("b", "train", [])
    add("c", "val", ["liver"])
    add("d", "test", [])
    assert project.labelled_ids() == ("a",)
    assert project.unlabelled_ids() == ("b",)
    assert project.labelled_ids("val") == ("c",)
    assert project.unlabelled_ids("test") == ("d",)
    project.save_labels("b", label_volume(1), states(liver=OrganState.CONFIRMED))
    assert project.labelled_ids() == ("a", "b")


def test_saved_labels_come_back_and_the_former_pair_is_kept(project: Project, ct: Path) -> None:
    project.add_case(ct, "a")
    assert project.labels("a") is None
    assert project.annotation("a") is None
    first, second = label_volume(1, 1), label_volume(2)
    project.save_labels("a", first, states(liver=OrganState.CORRECTED))
    assert project.label_history("a") == ()
    project.save_labels("a", second, states(right_kidney=OrganState.CONFIRMED))
    np.testing.assert_array_equal(project.labels("a").array, second.array)
    known = project.annotation("a")
    assert known.organs == states(right_kidney=OrganState.CONFIRMED).organs
    (former,) = project.label_history("a")
    assert {path.name for path in former.iterdir()} == {"labels.nii.gz", "labels.json"}


def test_history_is_thinned_but_each_hour_keeps_one(project: Project, ct: Path) -> None:
    project.add_case(ct, "a", labels=label_volume(1))
    history = project.folder / "cases" / "a" / "history"
    for stamp in ("20200101-100000-000000", "20200101-105900-000000", "20200101-120000-000000"):
        (history / stamp).mkdir(parents=True)
    for value in range(12):
        project.save_labels("a", label_volume(value), states())
    names = [path.name for path in project.label_history("a")]
    assert names[:2] == ["20200101-105900-000000", "20200101-120000-000000"]
    assert 10 <= len(names) - 2 <= 12


@pytest.mark.parametrize(
    ("labels", "annotation", "error"),
    [
        (label_volume(77), states(), SchemeError),
        (label_volume(1), Annotation(scheme="AMOS_15", organs={}), SchemeError),
        (label_volume(1), states(bladder=OrganState.CONFIRMED), SchemeError),
        (
            Volume(np.zeros((4, 5, 7), np.uint8), Geometry((4, 5, 7), GRID.affine), "labels"),
            states(),
            GeometryError,
        ),
    ],
)
def test_labels_that_do_not_fit_are_not_saved(project, ct, labels, annotation, error) -> None:
    project.add_case(ct, "a", labels=label_volume(1), confirmed=["liver"])
    with pytest.raises(error):
        project.save_labels("a", labels, annotation)
    assert project.target("a")[1] == ("liver",)


def test_a_full_disk_leaves_the_former_labels(
    project: Project, ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_case(ct, "a", labels=label_volume(1), confirmed=["liver"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(FileError, match="No space left"):
            project.save_labels("a", label_volume(2), states())
    assert project.target("a")[0].ravel()[0] == 1


def test_a_save_interrupted_between_its_two_files_never_happened(
    project: Project, ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_case(ct, "a", labels=label_volume(1), confirmed=["liver"])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("guidednet_training.core.label_pair.write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            project.save_labels("a", label_volume(2), states(right_kidney=OrganState.CONFIRMED))
    assert project.labels("a").array.ravel()[0] == 1
    assert project.annotation("a").confirmed == {"liver"}
    project.save_labels("a", label_volume(3), states(spleen=OrganState.CONFIRMED))
    assert project.labels("a").array.ravel()[0] == 3
    assert len(project.label_history("a")) == 1


def test_labels_damaged_or_changed_by_another_program_are_refused(project: Project, ct: Path) -> None:
    project.add_case(ct, "a", labels=label_volume(1))
    project.save_labels("a", label_volume(2), states())
    write_volume(project.folder / "cases" / "a" / "labels.nii.gz", label_volume(5))
    with pytest.raises(FileError, match=r"another program.*last good ones are in"):
        project.labels("a")
    project.save_labels("a", label_volume(3), states())  # what a person paints can be saved all the same
    assert project.labels("a").array.ravel()[0] == 3
    assert len(project.label_history("a")) == 2


def test_a_reader_beside_a_writer_never_sees_half_a_save(
    project: Project, ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two files of a save, and after it, another process reads."""
    project.add_case(ct, "a", labels=label_volume(1), confirmed=["liver"])
    reader = Project.open(project.folder)
    seen = []
    real = label_pair.write_text

    def look_and_write(*arguments: object) -> None:
        seen.append(reader.target("a"))
        real(*arguments)

    monkeypatch.setattr(label_pair, "write_text", look_and_write)
    project.save_labels("a", label_volume(3), states(spleen=OrganState.CONFIRMED))
    seen.append(reader.target("a"))
    assert [(labels.ravel()[0], organs) for labels, organs in seen] == [(1, ("liver",)), (3, ("spleen",))]


def test_a_reader_sees_a_promotion_made_since(project: Project) -> None:
    reader = Project.open(project.folder)
    publish(project, "one")
    project.promote("one")
    assert reader.current == "one"


KILLS = """
import os, signal, sys
import numpy as np
from guidednet_training.core.case import Annotation, OrganState
from guidednet_training.core.project import Project

os.fsync = lambda descriptor: None  # it guards against power cuts, not kills, and takes its time

def save(project, value):
    grid = project.labels("a")
    labels = grid.like(np.full(grid.geometry.shape, value, np.uint8), "labels")
    confirmed = {project.scheme.names[value - 1]: OrganState.CONFIRMED}
    project.save_labels("a", labels, Annotation(scheme="FLARE_13", organs=confirmed))

def die_at(n):
    # the process is killed before its n-th change to the file system
    calls = [0]
    def deadly(real):
        def call(*arguments, **keywords):
            calls[0] += 1
            if calls[0] == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **keywords)
        return call
    for name in ("replace", "rename", "link", "fsync", "unlink", "rmdir", "mkdir"):
        setattr(os, name, deadly(getattr(os, name)))

folder = sys.argv[1]
with Project.open(folder, write=True) as project:
    for n in range(13):  # enough that every further save also thins the history
        save(project, n % 13 + 1)
n, killed = 0, True
while killed:
    n += 1
    child = os.fork()
    if child == 0:
        project = Project.open(folder, write=True)
        die_at(n)
        save(project, n % 13 + 1)
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    with Project.open(folder, write=True) as project:
        labels, annotated = project.target("a")
        assert np.unique(labels).tolist() == [project.scheme.value(annotated[0])], "pair of two saves"
        assert not list(project.folder.rglob(".partial-*")), "not swept"
        whole = [len(list(former.iterdir())) == 2 for former in project.label_history("a")]
        assert all(whole) and len(whole) >= 10, "half a history"
print(n)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_kill_at_any_moment_of_saving_leaves_a_whole_pair(project: Project, ct: Path) -> None:
    project.add_case(ct, "a", labels=label_volume(*[1] * 120), confirmed=["liver"])
    project.close()
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(project.folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10  # moments at which it was killed


# Models and runs


def publish(project: Project, name: str, **changes: object) -> None:
    fields = {
        "name": name, "method": "supervised", "net": NetSpec(), "scheme": "FLARE_13", "organs": ("liver",),
        "preprocess": PreprocessSpec(), "patch": PatchSpec(),
    }  # fmt: skip
    manifest = BundleManifest.model_validate(fields | changes)
    publish_bundle(project.bundle_folder(name), manifest, {"net.a.w": np.zeros(2, np.float32)}, "")


def test_promote_and_roll_back_walk_the_history_of_the_pointer(project: Project) -> None:
    for name in ("one", "two"):
        publish(project, name)
    assert project.bundles() == ("one", "two")
    project.promote("one")
    project.promote("two")
    assert Project.open(project.folder).current == "two"
    assert resolve_bundle("current", project) == project.bundle_folder("two")
    assert project.before() == (None, "one")
    assert project.roll_back() == "one"
    assert project.roll_back() is None
    with pytest.raises(ProjectError, match="no earlier model"):
        project.roll_back()
    history = json.loads((project.folder / "project.json").read_text())["history"]
    assert [move["action"] for move in history] == ["promoted", "promoted", "rolled back", "rolled back"]


def test_a_decision_against_a_model_is_kept_and_can_be_changed(project: Project) -> None:
    for name in ("one", "two"):
        publish(project, name)
    assert project.decided == frozenset()
    project.promote("one")
    project.decline("two")
    project.decline("two")
    again = Project.open(project.folder)
    assert again.decided == {"one", "two"}
    assert again.current == "one"
    project.promote("two")
    assert project.current == again.current == "two"
    assert project.before() == again.before() == (None, "one")


def test_only_a_sound_bundle_of_known_organs_is_promoted(project: Project) -> None:
    with pytest.raises(BundleError, match="not a model bundle"):
        project.promote("nothing")
    publish(project, "damaged")
    (project.bundle_folder("damaged") / "weights.safetensors").write_bytes(b"")
    with pytest.raises(BundleError, match="checksum"):
        project.promote("damaged")
    publish(project, "strange", organs=("bladder",))
    with pytest.raises(ProjectError, match="bladder"):
        project.promote("strange")
    assert project.current is None


def test_a_reader_may_start_runs_and_they_are_listed_in_order(project: Project) -> None:
    reader = Project.open(project.folder)
    made = [reader.new_run(PredictRequest(bundle="starter")) for _ in range(2)]
    assert sorted(project.runs(), key=lambda run: run.name) == sorted(made, key=lambda run: run.name)
    assert all(isinstance(run, RunFolder) and run.folder.parent == project.folder / "runs" for run in made)


def test_prediction_folders_cannot_leave_the_project(project: Project) -> None:
    assert project.prediction_folder("a", "starter").parts[-4:] == ("cases", "a", "predictions", "starter")
    with pytest.raises(ProjectError, match="cannot be a name"):
        project.prediction_folder("a", "../../x")


def test_opening_for_writing_sweeps_what_was_left_but_spares_living_jobs(project: Project, ct: Path) -> None:
    project.add_case(ct, "a")
    old = project.folder / "models" / ".partial-1-old"
    young = project.folder / "models" / ".partial-2-young"
    own = project.folder / "cases" / ".partial-3-b"
    for folder in (old, young, own):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    project.close()
    Project.open(project.folder).close()
    assert own.exists()  # readers change nothing
    Project.open(project.folder, write=True).close()
    assert (old.exists(), young.exists(), own.exists()) == (False, True, False)


def test_a_read_only_folder_can_be_read_and_says_why_it_cannot_be_written(
    project: Project, ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_case(ct, "a")
    project.close()

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refused)  # the tests may run as root, whom no mode stops
    assert Project.open(project.folder).case("a").id == "a"
    with pytest.raises(FileError, match="Permission denied"):
        Project.open(project.folder, write=True)
