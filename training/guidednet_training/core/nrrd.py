"""NRRD: a text header with its voxels behind it, in a patient space that it names."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FileError, GeometryError
from .geometry import Geometry, geometry_from_ijk
from .stream import DAMAGED, ImageStream, open_stream

MAX_HEADER_LINES = 10_000
_TYPES = {
    "int8": "int8", "int8_t": "int8", "signed char": "int8",
    "uint8": "uint8", "uint8_t": "uint8", "uchar": "uint8", "unsigned char": "uint8",
    "int16": "int16", "int16_t": "int16", "short": "int16", "short int": "int16",
    "signed short": "int16", "signed short int": "int16",
    "uint16": "uint16", "uint16_t": "uint16", "ushort": "uint16", "unsigned short": "uint16",
    "unsigned short int": "uint16",
    "int32": "int32", "int32_t": "int32", "int": "int32", "signed int": "int32",
    "uint32": "uint32", "uint32_t": "uint32", "uint": "uint32", "unsigned int": "uint32",
    "int64": "int64", "int64_t": "int64", "long long": "int64", "longlong": "int64",
    "long long int": "int64", "signed long long": "int64", "signed long long int": "int64",
    "uint64": "uint64", "uint64_t": "uint64", "ulonglong": "uint64", "unsigned long long": "uint64",
    "unsigned long long int": "uint64",
    "float": "float32", "double": "float64",
}  # fmt: skip
_TO_RAS = {  # signs that turn the space into RAS+
    "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1), "lps": (-1, -1, 1),
}  # fmt: skip


def read_nrrd(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read an NRRD file with attached voxels, raw or gzip.

    Parameters
    ----------
    path : Path
        A .nrrd file.

    Returns
    -------
    array : array, shape (z, y, x)
        Voxels in native byte order.
    geometry : Geometry
        From its space, space directions and space origin.

    Raises
    ------
    FileError, GeometryError
        When the file is damaged, no 3-D volume of real numbers, or in no patient space.
    """
    with open_stream(path) as stream:
        fields = _fields(stream)
        shape = _shape(path, fields)
        dtype = _dtype(path, fields)
        geometry = _geometry(path, fields, shape)
        _enter_body(stream, fields)
        content = stream.body(math.prod(shape) * dtype.itemsize)
    voxels = content.view(dtype).reshape(geometry.shape)
    return voxels.astype(dtype.newbyteorder("="), copy=False), geometry


def _fields(stream: ImageStream) -> dict[str, str]:
    if not stream.line().startswith(b"NRRD000"):
        raise FileError(f"{stream.path} is not an NRRD file.")
    fields: dict[str, str] = {}
    for _ in range(MAX_HEADER_LINES):
        line = stream.line().decode("ascii", "replace")
        if not line:
            break
        line = line.strip()
        if not line:
            return fields
        name, colon, content = line.partition(": ")
        if colon and not line.startswith("#") and ":=" not in name:
            fields[name.strip().lower()] = content.strip()
    raise FileError(f"The header of {stream.path} has no end.", DAMAGED)


def _enter_body(stream: ImageStream, fields: dict[str, str]) -> None:
    encoding = fields.get("encoding", "").lower()
    if encoding in ("gz", "gzip"):
        stream.inflate()
    if encoding not in ("gz", "gzip", "raw") or (encoding != "raw" and not stream.is_compressed):
        raise FileError(f"{stream.path} is encoded as '{encoding}'; raw or gzip was wanted.")
    beside = [name for name in ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip")
              if fields.get(name, "0") != "0"]  # fmt: skip
    if beside:
        raise FileError(
            f"{stream.path} keeps its voxels elsewhere ('{beside[0]}').", "Save it as one .nrrd file."
        )


def _shape(path: Path, fields: dict[str, str]) -> tuple[int, int, int]:
    sizes = [int(n) if n.isdigit() else 0 for n in fields.get("sizes", "").split()]
    if len(sizes) != 3:
        raise FileError(f"{path} has {len(sizes)} axes; one 3-D volume of single numbers was wanted.")
    if min(sizes) < 1:
        raise FileError(f"The header of {path} gives the sizes '{fields['sizes']}'.", DAMAGED)
    if min(sizes) == 1:
        raise FileError(f"{path} is 2-D ({fields['sizes']}); a 3-D volume was wanted.")
    return sizes[0], sizes[1], sizes[2]


def _dtype(path: Path, fields: dict[str, str]) -> np.dtype[Any]:
    name = _TYPES.get(fields.get("type", "").lower())
    if name is None:
        raise FileError(f"{path} holds voxels of type '{fields.get('type', '')}'; numbers were wanted.")
    dtype = np.dtype(name)
    if dtype.itemsize == 1:
        return dtype
    endian = fields.get("endian", "").lower()
    if endian not in ("little", "big"):
        raise FileError(f"The header of {path} does not give the byte order.", DAMAGED)
    return dtype.newbyteorder("<" if endian == "little" else ">")


def _geometry(path: Path, fields: dict[str, str], shape: tuple[int, int, int]) -> Geometry:
    signs = _TO_RAS.get(fields.get("space", "").lower())
    directions = _vectors(fields.get("space directions", ""))
    origin = _vectors(fields.get("space origin", ""))
    if signs is None or len(directions) != 3 or len(origin) != 1:
        raise GeometryError(
            f"{path} does not say how it lies in the patient (space, space directions, space origin).",
            "Export it again with its orientation.",
        )
    affine = np.eye(4)
    affine[:3, :] = np.array([*directions, *origin]).T * np.reshape(signs, (3, 1))
    try:
        return geometry_from_ijk(shape, affine)
    except GeometryError as error:
        raise GeometryError(f"{path}: {error.message}", error.hint) from error


def _vectors(text: str) -> list[list[float]]:
    """Parse "(a,b,c) (d,e,f)"; what is not a vector of three numbers is left out."""
    vectors = []
    for inside in re.findall(r"\(([^()]*)\)", text):
        try:
            vectors.append([float(number) for number in inside.split(",")])
        except ValueError:
            continue
    return [vector for vector in vectors if len(vector) == 3]
