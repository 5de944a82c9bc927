"""The demo: a first model, a prediction, a correction, a retraining, a comparison; told as it happens."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from ..cli.evaluating import score_table
from ..cli.interrupt import gentle_interrupt
from ..cli.predicting import organ_table
from ..cli.screen import RunScreen
from ..core.bundle import BundleManifest, ModelBundle, resolve_bundle
from ..core.errors import ProjectError
from ..core.events import Stage
from ..core.labels import scheme_named
from ..core.prediction import PredictionRecord, read_prediction
from ..core.project import Project
from ..core.request import AnyRequest, EvaluateRequest, PredictRequest, TrainRequest
from ..core.run import EventTail, RunFolder
from ..core.scores import ScoreSheet, read_scores
from ..core.volume import Volume
from ..core.words import counted
from ..jobs import execute
from .charts import training_chart
from .patients import FIRST, SCHEME, make_project, patient
from .person import Stroke, annotation_of, choose_organs, paint
from .pictures import case_picture, save_picture
from .report import Report, training_curves
from .steps import Device, first_spec, second_spec

ORGANS_CORRECTED = 5  # what a person manages in a few minutes
FIRST_MODEL, SECOND_MODEL = "first", "retrained"


@dataclass
class _Stage:
    """Where the story is told: the folder, the screen, the report."""

    folder: Path
    device: Device
    seed: int
    screen: RunScreen
    report: Report
    started_s: float = field(default_factory=time.monotonic)
    act: int = 0

    def begin(self, title: str, of: int) -> None:
        """Announce the next act."""
        self.act += 1
        passed = time.monotonic() - self.started_s
        self.screen.say(f"\n[{self.act}/{of}] {title}  ({passed:.0f} s so far)")

    def carry_out(self, project: Project, request: AnyRequest) -> RunFolder:
        """Execute a request in a run of its own; Ctrl-C ends the whole demo."""
        run = project.new_run(request)
        with gentle_interrupt("Ending the demo after the current step.") as pressed:
            outcome = execute(run, self.screen, pressed)
        if outcome.stopped:
            raise KeyboardInterrupt
        return run


def tell(folder: Path | None, seed: int, device: Device) -> Path:
    """Tell the whole story on synthetic patients.

    Parameters
    ----------
    folder : Path, optional
        New folder; default `guidednet-demo` here, or the next free number.
    seed : int
        Other seeds, other patients.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    Path
        The project, ready to be opened. `report.md` and the pictures are in the same folder.
    """
    folder = _new_folder(folder)
    with RunScreen() as screen:
        stage = _Stage(folder, device, seed, screen, Report("GuidedNet demo on synthetic patients"))
        screen.say(f"Everything goes to {folder}")
        stage.begin(
            "Eleven synthetic patients: 3 labelled, 4 unlabelled, 2 for validation, 2 for the test", 7
        )
        project = make_project(folder, seed, lambda n, of: screen(Stage(title="patient", done=n, total=of)))
        with project:
            _play(stage, project)
    return folder


def _play(stage: _Stage, project: Project) -> None:
    stage.begin("A first model, from the three labelled patients alone (supervised)", 7)
    spec = first_spec(stage.seed, stage.device)
    request = TrainRequest(project=str(project.folder), spec=spec, name=FIRST_MODEL)
    first = stage.carry_out(project, request)
    project.promote(FIRST_MODEL)
    stage.report.training("The first model", _manifest(project, FIRST_MODEL), _seconds(first))

    stage.begin(f"It segments {FIRST}, which nobody has labelled", 7)
    before = _predict(stage, project, FIRST_MODEL)
    stage.report.picture("Before the correction", _picture(stage, project, FIRST_MODEL, "1-before.png"))

    stage.begin("A person (here: a script) corrects the organs the model is least sure of", 7)
    _correct(stage, project, before)

    stage.begin("Retraining on labelled and unlabelled patients (GuidedNet), from the first model", 7)
    run = _retrain(stage, project)
    chart = training_chart(*training_curves(run))
    stage.report.training("The retraining", _manifest(project, SECOND_MODEL), _seconds(run))
    stage.report.picture("Losses and validation Dice", save_picture(chart, stage.folder / "3-training.png"))

    stage.begin("Old against new on patients that neither has learnt from", 7)
    _decide(stage, project, read_scores(run.folder))

    stage.begin(f"The new model segments {FIRST} again, to be looked at", 7)
    _predict(stage, project, SECOND_MODEL)
    stage.report.picture("By the new model", _picture(stage, project, SECOND_MODEL, "4-after.png"))
    stage.screen.say(f"In use is '{project.current}'; change it with promote and rollback, or in napari.")
    _end(stage)


def _predict(stage: _Stage, project: Project, bundle: str) -> PredictionRecord:
    request = PredictRequest(project=str(project.folder), cases=(FIRST,), bundle=bundle, device=stage.device)
    stage.carry_out(project, request)
    record = read_prediction(project.prediction_folder(FIRST, bundle))[2]
    stage.screen.out.print(organ_table(record))
    return record


def _correct(stage: _Stage, project: Project, record: PredictionRecord) -> None:
    labels, _, _ = read_prediction(project.prediction_folder(FIRST, record.bundle))
    truth = patient(FIRST, stage.seed)[1].array
    organs = choose_organs(record, truth, SCHEME, ORGANS_CORRECTED)
    corrected, strokes = paint(labels.array, truth, SCHEME, organs)
    volume = labels.like(corrected, "labels")
    project.save_labels(FIRST, volume, annotation_of(SCHEME, record, organs))
    for line in _described(strokes):
        stage.screen.say(line)
    stage.report.correction(strokes)
    picture = case_picture(
        f"{FIRST} after the correction; confirmed: {', '.join(organs)}".replace("_", " "),
        project.image(FIRST), volume, SCHEME,
    )  # fmt: skip
    stage.report.picture("After the correction", save_picture(picture, stage.folder / "2-corrected.png"))


def _described(strokes: tuple[Stroke, ...]) -> list[str]:
    return [
        f"  {stroke.organ.replace('_', ' ')}: {counted(stroke.voxels, 'voxel')} "
        f"in {counted(stroke.slices, 'slice')}; confirmed"
        for stroke in strokes
    ]


def _retrain(stage: _Stage, project: Project) -> RunFolder:
    spec = second_spec(_manifest(project, FIRST_MODEL), stage.seed, stage.device)
    return stage.carry_out(
        project,
        TrainRequest(project=str(project.folder), spec=spec, parent=FIRST_MODEL, name=SECOND_MODEL),
    )


def _manifest(project: Project, name: str) -> BundleManifest:
    return ModelBundle.read(project.bundle_folder(name)).manifest


def _seconds(run: RunFolder) -> float:
    times = [event.time_s for event in EventTail(run.folder).poll()]
    return times[-1] - times[0] if times else 0.0


def _decide(stage: _Stage, project: Project, sheet: ScoreSheet) -> None:
    """Promote by the rule on the validation patients; the test patients only report."""
    out = stage.screen.out
    out.print(score_table(sheet))
    request = EvaluateRequest(
        project=str(project.folder), bundles=(FIRST_MODEL, SECOND_MODEL), split="test", device=stage.device
    )
    test = read_scores(stage.carry_out(project, request).folder)
    out.print(score_table(test))
    promoted = sheet.decision == "promote"
    if promoted:
        project.promote(SECOND_MODEL)
    verdict = {
        "promote": f"The new model is promoted: '{SECOND_MODEL}' is in use from now on.",
        "keep": f"The new model is not promoted: '{FIRST_MODEL}' stays in use.",
        "ask": f"A person has to decide about the new model; until then '{FIRST_MODEL}' stays in use.",
    }[sheet.decision or "ask"]
    for line in (verdict, *sheet.reasons):
        stage.screen.say(line)
    stage.report.comparison(sheet, test, verdict)


def _picture(stage: _Stage, project: Project, bundle: str, name: str) -> Path:
    folder = project.prediction_folder(FIRST, bundle)
    return _case_picture(stage.folder / name, project.image(FIRST), folder, f"{FIRST} by model '{bundle}'")


def _case_picture(path: Path, image: Volume, prediction: Path, title: str) -> Path:
    labels, maps, record = read_prediction(prediction)
    notes = {
        organ: f"{measure.volume_ml:.0f} ml" for organ, measure in record.organs.items() if measure.volume_ml
    }
    scheme = scheme_named(record.scheme)
    return save_picture(case_picture(title, image, labels, scheme, maps.get("confidence"), notes), path)


def _end(stage: _Stage) -> None:
    seconds = time.monotonic() - stage.started_s
    path = stage.report.write(stage.folder, seconds)
    stage.screen.say(f"\nDone in {seconds:.0f} s. Pictures and report: {path}")


def segment_own_ct(ct: Path, folder: Path | None, device: Device) -> Path:
    """Do the first half on the user's own CT: project, prediction, pictures, report; with the starter model.

    Raises
    ------
    GuidedNetError
        When the CT cannot be used, or there is no starter model.
    """
    starter = ModelBundle.read(resolve_bundle("starter"))
    folder = _new_folder(folder)
    with RunScreen() as screen:
        stage = _Stage(folder, device, 0, screen, Report(f"GuidedNet on {ct.name}"))
        stage.begin(f"A project for {ct}", 2)
        project = Project.create(folder, f"GuidedNet on {ct.name}", starter.manifest.scheme)
        with project:
            case = project.add_case(ct, split="train").id
            stage.begin("The starter model segments it", 2)
            request = PredictRequest(
                project=str(project.folder), cases=(case,), bundle="starter", device=device
            )
            stage.carry_out(project, request)
            prediction = project.prediction_folder(case, starter.name)
            record = read_prediction(prediction)[2]
            screen.out.print(organ_table(record))
            title = f"{case} by the starter model"
            picture = _case_picture(folder / "1-prediction.png", project.image(case), prediction, title)
        stage.report.measures(record)
        stage.report.picture("What the starter model sees", picture)
        stage.report.text(starter.manifest.terms)
        _end(stage)
    return folder


def _new_folder(wanted: Path | None) -> Path:
    """The wanted folder if it is new or empty; else guidednet-demo, guidednet-demo-2, ... here."""
    if wanted is not None:
        if wanted.exists() and (not wanted.is_dir() or any(wanted.iterdir())):
            raise ProjectError(f"{wanted} is not empty.", "Give a new folder with --out, or leave it out.")
        return wanted.resolve()
    names = (f"guidednet-demo{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path for name in names if not (path := Path.cwd() / name).exists())
