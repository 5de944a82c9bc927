"""What a run is asked to do: the content of `request.json`."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from .errors import SpecError
from .record import Record
from .spec import TrainSpec


class PredictRequest(Record):
    """Segment cases of a project, or loose files (project = None, out = folder)."""

    kind: Literal["predict"] = "predict"
    project: str | None = None
    cases: tuple[str, ...] = ()  # case ids of the project, or image paths
    bundle: str  # bundle name in the project, or a path; "starter" = the shipped model
    out: str | None = None
    device: str = "auto"
    maps: tuple[str, ...] = ("confidence", "typicality", "entropy", "disagreement")
    networks: Literal["all", "best"] | None = None  # none = as the bundle says
    apart: bool = True  # for cases of a project, also store what each network says alone
    largest_only: bool | None = None  # keep only the largest piece of each organ; none = as the bundle says


class TrainRequest(Record):
    """Train a new bundle on the train cases of a project, from scratch or from a parent bundle."""

    kind: Literal["train"] = "train"
    project: str
    spec: TrainSpec
    parent: str | None = None  # bundle to warm-start from
    coarse: str | None = None  # bundle that finds the region to learn and look in; none: that of the parent
    name: str | None = None  # of the new bundle


class EvaluateRequest(Record):
    """Score bundles on one split of a project, case by case and organ by organ."""

    kind: Literal["evaluate"] = "evaluate"
    project: str
    bundles: tuple[str, ...]
    split: Literal["val", "test"] = "val"
    device: str = "auto"


AnyRequest = Annotated[PredictRequest | TrainRequest | EvaluateRequest, Field(discriminator="kind")]
REQUEST: TypeAdapter[AnyRequest] = TypeAdapter(AnyRequest)
_KINDS: dict[str, type[PredictRequest | TrainRequest | EvaluateRequest]] = {
    "predict": PredictRequest,
    "train": TrainRequest,
    "evaluate": EvaluateRequest,
}


def parse_request(text: str, origin: str) -> AnyRequest:
    """Read a request from JSON text.

    Parameters
    ----------
    text : str
        Content of `request.json`.
    origin : str
        Where it came from, for the error message.

    Raises
    ------
    SpecError
        When it is damaged, of an unknown kind, or has an unknown key or an impossible value.
    """
    try:
        kind = json.loads(text)["kind"]
        model = _KINDS[kind]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SpecError(
            f"{origin}: not a request of a known kind.", f"Its 'kind' must be one of {', '.join(_KINDS)}."
        ) from error
    return model.parse(text, origin)
