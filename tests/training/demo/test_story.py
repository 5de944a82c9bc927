"""The whole demo, shrunk: it must end with a report, pictures and a project in order."""

from __future__ import annotations

import pytest
from PIL import Image

from guidednet_training.core.errors import BundleError, ProjectError
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.project import Project
from guidednet_training.core.spec import NetSpec, PatchSpec
from guidednet_training.core.volume import write_volume
from guidednet_training.demo import patients, steps, story


@pytest.fixture
def shrunk(monkeypatch):
    """Small patients, few steps, a narrow net."""
    first = steps.first_spec

    def tiny(seed, device):
        return first(seed, device).model_copy(
            update={
                "net": NetSpec(width=4),
                "patch": PatchSpec(size=(32, 32, 32), window=(32, 32, 32), labelled=1, unlabelled=1),
                "preprocess": first(seed, device).preprocess.model_copy(update={"spacing_mm": (11.0,) * 3}),
                "steps": 2,
                "validate_every": 1,
            }
        )

    def patient(case, seed):
        index = 1000 * seed + list(patients.CASES).index(case)
        return make_phantom(index, (24, 28, 32), (11.0, 12.0, 11.0), AMOS_15)

    monkeypatch.setattr(story, "first_spec", tiny)
    monkeypatch.setattr(steps, "RETRAIN_STEPS", 2)
    monkeypatch.setattr(patients, "patient", patient)
    monkeypatch.setattr(story, "patient", patient)


def test_the_story_ends_well(shrunk, tmp_path, capsys):
    folder = story.tell(tmp_path / "demo", 0, "cpu")
    told = capsys.readouterr().out
    assert "in use" in told
    assert "[7/7]" in told
    report = (folder / "report.md").read_text()
    for name in ("1-before.png", "2-corrected.png", "3-training.png", "4-after.png"):
        assert f"({name})" in report
        with Image.open(folder / name) as picture:
            assert picture.width > 500
    with Project.open(folder, write=True) as project:  # nobody holds it any more
        assert set(project.bundles()) == {"first", "retrained"}
        assert project.current in ("first", "retrained")
        annotation = project.annotation(patients.FIRST)
        assert len(annotation.confirmed) == story.ORGANS_CORRECTED
        assert project.labelled_ids("train") == ("labelled-1", "labelled-2", "labelled-3", patients.FIRST)
    assert project.current in report


def test_a_used_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ProjectError, match="not empty"):
        story.tell(tmp_path, 0, "cpu")


def test_own_ct_needs_the_starter_and_says_so(tmp_path, monkeypatch):
    ct = tmp_path / "ct.nii.gz"
    write_volume(ct, make_phantom(0, (24, 28, 32), (11.0, 12.0, 11.0))[0])

    def without(ref, project=None):
        raise BundleError("This installation has no starter model.")

    monkeypatch.setattr(story, "resolve_bundle", without)
    with pytest.raises(BundleError, match="no starter model"):
        story.segment_own_ct(ct, tmp_path / "out", "cpu")
    assert not (tmp_path / "out").exists()


def test_own_ct_is_segmented_by_the_starter(tmp_path, monkeypatch):
    from guidednet_training.core.bundle import BundleManifest, publish_bundle
    from guidednet_training.core.spec import PreprocessSpec
    from guidednet_training.inference.weights import pack
    from guidednet_training.nets import build_net

    net, window = NetSpec(width=4), (32, 32, 32)
    manifest = BundleManifest(
        name="starter-for-tests", method="supervised", net=net, scheme="AMOS_15", organs=AMOS_15.names,
        preprocess=PreprocessSpec(spacing_mm=(11.0, 12.0, 11.0)), patch=PatchSpec(size=window, window=window),
        terms="For tests only.",
    )  # fmt: skip
    weights = pack({"a": build_net(net, AMOS_15.n_classes)}, {})
    starter = publish_bundle(tmp_path / "starter", manifest, weights, "card")
    monkeypatch.setattr("guidednet_training.core.bundle.starter_bundle", lambda: starter.folder)
    ct = tmp_path / "my ct.nii.gz"
    write_volume(ct, make_phantom(0, (24, 28, 32), (11.0, 12.0, 11.0))[0])
    folder = story.segment_own_ct(ct, tmp_path / "out", "cpu")
    report = (folder / "report.md").read_text()
    assert "For tests only." in report
    assert "| liver |" in report
    with Image.open(folder / "1-prediction.png") as picture:
        assert picture.width > 500
    project = Project.open(folder)
    (case,) = project.cases
    assert (project.prediction_folder(case.id, "starter-for-tests") / "prediction.json").is_file()
    assert ct.is_file()
