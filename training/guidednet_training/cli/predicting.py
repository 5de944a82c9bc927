"""The verb predict: CT files or folders in; labels, confidence and a table per case out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import GuidedNetError

if TYPE_CHECKING:
    from ..core.prediction import PredictionRecord
    from ..core.project import Project
    from ..core.request import PredictRequest

MAPS = ("confidence", "typicality", "entropy", "disagreement")  # as in core.prediction, which imports numpy


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    predict = verbs.add_parser(
        "predict",
        help="segment CT volumes",
        description="Segments each CT and writes DIR/<name>/: labels.nii.gz and the confidence maps on "
        "exactly the input's grid, organs.csv and prediction.json; and, where confidence or entropy is among "
        "the maps, labels_mixture.nii.gz: what the model's class mixture itself would say. An input "
        "that cannot be used does not stop the others.",
    )
    predict.add_argument(
        "inputs",
        nargs="+",
        metavar="CT",
        help=".nii, .nii.gz, .nrrd, .mha, .mhd, or a folder with one DICOM series",
    )
    predict.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go")
    predict.add_argument(
        "--model", default=None, metavar="MODEL",
        help="starter, the name of a model of the project, or the folder of a model "
        "(default: the project's current model, else starter)",
    )  # fmt: skip
    predict.add_argument("--project", type=Path, metavar="PROJECT", help="where models are looked up by name")
    predict.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: a GPU where there is one"
    )
    predict.add_argument(
        "--maps", nargs="*", default=["confidence"], choices=MAPS, metavar="MAP",
        help=f"which maps to write: {', '.join(MAPS)} (default: confidence; none: --maps alone)",
    )  # fmt: skip
    predict.add_argument("--fast", action="store_true", help="use the better of a model's two networks only")
    predict.add_argument(
        "--largest-only", action=argparse.BooleanOptionalAction, default=None,
        help="keep only the largest connected piece of each organ (default: as was better on the model's "
        "validation cases)",
    )  # fmt: skip
    predict.set_defaults(act=_predict)


def _predict(arguments: argparse.Namespace) -> int:
    from ..core.request import PredictRequest

    # Everything that can be wrong for all inputs is found before torch is imported.
    folder = _find_model(arguments.model, arguments.project)
    request = PredictRequest(
        cases=tuple(arguments.inputs),
        bundle=str(folder),
        out=str(arguments.out),
        device=arguments.device,
        maps=tuple(arguments.maps),
        networks="best" if arguments.fast else None,
        largest_only=arguments.largest_only,
    )
    failures = _carry_out(request)
    for given, error in failures:
        print(f"Not segmented: {given}\n  {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
    return 1 if failures else 0


def _carry_out(request: PredictRequest) -> Sequence[tuple[str, GuidedNetError]]:
    from ..jobs.predict import predict_all
    from .screen import RunScreen, console

    done: list[str] = []
    out = console()
    try:
        with RunScreen(out) as screen:

            def show(given: str, folder: Path, record: PredictionRecord) -> None:
                done.append(given)
                out.print(organ_table(record))

            return predict_all(request, screen, lambda: False, show) or ()
    except KeyboardInterrupt:
        left = [given for given in request.cases if given not in done]
        print(f"Finished before the stop: {', '.join(done) or 'nothing'}.", file=sys.stderr)
        print(f"Not segmented: {', '.join(left)}.", file=sys.stderr)
        raise


def organ_table(record: PredictionRecord) -> Any:
    """Give the table of a prediction: organ, volume, mean confidence."""
    from .screen import table

    rows = table(f"{record.case} by {record.bundle}", "organ", "volume (ml)", "mean confidence")
    for organ, measure in record.organs.items():
        found = measure.volume_ml > 0
        sure = "" if measure.mean_confidence is None else f"{measure.mean_confidence:.2f}"
        rows.add_row(organ.replace("_", " "), f"{measure.volume_ml:.1f}" if found else "not found", sure)
    return rows


def _find_model(model: str | None, project_folder: Path | None) -> Path:
    from ..core.bundle import resolve_bundle
    from ..core.project import Project

    if project_folder is None:
        return resolve_bundle(model or "starter", None)
    with Project.open(project_folder, write=False) as project:
        return resolve_bundle(model or _current(project), project)


def _current(project: Project) -> str:
    return project.current or "starter"
