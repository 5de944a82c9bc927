"""The verb evaluate: models against each other on held-out cases, organ by organ."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ProjectError

if TYPE_CHECKING:
    from rich.table import Table

    from ..core.project import Project
    from ..core.scores import ScoreSheet


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    evaluate = verbs.add_parser(
        "evaluate",
        help="compare models on held-out cases, organ by organ",
        description="Scores models on the annotated organs of the validation cases (Dice and NSD), and says "
        "whether the last one named should take the place of the model in use.",
    )
    evaluate.add_argument("project", type=Path, metavar="PROJECT")
    evaluate.add_argument(
        "models", nargs="*", metavar="MODEL", help="default: the model in use and the newest one"
    )
    evaluate.add_argument(
        "--split", default="val", choices=("val", "test"),
        help="val (default); test is for the final report only: choosing models by it makes it worthless",
    )  # fmt: skip
    evaluate.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    evaluate.set_defaults(act=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    from ..core.project import Project
    from ..core.request import EvaluateRequest
    from ..core.scores import SCORES, read_scores
    from .runs import carry_out
    from .screen import console

    with Project.open(arguments.project, write=False) as project:
        models = tuple(arguments.models) or _usual_models(project)
        request = EvaluateRequest(
            project=str(project.folder.resolve()),
            bundles=models,
            split=arguments.split,
            device=arguments.device,
        )
        run = project.new_run(request)
    code = carry_out(run, "Stopping after the current case.")
    if code == 0 and (run.folder / SCORES).is_file():
        out = console()
        sheet = read_scores(run.folder)
        out.print(score_table(sheet))
        for reason in sheet.reasons:
            out.print(reason, markup=False, highlight=False)
        print(f"case by case: {run.folder / SCORES}", file=sys.stderr)
    return code


def _usual_models(project: Project) -> tuple[str, ...]:
    """The model in use and the newest other one; the starter model where the project has none."""
    from ..core.bundle import ModelBundle

    names = project.bundles()
    made = {name: ModelBundle.read(project.bundle_folder(name)).manifest.created for name in names}
    others = sorted((name for name in names if name != project.current), key=made.__getitem__)
    chosen = ([project.current] if project.current else []) + others[-1:]
    if not chosen:
        raise ProjectError(
            f"The project {project.name} has no model yet.",
            f"Train one, or score the starter model: guidednet evaluate {project.folder} starter",
        )
    return tuple(chosen)


def score_table(sheet: ScoreSheet) -> Table:
    """Give the table organ by model: mean Dice (and NSD), and the change where there are two models."""
    from ..core.scores import mean_of
    from .screen import table

    models = list(sheet.models)
    change = ["change"] if len(models) == 2 else []
    columns = [f"{name}: Dice (NSD)" for name in models]
    rows = table(f"{sheet.split} cases, NSD at {sheet.tolerance_mm:g} mm", "organ", *columns, *change)
    dice = [sheet.organ_means(name) for name in models]
    nsd = [sheet.organ_means(name, "nsd") for name in models]
    for organ in dict.fromkeys(organ for means in dice for organ in means):
        cells = [_cell(d.get(organ), n.get(organ)) for d, n in zip(dice, nsd, strict=True)]
        rows.add_row(organ.replace("_", " "), *cells, *_change(dice, organ))
    rows.add_section()
    shared = set.intersection(*map(set, dice)) if change else set().union(*dice)
    means = [[mean_of(v for organ, v in d.items() if organ in shared) for d in part] for part in (dice, nsd)]
    ends = [_cell(d, n) for d, n in zip(*means, strict=True)]
    title = "mean" if len(shared) == len(set().union(*dice)) else f"mean of the {len(shared)} that both have"
    rows.add_row(title, *ends, *([f"{means[0][1] - means[0][0]:+.3f}"] if change else []))
    return rows


def _cell(dice: float | None, nsd: float | None) -> str:
    if dice is None:
        return "not scored"
    return f"{dice:.3f}" + ("" if nsd is None or nsd != nsd else f" ({nsd:.3f})")


def _change(dice: list[dict[str, float]], organ: str) -> list[str]:
    if len(dice) != 2:
        return []
    both = organ in dice[0] and organ in dice[1]
    return [f"{dice[1][organ] - dice[0][organ]:+.3f}" if both else ""]
