"""What a project gives to other programs: NIfTI folders and nnU-Net datasets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case
from .errors import ProjectError
from .files import atomic_folder
from .labels import UNKNOWN, scheme_named
from .prediction import RECORD, map_path, read_prediction
from .project import Project
from .volume import Volume, write_volume

Progress = Callable[[int, int, str], None]  # done, of how many, case


def silent(done: int, total: int, case: str) -> None:
    """No progress is wanted."""


def export_nifti(
    project: Project,
    out: Path,
    bundle: str | None = None,
    cases: Collection[str] | None = None,
    progress: Progress = silent,
) -> int:
    """Write labels, or the predictions of a bundle, as one NIfTI file per case, with `organs.csv`.

    Parameters
    ----------
    project : Project
        May be open read-only.
    out : Path
        Folder to make; it must not exist.
    bundle : str, optional
        Take this bundle's predictions (labels and maps) instead of the labels.
    cases : collection of str, optional
        Ids; default: all with labels or predictions.
    progress : callable
        Called with (done, total, case); may raise to stop, then nothing is left.

    Returns
    -------
    int
        How many cases were written; the others have no labels or predictions.

    Raises
    ------
    ProjectError
        When no case has what was asked for, or an id is not known.
    """
    wanted = asked_for(project, bundle, cases)
    with atomic_folder(out) as folder:
        for done, case in enumerate(wanted):
            progress(done, len(wanted), case.id)
            _write_case(project, case, bundle, folder)
        progress(len(wanted), len(wanted), "")
        names = list(project.scheme.names)
        rows = [(project.scheme.value(name), name) for name in names]
        (folder / "organs.csv").write_text(_csv(("value", "organ"), rows), encoding="utf-8")
        (folder / "cases.csv").write_text(manifest(project, wanted, names, bundle), encoding="utf-8")
    return len(wanted)


def export_nnunet(
    project: Project,
    out: Path,
    organs: Sequence[str] = (),
    cases: Collection[str] | None = None,
    progress: Progress = silent,
) -> int:
    """Write a raw nnU-Net dataset: train and val cases under Tr, test cases under Ts.

    Only cases in which every one of `organs` is confirmed are written, because nnU-Net
    takes whatever is not labelled for background. Values are 1.. in the order of the scheme; where a
    label map holds 255 (unknown), the dataset gets nnU-Net's label "ignore", the next value.

    Parameters
    ----------
    project : Project
        May be open read-only.
    out : Path
        Folder to make; it must not exist.
    organs : sequence of organ names
        Default: all of the scheme.
    cases : collection of str, optional
        Ids; default: all.
    progress : callable
        Called with (done, total, case); may raise to stop, then nothing is left.

    Returns
    -------
    int
        How many cases were written.

    Raises
    ------
    ProjectError
        When no case has all the organs confirmed, or an id is not known.
    SchemeError
        When an organ is not in the scheme.
    """
    unordered = {name: project.scheme.value(name) for name in organs or project.scheme.names}
    names = sorted(unordered, key=unordered.__getitem__)
    chosen = _chosen(project, cases)
    wanted = [case for case in chosen if set(names) <= _confirmed(project, case)]
    if not wanted:
        raise ProjectError(
            f"No case of {project.name} has all of these organs confirmed: {', '.join(names)}.",
            f"Choose organs with --organs; confirmed somewhere: {_confirmed_anywhere(project) or 'none'}.",
        )
    with atomic_folder(out) as folder:
        unknown = False
        for done, case in enumerate(wanted):
            progress(done, len(wanted), case.id)
            unknown |= _write_nnunet_case(project, case, names, folder)
        progress(len(wanted), len(wanted), "")
        training = sum(case.split != "test" for case in wanted)
        labels = [*names, "ignore"] if unknown else names
        content = json.dumps(_dataset(project.name, labels, training), indent=1) + "\n"
        (folder / "dataset.json").write_text(content, encoding="utf-8")
        (folder / "cases.csv").write_text(manifest(project, wanted, names), encoding="utf-8")
    return len(wanted)


def asked_for(project: Project, bundle: str | None, cases: Collection[str] | None) -> list[Case]:
    """Give the cases that have labels, or predictions of a bundle, among those named.

    Raises
    ------
    ProjectError
        When there is none, or an id is not known.
    """
    wanted = [case for case in _chosen(project, cases) if _has(project, case, bundle)]
    if not wanted:
        what = f"predictions of '{bundle}'" if bundle else "labels"
        which = "None of these cases" if cases is not None else f"No case of {project.name}"
        raise ProjectError(f"{which} has {what}.", "Segment or annotate a case first.")
    return wanted


def labels_of(project: Project, case: Case, bundle: str | None) -> Volume:
    """Read the labels of a case, or what a bundle says, in the project's scheme.

    Raises
    ------
    ProjectError
        When there are none.
    """
    if bundle is None:
        labels = project.labels(case.id)
        if labels is None:
            raise ProjectError(f"Case '{case.id}' has no labels.", "Segment or annotate it first.")
        return labels
    labels, _, record = read_prediction(project.prediction_folder(case.id, bundle))
    if record.scheme == project.scheme.name:
        return labels
    array = scheme_named(record.scheme).remap(labels.array, project.scheme, allow_loss=True)
    return labels.like(array, "labels")


def _chosen(project: Project, cases: Collection[str] | None) -> tuple[Case, ...]:
    if cases is None:
        return project.cases
    return tuple(project.case(case_id) for case_id in sorted(set(cases)))


def _has(project: Project, case: Case, bundle: str | None) -> bool:
    if bundle is None:
        return project.annotation(case.id) is not None
    return (project.prediction_folder(case.id, bundle) / RECORD).is_file()  # written last


def _write_case(project: Project, case: Case, bundle: str | None, folder: Path) -> None:
    write_volume(folder / f"{case.id}.nii.gz", labels_of(project, case, bundle))
    if bundle is None:
        return
    _, maps, _ = read_prediction(project.prediction_folder(case.id, bundle))
    for name, volume in maps.items():
        write_volume(map_path(folder, f"{case.id}_{name}"), volume)


def _write_nnunet_case(project: Project, case: Case, names: Sequence[str], folder: Path) -> bool:
    """Write CT and labels; tell whether the labels hold voxels that are unknown."""
    part = "Ts" if case.split == "test" else "Tr"
    image, labels = project.image(case.id), project.labels(case.id)
    if labels is None:  # every organ confirmed as absent
        labels = image.like(np.zeros(image.geometry.shape, np.uint8), "labels")
    lookup = np.zeros(256, np.uint8)
    for value, name in enumerate(names, start=1):
        lookup[project.scheme.value(name)] = value
    lookup[UNKNOWN] = len(names) + 1  # as background they would be taught as such
    write_volume(_made(folder / f"images{part}") / f"{case.id}_0000.nii.gz", image)
    write_volume(
        _made(folder / f"labels{part}") / f"{case.id}.nii.gz", _on_image(image, labels, lookup[labels.array])
    )
    return bool((labels.array == UNKNOWN).any())


def _on_image(image: Volume, labels: Volume, array: Any) -> Volume:
    """nnU-Net compares headers: the labels take the image's when both lie on one grid."""
    source = image if image.geometry.same_grid(labels.geometry) else labels
    return source.like(array, "labels")


def _dataset(name: str, labels: Sequence[str], training: int) -> dict[str, Any]:
    return {
        "name": name,
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{organ: value for value, organ in enumerate(labels, start=1)}},
        "numTraining": training,
        "file_ending": ".nii.gz",
    }


def manifest(project: Project, cases: Iterable[Case], names: Sequence[str], bundle: str | None = None) -> str:
    """Give the text of cases.csv: split, confirmed organs and those of them that are absent.

    Nobody has confirmed what a bundle says: of its predictions no organ is annotated.
    """
    rows = []
    for case in cases:
        annotated = _confirmed(project, case) & set(names) if bundle is None else set()
        labels = project.labels(case.id) if annotated else None
        present = set(np.unique(labels.array).tolist()) if labels is not None else set()
        absent = [n for n in names if n in annotated and project.scheme.value(n) not in present]
        rows.append((case.id, case.split, ";".join(n for n in names if n in annotated), ";".join(absent)))
    return _csv(("case", "split", "annotated_organs", "annotated_but_absent"), rows)


def _confirmed(project: Project, case: Case) -> frozenset[str]:
    annotation = project.annotation(case.id)
    return annotation.confirmed if annotation is not None else frozenset()


def _confirmed_anywhere(project: Project) -> str:
    names = {name for case in project.cases for name in _confirmed(project, case)}
    return ", ".join(name for name in project.scheme.names if name in names)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
