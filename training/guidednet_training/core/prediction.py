"""What a model said about a case: labels, confidence maps and a table, in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from .errors import FileError
from .files import write_text
from .record import FilePart, Record
from .volume import Volume, read_volume, write_volume

RECORD = "prediction.json"  # written last: a folder without it is an unfinished prediction
LABELS = "labels.nii.gz"
MAPS = ("confidence", "typicality", "entropy", "disagreement")
MIXTURE = "mixture"  # the opinion of the class mixture; no network has this name


class OrganMeasure(Record):
    """What a prediction says about one organ; an organ that was not found has no confidence."""

    volume_ml: float = Field(ge=0)
    mean_confidence: float | None = Field(None, ge=0, le=1)


class PredictionRecord(Record):
    """Content of `prediction.json`: who predicted what, and how sure it was."""

    format: Literal[1] = 1
    case: str
    bundle: str
    scheme: str
    organs: dict[str, OrganMeasure]
    maps: tuple[FilePart, ...] = Field((), description="maps stored beside it as <name>.nii.gz, in [0, 1]")
    confidence_kind: str = Field("cgmm_posterior", description="what the confidence map is")
    mean_confidence: float | None = Field(None, ge=0, le=1, description="over all organ voxels")
    networks: tuple[FilePart, ...] = Field(
        (), description="networks whose own labels are stored beside it as labels_<name>.nii.gz"
    )
    opinions: tuple[FilePart, ...] = Field(
        (), description="others whose labels are stored in the same way: mixture, the class mixture"
    )
    largest_only: bool = Field(False, description="only the largest piece of each organ was kept")
    image_digest: str = ""
    device: str = ""
    seconds: float = 0.0
    created: str = Field("", description="UTC, ISO 8601")


def map_path(folder: Path, name: str) -> Path:
    """Give the path of a map of a prediction."""
    return folder / f"{name}.nii.gz"


def opinion_path(folder: Path, name: str) -> Path:
    """Give the path of the labels of one network, or of the class mixture, of a prediction."""
    return folder / f"labels_{name}.nii.gz"


def write_prediction(
    folder: Path,
    labels: Volume,
    maps: dict[str, Volume],
    record: PredictionRecord,
    networks: dict[str, Volume] | None = None,
    opinions: dict[str, Volume] | None = None,
) -> None:
    """Write a prediction; each file is whole or absent, and the record comes last.

    Parameters
    ----------
    folder : Path
        Made if needed; an earlier prediction there is replaced.
    labels : Volume
        (z, y, x) uint8.
    maps : dict of str to Volume
        (z, y, x) in [0, 1], on the grid of `labels`.
    record : PredictionRecord
        Its `maps`, `networks` and `opinions` are set to the names of those given.
    networks : dict of str to Volume, optional
        Labels of each network alone, on the same grid.
    opinions : dict of str to Volume, optional
        Labels of others than networks: of the class mixture, "mixture".

    Raises
    ------
    FileError
        When the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).unlink(missing_ok=True)
    except OSError as error:
        raise FileError(
            f"Could not write {folder}: {error.strerror}.", "Check that the folder may be written."
        ) from error
    write_volume(folder / LABELS, labels)
    for name, volume in maps.items():
        write_volume(map_path(folder, name), volume)
    apart, others = networks or {}, opinions or {}
    for name, volume in (*apart.items(), *others.items()):
        write_volume(opinion_path(folder, name), volume)
    names = {"maps": tuple(maps), "networks": tuple(apart), "opinions": tuple(others)}
    write_text(folder / RECORD, record.model_copy(update=names).to_json())


def read_record(folder: Path) -> PredictionRecord | None:
    """Read only the record of a prediction, or None where there is no finished one."""
    path = folder / RECORD
    if not path.is_file():
        return None
    return PredictionRecord.parse(path.read_bytes(), origin=str(path))


def read_labels(folder: Path, opinion: str | None = None) -> tuple[Volume, PredictionRecord]:
    """Read only the labels and the record of a finished prediction.

    Parameters
    ----------
    opinion : str, optional
        What this network said alone, or the class mixture ("mixture"), instead of all together.

    Raises
    ------
    FileError
        When there is no finished prediction in the folder, or nothing of this opinion was stored.
    """
    record = read_record(folder)
    if record is None:
        raise FileError(f"There is no finished prediction in {folder}.", "Segment the case first.")
    if opinion is not None and opinion not in (*record.networks, *record.opinions):
        who = "the class mixture" if opinion == MIXTURE else f"the network '{opinion}' alone"
        raise FileError(f"What {who} said was not stored in {folder}.", "Segment the case again.")
    path = folder / LABELS if opinion is None else opinion_path(folder, opinion)
    return read_volume(path, kind="labels"), record


def read_map(folder: Path, name: str) -> Volume:
    """Read one map of a prediction, uint8 in 255ths.

    Raises
    ------
    FileError
        When it is not there.
    """
    return _in_bytes(read_volume(map_path(folder, name), kind="confidence"))


def read_prediction(folder: Path) -> tuple[Volume, dict[str, Volume], PredictionRecord]:
    """Read labels, maps (uint8, in 255ths) and record of a finished prediction.

    Raises
    ------
    FileError
        When there is no finished prediction in the folder, or a map is on another grid.
    """
    record = read_record(folder)
    if record is None:
        raise FileError(f"There is no finished prediction in {folder}.", "Segment the case first.")
    labels = read_volume(folder / LABELS, kind="labels")
    maps = {name: read_map(folder, name) for name in record.maps}
    for name, volume in maps.items():
        if not volume.geometry.same_grid(labels.geometry):
            raise FileError(
                f"The map '{name}' in {folder} is not on the grid of its labels.", "Segment the case again."
            )
    return labels, maps, record


def _in_bytes(volume: Volume) -> Volume:
    """Keep a map as it is stored: four float maps of a large CT would fill the memory."""
    if volume.array.dtype == np.uint8:
        return volume
    return volume.like(np.rint(volume.array * 255.0).astype(np.uint8), "confidence")
