"""Events: one strict JSON line each, told apart by their kind."""

import pytest
from pydantic import ValidationError

from guidednet_training.core import events
from guidednet_training.core.events import EVENT, Event

ALL = [
    events.Started(kind="train", pid=4, device="cpu"),
    events.Stage(title="Reading", done=1, total=2),
    events.Step(step=1, steps=10, terms={"segmenter.ce": 0.5, "lr": 0.1}),
    events.Validated(step=5, dice={"liver": 0.9}, mean_dice=0.9, network="a", best=True),
    events.Checkpointed(step=5, path="checkpoints/last"),
    events.Relabelled(round=1, cases=3),
    events.CaseDone(case="a", folder="f", seconds=1.5),
    events.Note(text="two\nlines"),
    events.Failed(kind="FileError", message="gone", hint="look"),
    events.Finished(outcome="done", bundle="first"),
]


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_each_event_is_one_line_and_comes_back_as_itself(event: Event) -> None:
    line = event.model_dump_json()
    assert "\n" not in line
    assert EVENT.validate_json(line) == event


def test_the_list_above_is_complete() -> None:
    assert {type(event) for event in ALL} == set(Event.__subclasses__())


@pytest.mark.parametrize(
    "line", ['{"event": "Danced"}', '{"event": "Note"}', '{"event": "Note", "text": "a", "b": 1}']
)
def test_what_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        EVENT.validate_json(line)
