"""NIfTI-1 and NIfTI-2 in single files: believed only after every check, written with nothing private."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from .errors import FileError, GeometryError
from .files import atomic_path
from .geometry import Geometry, affine_to_ijk, geometry_from_ijk
from .stream import DAMAGED, ImageStream, open_stream

SUFFIXES = (".nii", ".nii.gz")
NO_SCALE = (1.0, 0.0)
MAX_OFFSET = 16 << 20  # of the voxels; extensions larger than this are no header any more
QUATERNION_ROUNDING = np.float32(1e-5)  # by which writers let the three stored parts exceed a unit quaternion
SPACING_TOLERANCE = 0.05  # pixdim against the affine, relative
_UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # unknown, metre, millimetre, micrometre
_REAL = frozenset({2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280})  # codes of integers and floats
_FOREIGN = {
    1: "single bits", 32: "complex", 1792: "complex", 2048: "complex", 128: "RGB", 2304: "RGBA",
    1536: "128-bit floating point",
}  # fmt: skip
# What a written header takes over from its source. Everything else (descrip, aux_file, db_name,
# intent_name, extensions, unused bytes) may name a patient and is left behind.
_KEPT = (
    "dim", "dim_info", "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c",
    "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip

Header = nib.Nifti1Header  # also the base class of Nifti2Header


def read_nifti(path: Path) -> tuple[NDArray[Any], Geometry, Header]:
    """Read a NIfTI file.

    Parameters
    ----------
    path : Path
        A .nii or .nii.gz file; compression is recognised by content.

    Returns
    -------
    array : array, shape (z, y, x)
        Voxels with slope and intercept applied, in native byte order.
    geometry : Geometry
        From the sform, or from the qform where there is none.
    header : nibabel header
        What a file written on the same grid should repeat; nothing private is in it.

    Raises
    ------
    FileError, GeometryError
        When the file is damaged, no 3-D volume of real numbers, or without a usable affine.
    """
    with open_stream(path) as stream:
        stream.inflate()
        header = _read_header(stream)
        shape = _shape(path, header)
        dtype = _dtype(path, header)
        geometry = _geometry(path, header, shape)
        _skip_extensions(stream, header)
        content = stream.body(math.prod(shape) * dtype.itemsize)
    raw = content.view(dtype).reshape(geometry.shape)
    return _scaled(path, raw, header), geometry, _clean(header)


def read_nifti_geometry(path: Path) -> Geometry:
    """Read only the header of a NIfTI file; its voxels are neither read nor checked."""
    with open_stream(path) as stream:
        stream.inflate()
        header = _read_header(stream)
        _dtype(path, header)
        return _geometry(path, header, _shape(path, header))


def write_nifti(
    path: Path,
    array: NDArray[Any],
    geometry: Geometry,
    header: Header | None = None,
    scale: tuple[float, float] = NO_SCALE,
) -> None:
    """Write a NIfTI file atomically.

    Parameters
    ----------
    path : Path
        A .nii or .nii.gz file.
    array : array, shape (z, y, x)
        Voxels as they shall be stored.
    geometry : Geometry
        Their grid.
    header : nibabel header, optional
        Of the source, if it was a NIfTI file; repeated exactly where it fits `geometry`.
    scale : (float, float)
        Slope and intercept that a reader shall apply.
    """
    try:
        own = _header_for(geometry, header)
        own.set_data_dtype(array.dtype)
    except HeaderDataError as error:
        raise FileError(f"NIfTI cannot hold {array.dtype} voxels of shape {array.shape}.") from error
    own["scl_slope"], own["scl_inter"] = scale
    own["vox_offset"] = len(own.binaryblock) + 4
    voxels = np.ascontiguousarray(array, dtype=own.get_data_dtype())
    with atomic_path(path) as partial:
        _write(partial, own.binaryblock + bytes(4), voxels)


def _write(path: Path, head: bytes, voxels: NDArray[Any]) -> None:
    with path.open("wb") as file:
        if path.name.lower().endswith(".gz"):
            level = 6 if voxels.itemsize == 1 else 3  # CT gains little from more, and takes seconds
            with gzip.GzipFile("", "wb", level, file, mtime=0) as packed:
                packed.write(head)
                packed.write(voxels.data.cast("B"))
        else:
            file.write(head)
            file.write(voxels.data.cast("B"))


def _read_header(stream: ImageStream) -> Header:
    sizes = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
    start = stream.read(4)
    for endianness, order in (("<", "little"), (">", "big")):
        size = int.from_bytes(start, order)  # type: ignore[arg-type]
        if size in sizes:
            block = start + stream.read(size - 4)
            header = sizes[size](block, endianness, check=False)
            header.quaternion_threshold = QUATERNION_ROUNDING
            if header["magic"].tobytes()[:3] in (b"n+1", b"n+2"):
                return header
    raise FileError(
        f"{stream.path} is not a NIfTI file.", "Single .nii or .nii.gz files are read, not .hdr/.img pairs."
    )


def _shape(path: Path, header: Header) -> tuple[int, int, int]:
    n_dims = int(header["dim"][0])
    if not 1 <= n_dims <= 7:
        raise FileError(f"The header of {path} gives {n_dims} dimensions.", DAMAGED)
    dims = [int(n) for n in header["dim"][1 : n_dims + 1]]
    if min(dims) < 1:
        raise FileError(f"The header of {path} gives the shape {_by(dims)}.", DAMAGED)
    while len(dims) > 3 and dims[-1] == 1:  # one frame is a volume
        dims.pop()
    if len(dims) > 3:
        raise FileError(
            f"{path} has {len(dims)} dimensions ({_by(dims)}); one 3-D volume was wanted.",
            "Save one time point or channel as a file of its own.",
        )
    if len(dims) < 3 or min(dims) == 1:
        raise FileError(f"{path} is 2-D ({_by(dims)}); a 3-D volume was wanted.")
    return dims[0], dims[1], dims[2]


def _by(dims: list[int]) -> str:
    return " x ".join(str(n) for n in dims)


def _dtype(path: Path, header: Header) -> np.dtype[Any]:
    code = int(header["datatype"])
    if code in _FOREIGN:
        raise FileError(f"{path} holds {_FOREIGN[code]} voxels; one real number each was wanted.")
    if code not in _REAL:
        raise FileError(f"The header of {path} gives the unknown data type {code}.", DAMAGED)
    dtype: np.dtype[Any] = header.get_data_dtype()
    if int(header["bitpix"]) != 8 * dtype.itemsize:
        raise FileError(f"The header of {path} contradicts itself about bits per voxel.", DAMAGED)
    return dtype


def _skip_extensions(stream: ImageStream, header: Header) -> None:
    offset, used = float(header["vox_offset"]), len(header.binaryblock)
    if not used <= offset <= MAX_OFFSET or offset != int(offset):
        raise FileError(f"The header of {stream.path} puts the voxels at byte {offset:g}.", DAMAGED)
    stream.read(int(offset) - used)


@np.errstate(all="ignore")  # what is not finite is refused
def _geometry(path: Path, header: Header, shape: tuple[int, int, int]) -> Geometry:
    try:
        coded = header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]
    except (HeaderDataError, ValueError, TypeError) as error:
        raise GeometryError(f"The orientation in the header of {path} is impossible.", DAMAGED) from error
    given = [affine for affine in coded if affine is not None]
    if not given:
        raise GeometryError(
            f"{path} has neither sform nor qform: left and right cannot be told apart.",
            "Export it again with its orientation.",
        )
    scale = np.diag([_UNIT_MM.get(int(header["xyzt_units"]) & 7, 1.0)] * 3 + [1.0])
    try:
        grids = [geometry_from_ijk(shape, scale @ affine) for affine in given]
    except GeometryError as error:
        raise GeometryError(f"{path}: {error.message}", error.hint) from error
    if len(grids) > 1 and grids[0].axes != grids[1].axes:
        raise GeometryError(
            f"The sform and the qform of {path} disagree about its orientation "
            f"({grids[0].axes[::-1]}, {grids[1].axes[::-1]}).",
            "Correct the wrong one, or set its code to 0.",
        )
    _check_pixdim(path, header, given[0])
    return grids[0]


def _check_pixdim(path: Path, header: Header, affine: NDArray[Any]) -> None:
    pixdim = np.asarray(header["pixdim"][1:4], np.float64)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if (pixdim == pixdim[0]).all() and pixdim[0] in (0, 1):
        return  # never set by the writer
    if not (np.abs(pixdim / spacing - 1.0) <= SPACING_TOLERANCE).all():
        sizes = [" x ".join(f"{step:.4g}" for step in steps) for steps in (pixdim, spacing)]
        raise GeometryError(
            f"The voxel size of {path} is {sizes[0]} in its header but {sizes[1]} in its affine.",
            "Export it again with one voxel size.",
        )


def _scaled(path: Path, raw: NDArray[Any], header: Header) -> NDArray[Any]:
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isnan(slope) or slope == 0 or (slope, inter) == NO_SCALE:
        return raw.astype(raw.dtype.newbyteorder("="), copy=False)
    if not np.isfinite([slope, inter]).all():
        raise FileError(f"The header of {path} gives slope {slope} and intercept {inter}.", DAMAGED)
    result = np.empty(raw.shape, _scaled_dtype(raw, slope, inter))
    with np.errstate(all="ignore"):  # what overflows is not finite, and refused as that
        for z, plane in enumerate(raw):  # plane by plane: no second volume of float64
            result[z] = plane * slope + inter
    return result


def _scaled_dtype(raw: NDArray[Any], slope: float, inter: float) -> np.dtype[Any]:
    """Choose whole numbers where the result is whole, as for CT stored with intercept -1024."""
    if raw.dtype.kind in "iu" and slope.is_integer() and inter.is_integer():
        ends = [int(raw.min()) * int(slope) + int(inter), int(raw.max()) * int(slope) + int(inter)]
        for dtype in (np.int16, np.int32, np.int64):
            if np.iinfo(dtype).min <= min(ends) and max(ends) <= np.iinfo(dtype).max:
                return np.dtype(dtype)
    wide = raw.dtype.itemsize > (4 if raw.dtype.kind == "f" else 2)
    return np.dtype(np.float64 if wide else np.float32)


def _clean(header: Header) -> Header:
    fresh = type(header)(endianness=header.endianness)
    for name in _KEPT:
        fresh[name] = header[name]
    return fresh


def _header_for(geometry: Geometry, header: Header | None) -> Header:
    if header is not None and _fits(geometry, header):
        return _clean(header)
    affine = affine_to_ijk(geometry)
    fresh = nib.Nifti1Header()
    fresh.set_data_shape(geometry.shape[::-1])
    fresh.set_zooms(geometry.spacing_mm[::-1])
    fresh.set_xyzt_units("mm")
    if not geometry.is_sheared:  # a quaternion cannot say shear
        fresh.set_qform(affine, code=1)
    fresh.set_sform(affine, code=1)
    return fresh


def _fits(geometry: Geometry, header: Header) -> bool:
    try:
        return _geometry(Path(), header, geometry.shape[::-1]).same_grid(geometry, tol_mm=1e-4)
    except GeometryError:
        return False
