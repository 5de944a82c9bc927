"""An import says what it will do, maps organs by name, and never leaves half a case."""

import json
from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core.dicom_seg import write_seg
from guidednet_training.core.dicom_source import read_source
from guidednet_training.core.errors import FileError, ProjectError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.import_plan import ImportPlan
from guidednet_training.core.importing import apply_import, plan_import
from guidednet_training.core.labels import AMOS_15, FLARE_13
from guidednet_training.core.project import Project
from guidednet_training.core.volume import Volume, write_volume

SHAPE = (4, 5, 6)
GRID = Geometry(SHAPE, np.diag([3.0, 2.0, 1.5, 1.0])[:, [2, 1, 0, 3]])
ELSEWHERE = Geometry(SHAPE, np.array([[1, 0, 0, 7], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ GRID.affine)


def write_ct(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng([seed, *path.name.encode()]).integers(-1000, 1000, SHAPE)
    write_volume(path, Volume(array.astype(np.int16), GRID, "ct_hu"))


def write_labels(path: Path, *values: int, grid: Geometry = GRID) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(SHAPE, np.uint8)
    array.ravel()[: len(values)] = values
    write_volume(path, Volume(array, grid, "labels"))


def row(plan: ImportPlan, case_id: str):
    return next(row for row in plan.rows if row.id == case_id)


def splits(plan: ImportPlan) -> dict[str, str]:
    return {row.id: row.split for row in plan.rows}


@pytest.fixture
def project(tmp_path: Path):
    with Project.create(tmp_path / "project", scheme="FLARE_13") as project:
        yield project


@pytest.fixture
def nnunet(tmp_path: Path) -> Path:
    """Ten labelled cases with foreign values (spleen 1, liver 2) and two unlabelled ones."""
    folder = tmp_path / "Dataset001"
    for n in range(10):
        write_ct(folder / "imagesTr" / f"case_{n:02}_0000.nii.gz")
        write_labels(folder / "labelsTr" / f"case_{n:02}.nii.gz", 1, 2, 0)
    for n in (20, 21):
        write_ct(folder / "imagesTs" / f"case_{n}_0000.nii.gz")
    names = {"background": 0, "spleen": 1, "Liver": 2}
    (folder / "dataset.json").write_text(json.dumps({"labels": names, "channel_names": {"0": "CT"}}))
    return folder


# Layouts


def test_nnunet_maps_organs_by_name(nnunet: Path, project: Project) -> None:
    plan = plan_import(nnunet)
    assert plan.layout == "nnunet"
    assert plan.problems == ()
    result = apply_import(project, plan)
    assert len(result.added) == 12
    labels, annotated = project.target("case_00")
    assert annotated == ("liver", "spleen")
    assert labels.ravel()[:3].tolist() == [FLARE_13.value("spleen"), FLARE_13.value("liver"), 0]
    assert set(project.unlabelled_ids()) == {"case_20", "case_21"}


def test_values_may_also_be_keys_and_ignore_is_unknown(nnunet: Path) -> None:
    names = {"0": "background", "1": "kidney right", "2": "ignore"}
    (nnunet / "dataset.json").write_text(json.dumps({"labels": names, "modality": {"0": "CT"}}))
    first = plan_import(nnunet).rows[0]
    assert first.values == {0: "background", 1: "right_kidney", 2: "unknown"}
    assert first.organs == ("right_kidney",)


def test_a_labelled_nnunet_test_set_is_the_test_split(nnunet: Path) -> None:
    write_labels(nnunet / "labelsTs" / "case_20.nii.gz", 1)
    found = splits(plan_import(nnunet))
    assert [case for case, split in found.items() if split == "test"] == ["case_20"]
    assert list(found.values()).count("val") == 2
    assert found["case_21"] == "train"


def test_further_channels_and_orphan_labels_are_named(nnunet: Path) -> None:
    write_ct(nnunet / "imagesTr" / "case_00_0001.nii.gz")
    write_labels(nnunet / "labelsTr" / "ghost.nii.gz", 1)
    problems = plan_import(nnunet).problems
    assert any("case_00_0001" in problem and "channel" in problem for problem in problems)
    assert any("ghost" in problem and "without an image" in problem for problem in problems)


def test_an_image_without_the_channel_keeps_its_number(tmp_path: Path) -> None:
    write_ct(tmp_path / "imagesTr" / "amos_0001.nii.gz")
    write_ct(tmp_path / "imagesTr" / "amos_0002.nii.gz")
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "liver": 1}}')
    assert set(splits(plan_import(tmp_path, "nnunet"))) == {"amos_0001", "amos_0002"}


def test_regions_and_missing_or_damaged_descriptions_are_refused(nnunet: Path) -> None:
    (nnunet / "dataset.json").write_text('{"labels": {"background": 0, "kidneys": [1, 2]}}')
    with pytest.raises(FileError, match="'kidneys' is not one value"):
        plan_import(nnunet)
    (nnunet / "dataset.json").write_text("{")
    with pytest.raises(FileError, match="not JSON"):
        plan_import(nnunet)
    (nnunet / "dataset.json").unlink()
    with pytest.raises(FileError, match=r"no dataset\.json"):
        plan_import(nnunet, "nnunet")


def test_flare22_has_its_own_values_and_unlabelled_cases(tmp_path: Path, project: Project) -> None:
    for n in (1, 2):
        write_ct(tmp_path / "FLARE22_LabeledCase50" / "images" / f"FLARE22_Tr_000{n}_0000.nii.gz")
        write_labels(tmp_path / "FLARE22_LabeledCase50" / "labels" / f"FLARE22_Tr_000{n}.nii.gz", 1, 13)
    write_ct(tmp_path / "FLARE22_UnlabeledCase1-1000" / "Case_00001_0000.nii.gz")
    plan = plan_import(tmp_path)
    assert plan.layout == "flare22"
    assert sorted(splits(plan)) == ["Case_00001", "FLARE22_Tr_0001", "FLARE22_Tr_0002"]
    assert row(plan, "FLARE22_Tr_0001").values == {0: "background", 1: "liver", 13: "left_kidney"}
    assert len(row(plan, "FLARE22_Tr_0001").organs) == 13
    assert row(plan, "Case_00001").labels is None
    apply_import(project, plan)
    assert project.labels("FLARE22_Tr_0001").array.ravel()[:2].tolist() == [1, 13]


def amos(folder: Path) -> Path:
    for part, numbers in (("Tr", (1, 2, 507)), ("Va", (3, 508)), ("Ts", (4, 600))):
        for n in numbers:
            write_ct(folder / f"images{part}" / f"amos_{n:04}.nii.gz")
            if part != "Ts":
                write_labels(folder / f"labels{part}" / f"amos_{n:04}.nii.gz", 6, 3)
    (folder / "dataset.json").write_text('{"name": "AMOS", "labels": {"0": "background", "6": "liver"}}')
    return folder


def test_amos_has_its_own_values_and_splits_and_leaves_mr_out(tmp_path: Path, project: Project) -> None:
    plan = plan_import(amos(tmp_path / "amos"))
    assert plan.layout == "amos"
    assert splits(plan) == {
        "amos_0001": "train",
        "amos_0002": "train",
        "amos_0003": "val",
        "amos_0004": "train",
    }
    assert any("3 images" in note and "MR" in note for note in plan.notes)
    apply_import(project, plan)
    values = project.labels("amos_0001").array.ravel()[:2].tolist()
    assert values == [FLARE_13.value("liver"), FLARE_13.value("left_kidney")]
    assert "bladder" not in project.annotation("amos_0001").confirmed


def test_loose_pairs_are_matched_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "loose"
    for name in ("a", "b", "c", "d"):
        write_ct(folder / f"{name}.nii.gz")
    write_labels(folder / "a_seg.nii.gz", 1)
    write_labels(folder / "b-label.nii.gz", 3)
    write_labels(folder / "labels" / "c.nii.gz", 5)
    plan = plan_import(folder)
    assert plan.layout == "pairs"
    assert {r.id: r.organs for r in plan.rows} == {
        "a": ("liver",),
        "b": ("spleen",),
        "c": ("aorta",),
        "d": (),
    }


def test_pairs_take_the_values_of_the_scheme_or_of_organs_csv(tmp_path: Path) -> None:
    write_ct(tmp_path / "a.nii.gz")
    write_labels(tmp_path / "a_seg.nii.gz", 6)
    assert plan_import(tmp_path, scheme=AMOS_15).rows[0].organs == ("liver",)
    (tmp_path / "organs.csv").write_text("value,organ\n6,Gall bladder\n")
    assert plan_import(tmp_path, scheme=AMOS_15).rows[0].organs == ("gallbladder",)


def test_one_file_is_one_unlabelled_case(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct.nii.gz")
    assert splits(plan_import(tmp_path / "ct.nii.gz")) == {"ct": "train"}


def test_nothing_to_import_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No image was found"):
        plan_import(tmp_path)
    with pytest.raises(FileError, match="There is no folder"):
        plan_import(tmp_path / "nowhere")
    with pytest.raises(FileError, match="no layout"):
        plan_import(tmp_path, "weird")  # type: ignore[arg-type]


# What was annotated


def test_the_manifest_says_what_was_annotated(nnunet: Path, project: Project) -> None:
    (nnunet / "cases.csv").write_text(
        "case,annotated_organs,annotated_but_absent\n"
        "case_00,liver,\ncase_01,liver;spleen;gallbladder,gallbladder\ncase_02,spleen,liver\n"
    )
    plan = plan_import(nnunet, val=0, test=0)
    assert row(plan, "case_00").organs == ("liver",)
    assert any("spleen in the label map but not annotated" in note for note in row(plan, "case_00").notes)
    assert row(plan, "case_01").organs == ("liver", "spleen", "gallbladder")
    assert any("gallbladder annotated and absent" in note for note in row(plan, "case_01").notes)
    assert any("liver said to be absent, but" in note for note in row(plan, "case_02").notes)
    assert "not in cases.csv" in row(plan, "case_03").notes
    apply_import(project, plan)
    labels, annotated = project.target("case_00")
    assert annotated == ("liver",)
    assert set(np.unique(labels).tolist()) == {0, FLARE_13.value("liver")}
    assert "gallbladder" in project.annotation("case_01").confirmed


def test_a_manifest_may_bring_splits(nnunet: Path) -> None:
    lines = [
        f"case_{n:02},liver;spleen,{'test' if n < 3 else 'val' if n < 5 else 'train'}" for n in range(10)
    ]
    (nnunet / "cases.csv").write_text("\n".join(["case,annotated_organs,split", *lines]))
    found = splits(plan_import(nnunet))
    assert [case for case, split in found.items() if split == "test"] == ["case_00", "case_01", "case_02"]
    assert [case for case, split in found.items() if split == "val"] == ["case_03", "case_04"]


def test_an_unusable_manifest_is_refused(nnunet: Path) -> None:
    (nnunet / "cases.csv").write_text("name,organs\n")
    with pytest.raises(FileError, match="columns case and annotated_organs"):
        plan_import(nnunet)
    (nnunet / "cases.csv").write_text("case,annotated_organs,split\ncase_00,liver,train2\n")
    with pytest.raises(FileError, match="'train2' is no split"):
        plan_import(nnunet)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cases.csv", "split,case,annotated_organs\ntrain\n", "line 2 is too short"),
        ("cases.csv", f"case,annotated_organs\na,{'x' * 200_000}\n", "field larger"),
        ("organs.csv", "value,organ\n1\n", "line 2 is too short"),
        ("organs.csv", "value,organ\none,liver\n", "cannot be read: invalid literal"),
        ("organs.csv", "value,organ\n1,liver\n1,spleen\n", "the value 1 is liver and spleen"),
    ],
)
def test_unusable_tables_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    write_ct(tmp_path / "a.nii.gz")
    (tmp_path / name).write_text(content)
    with pytest.raises(FileError, match=message):
        plan_import(tmp_path)


def test_a_table_may_begin_as_excel_begins_it(tmp_path: Path) -> None:
    write_ct(tmp_path / "a.nii.gz")
    write_labels(tmp_path / "a_seg.nii.gz", 1)
    (tmp_path / "cases.csv").write_text("case,annotated_organs\na,liver;spleen\n", encoding="utf-8-sig")
    assert row(plan_import(tmp_path), "a").organs == ("liver", "spleen")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ('{"background": 0, "spleen": 1, "liver": 1}', "the value 1 is spleen and liver"),
        ('{"background": 0, "liver": 1.5}', "'liver' is not one value"),
        ('{"background": 0, "liver": 1e999}', "'liver' is not one value"),
    ],
)
def test_a_description_that_would_lose_an_organ_is_refused(nnunet: Path, labels: str, message: str) -> None:
    (nnunet / "dataset.json").write_text(f'{{"labels": {labels}}}')
    with pytest.raises(FileError, match=message):
        plan_import(nnunet)


def test_an_organ_often_absent_from_a_complete_data_set_is_pointed_out(nnunet: Path) -> None:
    write_labels(nnunet / "labelsTr" / "case_00.nii.gz", 2)
    assert any("spleen is in 9 of 10 label maps" in note for note in plan_import(nnunet).notes)


# Bad rows


def test_each_bad_row_is_left_out_with_its_reason(nnunet: Path, project: Project) -> None:
    write_labels(nnunet / "labelsTr" / "case_00.nii.gz", 1, grid=ELSEWHERE)
    write_labels(nnunet / "labelsTr" / "case_01.nii.gz", 77)
    (nnunet / "labelsTr" / "case_02.nii.gz").write_bytes(b"not an image")
    (nnunet / "imagesTr" / "case_03_0000.nii.gz").write_bytes(b"not an image")
    plan = plan_import(nnunet)
    words = {"case_00": "another grid", "case_01": "holds 77", "case_02": "case_02", "case_03": "case_03"}
    for case_id, word in words.items():
        assert any(problem.startswith(f"{case_id}: ") and word in problem for problem in plan.problems)
    assert len(plan.rows) == 8
    assert len(apply_import(project, plan).added) == 8


def test_an_organ_the_scheme_lacks_is_a_problem_unless_the_loss_is_allowed(tmp_path: Path) -> None:
    folder = amos(tmp_path / "amos")
    write_labels(folder / "labelsTr" / "amos_0001.nii.gz", 6, 14)
    plan = plan_import(folder, scheme=FLARE_13)
    assert any("amos_0001" in problem and "bladder" in problem for problem in plan.problems)
    allowed = plan_import(folder, scheme=FLARE_13, allow_loss=True)
    assert allowed.problems == ()
    assert row(allowed, "amos_0001").values[14] == "background"
    assert "bladder becomes background" in row(allowed, "amos_0001").notes
    assert plan_import(folder, scheme=AMOS_15).problems == ()


def test_two_images_of_one_name_are_a_problem(tmp_path: Path) -> None:
    write_ct(tmp_path / "a.nii.gz")
    write_ct(tmp_path / "images" / "a.nii.gz", seed=1)
    plan = plan_import(tmp_path)
    assert splits(plan) == {"a": "train"}
    assert len(plan.problems) == 1


# Splits


def test_default_splits_are_a_fifth_each_and_repeatable(nnunet: Path) -> None:
    found = splits(plan_import(nnunet, seed=3))
    assert found == splits(plan_import(nnunet, seed=3))
    assert sorted(found[f"case_{n:02}"] for n in range(10)) == ["test"] * 2 + ["train"] * 6 + ["val"] * 2
    assert any(splits(plan_import(nnunet, seed=seed)) != found for seed in range(4, 8))


def test_counts_and_ids_can_be_given(nnunet: Path) -> None:
    assert list(splits(plan_import(nnunet, val=3, test=0)).values()).count("val") == 3
    found = splits(plan_import(nnunet, val=["case_00", "case_01"], test=["case_02"]))
    assert {case for case, split in found.items() if split == "val"} == {"case_00", "case_01"}
    assert {case for case, split in found.items() if split == "test"} == {"case_02"}
    for seed in range(5):  # the lot never takes a case that was named
        assert splits(plan_import(nnunet, val=["case_00"], test=5, seed=seed))["case_00"] == "val"


def test_impossible_choices_are_refused(nnunet: Path) -> None:
    with pytest.raises(ProjectError, match="no case case_99 to put in val"):
        plan_import(nnunet, val=["case_99"])
    with pytest.raises(ProjectError, match="11 test cases were asked for; there are 10"):
        plan_import(nnunet, test=11)
    with pytest.raises(ProjectError, match="case_00 cannot be in val and in test"):
        plan_import(nnunet, val=["case_00"], test=["case_00"])


def test_fewer_labels_make_the_other_train_cases_unlabelled(nnunet: Path, project: Project) -> None:
    full, few = plan_import(nnunet), plan_import(nnunet, labelled=2)
    assert splits(full) == splits(few)  # the held-out cases stay the same
    assert sum(r.labels is not None and r.split == "train" for r in few.rows) == 2
    apply_import(project, few)
    assert len(project.labelled_ids()) == 2
    assert len(project.unlabelled_ids()) == 4 + 2
    assert len(project.labelled_ids("val")) == 2
    named = plan_import(nnunet, labelled=["case_03"], val=0, test=0)
    assert [r.id for r in named.rows if r.labels is not None] == ["case_03"]


# Applying


def test_planning_changes_nothing_and_the_plan_can_be_read(nnunet: Path) -> None:
    before = sorted(nnunet.rglob("*"))
    lines = plan_import(nnunet).describe()
    assert sorted(nnunet.rglob("*")) == before
    assert "12 cases: 10 with labels (6 train, 2 val, 2 test), 2 without." in lines[1]
    assert any("case_00" in line for line in lines)


def test_a_stopped_import_goes_on_where_it_was(nnunet: Path, project: Project) -> None:
    plan = plan_import(nnunet)

    def stop(done: int, total: int, what: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_import(project, plan, stop)
    assert len(project.cases) == 5
    result = apply_import(project, plan)
    assert (len(result.there_before), len(result.added)) == (5, 7)
    assert {case.id: case.split for case in project.cases} == splits(plan)


def test_what_breaks_after_the_plan_is_left_out_with_its_reason(nnunet: Path, project: Project) -> None:
    plan = plan_import(nnunet)
    path = nnunet / "imagesTr" / "case_04_0000.nii.gz"
    path.write_bytes(path.read_bytes()[:-20])
    result = apply_import(project, plan)
    assert len(result.added) == 11
    assert len(result.problems) == 1
    assert "case_04" in result.problems[0]
    assert not (project.folder / "cases" / "case_04").exists()


def test_the_same_ct_under_another_name_is_left_out(nnunet: Path, project: Project) -> None:
    images = nnunet / "imagesTr"
    (images / "twin_0000.nii.gz").write_bytes((images / "case_00_0000.nii.gz").read_bytes())
    result = apply_import(project, plan_import(nnunet))
    assert any("twin: This is the same CT as case 'case_00'" in problem for problem in result.problems)


def test_a_full_disk_stops_the_import_with_whole_cases_only(
    nnunet: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Project.add_case, []

    def add_case(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 4:
            monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
        return real(*arguments)

    monkeypatch.setattr(Project, "add_case", add_case)
    with pytest.raises(FileError, match="No space left"):
        apply_import(project, plan_import(nnunet))
    assert len(project.cases) == 3
    assert len(list((project.folder / "cases").iterdir())) == 3


def test_a_plan_for_another_scheme_or_a_reader_is_refused(nnunet: Path, project: Project) -> None:
    with pytest.raises(ProjectError, match="scheme 'AMOS_15'"):
        apply_import(project, plan_import(nnunet, scheme="AMOS_15"))
    with pytest.raises(ProjectError, match="reading only"):
        apply_import(Project.open(project.folder), plan_import(nnunet))


def test_btcv_is_understood(real_data: Path) -> None:
    plan = plan_import(real_data / "btcv")
    assert plan.problems == ()
    assert len(plan.rows) == 18
    duodenum = {r.id for r in plan.rows if "duodenum" in r.organs}
    assert duodenum == {"btcv_04", "btcv_06", "btcv_09", "btcv_22"}
    twelve = row(plan, "btcv_12")
    assert "gallbladder" in twelve.organs
    assert "gallbladder" not in twelve.values.values()


# What was drawn in DICOM, beside its slices


@pytest.fixture
def drawn(tmp_path: Path, make_series):
    """A folder with two DICOM series; beside the slices of the first lies a segmentation of them."""
    folder = tmp_path / "dicom"
    for seed, name in enumerate(("first", "second")):
        make_series(folder / name, np.random.default_rng(seed).integers(-500, 500, SHAPE))
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 1:4, 2:5] = AMOS_15.value("liver")
    labels[0, 0, 0] = AMOS_15.value("bladder")
    write_seg(folder / "first" / "seg.dcm", labels, AMOS_15, read_source(folder / "first"))
    return folder, labels


def test_a_segmentation_beside_its_series_becomes_labels(drawn, project: Project) -> None:
    folder, labels = drawn
    plan = plan_import(folder, scheme="FLARE_13")
    assert plan.problems == ()
    assert row(plan, "first").organs == ("liver",)
    assert "seg.dcm: Liver = liver" in row(plan, "first").notes
    assert "left out: Bladder" in row(plan, "first").notes
    assert row(plan, "second").labels is None
    assert apply_import(project, plan).added == ("first", "second")
    expected = np.where(labels == AMOS_15.value("liver"), FLARE_13.value("liver"), 0)
    np.testing.assert_array_equal(project.labels("first").array, expected)
    assert project.annotation("first").confirmed == {"liver"}


def test_a_segmentation_of_no_use_leaves_its_ct_unlabelled(drawn) -> None:
    folder, labels = drawn
    (folder / "first" / "seg.dcm").unlink()
    bladder = np.where(labels == AMOS_15.value("bladder"), labels, 0)
    write_seg(folder / "first" / "seg.dcm", bladder, AMOS_15, read_source(folder / "first"))
    (found,) = [each for each in plan_import(folder, scheme="FLARE_13").rows if each.id == "first"]
    assert found.labels is None
    assert "seg.dcm beside it is not taken" in found.notes[0]
    write_seg(folder / "first" / "two.dcm", labels, AMOS_15, read_source(folder / "first"))
    (found,) = plan_import(folder / "first", scheme="FLARE_13").rows
    assert "2 segmentations beside the CT" in found.notes[0]
