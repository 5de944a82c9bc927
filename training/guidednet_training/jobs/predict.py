"""Segments cases of a project, or loose files; what cannot be used does not stop the others."""

from __future__ import annotations

import csv
import io
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..core.bundle import resolve_bundle
from ..core.errors import FileError, GuidedNetError
from ..core.events import CaseDone, Note, Stage
from ..core.files import PARTIAL, write_text
from ..core.prediction import PredictionRecord, write_prediction
from ..core.project import Project, id_from_path
from ..core.project_file import utc_now
from ..core.request import PredictRequest
from ..core.volume import Volume, read_volume
from ..inference.predictor import PredictionMaps, Predictor
from ..inference.sliding import Stopped
from .running import Emit, Outcome, ShouldStop
from .stages import staged

Failure = tuple[str, GuidedNetError]  # what was given, what was wrong with it
TABLE = "organs.csv"
OF_POSTERIOR = {"confidence", "entropy"}  # with these maps the class mixture has been asked anyway


@dataclass(frozen=True)
class _Job:
    """One CT to segment: how to read it, where its results go."""

    given: str  # as the user named it
    case: str
    folder: Path
    read: Callable[[], Volume]


def predict(request: PredictRequest, emit: Emit, should_stop: ShouldStop) -> Outcome:
    """Carry out a predict request of a run folder.

    Raises
    ------
    GuidedNetError
        When the bundle cannot be used, or, after all others were segmented, for the first case
        that could not be.
    """
    failures = predict_all(request, emit, should_stop)
    if failures is None:
        return Outcome(stopped=True)
    if failures:
        given, error = failures[0]
        more = f" And {len(failures) - 1} more, see the notes." if len(failures) > 1 else ""
        raise type(error)(f"{given}: {error.message}{more}", error.hint)
    return Outcome()


def predict_all(
    request: PredictRequest,
    emit: Emit,
    should_stop: ShouldStop,
    show: Callable[[str, Path, PredictionRecord], None] | None = None,
) -> tuple[Failure, ...] | None:
    """Segment everything a request names, one after the other.

    Results go to `predictions/<bundle>` of each case of a project, or to `out/<name>` for loose
    files; each folder appears whole or not at all.

    Parameters
    ----------
    show : callable, optional
        Called with what was given, its result folder and the record after each success.

    Returns
    -------
    tuple of (given, error), or None
        What could not be segmented; None when the end was asked for before all were done.

    Raises
    ------
    GuidedNetError
        When bundle or device cannot be used: then nothing can be segmented.
    """
    project = Project.open(request.project) if request.project is not None else None
    emit(Stage(title="Loading the model"))
    predictor = Predictor.load(resolve_bundle(request.bundle, project), request.device, request.networks)
    failures: list[Failure] = []
    for job in _jobs(request, project, predictor.manifest.name):
        if should_stop():
            return None
        try:
            record = _segment(job, predictor, request, emit, should_stop)
        except Stopped:
            return None
        except GuidedNetError as error:
            failures.append((job.given, error))
            emit(Note(text=f"Not segmented: {job.given}: {error}"))
            continue
        if show is not None:
            show(job.given, job.folder, record)
    return tuple(failures)


def _jobs(request: PredictRequest, project: Project | None, bundle: str) -> Iterator[_Job]:
    if project is not None:
        for case_id in request.cases:
            folder = project.prediction_folder(case_id, bundle)
            yield _Job(case_id, case_id, folder, lambda case_id=case_id: project.image(case_id))  # type: ignore[misc]
        return
    if request.out is None:
        raise FileError("No folder was given for the results.", "Give one with 'out'.")
    taken: set[str] = set()
    for given in request.cases:
        name = _free_name(id_from_path(Path(given).resolve()), taken)
        yield _Job(given, name, Path(request.out) / name, lambda given=given: read_volume(given))  # type: ignore[misc]


def _free_name(wanted: str, taken: set[str]) -> str:
    """Two inputs of one name (a/ct.nii.gz, b/ct.nii.gz) must not overwrite each other."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    taken.add(name)
    return name


def _segment(
    job: _Job, predictor: Predictor, request: PredictRequest, emit: Emit, should_stop: ShouldStop
) -> PredictionRecord:
    started_s = time.monotonic()
    emit(Stage(title=f"Reading {job.case}"))
    volume = job.read()
    progress = staged(emit, f"Segmenting {job.case}")
    found = predictor.predict(
        volume,
        progress,
        should_stop,
        request.maps,
        float(_largest_only(request, predictor)),
        request.apart and request.project is not None,
        mixture=bool(OF_POSTERIOR & set(request.maps)),
    )
    for note in found.notes:
        emit(Note(text=f"{job.case}: {note}"))
    emit(Stage(title=f"Writing {job.case}"))
    seconds = time.monotonic() - started_s
    record = _record(job, predictor, request, volume, found, seconds)
    with replaced_folder(job.folder) as folder:
        write_prediction(folder, found.labels, found.maps, record, found.networks, found.opinions)
        write_text(folder / TABLE, organ_csv(record))
    emit(CaseDone(case=job.case, folder=str(job.folder), seconds=seconds))
    return record


def _record(
    job: _Job,
    predictor: Predictor,
    request: PredictRequest,
    volume: Volume,
    found: PredictionMaps,
    seconds: float,
) -> PredictionRecord:
    return PredictionRecord(
        case=job.case,
        bundle=predictor.manifest.name,
        scheme=predictor.manifest.scheme,
        organs=found.table,
        maps=tuple(found.maps),
        confidence_kind=found.kind,
        mean_confidence=found.mean_confidence,
        largest_only=_largest_only(request, predictor),
        image_digest=volume.digest(),
        device=found.device,
        seconds=round(seconds, 2),
        created=utc_now(),
    )


def _largest_only(request: PredictRequest, predictor: Predictor) -> bool:
    return predictor.manifest.largest_only if request.largest_only is None else request.largest_only


def organ_csv(record: PredictionRecord) -> str:
    """Give the per-organ table of a prediction as CSV: organ, volume in ml, mean confidence."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("organ", "volume_ml", "mean_confidence"))
    for organ, measure in record.organs.items():
        sure = "" if measure.mean_confidence is None else f"{measure.mean_confidence:.4f}"
        writer.writerow((organ, f"{measure.volume_ml:.3f}", sure))
    return text.getvalue()


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `target` when the block ends well.

    Raises
    ------
    FileError
        When it cannot be written; what was at `target` before is then still there.
    """
    token = secrets.token_hex(4)
    fresh = target.with_name(f"{PARTIAL}{token}-{target.name}")
    former = target.with_name(f"{PARTIAL}{token}-former-{target.name}")
    try:
        fresh.mkdir(parents=True)
        yield fresh
        if target.exists():
            target.rename(former)
        fresh.rename(target)
    except OSError as error:
        raise FileError(
            f"Could not write {target}: {error.strerror or error}.",
            "Check that the folder may be written and the disk has room.",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)
