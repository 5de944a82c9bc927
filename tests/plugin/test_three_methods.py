"""Three methods of the registry, each chosen, started and followed in the panel, as real processes."""

from __future__ import annotations

import pytest

from guidednet_training.jobs.facts import all_facts
from napari_guidednet.backend import Measured, ModelBundle, Pace, TrainRequest
from napari_guidednet.panels.form import SettingsForm
from napari_guidednet.panels.main import MainPanel
from napari_guidednet.state.forecast import Forecast

PROCESS_MS = 600_000  # a process that imports torch on a busy machine
STEPS = 2
FACTS = all_facts()
THREE = [name for name in FACTS if FACTS[name].unlabelled_patches][:2] + [
    name for name in FACTS if not FACTS[name].unlabelled
][:1]


class Known(Forecast):
    """Knows the methods of the registry; what a step costs is made up, to start fewer processes."""

    def __init__(self) -> None:
        super().__init__()
        self.methods = FACTS

    def knows(self, request: TrainRequest) -> bool:
        return True

    def pace(self, request: TrainRequest) -> Pace:
        measured = (Measured(voxels=32**3, seconds=1.0),)
        return Pace(device="cpu: test", steps=measured, windows=measured)


@pytest.fixture
def panel(make_napari_viewer, tiny_project):
    panel = MainPanel(make_napari_viewer(show=True))
    panel.desk.forecast = Known()
    panel.open_project(tiny_project)
    panel.show_step("Train")
    yield panel
    panel.desk.close()


def test_a_run_of_three_methods(panel, qtbot):
    train, choice, board = panel.train, panel.train.choice, panel.desk.board
    assert [choice.method.itemData(i) for i in range(choice.method.count())] == list(FACTS)
    choice.choose_preset("quick")
    made = []
    for name in THREE:
        choice.choose_method(name)
        assert choice.when.text() == FACTS[name].when_to_use
        train.settings._quick.editor("steps").write(STEPS)
        train.settings._quick.editor("validate_every").write(STEPS)
        qtbot.waitUntil(lambda: "one minute" in train.cost.text(), timeout=60_000)
        train.start.click()
        assert board.running("train"), panel.status.happened.text()
        job = board.running("train")[0]
        qtbot.waitUntil(lambda job=job: not job.alive, timeout=PROCESS_MS)
        assert job.state == "done", job.message + job.log_tail()
        assert train.chart.terms
        made.append(job.bundle)
    project = panel.desk.session.project
    assert [ModelBundle.read(project.bundle_folder(name)).manifest.method for name in made] == THREE


@pytest.mark.parametrize("name", list(FACTS))
def test_the_settings_of_every_method_fit_a_form(name, qtbot):
    facts = FACTS[name]
    form = SettingsForm(facts.settings_schema, {})
    qtbot.addWidget(form)
    assert set(form.names) == set(facts.settings_schema["properties"])
    assert form.value() == facts.defaults
