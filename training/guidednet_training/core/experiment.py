"""An experiment file: data, splits, methods, seeds and schedule; strict, so that a typo is no result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from .files import read_text
from .record import Record
from .spec import TrainSpec

NAME = r"^[a-z0-9][a-z0-9_-]{0,31}$"  # part of folder and bundle names

Choice = int | tuple[str, ...]  # how many cases (drawn by the seed of the fold), or which


class DataSource(Record):
    """A data set as it lies on disk; the user brings it."""

    folder: str = Field(
        description="absolute or relative to the file; variables like $GUIDEDNET_DATA are put in"
    )
    layout: Literal["auto", "nnunet", "flare22", "amos", "pairs", "left_atrium"] = "auto"
    scheme: str = Field("FLARE_13", description="organs of the project: FLARE_13, AMOS_15 or LA_1")
    allow_loss: bool = Field(False, description="organs that the scheme lacks become background")


class Fold(Record):
    """One way to divide the cases; several folds of a setting are a cross-validation."""

    labelled: Choice | None = Field(
        None, description="training cases whose labels are used: how many, or ids; none = all"
    )
    unlabelled: Choice | Literal["hidden"] | None = Field(
        None,
        description="training cases without labels; hidden = those whose labels are left aside; none = all",
    )
    val: Choice = Field(
        0, description="labelled cases that choose the weights; 0 = the last weights are kept"
    )
    test: Choice = Field(0, description="labelled cases held out for the report")
    seed: int = Field(0, ge=0, description="draws the cases where only their number is given")


class Setting(Record):
    """How much is labelled, and the folds over which this is repeated."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1, description="for tables: 42 labelled, 378 unlabelled")
    folds: tuple[Fold, ...] = Field(min_length=1)
    published: tuple[int, int] | None = Field(
        None, description="labelled and unlabelled cases of the published rows that belong here"
    )


class Row(Record):
    """One row of the table: a method, and what is changed for it in the specification of all."""

    name: str = Field(pattern=NAME)
    title: str = Field("", description="for tables; the name where empty")
    method: str
    original: bool = Field(False, description="start from the setting of the method's own paper")
    spec: dict[str, Any] = Field(default_factory=dict, description="parts of a training specification")
    settings: tuple[str, ...] | None = Field(None, description="settings it is run in; none = all")
    seeds: tuple[int, ...] | None = Field(
        None, description="of the experiment's, those it is run with; none = all"
    )
    start: str | None = Field(
        None,
        description="an earlier row: start from its model of the same fold and seed, or of its only seed",
    )
    published: str | None = Field(None, description="the published row it stands beside")


class Experiment(Record):
    """The content of an experiment file."""

    format: Literal[1] = 1
    name: str = Field(pattern=NAME)
    question: str = Field(min_length=1, description="what it asks, in plain words")
    data: DataSource
    settings: tuple[Setting, ...] = Field(min_length=1)
    rows: tuple[Row, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    spec: dict[str, Any] = Field(
        default_factory=dict, description="parts of a training specification, for all rows"
    )
    score: Literal["val", "test", "unlabelled"] = Field(
        "test",
        description="the cases of the report; unlabelled = training cases whose labels were never read",
    )
    feature_distance: bool = Field(
        False, description="measure how far labelled and scored voxels of an organ lie apart in feature space"
    )
    published: tuple[str, ...] = Field((), description="published tables to be shown beside ours")
    differences: tuple[str, ...] = Field((), description="what else differs from the published protocol")

    @field_validator("spec")
    @classmethod
    def _no_method(cls, spec: dict[str, Any]) -> dict[str, Any]:
        if named := sorted({"method", "seed"} & spec.keys()):
            raise ValueError(f"{named[0]} belongs to the rows and seeds, not into spec")
        return spec

    @model_validator(mode="after")
    def _check_names(self) -> Experiment:
        for what, names in (
            ("row", [row.name for row in self.rows]),
            ("setting", [setting.name for setting in self.settings]),
            ("seed", [str(seed) for seed in self.seeds]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]} is there twice")
        known = {setting.name for setting in self.settings}
        for row in self.rows:
            strange = sorted(set(row.settings or ()) - known)
            if strange:
                raise ValueError(f"row {row.name} names the setting {strange[0]}, which is not there")
            if odd := sorted(set(row.seeds or ()) - set(self.seeds)):
                raise ValueError(f"row {row.name} names the seed {odd[0]}, which is not there")
        self._check_starts()
        return self

    def _check_starts(self) -> None:
        """A row may start from one above it that is run wherever it is, with its seeds or the first alone."""
        above: dict[str, Row] = {}
        for row in self.rows:
            if row.start is not None:
                parent = above.get(row.start)
                if parent is None:
                    raise ValueError(f"row {row.name} starts from {row.start}, which is no row above it")
                if parent.settings is not None and set(row.settings or self._names()) - set(parent.settings):
                    raise ValueError(f"row {row.name} is run in settings in which {row.start} is not")
                seeds = parent.seeds or self.seeds
                if seeds != self.seeds[:1] and set(row.seeds or self.seeds) - set(seeds):
                    raise ValueError(f"row {row.name} is run with seeds with which {row.start} is not")
            above[row.name] = row

    def _names(self) -> tuple[str, ...]:
        return tuple(setting.name for setting in self.settings)

    @classmethod
    def read(cls, path: Path | str) -> Experiment:
        """Read an experiment file.

        Raises
        ------
        FileError
            When it is missing or no text.
        SpecError
            When a key is unknown or a value impossible.
        """
        return cls.parse(read_text(path), origin=str(path))

    def rows_of(self, setting: Setting) -> tuple[Row, ...]:
        """Give the rows that are run in a setting."""
        return tuple(row for row in self.rows if row.settings is None or setting.name in row.settings)


@dataclass(frozen=True)
class Trial:
    """One training of an experiment, and what it is known by.

    Attributes
    ----------
    number : int
        Of the fold, from 1.
    spec : TrainSpec
        All of it, seed included.
    parent : str or None
        Name of the bundle it starts from.
    """

    setting: Setting
    number: int
    fold: Fold
    row: Row
    seed: int
    spec: TrainSpec
    data: DataSource
    parent: str | None = None

    @property
    def bundle(self) -> str:
        """Name of the bundle it makes; another specification or split gives another name."""
        spec = self.spec.model_dump(mode="json", exclude={"devices"}, exclude_defaults=True)
        facts = [self.spec.method, spec, data_key(self.data, self.fold)]
        if self.parent is not None:
            facts.append(self.parent)
        return f"{self.row.name}-s{self.seed}-{_digest(facts)}"

    @property
    def title(self) -> str:
        """Words for a person."""
        fold = f", fold {self.number}" if len(self.setting.folds) > 1 else ""
        return f"{self.row.name}, {self.setting.title}{fold}, seed {self.seed}"


def data_key(data: DataSource, fold: Fold) -> str:
    """Give a short name for what cases a training sees; where the folder lies is no part of it."""
    source = data.model_dump(mode="json", exclude={"folder"}, exclude_defaults=True)
    return _digest([source, fold.model_dump(mode="json", exclude_defaults=True)])


def trials(experiment: Experiment, originals: Mapping[str, Mapping[str, Any]]) -> Iterator[Trial]:
    """Give the trials of an experiment: all rows with the first seed before any with the second.

    Parameters
    ----------
    originals : mapping of method to dotted values
        The settings of the methods' own papers, for rows that start from them.

    Raises
    ------
    SpecError
        When the specification of a row is wrong.
    """
    made: dict[tuple[str, int, str], dict[int, str]] = {}  # setting, fold, row -> seed -> bundle
    for seed in experiment.seeds:
        for setting in experiment.settings:
            for number, fold in enumerate(setting.folds, start=1):
                for row in experiment.rows_of(setting):
                    if row.seeds is not None and seed not in row.seeds:
                        continue
                    spec = _spec(experiment, row, seed, originals.get(row.method, {}))
                    known = made.get((setting.name, number, row.start or ""), {})
                    parent = known.get(seed) or next(iter(known.values()), None)
                    trial = Trial(setting, number, fold, row, seed, spec, experiment.data, parent)
                    made.setdefault((setting.name, number, row.name), {})[seed] = trial.bundle
                    yield trial


def _spec(experiment: Experiment, row: Row, seed: int, original: Mapping[str, Any]) -> TrainSpec:
    """What is common to all rows overrules a method's own paper; what the row says overrules both."""
    tree: dict[str, Any] = nested(original) if row.original else {}
    tree = merged(merged(tree, experiment.spec), row.spec) | {"method": row.method, "seed": seed}
    return TrainSpec.parse(tree, origin=f"row '{row.name}' of the experiment {experiment.name}")


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """Turn {"net.name": "vnet"} into {"net": {"name": "vnet"}}."""
    tree: dict[str, Any] = {}
    for key, value in dotted.items():
        *path, last = key.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def merged(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Put changes into a tree, branch by branch; neither is altered."""
    result = dict(tree)
    for key, value in changes.items():
        here = result.get(key)
        if isinstance(here, Mapping) and isinstance(value, Mapping):
            result[key] = merged(here, value)
        else:
            result[key] = value
    return result


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
