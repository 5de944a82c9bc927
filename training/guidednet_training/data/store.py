"""Prepared cases on disk, memory-mapped, keyed by content and specification."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.box import Box
from ..core.files import atomic_path, sweep_partials
from ..core.labels import LabelScheme
from ..core.spec import LearnSpec, PreprocessSpec
from ..core.volume import Volume
from .emphasis import correction_weights
from .preprocess import plan_steps, prepare, resample_labels

FORMAT = "1"  # enters every key: raise it when preprocessing changes its result


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case as training reads it.

    Attributes
    ----------
    id : str
        Case id.
    image : ndarray
        (D, H, W) float16 in [0, 1], memory-mapped.
    label : ndarray or None
        (D, H, W) uint8, only annotated organs, 255 unknown; None for unlabelled cases.
    annotated : ndarray
        (K,) bool, entry 0 True.
    weight : ndarray or None
        (D, H, W) float16, at least 1: how much each voxel counts; None where all count alike.
    """

    id: str
    image: NDArray[np.float16]
    label: NDArray[np.uint8] | None
    annotated: NDArray[np.bool_]
    weight: NDArray[np.float16] | None = None

    def histogram(self) -> NDArray[np.int64]:
        """Count the voxels of each class, length K."""
        if self.label is None:
            return np.zeros(len(self.annotated), np.int64)
        return np.bincount(self.label.ravel(), minlength=256)[: len(self.annotated)]


class PreparedStore:
    """Prepares each case once and keeps it in a cache folder that is safe to delete.

    Parameters
    ----------
    folder : Path
        The cache.
    spec : PreprocessSpec
        Part of every key.
    scheme : LabelScheme
        Gives K and the meaning of the label values.
    """

    def __init__(self, folder: Path, spec: PreprocessSpec, scheme: LabelScheme) -> None:
        self.folder, self.spec, self.scheme = folder, spec, scheme
        folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(folder)

    def get(
        self,
        case: str,
        digest: str,
        read: Callable[[], Volume],
        labels: NDArray[np.uint8] | None = None,
        annotated: Collection[str] = (),
        box: Box | None = None,
        corrected: NDArray[np.bool_] | None = None,
        learn: LearnSpec | None = None,
    ) -> PreparedCase:
        """Give a prepared case, preparing it when the cache has none.

        Parameters
        ----------
        case : str
            Case id, for the result only: equal content shares its cache entry.
        digest : str
            Of the image's voxels and affine.
        read : callable
            Reads the image; called only when needed.
        labels : ndarray, optional
            (z, y, x) uint8 on the image's grid; organs outside `annotated` must be 0.
        annotated : collection of str
            Names of the organs that `labels` vouches for.
        box : Box, optional
            The part of the canonical grid to prepare; all of it, if not given.
        corrected : ndarray, optional
            (z, y, x) bool on the image's grid: where a person changed what a model had said.
        learn : LearnSpec, optional
            How much that counts, and how far around; not more than all else, if not given.
        """
        key = _key(FORMAT, digest, _spec_text(self.spec), *([] if box is None else [box.to_json()]))
        image_path = self.folder / f"{key}.image.npy"
        volume: Volume | None = None
        if not image_path.exists():
            volume = read()
            _save(image_path, prepare(volume, self.spec, box).image.astype(np.float16))
        label = None
        if labels is not None:
            label_path = self.folder / f"{key}-{_key(labels.tobytes(), str(labels.shape))}.label.npy"
            if not label_path.exists():
                geometry = (volume or read()).geometry
                _save(label_path, resample_labels(labels, plan_steps(geometry, self.spec, box)))
            label = np.load(label_path, mmap_mode="r", allow_pickle=False)
        weight = None
        if learn is not None and learn.edited > 1 and corrected is not None and corrected.any():
            content = np.packbits(corrected).tobytes()
            parts = (str(corrected.shape), f"{learn.edited} {learn.reach_mm}")
            weight_path = self.folder / f"{key}-{_key(content, *parts)}.weight.npy"
            if not weight_path.exists():
                steps = plan_steps((volume or read()).geometry, self.spec, box)
                _save(weight_path, correction_weights(corrected, steps, learn))
            weight = np.load(weight_path, mmap_mode="r", allow_pickle=False)
        image = np.load(image_path, mmap_mode="r", allow_pickle=False)
        flags = np.array([True, *(name in annotated for name in self.scheme.names)])
        return PreparedCase(case, image, label, flags, weight)


def _spec_text(spec: PreprocessSpec) -> str:
    """A value that is not set leaves no trace, so that what was prepared before it existed is still found."""
    return spec.model_dump_json(indent=2, exclude_none=True) + "\n"


def _key(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:24]


def _save(path: Path, array: NDArray[np.generic]) -> None:
    with atomic_path(path) as partial, open(partial, "wb") as stream:
        np.save(stream, array, allow_pickle=False)
