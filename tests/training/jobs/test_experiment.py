"""An experiment runs what is missing, survives being stopped or killed, and keeps its failures."""

from __future__ import annotations

import json
import shutil

import pytest

from guidednet_training.core.bundle import ModelBundle
from guidednet_training.core.errors import FileError, ProjectError, SpecError
from guidednet_training.core.events import Note, Step
from guidednet_training.core.experiment import Experiment
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.trial_results import read_results
from guidednet_training.core.volume import write_volume
from guidednet_training.core.writer_lock import free_writer_lock, take_writer_lock
from guidednet_training.jobs import experiment as jobs_experiment
from guidednet_training.jobs.experiment import Bench, planned, report_experiment, run_experiment, state_of
from guidednet_training.jobs.trial_data import data_folder


@pytest.fixture(scope="session")
def data(tmp_path_factory, patients):
    """The tiny patients as an nnU-Net data set, all of them with labels."""
    folder = tmp_path_factory.mktemp("data")
    for case, (ct, labels) in patients.items():
        write_volume(folder / "imagesTr" / f"{case}_0000.nii.gz", ct)
        write_volume(folder / "labelsTr" / f"{case}.nii.gz", labels)
    values = {"background": 0} | {name: FLARE_13.value(name) for name in FLARE_13.names}
    (folder / "dataset.json").write_text(
        json.dumps(
            {"channel_names": {"0": "CT"}, "labels": values, "file_ending": ".nii.gz", "numTraining": 5}
        )
    )
    return folder


@pytest.fixture
def make(tiny_spec):
    """Give a function that makes an experiment of two-step trainings."""
    spec = tiny_spec.model_dump(mode="json", exclude={"method", "seed", "settings"}) | {"steps": 2}

    def experiment(**changes):
        fold = {"labelled": ["l1"], "unlabelled": ["u1"], "val": ["v1"], "test": ["t1"]}
        content = {
            "name": "tiny",
            "question": "Does it run?",
            "data": {"folder": "data"},
            "settings": [{"name": "few", "title": "1 labelled", "folds": [fold], "published": [42, 42]}],
            "rows": [
                {"name": "sup", "method": "supervised", "published": "Sup only"},
                {"name": "cps", "method": "cps", "published": "CPS"},
            ],
            "spec": spec,
            "published": ["guidednet_table1"],
        }
        return Experiment.parse(content | changes, "tiny.json")

    return experiment


class Listener:
    """Keeps the events; asks for an end after so many training steps."""

    def __init__(self, stop_after=None):
        self.steps, self.notes, self._stop_after = 0, [], stop_after

    def __call__(self, event):
        self.steps += isinstance(event, Step)
        if isinstance(event, Note):
            self.notes.append(event.text)

    def should_stop(self):
        return self._stop_after is not None and self.steps >= self._stop_after


def run(experiment, folder, data, stop_after=None, **bench):
    listener = Listener(stop_after)
    outcome = run_experiment(experiment, Bench(folder, data, "cpu", **bench), listener, listener.should_stop)
    return outcome, listener


def test_stopped_resumed_done_once_and_told(make, data, tmp_path):
    out, experiment = tmp_path / "out", make()
    stopped, first = run(experiment, out, data, stop_after=3)
    assert stopped.stopped
    assert [state_of(trial, out) for trial in planned(experiment)] == ["done", "begun"]

    done, second = run(experiment, out, data)
    assert not done.stopped
    assert first.steps + second.steps == 2 * 2, "what was learnt is not learnt again"
    assert [state_of(trial, out) for trial in planned(experiment)] == ["done", "done"]

    _, third = run(experiment, out, data)
    assert third.steps == 0

    for result in read_results(out / "results"):
        assert set(result.scores) == {"t1"}
        assert (result.labelled, result.unlabelled) == (1, 0 if result.row == "sup" else 1)
        assert set(result.scores["t1"]) == set(FLARE_13.names)
        assert result.training.seconds > 0
        assert result.prediction["t1"].seconds > 0
        assert result.calibration["cases"] == ["v1"]
    table = (out / "table.md").read_text()
    assert "| sup | this program | 1 of 1 | 1 |" in table
    assert table.index("| CPS | GuidedNet, Table 1") > table.index("| cps | this program")
    assert "steps: 2 here, 20000 published" in table
    assert "1 labelled and 1 unlabelled cases here, 42 and 42 published" in table
    lines = (out / "table.csv").read_text().splitlines()
    assert any(line.startswith("few,cps,this program,1 of 1,1,dice,%,liver,") for line in lines)
    assert any(",training_seconds,s," in line for line in lines)
    assert len((out / "cases.csv").read_text().splitlines()) == 1 + 2 * 13


def test_a_row_that_starts_from_another_brings_it_along(make, data, tmp_path):
    rows = [
        {"name": "sup", "method": "supervised"},
        {"name": "other", "method": "cps"},
        {"name": "on", "method": "cps", "start": "sup"},
    ]
    out, experiment = tmp_path / "out", make(rows=rows)
    run(experiment, out, data, rows=["on"])
    trained = {
        trial.row.name: trial.bundle for trial in planned(experiment) if state_of(trial, out) == "done"
    }
    assert set(trained) == {"sup", "on"}
    (project,) = (path for path in (out / "projects").iterdir() if (path / "models" / trained["on"]).is_dir())
    assert ModelBundle.read(project / "models" / trained["on"]).manifest.parent == trained["sup"]


def test_a_killed_training_goes_on_and_a_changed_row_runs_anew(make, data, tmp_path, monkeypatch):
    out, experiment = tmp_path / "out", make(rows=[{"name": "sup", "method": "supervised"}], published=[])

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs_experiment, "score_model", killed)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, out, data)
    monkeypatch.undo()
    _, after = run(experiment, out, data)
    assert after.steps == 0, "the published model is scored, not trained again"

    changed = make(
        rows=[{"name": "sup", "method": "supervised", "spec": {"optim": {"lr": 0.01}}}], published=[]
    )
    _, again = run(changed, out, data)
    assert again.steps == 2
    assert len(read_results(out / "results")) == 2
    assert "1 of 1" in (out / "table.md").read_text(), "the earlier row is not counted"


def test_a_failure_is_written_down_and_tried_again(make, data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    experiment = make(
        rows=[
            {"name": "bad", "method": "supervised", "spec": {"optim": {"lr": 1e30}, "steps": 4}},
            {"name": "good", "method": "supervised"},
        ],
        published=[],
    )
    outcome, listener = run(experiment, out, data)
    assert not outcome.stopped
    assert [state_of(trial, out) for trial in planned(experiment)] == ["failed", "done"]
    assert any(note.startswith("Failed: bad") for note in listener.notes)
    table = (out / "table.md").read_text()
    assert "bad, 1 labelled, seed 0: failed (GuidedNetError)" in table
    assert "| bad | this program | 0 of 1 |" in table


def test_hidden_labels_can_be_scored_and_features_measured(make, data, tmp_path):
    out = tmp_path / "out"
    fold = {"labelled": ["l1", "l2"], "unlabelled": "hidden", "val": ["v1"]}
    experiment = make(
        settings=[{"name": "few", "title": "2 labelled", "folds": [fold]}],
        rows=[{"name": "sup", "method": "supervised"}],
        score="unlabelled",
        feature_distance=True,
        published=[],
    )
    run(experiment, out, data)
    (result,) = read_results(out / "results")
    assert set(result.scores) == {"u1", "t1"}
    assert "liver" in result.feature_distance
    assert all(value >= 0 for value in result.feature_distance.values())
    shutil.rmtree(out / "plots", ignore_errors=True)
    report_experiment(experiment, out, Listener())
    assert (out / "table.md").is_file()


def test_mistakes_are_found_before_anything_runs(make, data, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(SpecError, match="unknown method 'csp'"):
        planned(make(rows=[{"name": "a", "method": "csp"}]))
    with pytest.raises(SpecError, match="lamda"):
        planned(make(rows=[{"name": "a", "method": "guidednet", "spec": {"settings": {"lamda_g": 1}}}]))
    with pytest.raises(SpecError, match="no row 'ours'"):
        run(make(), out, data, rows=["ours"])
    nothing = {"name": "few", "title": "few", "folds": [{"labelled": ["l1"], "val": ["v1"]}]}
    with pytest.raises(ProjectError, match="Nothing to score on"):
        run(make(settings=[nothing]), out, data)
    with pytest.raises(SpecError, match="holds the results of the experiment 'tiny'"):
        run(make(name="other"), out, data)
    lock = take_writer_lock(out)
    try:
        with pytest.raises(ProjectError, match="already open for writing"):
            run(make(), out, data)
    finally:
        free_writer_lock(out, lock)


def test_the_data_folder(make, data, tmp_path, monkeypatch):
    file = tmp_path / "experiments" / "tiny.json"
    source = make(data={"folder": "$SOMEWHERE/btcv"}).data
    monkeypatch.delenv("SOMEWHERE", raising=False)
    with pytest.raises(FileError, match="this variable is not set"):
        data_folder(source, file, None)
    assert data_folder(source, file, data) == data
    (tmp_path / "there" / "btcv").mkdir(parents=True)
    monkeypatch.setenv("SOMEWHERE", str(tmp_path / "there"))
    assert data_folder(source, file, None) == tmp_path / "there" / "btcv"
    with pytest.raises(FileError, match="no data folder"):
        data_folder(make(data={"folder": "nowhere"}).data, file, None)
