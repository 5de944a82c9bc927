"""Quick settings at once, all others on request; what is typed reaches the training."""

import pytest

from napari_guidednet.backend import SpecError, TrainSpec
from napari_guidednet.panels import settings
from napari_guidednet.panels.settings import TrainSettings

METHODS = {
    "supervised": {
        "when_to_use": "few unlabelled cases",
        "schema": {"properties": {"weight": {"type": "number", "default": 1.0, "title": "Weight"}}},
    },
    "guidednet": {
        "when_to_use": "labelled and unlabelled cases",
        "schema": {"properties": {"ramp": {"type": "integer", "default": 40, "title": "Ramp"}}},
    },
}


class Desk:
    """Does what it is asked at once."""

    def in_thread(self, title, work, then, key=None, otherwise=None, quiet=False):
        then(work())


@pytest.fixture
def form(qtbot, monkeypatch):
    monkeypatch.setattr(settings, "describe_methods", lambda: METHODS)
    form = TrainSettings(Desk())
    qtbot.addWidget(form)
    form.show_spec(TrainSpec(settings={"ramp": 7}), free=False)
    return form


def test_untouched_settings_are_the_plans(form):
    assert form.spec() == TrainSpec(settings={"ramp": 7})


def test_quick_settings_reach_the_specification(form):
    form._quick.editor("steps").write(30)
    assert form.spec().steps == 30


def test_all_settings_appear_on_request(form):
    form.more.expand()
    form._tuning.editor("optim").widget.editor("lr").write(0.5)
    assert form.method.currentData() == "guidednet"
    assert form._method_settings.value() == {"ramp": 7}
    spec = form.spec()
    assert (spec.optim.lr, spec.method, spec.settings) == (0.5, "guidednet", {"ramp": 7})


def test_another_method_brings_its_own_settings(form):
    form.more.expand()
    form.method.setCurrentIndex(form.method.findData("supervised"))
    assert form.spec().settings == {"weight": 1.0}
    assert form.spec().method == "supervised"


def test_network_and_preprocessing_are_free_only_from_scratch(form):
    form.more.expand()
    assert "net" not in form._tuning.names
    form.show_spec(TrainSpec(), free=True)
    assert {"net", "preprocess"} <= set(form._tuning.names)


def test_what_was_typed_survives_the_same_plan_again(form):
    form._quick.editor("steps").write(30)
    form.show_spec(TrainSpec(settings={"ramp": 7}), free=False)
    assert form.spec().steps == 30


def test_settings_that_do_not_go_together_are_refused_with_a_reason(form):
    form.show_spec(TrainSpec(), free=True)
    form.more.expand()
    form._tuning.editor("preprocess").widget.editor("window_hu").write([300, -300])
    with pytest.raises(SpecError, match="window"):
        form.spec()
