"""The door to the training package: the only importer of `guidednet_training`, and a light one (no torch)."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from guidednet_training import __version__ as VERSION
from guidednet_training.core import events, promotion
from guidednet_training.core.adjudication import Side, note_settled, settled_labels, settlements
from guidednet_training.core.agreement import Agreement, Difference, Differences
from guidednet_training.core.anatomy_checks import check_anatomy
from guidednet_training.core.anatomy_facts import CheckedCase
from guidednet_training.core.annotating import changed_box, read_structures, replace_organs
from guidednet_training.core.body import Outside, find_outside
from guidednet_training.core.bug_report import bug_report, save_bug_report
from guidednet_training.core.bundle import (
    BundleManifest,
    ModelBundle,
    publish_bundle,
    resolve_bundle,
    starter_bundle,
)
from guidednet_training.core.case import Annotation, Case, Edit, OrganState, Split
from guidednet_training.core.case_repair import Repaired
from guidednet_training.core.case_work import work_of
from guidednet_training.core.contradiction import only_where_sure
from guidednet_training.core.doubt import Rival, find_doubts
from guidednet_training.core.effort import CaseEffort, Ledger, local_day
from guidednet_training.core.errors import (
    BundleError,
    DamagedError,
    FileError,
    GeometryError,
    GuidedNetError,
    ProjectError,
    SchemeError,
    SpecError,
)
from guidednet_training.core.estimate import Estimate, Measured, Pace, Workload, estimate
from guidednet_training.core.exporting import export_nifti, export_nnunet
from guidednet_training.core.files import read_text, write_text
from guidednet_training.core.gate import (
    ORGANS,
    OUTSIDE,
    SLICES,
    Gate,
    allowed,
    looked_up,
    protection,
    refusal,
)
from guidednet_training.core.geometry import DISPLAY, Geometry, Reorient
from guidednet_training.core.handing_over import HandOver, export_dicom
from guidednet_training.core.import_plan import ImportPlan
from guidednet_training.core.importing import apply_import, plan_import
from guidednet_training.core.journal import LOST, Change, Entry, Header, read_entries, read_journal
from guidednet_training.core.journal_writer import JournalWriter
from guidednet_training.core.label_pair import LabelPair
from guidednet_training.core.labels import (
    AMOS_15,
    FLARE_13,
    SCHEMES,
    UNKNOWN,
    LabelScheme,
    Organ,
    canonical_name,
    scheme_named,
)
from guidednet_training.core.machine import free_memory
from guidednet_training.core.method_facts import ALL_FACTS, MethodFacts
from guidednet_training.core.organ_colours import COLOUR_BLIND, OrganColours, read_colours, save_colours
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.place import Place, ranked, sentence
from guidednet_training.core.place_notes import (
    Findings,
    PlaceNotes,
    Verdict,
    open_places,
    read_findings,
    read_notes,
    save_findings,
    save_notes,
)
from guidednet_training.core.prediction import (
    MIXTURE,
    RECORD,
    OrganMeasure,
    PredictionRecord,
    read_labels,
    read_map,
    read_prediction,
    read_record,
    write_prediction,
)
from guidednet_training.core.project import Project, current_author, id_from_path
from guidednet_training.core.recipes import PRESETS, Preset, preset_spec
from guidednet_training.core.remedies import remedied
from guidednet_training.core.repair_words import repair_words
from guidednet_training.core.repairs import BY_RIVAL, UNDIVIDED, mended
from guidednet_training.core.replay import FENCE, LOCK, UNFENCE, UNLOCK, noted
from guidednet_training.core.request import AnyRequest, EvaluateRequest, PredictRequest, TrainRequest
from guidednet_training.core.run import EventLog, EventTail, RunFolder, RunState, run_state, spawn
from guidednet_training.core.scores import Fix, OrganFigures, Replay, ScoreSheet, read_scores, write_scores
from guidednet_training.core.second_reading import (
    Draw,
    Reading,
    Start,
    agreements,
    differences_of,
    draw_cases,
    first_folder,
    read_plan,
    readings,
)
from guidednet_training.core.spec import NetSpec, OptimSpec, PatchSpec, PreprocessSpec, TrainSpec
from guidednet_training.core.structures import StructureSet, paint_structures, propose_organs
from guidednet_training.core.usual_volumes import confirmed_volumes, usual_volumes
from guidednet_training.core.volume import (
    SUFFIXES,
    WRITTEN,
    Volume,
    is_volume_path,
    read_volume,
    write_volume,
)
from guidednet_training.core.words import counted
from guidednet_training.core.work_report import span_text, write_report
from guidednet_training.demo.patients import make_project

__all__ = [
    "ALL_FACTS",
    "AMOS_15",
    "BY_RIVAL",
    "COLOUR_BLIND",
    "DISPLAY",
    "FENCE",
    "FLARE_13",
    "LOCK",
    "LOST",
    "MIXTURE",
    "ORGANS",
    "OUTSIDE",
    "PRESETS",
    "RECORD",
    "SCHEMES",
    "SLICES",
    "SUFFIXES",
    "UNDIVIDED",
    "UNFENCE",
    "UNKNOWN",
    "UNLOCK",
    "VERSION",
    "WRITTEN",
    "Agreement",
    "Annotation",
    "AnyRequest",
    "BundleError",
    "BundleManifest",
    "Case",
    "CaseEffort",
    "Change",
    "CheckedCase",
    "DamagedError",
    "Difference",
    "Differences",
    "Draw",
    "Edit",
    "Entry",
    "Estimate",
    "EvaluateRequest",
    "EventLog",
    "EventTail",
    "FileError",
    "Findings",
    "Fix",
    "Gate",
    "Geometry",
    "GeometryError",
    "GuidedNetError",
    "HandOver",
    "Header",
    "ImportPlan",
    "JournalWriter",
    "LabelPair",
    "LabelScheme",
    "Ledger",
    "Measured",
    "MethodFacts",
    "ModelBundle",
    "NetSpec",
    "OptimSpec",
    "Organ",
    "OrganColours",
    "OrganFigures",
    "OrganMeasure",
    "OrganState",
    "Outside",
    "Pace",
    "PatchSpec",
    "Place",
    "PlaceNotes",
    "PredictRequest",
    "PredictionRecord",
    "PreprocessSpec",
    "Preset",
    "Project",
    "ProjectError",
    "Reading",
    "Reorient",
    "Repaired",
    "Replay",
    "Rival",
    "RunFolder",
    "RunState",
    "SchemeError",
    "ScoreSheet",
    "Side",
    "SpecError",
    "Split",
    "Start",
    "StructureSet",
    "TrainRequest",
    "TrainSpec",
    "Verdict",
    "Volume",
    "Workload",
    "agreements",
    "allowed",
    "apply_import",
    "bug_report",
    "canonical_name",
    "changed_box",
    "check_anatomy",
    "confirmed_volumes",
    "counted",
    "current_author",
    "describe_device",
    "differences_of",
    "draw_cases",
    "estimate",
    "events",
    "export_dicom",
    "export_nifti",
    "export_nnunet",
    "find_doubts",
    "find_outside",
    "first_folder",
    "free_memory",
    "has_starter",
    "id_from_path",
    "is_volume_path",
    "local_day",
    "looked_up",
    "make_phantom",
    "make_sample_project",
    "mended",
    "methods_command",
    "note_settled",
    "noted",
    "only_where_sure",
    "open_places",
    "pace_command",
    "paint_structures",
    "plan_import",
    "preset_spec",
    "promotion",
    "propose_organs",
    "protection",
    "publish_bundle",
    "ranked",
    "read_colours",
    "read_entries",
    "read_findings",
    "read_journal",
    "read_labels",
    "read_map",
    "read_notes",
    "read_plan",
    "read_prediction",
    "read_record",
    "read_scores",
    "read_structures",
    "read_text",
    "read_volume",
    "readings",
    "refusal",
    "remedied",
    "repair_words",
    "replace_organs",
    "resolve_bundle",
    "run_state",
    "save_bug_report",
    "save_colours",
    "save_findings",
    "save_notes",
    "scheme_named",
    "sentence",
    "settled_labels",
    "settlements",
    "span_text",
    "spawn",
    "starter_bundle",
    "starter_name",
    "usual_volumes",
    "work_of",
    "write_prediction",
    "write_report",
    "write_scores",
    "write_text",
    "write_volume",
]

_SAMPLE_SEED = 1
_ASK_TIMEOUT_S = 120  # importing torch from a cold disk
_METHODS = "from guidednet_training.jobs.facts import print_facts; print_facts()"
_PACE = "from guidednet_training.jobs.pace import answer; answer()"
_DEVICE = "from guidednet_training.jobs.device import device_name; print(device_name('auto'))"


def methods_command() -> list[str]:
    """Give the command whose last line of output is the JSON of `ALL_FACTS` (seconds: it imports torch)."""
    return _python(_METHODS)


def pace_command() -> list[str]:
    """Give the command that reads a TrainRequest and prints its Pace as the last line (up to a minute)."""
    return _python(_PACE)


@cache
def describe_device() -> str:
    """Give the device a run would use, in words; asks a child process: call it in a worker (seconds)."""
    return _ask(_DEVICE).strip()


@cache
def starter_name() -> str | None:
    """Give the name in the manifest of the starter model, or None where it is missing or damaged."""
    try:
        return ModelBundle.read(starter_bundle()).name
    except BundleError:
        return None


def has_starter() -> bool:
    """Tell whether this installation came with a sound starter model."""
    return starter_name() is not None


def make_sample_project(folder: Path | str) -> Project:
    """Make a project of synthetic abdomens and leave it open for writing (seconds: for a worker).

    Returns
    -------
    Project
        That of `guidednet demo`: labelled, unlabelled and held-out cases.

    Raises
    ------
    GuidedNetError
        When the folder is not empty or cannot be written.
    """
    return make_project(Path(folder), _SAMPLE_SEED, lambda done, total: None)


def _python(code: str) -> list[str]:
    return [sys.executable, "-P", "-c", code]


def _ask(code: str) -> str:
    try:
        answer = subprocess.run(
            _python(code), capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise GuidedNetError(
            f"The training package does not start here: {last}.", "Repair the installation (torch)."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise GuidedNetError("The training package did not answer in two minutes.", "Try again.") from error
    return answer.stdout
