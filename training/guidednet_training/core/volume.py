"""A volume: voxels, their geometry and what they mean; one door to every file format."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .dicom import holds_dicom, is_dicom_file, read_dicom
from .errors import FileError, GeometryError
from .geometry import Geometry

Kind = Literal["ct_hu", "labels", "confidence"]
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm")
WRITTEN = (".nii.gz", ".nii")
CONFIDENCE_STEP = 1 / 255  # confidence is stored in bytes
MAX_HU = 1e6  # far beyond metal; more is a wrong data type or byte order


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels on a grid.

    Parameters
    ----------
    array : array, shape (z, y, x)
        "ct_hu": any real dtype, Hounsfield units. "labels": uint8, 0 background, 255 unknown.
        "confidence": float in [0, 1], or uint8 in 255ths.
    geometry : Geometry
        The grid; its shape is the array's.
    kind : {"ct_hu", "labels", "confidence"}
        What the numbers mean.
    header : object, optional
        Of the NIfTI file it came from, so that what is written on its grid repeats it exactly.
    source : Path, optional
        Where it was read from.

    Raises
    ------
    GeometryError
        When the array is not on the geometry's grid.
    """

    array: NDArray[Any]
    geometry: Geometry
    kind: Kind = "ct_hu"
    header: Any = None
    source: Path | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise FileError(f"'{self.kind}' is no kind of volume.", f"Known: {', '.join(get_args(Kind))}.")
        if self.array.shape != self.geometry.shape:
            raise GeometryError(
                f"Voxels of shape {self.array.shape} do not fit a grid of {self.geometry.shape} (z, y, x)."
            )

    def like(self, array: NDArray[Any], kind: Kind) -> Volume:
        """Give a volume of other voxels, shape (z, y, x), on this grid, to be written with this header."""
        return Volume(_as_kind(array, kind, "The array"), self.geometry, kind, self.header)

    def digest(self) -> str:
        """Give the SHA-256 of voxels, grid and affine, in hexadecimal; the header is not in it."""
        voxels = np.ascontiguousarray(self.array, dtype=self.array.dtype.newbyteorder("<"))
        state = hashlib.sha256(f"{voxels.dtype.str}{self.geometry.shape}".encode())
        state.update(self.geometry.affine.astype("<f8").tobytes())
        state.update(voxels.data.cast("B"))
        return state.hexdigest()


def read_volume(path: Path | str, kind: Kind = "ct_hu") -> Volume:
    """Read a volume from a file or a folder of DICOM slices.

    Parameters
    ----------
    path : Path
        .nii, .nii.gz, .nrrd, .mha, .mhd, a folder with one CT series in DICOM, or one file of a series.
    kind : {"ct_hu", "labels", "confidence"}
        What the file shall hold; labels must be whole numbers from 0 to 255.

    Raises
    ------
    FileError
        When it cannot be read or trusted, is no 3-D volume, or does not hold `kind`.
    GeometryError
        When its grid or affine is unusable.
    """
    path = Path(path)
    array, geometry, header = _read(path)
    return Volume(_as_kind(array, kind, str(path)), geometry, kind, header, path)


def read_geometry(path: Path | str) -> Geometry:
    """Read the grid of a volume; of a NIfTI file only the header, so that many can be looked at quickly.

    Raises
    ------
    FileError, GeometryError
        As `read_volume`; damage of the voxels of a NIfTI file is not noticed here.
    """
    path = Path(path)
    if path.is_file() and path.name.lower().endswith((".nii", ".nii.gz")):
        from .nifti import read_nifti_geometry

        return read_nifti_geometry(path)
    return read_volume(path).geometry


def write_volume(path: Path | str, volume: Volume) -> None:
    """Write a volume as NIfTI, whole or not at all.

    Parameters
    ----------
    path : Path
        A .nii or .nii.gz file.
    volume : Volume
        Labels are stored in uint8, confidence in uint8 with slope 1/255, CT in its own dtype. The header
        codes, quaternion and affine of the source are repeated; its free text and extensions are not.

    Raises
    ------
    FileError
        When the name is no NIfTI name, or the file cannot be written.
    """
    from .nifti import NO_SCALE, write_nifti

    path = Path(path)
    if not path.name.lower().endswith(WRITTEN):
        raise FileError(f"{path} cannot be written: volumes are written as .nii or .nii.gz.")
    array, scale = _as_kind(volume.array, volume.kind, "The volume"), NO_SCALE
    if volume.kind == "confidence":
        array, scale = _in_bytes(array), (CONFIDENCE_STEP, 0.0)
    write_nifti(path, array, volume.geometry, volume.header, scale)


def is_volume_path(path: Path | str) -> bool:
    """Whether a path looks like a volume: by its name, or as a folder or file of DICOM."""
    path = Path(path)
    if path.is_dir():
        return holds_dicom(path)
    return path.name.lower().endswith(SUFFIXES) or is_dicom_file(path)


def _read(path: Path) -> tuple[NDArray[Any], Geometry, Any]:
    name = path.name.lower()
    if not path.exists():
        raise FileError(f"There is no file {path}.", "Check the path.")
    if path.is_dir() or name.endswith(".dcm") or is_dicom_file(path):
        return *read_dicom(path), None
    if name.endswith((".nii", ".nii.gz")):
        from .nifti import read_nifti

        return read_nifti(path)
    if name.endswith(".nrrd"):
        from .nrrd import read_nrrd

        return *read_nrrd(path), None
    if name.endswith((".mha", ".mhd")):
        from .metaimage import read_metaimage

        return *read_metaimage(path), None
    raise FileError(
        f"{path} is of no known type.", f"These are read: {', '.join(SUFFIXES)} and folders of DICOM slices."
    )


def _as_kind(array: NDArray[Any], kind: Kind, origin: str) -> NDArray[Any]:
    if array.dtype.kind not in "biuf":
        raise FileError(f"{origin} holds {array.dtype} voxels; one real number each was wanted.")
    if kind == "labels":
        return _as_labels(array, origin)
    if kind == "confidence":
        return _as_confidence(array, origin)
    low, high = _range(array, origin)
    if max(-low, high) > MAX_HU:
        raise FileError(f"{origin} holds values from {low:g} to {high:g}, which are no Hounsfield units.")
    return array.view(np.uint8) if array.dtype == np.bool_ else array


def _as_labels(array: NDArray[Any], origin: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    low, high = _range(array, origin)
    if low < 0 or high > 255:
        raise FileError(
            f"{origin} holds values from {low:g} to {high:g}; labels are 0 to 255.", "Is it a label map?"
        )
    labels = array.astype(np.uint8)
    if array.dtype.kind == "f" and not np.array_equal(labels, array):
        raise FileError(f"{origin} holds fractions; labels are whole numbers.", "Is it a label map?")
    return labels


def _as_confidence(array: NDArray[Any], origin: str) -> NDArray[Any]:
    if array.dtype == np.uint8:
        return array
    low, high = _range(array, origin)
    if low < -CONFIDENCE_STEP or high > 1 + CONFIDENCE_STEP:
        raise FileError(f"{origin} holds values from {low:g} to {high:g}; confidence is 0 to 1.")
    clipped: NDArray[Any] = np.clip(array, 0.0, 1.0)
    return clipped


def _in_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    stored = np.empty(array.shape, np.uint8)
    for z, plane in enumerate(array):
        stored[z] = np.rint(plane.astype(np.float32) * 255.0)
    return stored


def _range(array: NDArray[Any], origin: str) -> tuple[float, float]:
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():  # NaN and infinity reach the ends
        raise FileError(f"{origin} holds voxels that are not finite (NaN or infinity).", "Repair it first.")
    return low, high
