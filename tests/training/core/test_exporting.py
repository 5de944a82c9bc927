"""What an export says about its labels is what a person said, and no more."""

import csv
import json

import numpy as np
import pytest

from guidednet_training.core.exporting import export_nifti, export_nnunet
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.importing import apply_import, plan_import
from guidednet_training.core.labels import FLARE_13, UNKNOWN
from guidednet_training.core.prediction import PredictionRecord, write_prediction
from guidednet_training.core.project import Project
from guidednet_training.core.volume import Volume, read_volume, write_volume

GEOMETRY = Geometry((3, 4, 5), np.diag([2.0, 2.0, 2.0, 1.0])[:, [2, 1, 0, 3]])
LIVER = FLARE_13.value("liver")


@pytest.fixture
def project(tmp_path):
    write_volume(tmp_path / "a.nii.gz", Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), GEOMETRY))
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[0], labels[1] = LIVER, UNKNOWN
    with Project.create(tmp_path / "project") as made:
        made.add_case(
            tmp_path / "a.nii.gz",
            split="train",
            labels=Volume(labels, GEOMETRY, "labels"),
            confirmed=FLARE_13.names,
        )
        yield made


def test_unknown_voxels_are_no_background_for_nnunet(project, tmp_path):
    export_nnunet(project, tmp_path / "out", ["spleen", "liver"])
    named = json.loads((tmp_path / "out" / "dataset.json").read_text())["labels"]
    assert named == {"background": 0, "liver": 1, "spleen": 2, "ignore": 3}
    written = read_volume(tmp_path / "out" / "labelsTr" / "a.nii.gz", "labels").array
    assert [np.unique(plane).tolist() for plane in written] == [[1], [3], [0]]
    with Project.create(tmp_path / "again") as again:
        apply_import(again, plan_import(tmp_path / "out"))
        np.testing.assert_array_equal(again.labels("a").array, project.labels("a").array)


def test_without_unknown_voxels_nothing_is_ignored(project, tmp_path):
    labels = project.labels("a")
    sure = labels.like(np.where(labels.array == UNKNOWN, 0, labels.array).astype(np.uint8), "labels")
    project.save_labels("a", sure, project.annotation("a").model_copy(update={"change": None}))
    export_nnunet(project, tmp_path / "out", ["liver"])
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["labels"] == {
        "background": 0,
        "liver": 1,
    }


def test_nobody_vouches_for_a_prediction(project, tmp_path):
    nothing = Volume(np.zeros((3, 4, 5), np.uint8), GEOMETRY, "labels")
    record = PredictionRecord(case="a", bundle="m", scheme="FLARE_13", organs={})
    write_prediction(project.prediction_folder("a", "m"), nothing, {}, record)
    for bundle, organs in ((None, ";".join(FLARE_13.names)), ("m", "")):
        out = tmp_path / f"of-{bundle}"
        export_nifti(project, out, bundle)
        (row,) = csv.DictReader((out / "cases.csv").read_text().splitlines())
        assert row["annotated_organs"] == organs
        assert bool(row["annotated_but_absent"]) == (bundle is None)
