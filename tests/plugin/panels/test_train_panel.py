"""One click trains; the chart, the progress and the buttons follow what the run says."""

import shutil

import pytest

from napari_guidednet.backend import events
from napari_guidednet.state import jobs


@pytest.fixture
def no_process(monkeypatch):
    """Runs are written, no process is started."""
    started = []
    monkeypatch.setattr(jobs, "spawn", started.append)
    monkeypatch.setattr(jobs, "run_state", lambda folder: "running")
    return started


def _say(job, *said):
    with (job.folder / "events.jsonl").open("a") as file:
        for event in said:
            file.write(event.model_dump_json() + "\n")


def _step(number, loss):
    return events.Step(step=number, steps=10, terms={"segmenter.dice_ce": loss, "lr": 0.01})


@pytest.fixture
def training(opened, no_process):
    """A training that was started by the button."""
    opened.show_step("Train")
    opened.train.settings._quick.editor("steps").write(10)
    opened.train.start.click()
    assert len(no_process) == 1, opened.status.happened.text()
    return opened, opened.desk.board.running("train")[0]


def test_the_plan_is_said_before_anything_starts(opened):
    text = opened.train.about.text()
    assert "1 labelled case" in text
    assert "1 unlabelled case" in text
    assert "from tiny" in text


def test_the_button_asks_for_what_the_form_says(training):
    _, job = training
    request = job.run.request()
    assert (request.kind, request.parent, request.spec.steps) == ("train", "tiny", 10)


def test_the_chart_follows_the_events(training):
    panel, job = training
    _say(job, events.Started(kind="train"), _step(1, 1.0), _step(2, 0.5))
    panel.desk.ticker.tick()
    assert panel.train.chart.points("segmenter.dice_ce") == 2
    assert "Step 2 of 10" in panel.train.progress.title.text()
    _say(job, events.Validated(step=2, dice={"liver": 0.4}, mean_dice=0.4, network="a", best=True))
    panel.desk.ticker.tick()
    assert panel.train.chart.dice_points == 1


def test_stop_asks_the_run_to_end_and_a_stopped_run_can_be_resumed(training, no_process):
    panel, job = training
    _say(job, events.Started(kind="train"), _step(1, 1.0))
    panel.desk.ticker.tick()
    panel.train.progress.stop.click()
    assert job.run.should_stop()
    _say(job, events.Finished(outcome="stopped"))
    panel.desk.ticker.tick()
    assert not job.alive
    assert panel.train.resume.isVisibleTo(panel.train)
    panel.train.resume.click()
    assert len(no_process) == 2
    assert job.alive


def test_a_second_training_cannot_be_started_meanwhile(training):
    panel, _ = training
    assert not panel.train.start.isEnabled()


def test_a_failed_run_says_why_in_words(training):
    panel, job = training
    _say(job, events.Failed(kind="FileError", message="ct_3 cannot be read.", hint="Import it again."))
    panel.desk.ticker.tick()
    assert "ct_3 cannot be read. Import it again." in panel.train.progress.title.text()
    assert panel.train.start.isEnabled()


def test_without_a_confirmed_case_the_reason_is_said(panel, tmp_path):
    panel.desk.create_project(tmp_path / "empty", "empty", "AMOS_15")
    assert not panel.train.start.isEnabled()
    assert "confirm" in panel.train.about.text()


def test_from_scratch_the_network_is_free(opened):
    opened.train.choice.choose_model("scratch")
    assert "from scratch" in opened.train.about.text()
    assert opened.train.plan.parent is None


def test_every_method_is_offered_with_a_sentence(opened):
    choice = opened.train.choice
    assert [choice.method.itemText(i) for i in range(choice.method.count())] == ["supervised", "guidednet"]
    assert choice.chosen_method.name == "guidednet"
    choice.choose_method("supervised")
    assert choice.when.text() == "When every case is annotated."
    assert opened.train.plan.spec.method == "supervised"
    opened.train.refresh()
    assert choice.chosen_method.name == "supervised"  # what the user chose outlives a new list


def test_presets_set_the_steps_and_paper_starts_from_nothing(opened):
    train = opened.train
    steps = {}
    for preset in ("quick", "careful", "paper"):
        train.choice.choose_preset(preset)
        steps[preset] = train.settings.spec().steps
        assert train.plan.parent == (None if preset == "paper" else "tiny")
        assert train.choice.model.isEnabled() == (preset != "paper")
    assert steps["quick"] < steps["careful"] < steps["paper"]


def test_the_cost_is_said_before_it_starts_and_follows_the_settings(opened, qtbot):
    train = opened.train
    train.settings._quick.editor("steps").write(10)
    qtbot.waitUntil(lambda: "one minute" in train.cost.text(), timeout=60_000)
    train.settings._quick.editor("steps").write(7200)
    qtbot.waitUntil(lambda: "About 2 hours on cpu: test" in train.cost.text(), timeout=60_000)
    assert "3.0 GB of memory" in train.cost.text()


def test_too_little_memory_is_refused_with_a_reason(opened):
    oracle = opened.desk.forecast
    oracle.found = oracle.found.model_copy(update={"free_bytes": 1 << 30})
    opened.train.refresh()
    assert "Not enough memory" in opened.train.cost.text()
    assert not opened.train.start.isEnabled()


def test_settings_that_cannot_be_used_are_refused_at_once(opened, qtbot):
    train = opened.train
    train.settings.more.expand()
    train.settings._tuning.editor("patch").widget.editor("unlabelled").write(0)
    qtbot.waitUntil(lambda: "ask for none" in train.cost.text(), timeout=60_000)
    assert not train.start.isEnabled()
    train.settings._tuning.editor("patch").widget.editor("unlabelled").write(1)
    qtbot.waitUntil(train.start.isEnabled, timeout=60_000)


def test_a_start_before_the_measurement_waits_for_it(opened, no_process):
    oracle = opened.desk.forecast
    pace, oracle.found = oracle.found, None
    opened.train.refresh()
    opened.train.start.click()
    assert not no_process
    assert not opened.train.start.isEnabled()
    assert len(oracle.asked) == 1
    oracle.found, oracle.news = pace, True
    opened.desk.ticker.tick()
    assert len(no_process) == 1
    assert opened.train.start.text() == "Retrain"


def test_a_start_that_waits_is_given_up_when_something_else_is_chosen(opened, no_process):
    oracle = opened.desk.forecast
    pace, oracle.found = oracle.found, None
    opened.train.start.click()
    opened.train.choice.choose_method("supervised")
    assert opened.train.start.isEnabled()
    oracle.found, oracle.news = pace, True
    opened.desk.ticker.tick()
    assert not no_process


def test_a_start_that_waits_starts_nothing_in_a_project_opened_meanwhile(opened, no_process, tmp_path):
    twin = shutil.copytree(opened.desk.session.project.folder, tmp_path / "twin")
    oracle = opened.desk.forecast
    pace, oracle.found = oracle.found, None
    opened.train.start.click()
    opened.desk.open_project(twin)
    oracle.found, oracle.news = pace, True
    opened.desk.ticker.tick()
    assert not no_process
    assert opened.train.start.isEnabled()


def test_nothing_is_measured_while_nobody_looks(opened):
    oracle = opened.desk.forecast
    oracle.found = None
    opened.train.refresh()
    assert not opened.train.isVisible()
    assert not oracle.asked


def test_without_an_unlabelled_case_a_method_that_needs_none_is_proposed(opened, monkeypatch):
    project = opened.desk.session.project
    monkeypatch.setattr(project, "unlabelled_ids", lambda split: ())
    opened.train.refresh()
    assert opened.train.choice.chosen_method.name == "supervised"
    assert opened.train.start.isEnabled()
    opened.train.choice.choose_method("guidednet")
    assert "the training split has none" in opened.train.about.text()
    assert not opened.train.start.isEnabled()


def test_segmenting_asks_for_the_case_and_the_model(with_case, no_process):
    with_case.segment.start.click()
    request = with_case.desk.board.running("predict")[0].run.request()
    assert (request.cases, request.bundle) == (("unlabelled",), "tiny")
    assert not with_case.segment.start.isEnabled()


def test_an_organ_in_focus_reaches_the_request(opened, no_process):
    focus = opened.train.focus
    assert focus.text() == "All organs alike; none in focus"
    focus.choose(["spleen", "liver"])
    assert focus.text() == "In focus: Spleen, Liver"
    opened.train.refresh()  # a new list keeps the ticks
    opened.train.start.click()
    learn = opened.desk.board.running("train")[0].run.request().spec.learn
    assert learn.focus == ("spleen", "liver")
    assert learn.edited == 3.0


def test_corrections_can_be_weighed_in_the_form(opened):
    settings = opened.train.settings
    settings.more.expand()
    learn = settings._tuning.editor("learn").widget
    assert set(learn.names) == {"edited", "reach_mm", "rehearsal", "focus_share", "checked_cases"}
    learn.editor("edited").write(4.0)
    assert opened.train._request().spec.learn.edited == 4.0


def test_the_worst_organs_of_the_model_are_offered_first(opened):
    organs = [("liver", "Liver"), ("spleen", "Spleen"), ("aorta", "Aorta")]
    opened.train.focus.show_organs(organs, {"liver": 0.9, "aorta": 0.4})
    assert [box.text() for box in opened.train.focus._boxes.values()] == [
        "Aorta  0.400",
        "Liver  0.900",
        "Spleen",
    ]
