"""Methods and paces are asked once, remembered, and never waited for."""

from __future__ import annotations

import sys
import time

import pytest

from napari_guidednet.backend import (
    ALL_FACTS,
    GuidedNetError,
    MethodFacts,
    Pace,
    TrainRequest,
    TrainSpec,
    free_memory,
)
from napari_guidednet.state import inquiry
from napari_guidednet.state.forecast import Forecast
from napari_guidednet.state.inquiry import Inquiry

FACTS = {
    "cps": MethodFacts(
        name="cps", settings_schema={"properties": {"weight": {"type": "number", "default": 0.1}}}
    )
}


class Question:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.answer: str | None = None
        self.error: GuidedNetError | None = None
        self.closed = False

    def poll(self) -> str | None:
        if self.error is not None:
            raise self.error
        return self.answer

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def asked() -> list[Question]:
    return []


@pytest.fixture
def forecast(asked: list[Question]) -> Forecast:
    def ask(command: object, given: str) -> Question:
        asked.append(Question())
        return asked[-1]

    return Forecast(ask)


def request(**changes: object) -> TrainRequest:
    return TrainRequest(project="p", spec=TrainSpec(method="cps").model_copy(update=changes))


def test_methods_are_asked_once(forecast, asked):
    forecast.ask_methods()
    forecast.ask_methods()
    assert len(asked) == 1
    assert not forecast.poll()
    asked[0].answer = ALL_FACTS.dump_json(FACTS).decode()
    assert forecast.poll()
    assert forecast.methods == FACTS
    forecast.ask_methods()
    assert len(asked) == 1
    assert not forecast.poll()


def test_a_pace_serves_every_training_of_the_same_steps(forecast, asked):
    forecast.ask_pace(request(steps=10))
    asked[0].answer = Pace(device="cpu: test", free_bytes=1).model_dump_json()
    assert forecast.poll()
    assert forecast.knows(request(steps=99, seed=4))
    forecast.ask_pace(request(steps=99))
    assert len(asked) == 1
    pace = forecast.pace(request())
    assert pace is not None
    if free_memory() is not None:
        assert pace.free_bytes != 1  # what is free now, not what was free then


def test_a_setting_that_is_its_default_changes_nothing(forecast, asked):
    forecast.methods = FACTS
    forecast.ask_pace(request())
    forecast.ask_pace(request(settings={"weight": 0.1}))
    assert len(asked) == 1
    forecast.ask_pace(request(settings={"weight": 0.2}))
    assert len(asked) == 2


def test_a_newer_question_replaces_the_older_one(forecast, asked):
    forecast.ask_pace(request())
    forecast.ask_pace(request(method="other"))
    assert asked[0].closed
    assert forecast.measuring
    forecast.close()
    assert asked[1].closed
    assert not forecast.measuring


def test_a_failed_measurement_is_told_once_and_not_repeated(forecast, asked):
    forecast.ask_pace(request())
    asked[0].error = GuidedNetError("No torch.")
    with pytest.raises(GuidedNetError, match="No torch"):
        forecast.poll()
    assert not forecast.poll()
    assert forecast.knows(request())
    assert forecast.pace(request()) is None
    forecast.ask_pace(request())
    assert len(asked) == 1


def _answer_of(question: Inquiry) -> str:
    for _ in range(3000):
        answer = question.poll()
        if answer is not None:
            return answer
        time.sleep(0.02)
    raise AssertionError("no answer in a minute")


def test_the_answer_is_the_last_line_of_the_process():
    code = "import sys; print('noise'); print(sys.stdin.read().upper())"
    assert _answer_of(Inquiry([sys.executable, "-c", code], "text")) == "TEXT"


def test_a_process_that_fails_says_why():
    question = Inquiry([sys.executable, "-c", "raise SystemExit('torch is gone')"])
    with pytest.raises(GuidedNetError, match="torch is gone"):
        _answer_of(question)


def test_patience_has_an_end(monkeypatch):
    monkeypatch.setattr(inquiry, "PATIENCE_S", 0.0)
    question = Inquiry([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(GuidedNetError, match="did not answer"):
        _answer_of(question)
    question.close()
