"""The command line as a person types it: real processes on a tiny project."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from guidednet_training.core.bundle import ModelBundle, publish_bundle
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.prediction import read_prediction
from guidednet_training.core.project import Project
from guidednet_training.core.volume import read_volume, write_volume

COMMAND = [sys.executable, "-P", "-m", "guidednet_training"]
SPEC = {
    "method": "guidednet",
    "net": {"width": 4},
    "patch": {"size": [32, 32, 32], "window": [32, 32, 32], "labelled": 1, "unlabelled": 1},
    "preprocess": {"spacing_mm": [11.0, 12.0, 11.0], "normalise": "window"},
    "steps": 2,
    "validate_every": 1,
    "validate_from": 0.0,
    "devices": "cpu",
}


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "140"}


def guidednet(*words: object, **options) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *(str(word) for word in words)]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=_environment(), **options
    )


def _patient(seed: int):
    return make_phantom(seed, shape=(24, 28, 32), spacing_mm=(11.0, 12.0, 11.0), scheme=FLARE_13)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """A raw nnU-Net dataset: three labelled cases and an unlabelled one."""
    folder = tmp_path_factory.mktemp("dataset")
    for index in range(4):
        ct, labels = _patient(index)
        write_volume(folder / "imagesTr" / f"case_{index}_0000.nii.gz", ct)
        if index < 3:
            write_volume(folder / "labelsTr" / f"case_{index}.nii.gz", labels)
    names = {"background": 0} | {name: value for value, name in enumerate(FLARE_13.names, start=1)}
    (folder / "dataset.json").write_text(
        json.dumps(
            {"labels": names, "channel_names": {"0": "CT"}, "numTraining": 3, "file_ending": ".nii.gz"}
        )
    )
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory, dataset) -> Path:
    """A project after new, import, train and promote by the command line."""
    folder = tmp_path_factory.mktemp("projects") / "abdomen"
    made = guidednet("new", folder, "--name", "Abdomen")
    assert made.returncode == 0, made.stderr
    imported = guidednet("import", folder, dataset, "--yes", "--val", 1, "--test", 0)
    assert imported.returncode == 0, imported.stderr
    assert "Added 4 cases" in imported.stdout
    spec = folder.parent / "spec.json"
    spec.write_text(json.dumps(SPEC))
    trained = guidednet("train", folder, "--spec", spec, "--name", "first")
    assert trained.returncode == 0, trained.stderr
    assert "guidednet promote" in trained.stdout
    assert Project.open(folder).current is None
    promoted = guidednet("promote", folder, "first")
    assert promoted.returncode == 0, promoted.stderr
    assert Project.open(folder).current == "first"
    return folder


@pytest.fixture
def ct(tmp_path) -> Path:
    path = tmp_path / "patient.nii.gz"
    write_volume(path, _patient(9)[0])
    return path


def test_help_is_quick_and_names_every_verb():
    code = "import sys\nfrom guidednet_training.cli import main\ntry:\n    main(['--help'])\nfinally:\n"
    code += (
        "    heavy = {'torch', 'numpy', 'monai', 'nibabel'} & set(sys.modules)\n    assert not heavy, heavy\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_environment())
    assert shown.returncode == 0, shown.stderr
    verbs = "demo new import train predict evaluate export run gui stop status models promote rollback"
    for verb in verbs.split():
        assert f"\n    {verb} " in shown.stdout


def test_a_wrong_word_is_refused():
    assert guidednet("predikt").returncode == 2


def test_the_plan_is_shown_and_nothing_is_done(tmp_path, dataset):
    folder = tmp_path / "p"
    guidednet("new", folder)
    planned = guidednet("import", folder, dataset, "--dry-run")
    assert planned.returncode == 0
    assert "case_3" in planned.stdout
    assert "Nothing was changed." in planned.stdout
    unasked = guidednet("import", folder, dataset)  # no terminal to ask on
    assert unasked.returncode == 1
    assert "--yes" in unasked.stderr
    assert Project.open(folder).cases == ()


def test_training_made_a_sound_bundle(project):
    manifest = ModelBundle.read(project / "models" / "first").manifest
    assert (manifest.labelled, manifest.unlabelled) == (2, 1)
    assert manifest.validation.keys() == set(FLARE_13.names)


def test_predict_some_good_some_bad(project, ct, tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(ct.read_bytes()[:400])
    ran = guidednet("predict", broken, ct, "--out", tmp_path / "out", "--project", project, "--device", "cpu")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "broken.nii.gz" in ran.stderr
    assert "right kidney" in ran.stdout
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["patient"]
    labels, maps, record = read_prediction(tmp_path / "out" / "patient")
    np.testing.assert_allclose(labels.geometry.affine, read_volume(ct).geometry.affine)
    assert record.bundle == "first"  # the project's current one
    assert set(maps) == {"confidence"}
    assert (tmp_path / "out" / "patient" / "organs.csv").is_file()


def _hear_interrupts():
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # a test run in the background ignores Ctrl-C, and so would this


def test_ctrl_c_leaves_whole_results_only(project, ct, tmp_path):
    out = tmp_path / "out"
    command = [*COMMAND, "predict", *[str(ct)] * 200, "--out", str(out), "--project", str(project)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
        preexec_fn=_hear_interrupts,
    )
    deadline = time.monotonic() + 300
    while not (out / "patient-2").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Finished before the stop" in errors
    assert "No half-written file" in errors
    found = list(out.iterdir())
    assert 2 <= len(found) < 200
    for folder in found:
        assert not folder.name.startswith(".")
        read_prediction(folder)


def _small_files_only():
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))  # stands for a full disk


def test_a_full_disk_is_told_and_leaves_nothing(project, ct, tmp_path):
    out = tmp_path / "out"
    ran = guidednet("predict", ct, "--out", out, "--project", project, preexec_fn=_small_files_only)
    assert ran.returncode == 1
    assert "Could not write" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(out.iterdir()) == []


def test_evaluate_prints_organs_and_keeps_scores(project):
    ran = guidednet("evaluate", project, "--device", "cpu")
    assert ran.returncode == 0, ran.stderr
    assert "left kidney" in ran.stdout
    run = next(run for run in Project.open(project).runs() if run.name.find("evaluate") > 0)
    assert (run.folder / "scores.json").is_file()
    status = guidednet("status", project)
    assert status.stdout.count("done") >= 2
    assert "step 2 of 2" in status.stdout


def test_models_and_the_way_back(project):
    shown = guidednet("models", project).stdout
    assert "first" in shown
    assert "guidednet" in shown
    (starter,) = [line for line in shown.splitlines() if "starter" in line]
    assert "yes" not in starter
    assert guidednet("rollback", project).returncode == 0
    assert Project.open(project).current is None
    shown = guidednet("models", project).stdout
    (starter,) = [line for line in shown.splitlines() if "starter" in line]
    assert "yes" in starter
    again = guidednet("rollback", project)
    assert again.returncode == 1
    assert "no earlier model" in again.stderr
    assert guidednet("promote", project, "first").returncode == 0
    assert guidednet("promote", project, "nobody").returncode == 1


def test_what_is_exported_can_be_imported(project, tmp_path):
    exported = guidednet(
        "export", project, "--out", tmp_path / "nn", "--layout", "nnunet", "--organs", "liver,spleen"
    )
    assert exported.returncode == 0, exported.stderr
    labels = json.loads((tmp_path / "nn" / "dataset.json").read_text())["labels"]
    assert labels == {"background": 0, "liver": 1, "spleen": 2}
    image = read_volume(tmp_path / "nn" / "imagesTr" / "case_0_0000.nii.gz")
    written = read_volume(tmp_path / "nn" / "labelsTr" / "case_0.nii.gz", kind="labels")
    assert image.digest() == Project.open(project).case("case_0").digest
    truth = _patient(0)[1].array
    np.testing.assert_array_equal(written.array == 1, truth == FLARE_13.value("liver"))
    np.testing.assert_array_equal(written.array == 2, truth == FLARE_13.value("spleen"))
    guidednet("new", tmp_path / "again")
    again = guidednet("import", tmp_path / "again", tmp_path / "nn", "--yes")
    assert "Added 3 cases" in again.stdout
    assert Project.open(tmp_path / "again").annotation("case_0").confirmed == {"liver", "spleen"}

    plain = guidednet("export", project, "--out", tmp_path / "plain")
    assert plain.returncode == 0, plain.stderr
    np.testing.assert_array_equal(
        read_volume(tmp_path / "plain" / "case_0.nii.gz", kind="labels").array, truth
    )
    twice = guidednet("export", project, "--out", tmp_path / "plain")
    assert twice.returncode == 1
    assert "exists already" in twice.stderr


def test_errors_are_sentences(project, tmp_path):
    nowhere = guidednet("models", tmp_path / "nowhere")
    assert nowhere.returncode == 1
    assert nowhere.stderr.startswith("Error: ")
    unknown = guidednet("train", project, "--set", "net.widht=8", "--show-spec")
    assert unknown.returncode == 1
    assert "Did you mean 'width'?" in unknown.stderr
    lost = guidednet("train", project, "--resume", "never-was")
    assert lost.returncode == 1
    assert "Training runs: " in lost.stderr
    with Project.open(project, write=True):
        locked = guidednet("promote", project, "first")
    assert locked.returncode == 1
    assert "already open" in locked.stderr


def test_a_damaged_model_is_refused(project, ct, tmp_path):
    bundle = ModelBundle.read(project / "models" / "first")
    copy = publish_bundle(tmp_path / "copy", bundle.manifest, bundle.tensors(), "card").folder
    weights = bytearray((copy / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "weights.safetensors").write_bytes(weights)
    ran = guidednet("predict", ct, "--out", tmp_path / "out", "--model", copy)
    assert ran.returncode == 1
    assert "checksum" in ran.stderr


def test_specifications_are_shown_and_changed(project):
    shown = guidednet(
        "train",
        project,
        "--from",
        "first",
        "--set",
        "optim.name=adamw",
        "--steps",
        7,
        "--focus",
        "liver",
        "--show-spec",
    )
    spec = json.loads(shown.stdout)
    assert (spec["steps"], spec["optim"]["name"], spec["net"]["width"]) == (7, "adamw", 4)
    assert spec["learn"]["focus"] == ["liver"]
    assert spec["settings"]["ramp_from_end"] is True
    assert spec["patch"]["size"] == [32, 32, 32]


def test_presets_are_shown_and_their_cost_is_measured(project):
    paper = guidednet("train", project, "--method", "cps", "--preset", "paper", "--show-spec")
    spec = json.loads(paper.stdout)
    assert (spec["method"], spec["steps"], spec["patch"]["labelled"]) == ("cps", 20_000, 4)
    before = list((project / "runs").iterdir())
    cost = guidednet("train", project, "--from", "first", "--preset", "quick", "--estimate")
    assert cost.returncode == 0, cost.stderr
    assert "a step, measured here" in cost.stdout
    assert list((project / "runs").iterdir()) == before
    both = guidednet("train", project, "--preset", "quick", "--spec", project / "none.json", "--show-spec")
    assert both.returncode == 1
    assert "Both --spec and --preset" in both.stderr


def test_stop_and_gui_without_a_reason(project):
    assert "Nothing is running." in guidednet("stop", project).stdout
    environment = {k: v for k, v in _environment().items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    shown = subprocess.run([*COMMAND, "gui", str(project)], capture_output=True, text=True, env=environment)
    assert shown.returncode == 1
    assert "screen" in shown.stderr or "not installed" in shown.stderr


def test_a_bug_writes_a_report(tmp_path):
    code = (
        "import sys, guidednet_training.cli.models as m\n"
        "m._models = None\n"
        "from guidednet_training.cli import main\n"
        "sys.exit(main(['models', 'x']))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env=_environment() | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 70
    report = next(tmp_path.glob("guidednet-report-*.txt"))
    assert str(report) in ran.stderr
    assert "TypeError" in report.read_text()


def test_import_takes_numbers_of_cases_or_their_ids(tmp_path, dataset):
    folder = tmp_path / "chosen"
    assert guidednet("new", folder).returncode == 0
    words = ("--val", "case_1", "--labelled", "case_2,", "--test", 0)
    done = guidednet("import", folder, dataset, "--yes", *words)
    assert done.returncode == 0, done.stderr
    with Project.open(folder, write=False) as project:
        assert project.labelled_ids("val") == ("case_1",)
        assert project.labelled_ids("train") == ("case_2",)
        assert project.unlabelled_ids("train") == ("case_0", "case_3")
    wrong = guidednet("import", folder, dataset, "--dry-run", "--val", "case_7")
    assert wrong.returncode == 1
    assert "no case case_7" in wrong.stderr
