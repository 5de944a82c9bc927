"""A form shows every field of a schema and gives back what was typed."""

from typing import Literal

import pytest
from pydantic import BaseModel, Field
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox

from napari_guidednet.backend import SpecError, TrainSpec
from napari_guidednet.panels.editors import TINY
from napari_guidednet.panels.form import SettingsForm


class Inner(BaseModel):
    steps: int = Field(5, ge=1, le=9, title="Inner steps")


class Model(BaseModel):
    count: int = Field(3, ge=1, le=10, title="Count", description="how many")
    rate: float = Field(0.1, gt=0, lt=1)
    on: bool = True
    kind: Literal["first_kind", "second_kind"] = "first_kind"
    fixed: Literal["only"] = "only"
    clip: float | None = Field(None, gt=0)
    size: tuple[int, int, int] = (1, 2, 3)
    inner: Inner = Inner()
    free: dict[str, int] = Field(default_factory=lambda: {"kept": 1})


@pytest.fixture
def form(qtbot):
    form = SettingsForm.of(Model())
    qtbot.addWidget(form)
    return form


def test_an_untouched_form_gives_back_the_model(form):
    assert Model.model_validate(form.value()) == Model()


def test_every_kind_of_field_can_be_edited(form):
    edits = {
        "count": 7, "rate": 0.25, "on": False, "kind": "second_kind", "clip": 2.5, "size": [4, 5, 6],
        "inner": {"steps": 8},
    }  # fmt: skip
    for name, value in edits.items():
        form.editor(name).write(value)
    assert Model.model_validate(form.value()) == Model.model_validate(edits)


def test_fields_without_an_editor_are_carried_along(form):
    assert "free" not in form.names
    assert "fixed" not in form.names
    assert form.value()["free"] == {"kept": 1}


def test_ranges_hold(form):
    count, rate = form.findChild(QSpinBox, "count"), form.findChild(QDoubleSpinBox, "rate")
    assert (count.minimum(), count.maximum()) == (1, 10)
    assert (rate.minimum(), rate.maximum()) == (TINY, 1 - TINY)


def test_choices_read_as_words_and_give_values(form):
    box = form.findChild(QComboBox, "kind")
    assert [box.itemText(i) for i in range(box.count())] == ["first kind", "second kind"]
    box.setCurrentIndex(1)
    assert form.value()["kind"] == "second_kind"


def test_an_optional_value_can_be_switched_off_again(form):
    editor = form.editor("clip")
    editor.write(0.5)
    assert form.value()["clip"] == 0.5
    editor.write(None)
    assert form.value()["clip"] is None


def test_titles_and_descriptions_explain(form):
    assert "How many" in form.editor("count").widget.toolTip()
    assert "setting: count" in form.editor("count").widget.toolTip()


def test_changes_are_announced(form, qtbot):
    with qtbot.waitSignal(form.changed, timeout=60_000):
        form.editor("inner").widget.editor("steps").write(2)


def test_a_schema_alone_shows_its_defaults(qtbot):
    form = SettingsForm(Model.model_json_schema(), {"count": 9})
    qtbot.addWidget(form)
    assert form.value()["count"] == 9
    assert form.value()["rate"] == 0.1
    assert form.value()["size"] == [1, 2, 3]


def test_the_whole_training_specification_survives_the_form(qtbot):
    form = SettingsForm.of(TrainSpec())
    qtbot.addWidget(form)
    assert TrainSpec.parse(form.value(), origin="form") == TrainSpec()


def test_values_that_do_not_go_together_are_a_users_error(qtbot):
    form = SettingsForm.of(TrainSpec())
    qtbot.addWidget(form)
    form.editor("preprocess").widget.editor("window_hu").write([300, -300])
    with pytest.raises(SpecError, match="window"):
        TrainSpec.parse(form.value(), origin="form")
