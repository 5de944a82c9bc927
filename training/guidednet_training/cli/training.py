"""The verb train: a new model from the labelled and unlabelled cases of a project."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ProjectError, SpecError

if TYPE_CHECKING:
    from ..core.bundle import BundleManifest
    from ..core.project import Project
    from ..core.request import TrainRequest
    from ..core.run import RunFolder
    from ..core.spec import TrainSpec


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    train = verbs.add_parser(
        "train",
        help="train a new model, from scratch or from an earlier one",
        description="Trains on the training cases of a project and publishes a new model there. Validation "
        "cases choose the weights, test cases are never read. The model in use changes only by "
        "'guidednet promote'.",
    )
    train.add_argument("project", type=Path, metavar="PROJECT")
    train.add_argument("--method", help="supervised, cps, guidednet, ... (default guidednet)")
    train.add_argument(
        "--preset", metavar="NAME",
        help="all settings at once: quick (minutes), careful (hours) or paper (as the method's paper has it)",
    )  # fmt: skip
    train.add_argument(
        "--steps", type=int, metavar="N", help="training steps (default 1000 with --from, else 20000)"
    )
    train.add_argument(
        "--from",
        dest="parent",
        metavar="MODEL",
        help="start from this model: starter, current, a name or a folder",
    )
    train.add_argument(
        "--coarse", metavar="MODEL",
        help="learn, and later look, only where this model finds organs in a first look at the whole CT",
    )  # fmt: skip
    train.add_argument("--name", help="name of the new model (default: the run's name)")
    train.add_argument("--spec", type=Path, metavar="FILE", help="a training specification (JSON)")
    train.add_argument(
        "--set", dest="changes", action="append", default=[], metavar="KEY=VALUE",
        help="change one value of the specification, e.g. --set net.width=8 --set optim.lr=0.01; repeatable",
    )  # fmt: skip
    train.add_argument(
        "--focus", action="append", default=[], metavar="ORGAN",
        help="learn this organ before all others, e.g. --focus pancreas; repeatable",
    )  # fmt: skip
    train.add_argument("--seed", type=int, help="seed of weights and sampling (default 0)")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: a GPU where there is one")
    train.add_argument(
        "--resume", metavar="RUN", help="go on with a stopped or killed run (its name, or 'last')"
    )
    train.add_argument(
        "--show-spec", action="store_true", help="print the specification as JSON and do nothing"
    )
    train.add_argument(
        "--estimate",
        action="store_true",
        help="say how long it would take and how much memory; train nothing",
    )
    train.set_defaults(act=_train)


def _train(arguments: argparse.Namespace) -> int:
    from .runs import carry_out

    if arguments.show_spec:
        print(_request(arguments).spec.to_json(), end="")
        return 0
    if arguments.estimate:
        return _estimate(arguments)
    run = _resumed(arguments) if arguments.resume else _new_run(arguments)
    print(f"Run folder: {run.folder}", flush=True)
    meaning = (
        "Stopping after the current step, with a checkpoint. "
        f"Go on later with: guidednet train {arguments.project} --resume {run.name}\n"
    )
    code = carry_out(run, meaning)
    if code == 0:
        _say_next(arguments.project, run)
    return code


def _estimate(arguments: argparse.Namespace) -> int:
    from ..core.estimate import Workload, estimate
    from ..core.project import Project
    from ..jobs.pace import measure_pace

    request = _request(arguments)
    with Project.open(arguments.project, write=False) as project:
        work = Workload.of(project)
    found = estimate(measure_pace(request), request.spec, work)
    print(found.text)
    return 1 if found.refusal else 0


def _say_next(project: Path, run: RunFolder) -> None:
    from ..core.events import Finished
    from ..core.run import EventTail

    last = EventTail(run.folder).poll()[-1]
    if isinstance(last, Finished) and last.bundle:
        print(f"New model: {last.bundle}. To use it from now on: guidednet promote {project} {last.bundle}")


def _new_run(arguments: argparse.Namespace) -> RunFolder:
    from ..core.project import Project

    request = _request(arguments)
    with Project.open(arguments.project, write=False) as project:
        return project.new_run(request)


def _resumed(arguments: argparse.Namespace) -> RunFolder:
    from ..core.project import Project

    with Project.open(arguments.project, write=False) as project:
        runs = [run for run in project.runs() if run.request().kind == "train"]
    wanted = [run for run in runs if arguments.resume in (run.name, str(run.folder))]
    if arguments.resume == "last":
        wanted = sorted(runs, key=lambda run: run.name)[-1:]
    if not wanted:
        known = ", ".join(run.name for run in runs) or "none"
        raise ProjectError(f"There is no training run '{arguments.resume}'.", f"Training runs: {known}.")
    wanted[0].clear_stop()
    return wanted[0]


def _request(arguments: argparse.Namespace) -> TrainRequest:
    from ..core.bundle import resolve_bundle
    from ..core.project import Project
    from ..core.request import TrainRequest

    with Project.open(arguments.project, write=False) as project:
        parent = resolve_bundle(arguments.parent, project) if arguments.parent else None
        coarse = resolve_bundle(arguments.coarse, project) if arguments.coarse else None
        spec = _spec(arguments, parent)
        return TrainRequest(
            project=str(project.folder.resolve()),
            spec=spec,
            parent=None if parent is None else _reference(parent, project),
            coarse=None if coarse is None else _reference(coarse, project),
            name=arguments.name,
        )


def _reference(folder: Path, project: Project) -> str:
    """A bundle of the project goes by its name, so that the project can be moved."""
    return folder.name if folder.name in project.bundles() else str(folder.resolve())


def _spec(arguments: argparse.Namespace, parent: Path | None) -> TrainSpec:
    from ..core.bundle import ModelBundle
    from ..core.files import read_text
    from ..core.spec import TrainSpec

    if arguments.spec is not None and arguments.preset is not None:
        raise SpecError("Both --spec and --preset were given.", "Each says all settings: give one of them.")
    if arguments.spec is not None:
        spec = TrainSpec.parse(read_text(arguments.spec), origin=str(arguments.spec))
    else:
        manifest = None if parent is None else ModelBundle.read(parent).manifest
        spec = _first_spec(arguments.preset, arguments.method or "guidednet", manifest)
    changes = [change.partition("=")[::2] for change in arguments.changes]
    changes += [("learn.focus", json.dumps(arguments.focus))] if arguments.focus else []
    for key, value in (("steps", arguments.steps), ("seed", arguments.seed), ("devices", arguments.device),
                       ("method", arguments.method if arguments.spec else None)):  # fmt: skip
        changes += [] if value is None else [(key, json.dumps(value))]
    return changed(spec, changes)


def _first_spec(preset: str | None, method: str, parent: BundleManifest | None) -> TrainSpec:
    from ..core.recipes import fresh_spec, preset_spec, retrain_spec

    if preset is not None:
        from ..jobs.facts import facts_of

        return preset_spec(preset, facts_of(method), parent)
    return fresh_spec(method) if parent is None else retrain_spec(parent, method)


def changed(spec: TrainSpec, changes: Sequence[tuple[str, str]]) -> TrainSpec:
    """Give a specification with some values changed.

    Parameters
    ----------
    spec : TrainSpec
        Left as it is.
    changes : sequence of (key, value)
        Keys with dots ("net.width"); values as JSON, or plain words.

    Raises
    ------
    SpecError
        When a key is unknown or a value impossible.
    """
    from ..core.recipes import with_values

    return with_values(spec, {key: _value(text) for key, text in changes})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # a plain word, e.g. --set patch.flip=false needs none, optim.name=adamw does
