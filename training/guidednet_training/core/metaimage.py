"""MetaImage (.mha, .mhd): a text header in LPS millimetres, its voxels behind it or in a file beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FileError, GeometryError
from .geometry import Geometry, geometry_from_ijk, lps_to_ras
from .stream import DAMAGED, ImageStream, inflate_bytes, open_stream

MAX_HEADER_LINES = 1000
_TYPES = {
    "MET_CHAR": "int8", "MET_UCHAR": "uint8", "MET_SHORT": "int16", "MET_USHORT": "uint16",
    "MET_INT": "int32", "MET_UINT": "uint32", "MET_LONG": "int32", "MET_ULONG": "uint32",
    "MET_LONG_LONG": "int64", "MET_ULONG_LONG": "uint64", "MET_FLOAT": "float32", "MET_DOUBLE": "float64",
}  # fmt: skip
_SYNONYMS = {
    "Rotation": "TransformMatrix", "Orientation": "TransformMatrix", "Position": "Offset",
    "Origin": "Offset", "ElementByteOrderMSB": "BinaryDataByteOrderMSB", "ElementSize": "ElementSpacing",
}  # fmt: skip


def read_metaimage(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read a MetaImage file, raw or compressed.

    Parameters
    ----------
    path : Path
        A .mha file, or a .mhd file whose voxels lie in one file of the same folder.

    Returns
    -------
    array : array, shape (z, y, x)
        Voxels in native byte order.
    geometry : Geometry
        From TransformMatrix, ElementSpacing and Offset.

    Raises
    ------
    FileError, GeometryError
        When the file is damaged, no 3-D volume of real numbers, or without orientation.
    """
    with open_stream(path) as stream:
        fields = _fields(stream)
        shape = _shape(path, fields)
        dtype = _dtype(path, fields)
        geometry = _geometry(path, fields, shape)
        content = _body(stream, fields, math.prod(shape) * dtype.itemsize)
    voxels = content.view(dtype).reshape(geometry.shape)
    return voxels.astype(dtype.newbyteorder("="), copy=False), geometry


def _fields(stream: ImageStream) -> dict[str, str]:
    fields: dict[str, str] = {}
    for _ in range(MAX_HEADER_LINES):
        name, equals, content = stream.line().decode("ascii", "replace").partition("=")
        if not equals:
            break
        name = _SYNONYMS.get(name.strip(), name.strip())
        fields[name] = content.strip()
        if name == "ElementDataFile":
            return fields
    raise FileError(f"{stream.path} is not a MetaImage file, or its header is damaged.", DAMAGED)


def _body(stream: ImageStream, fields: dict[str, str], size: int) -> NDArray[np.uint8]:
    if fields.get("HeaderSize", "0") != "0":
        raise FileError(f"{stream.path} skips bytes before its voxels (HeaderSize), which is not read.")
    name = fields["ElementDataFile"]
    if name.upper() == "LOCAL":
        return _voxels(stream, fields, size)
    plain = name.isprintable() and Path(name).name == name != ""
    if not plain or name.upper() == "LIST" or "%" in name:
        raise FileError(f"{stream.path} keeps its voxels in '{name}'; one file beside it was wanted.")
    with open_stream(stream.path.with_name(name)) as voxels:
        return _voxels(voxels, fields, size)


def _voxels(stream: ImageStream, fields: dict[str, str], size: int) -> NDArray[np.uint8]:
    if not _is_true(fields.get("CompressedData", "")):
        return stream.body(size)
    return inflate_bytes(stream.path, stream.rest(most=2 * size + 1024), size)


def _shape(path: Path, fields: dict[str, str]) -> tuple[int, int, int]:
    sizes = [int(n) if n.isdigit() else 0 for n in fields.get("DimSize", "").split()]
    if fields.get("ElementNumberOfChannels", "1") != "1" or len(sizes) != 3:
        raise FileError(f"{path} is not one 3-D volume of single numbers ({fields.get('DimSize', '')}).")
    if min(sizes) < 1:
        raise FileError(f"The header of {path} gives the size '{fields['DimSize']}'.", DAMAGED)
    if min(sizes) == 1:
        raise FileError(f"{path} is 2-D ({fields['DimSize']}); a 3-D volume was wanted.")
    return sizes[0], sizes[1], sizes[2]


def _dtype(path: Path, fields: dict[str, str]) -> np.dtype[Any]:
    name = _TYPES.get(fields.get("ElementType", ""))
    if name is None:
        kind = fields.get("ElementType", "")
        raise FileError(f"{path} holds voxels of type '{kind}'; single numbers were wanted.")
    return np.dtype(name).newbyteorder(">" if _is_true(fields.get("BinaryDataByteOrderMSB", "")) else "<")


def _geometry(path: Path, fields: dict[str, str], shape: tuple[int, int, int]) -> Geometry:
    matrix, spacing, offset = (
        _numbers(path, fields, name, count)
        for name, count in (("TransformMatrix", 9), ("ElementSpacing", 3), ("Offset", 3))
    )
    affine = np.eye(4)
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused
            affine[:3, :3] = np.reshape(matrix, (3, 3)).T * spacing  # the file lists direction by direction
            affine[:3, 3] = offset
            return geometry_from_ijk(shape, lps_to_ras(affine))
    except GeometryError as error:
        raise GeometryError(f"{path}: {error.message}", error.hint) from error


def _numbers(path: Path, fields: dict[str, str], name: str, count: int) -> list[float]:
    try:
        numbers = [float(number) for number in fields.get(name, "").split()]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise GeometryError(
            f"{path} does not say how it lies in the patient: it has no usable {name}.",
            "Export it again with its orientation.",
        )
    return numbers


def _is_true(text: str) -> bool:
    return text[:1].upper() in ("T", "1", "Y")
