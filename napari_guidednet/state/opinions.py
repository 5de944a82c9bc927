"""What models, single networks and class mixtures on disk say about a case: for searches and repairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..backend import (
    MIXTURE,
    RECORD,
    GuidedNetError,
    Place,
    Project,
    Rival,
    Volume,
    only_where_sure,
    read_labels,
    read_map,
    read_record,
    scheme_named,
)

MOST = 6  # opinions read in one search of a case: half a second each


def newest_other(project: Project, case_id: str, bundle: str) -> Rival | None:
    """Read the labels of the newest other model that has segmented a case; None without one."""
    for name in _finished(project, case_id):
        labels = labels_of(project, case_id, name) if name != bundle else None
        if labels is not None:
            return Rival(name, labels)
    return None


def opinions(project: Project, case_id: str, first: str | None = None) -> Iterator[Rival]:
    """Read what each model says of a case, `first` before the newest others, and then each network alone.

    One label map after the other, so that no two need be in memory; at most six.
    """
    models = sorted(_finished(project, case_id), key=lambda name: name != first)
    networks = (f"{name}/{network}" for name in models for network in _networks(project, case_id, name))
    for key in [*models, *networks][:MOST]:
        labels = labels_of(project, case_id, key)
        if labels is not None:
            yield Rival(key, labels)


def mixture_of(project: Project, case_id: str, bundle: str) -> Rival | None:
    """Read what the class mixture of a model says of a case; None where that was not stored."""
    key = f"{bundle}/{MIXTURE}"
    labels = labels_of(project, case_id, key)
    return None if labels is None else Rival(key, labels)


def said_at(
    place: Place, project: Project, case_id: str, now: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8] | None:
    """Read what the opinion that a place names says; None where it cannot be read.

    Where a class mixture contradicts, it speaks only where it is sure, as the place was found; elsewhere
    stand the labels now, (z, y, x).
    """
    said = None if place.source is None else labels_of(project, case_id, place.source)
    if said is None or place.source is None or place.kind != "contradicted":
        return None if said is None else said.array
    folder = project.prediction_folder(case_id, place.source.partition("/")[0])
    confidence, entropy = (read_map(folder, name).array for name in ("confidence", "entropy"))
    return only_where_sure(said.array, now, confidence, entropy)


def labels_of(project: Project, case_id: str, key: str) -> Volume | None:
    """Read what a model, "bundle", one of its networks, "bundle/network", or its mixture said of a case.

    In the scheme of the project; None where it cannot be read or compared.
    """
    bundle, _, network = key.partition("/")
    folder = project.prediction_folder(case_id, bundle)
    try:
        labels, record = read_labels(folder, network or None)
        if not labels.geometry.same_grid(project.case(case_id).geometry):
            return None
        scheme = scheme_named(record.scheme)
        if scheme == project.scheme and labels.array.max() < scheme.n_classes:
            return labels  # as nearly always: to turn values into themselves takes a second
        array = scheme.remap(labels.array, project.scheme, allow_loss=True)
    except GuidedNetError:
        return None  # a damaged prediction of another model is no reason not to look
    return labels.like(array, "labels")


def _finished(project: Project, case_id: str) -> list[str]:
    """Give the models that have segmented a case, the newest first."""
    every = project.prediction_folder(case_id, case_id).parent.glob(f"*/{RECORD}")
    newest = sorted(every, key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent.name for path in newest]


def _networks(project: Project, case_id: str, bundle: str) -> tuple[str, ...]:
    record = read_record(project.prediction_folder(case_id, bundle))
    return () if record is None else record.networks
