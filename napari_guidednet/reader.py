"""Opens CT and label files dropped on napari: right axes, right spacing, organs in their colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LayerData = tuple[Any, dict[str, Any], str]
PathOrPaths = str | Sequence[str]

_MOST_LABELS = 30  # a file of whole numbers with more different values is an image


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerData]] | None:
    """Give the reader for a path, or None where it is nothing of ours (npe2 hook).

    Parameters
    ----------
    path : str or list of str
        .nii, .nii.gz, .nrrd, .mha, .mhd, .dcm or a folder of DICOM slices. Several slices of a series
        dropped together are read as their folder.
    """
    from .backend import is_volume_path

    paths = [path] if isinstance(path, str) else list(path)
    return read_layers if paths and all(is_volume_path(p) for p in paths) else None


def read_layers(path: PathOrPaths) -> list[LayerData]:
    """Read files into layers.

    Returns
    -------
    list of (array, options, type)
        Arrays are shown in radiological orientation; the true geometry is in `metadata["guidednet"]`.

    Raises
    ------
    FileError, GeometryError
        When a file cannot be trusted; the message says why.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return [_layer(p) for p in _without_slices(paths)]


def _without_slices(paths: Sequence[str]) -> list[Path]:
    """Slices of one series lead to the same series: keep one of each folder."""
    kept: dict[Path, Path] = {}
    for path in map(Path, paths):
        is_slice = len(paths) > 1 and path.suffix.lower() in (".dcm", "")
        kept.setdefault(path.parent if is_slice and path.is_file() else path, path)
    return list(kept.values())


def _layer(path: Path) -> LayerData:
    from .backend import read_volume
    from .layers.display import Display, window_limits

    volume = read_volume(path)
    display = Display(volume.geometry)
    options = display.layer_options() | {"name": _name(path)}
    options["metadata"]["guidednet"] |= {"header": volume.header, "source": str(path)}
    values = _label_values(volume.array)
    if values is None:
        limits = window_limits("Abdomen") if volume.array.min() < -100 else None
        extra = {"colormap": "gray"} | ({"contrast_limits": limits} if limits else {})
        return display.view(volume.array), options | extra, "image"
    return _labels(display.view(volume.array), options | {"opacity": 0.5}, values)


def _labels(view: Any, options: dict[str, Any], values: set[int]) -> LayerData:
    """Name and colour organs. A file does not say its scheme: AMOS_15 is assumed where its values fit.

    Layers > Annotate > GuidedNet names them by another scheme.
    """
    import numpy as np

    from .backend import AMOS_15
    from .layers.organ_names import name_options

    if max(values, default=0) <= len(AMOS_15.organs):
        options["metadata"]["guidednet"]["scheme"] = AMOS_15.name
        options |= name_options(AMOS_15)
    return np.array(view, dtype=np.uint8), options, "labels"


def _label_values(array: Any) -> set[int] | None:
    """Give the organ values of a label map, or None where the array looks like an image."""
    import numpy as np

    from .backend import UNKNOWN

    if array.dtype.kind not in "ui" or array.min() < 0 or array.max() > UNKNOWN:
        return None
    present = np.flatnonzero(np.bincount(np.asarray(array).reshape(-1), minlength=256)).tolist()
    organs = set(present) - {0, UNKNOWN}
    return organs if len(organs) <= _MOST_LABELS else None


def _name(path: Path) -> str:
    from .backend import id_from_path

    return path.name if path.is_dir() else id_from_path(path)
