"""What a run says: one JSON line per event."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from .record import Record


class Event(Record):
    """Common part: time in seconds since the epoch."""

    time_s: float = 0.0  # stamped by EventLog when written


class Started(Event):
    event: Literal["Started"] = "Started"
    kind: str  # predict, train, evaluate
    pid: int = 0
    device: str = ""


class Stage(Event):
    event: Literal["Stage"] = "Stage"
    title: str  # plain words for the user: "Reading btcv_04"
    done: int = 0
    total: int = 0  # 0 = unknown


class Step(Event):
    event: Literal["Step"] = "Step"
    step: int
    steps: int
    terms: dict[str, float]  # "player.term" -> value; "lr"; "gradient.term" where measured


class Validated(Event):
    event: Literal["Validated"] = "Validated"
    step: int
    dice: dict[str, float]  # organ -> mean Dice over the validation cases that have it
    mean_dice: float
    network: str = ""  # which of the method's networks
    best: bool = False


class Checkpointed(Event):
    event: Literal["Checkpointed"] = "Checkpointed"
    step: int
    path: str


class Relabelled(Event):
    event: Literal["Relabelled"] = "Relabelled"
    round: int
    cases: int


class CaseDone(Event):
    event: Literal["CaseDone"] = "CaseDone"
    case: str
    folder: str
    seconds: float


class Note(Event):
    event: Literal["Note"] = "Note"
    text: str


class Failed(Event):
    event: Literal["Failed"] = "Failed"
    kind: str  # class of the error; "bug" for anything but a GuidedNetError
    message: str
    hint: str = ""


class Finished(Event):
    event: Literal["Finished"] = "Finished"
    outcome: Literal["done", "stopped"]
    bundle: str | None = None


AnyEvent = Annotated[
    Started | Stage | Step | Validated | Checkpointed | Relabelled | CaseDone | Note | Failed | Finished,
    Field(discriminator="event"),
]
EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
