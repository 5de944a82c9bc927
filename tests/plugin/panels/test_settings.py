"""Quick settings at once, all others on request; what is typed reaches the training."""

import pytest

from napari_guidednet.backend import MethodFacts, SpecError, TrainSpec
from napari_guidednet.panels.settings import TrainSettings

GUIDED = MethodFacts(
    name="guidednet",
    settings_schema={"properties": {"ramp": {"type": "integer", "default": 40, "title": "Ramp"}}},
)
PLAIN = MethodFacts(
    name="supervised",
    settings_schema={"properties": {"weight": {"type": "number", "default": 1.0, "title": "Weight"}}},
)
UNKNOWN = MethodFacts(name="guidednet")


@pytest.fixture
def form(qtbot):
    form = TrainSettings()
    qtbot.addWidget(form)
    form.show_spec(TrainSpec(settings={"ramp": 7}), GUIDED, free=False)
    return form


def test_untouched_settings_are_the_plans(form):
    assert form.spec() == TrainSpec(settings={"ramp": 7})


def test_quick_settings_reach_the_specification(form, qtbot):
    with qtbot.waitSignal(form.changed, timeout=60_000):
        form._quick.editor("steps").write(30)
    assert form.spec().steps == 30


def test_all_settings_appear_on_request(form):
    form.more.expand()
    form._tuning.editor("optim").widget.editor("lr").write(0.5)
    assert form._method_settings.value() == {"ramp": 7}
    assert form._of_method.title() == "Settings of guidednet"
    spec = form.spec()
    assert (spec.optim.lr, spec.method, spec.settings) == (0.5, "guidednet", {"ramp": 7})


def test_settings_of_the_method_reach_the_specification(form, qtbot):
    form.more.expand()
    with qtbot.waitSignal(form.changed, timeout=60_000):
        form._method_settings.editor("ramp").write(9)
    assert form.spec().settings == {"ramp": 9}


def test_another_method_brings_its_own_settings(form):
    form.more.expand()
    form.show_spec(TrainSpec(method="supervised"), PLAIN, free=False)
    assert form.spec().settings == {"weight": 1.0}
    assert form.spec().method == "supervised"


def test_a_method_that_is_not_known_yet_keeps_the_proposed_settings(form):
    form.more.expand()
    form.show_spec(TrainSpec(settings={"ramp": 8}), UNKNOWN, free=False)
    assert form.spec().settings == {"ramp": 8}
    assert form._of_method.isHidden()


def test_network_and_preprocessing_are_free_only_from_scratch(form):
    form.more.expand()
    assert "net" not in form._tuning.names
    form.show_spec(TrainSpec(), GUIDED, free=True)
    assert {"net", "preprocess"} <= set(form._tuning.names)


def test_what_was_typed_survives_the_same_plan_again(form):
    form._quick.editor("steps").write(30)
    form.show_spec(TrainSpec(settings={"ramp": 7}), GUIDED, free=False)
    assert form.spec().steps == 30


def test_what_was_typed_survives_the_arrival_of_the_methods(form):
    spec = TrainSpec(settings={"ramp": 7})
    form.show_spec(spec, UNKNOWN, free=False)
    form.more.expand()
    form._quick.editor("steps").write(30)
    form._tuning.editor("seed").write(5)
    form.show_spec(spec, GUIDED, free=False)
    assert (form.spec().steps, form.spec().seed) == (30, 5)
    assert form._method_settings.value() == {"ramp": 7}


def test_settings_that_do_not_go_together_are_refused_with_a_reason(form):
    form.show_spec(TrainSpec(), GUIDED, free=True)
    form.more.expand()
    form._tuning.editor("preprocess").widget.editor("window_hu").write([300, -300])
    with pytest.raises(SpecError, match="window"):
        form.spec()
