"""The left atrium volumes that semi-supervised papers share (.npz), written as an nnU-Net dataset."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from .errors import FileError
from .files import write_text
from .geometry import Geometry
from .volume import Volume, write_volume

SPACING_MM = 0.625  # of the challenge's volumes, along every axis
_DATASET = {
    "labels": {"background": 0, "left_atrium": 1},
    "channel_names": {"0": "MR"},
    "file_ending": ".nii.gz",
}


def unpack_left_atrium(
    source: Path | str, target: Path | str, progress: Callable[[int, int, str], None] = lambda *_: None
) -> Path:
    """Write the cases of a folder as `imagesTr` and `labelsTr`; what is there already is passed over.

    Parameters
    ----------
    source : Path
        One `.npz` per case: `image` and `label` of shape (x, y, z) and, where the image is stored in
        bytes, `scale` and `offset`.
    target : Path
        Folder of the dataset.
    progress : callable
        Called with (done, total, case).

    Returns
    -------
    Path
        The target.

    Raises
    ------
    FileError
        When there is no case, or one is damaged.
    """
    source, target = Path(source), Path(target)
    paths = sorted(source.glob("*.npz"))
    if not paths:
        raise FileError(
            f"There is no .npz case in {source}.", "Give the folder with the left atrium volumes."
        )
    for done, path in enumerate(paths):
        progress(done, len(paths), path.stem)
        image_path = target / "imagesTr" / f"{path.stem}_0000.nii.gz"
        label_path = target / "labelsTr" / f"{path.stem}.nii.gz"
        if not label_path.exists():  # written last
            image, label = _read(path)
            geometry = Geometry(image.shape, np.diag([SPACING_MM] * 3 + [1.0])[[2, 1, 0, 3]])
            write_volume(image_path, Volume(image, geometry))
            write_volume(label_path, Volume(label, geometry, "labels"))
    write_text(target / "dataset.json", json.dumps(_DATASET | {"numTraining": len(paths)}, indent=1) + "\n")
    return target


def _read(path: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Give image and label of a case as (z, y, x)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            scale = float(content["scale"]) if "scale" in content else 1.0
            offset = float(content["offset"]) if "offset" in content else 0.0
            image = np.ascontiguousarray(content["image"].T, np.float32) * scale + offset
            label = np.ascontiguousarray(content["label"].T)
    except (OSError, ValueError, KeyError, TypeError, MemoryError, BadZipFile, zlib.error) as error:
        raise FileError(f"{path} is no left atrium case: {error}.", "Fetch it again.") from error
    if image.ndim != 3 or image.shape != label.shape:
        raise FileError(f"{path} holds an image of {image.shape} and a label of {label.shape} voxels.")
    if not np.isin(label, (0, 1)).all():
        raise FileError(f"{path} holds other labels than 0 and 1.", "Is it a left atrium?")
    return image.astype(np.float32), label.astype(np.uint8)
