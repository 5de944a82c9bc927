"""Saves layers as NIfTI on exactly the grid they came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer as .nii or .nii.gz (npe2 hook).

    Raises
    ------
    GuidedNetError
        When the file cannot be written, or values do not fit (0 to 255).
    """
    return [_write(path, data, attributes, "labels")]


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as .nii or .nii.gz (npe2 hook)."""
    return [_write(path, data, attributes, "ct_hu")]


def _write(path: str, data: Any, attributes: dict[str, Any], kind: Any) -> str:
    import numpy as np

    from .backend import FileError, Volume, write_volume
    from .layers.display import original_array

    array = np.asarray(data)
    if array.ndim != 3:
        raise FileError(f"A layer with {array.ndim} dimensions was given; NIfTI here holds 3.")
    known = attributes.get("metadata", {}).get("guidednet", {})
    geometry = known.get("geometry")
    if geometry is None:
        geometry = _geometry_of_layer(array.shape, attributes)
    array = np.ascontiguousarray(original_array(array, geometry))
    if kind == "ct_hu" and known.get("map"):
        kind = "confidence"
    volume = Volume(array, geometry, kind, known.get("header"))
    write_volume(_with_ending(path), volume if kind != "labels" else volume.like(array, "labels"))
    return _with_ending(path)


def _geometry_of_layer(shape: tuple[int, ...], attributes: dict[str, Any]) -> Any:
    """Give the geometry of a layer made elsewhere: its scale and translation, axes as they are shown."""
    import numpy as np

    from .backend import Geometry, GeometryError

    scale = np.asarray(attributes.get("scale", (1.0,) * 3), dtype=float)
    translate = np.asarray(attributes.get("translate", (0.0,) * 3), dtype=float)
    if len(scale) != 3 or (scale <= 0).any():
        raise GeometryError(f"A layer with the scale {tuple(scale)} cannot be saved as NIfTI.")
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = -scale  # shown axes grow to I, P, L; the file counts R, A, S
    affine[:3, 3] = -translate[::-1]
    affine[3, 3] = 1.0
    return Geometry((shape[0], shape[1], shape[2]), affine)


def _with_ending(path: str) -> str:
    return path if Path(path).name.lower().endswith((".nii", ".nii.gz")) else f"{path}.nii.gz"
