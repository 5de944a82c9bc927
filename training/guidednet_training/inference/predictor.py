"""A bundle that answers: a CT in; labels, confidence maps and a table on exactly its grid out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.box import Box
from ..core.bundle import BundleManifest, ModelBundle
from ..core.errors import GuidedNetError
from ..core.labels import LabelScheme, scheme_named
from ..core.prediction import MAPS, OrganMeasure
from ..core.volume import Volume
from ..data.preprocess import Prepared, plan_steps, prepare
from .cascade import CoarseLook
from .confidence import Reader, Trust
from .postprocess import keep_pieces
from .restore import Restorer
from .sliding import Progress, ShouldStop, Windows, predict_maps
from .weights import unpack

# What maps say where nothing was looked at, outside the region of a coarse stage: no doubt.
OUTSIDE = {"confidence": 255, "typicality": 255, "entropy": 255, "disagreement": 0}
SMALLEST_WINDOW = 32  # voxels a side; the deepest stage of the network needs more than 16


@dataclass(frozen=True)
class PredictionMaps:
    """What a bundle says about a CT.

    Attributes
    ----------
    labels : Volume
        (z, y, x) uint8, values of the bundle's scheme, on the CT's own grid.
    maps : dict of str to Volume
        (z, y, x) uint8 in 255ths, on the same grid; see `confidence.Reader` for their meaning.
    table : dict of str to OrganMeasure
        Per organ of the bundle: volume in ml and mean confidence; None where the organ was not
        found, is unavailable, or confidence was not asked for.
    mean_confidence : float or None
        Over all organ voxels whose confidence is known.
    kind : str
        What the confidence is: "cgmm_posterior" or "softmax".
    unavailable : tuple of str
        Organs the class banks have never seen: their confidence is not known and reads 0 in the map.
    notes : tuple of str
        What the user should know, in plain words.
    device : str
        Where it ran.
    networks : dict of str to Volume
        Labels of each network alone, where asked for and there are several.
    opinions : dict of str to Volume
        "mixture": labels of the class mixture itself, where asked for and the bundle has one.
    """

    labels: Volume
    maps: dict[str, Volume]
    table: dict[str, OrganMeasure]
    mean_confidence: float | None
    kind: str
    unavailable: tuple[str, ...]
    notes: tuple[str, ...]
    device: str
    networks: dict[str, Volume] = field(default_factory=dict)
    opinions: dict[str, Volume] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictor:
    """The networks and class banks of a bundle on a device; make it with `load`.

    A bundle with a coarse stage is a cascade: that stage looks at the whole CT first, and the
    bundle's own networks only at the region that it found.
    """

    manifest: BundleManifest
    reader: Reader
    device: torch.device
    coarse: CoarseLook | None = None

    @classmethod
    def load(
        cls, folder: Path | str, device: str = "auto", networks: Literal["all", "best"] | None = None
    ) -> Predictor:
        """Load a bundle.

        Parameters
        ----------
        folder : Path
            Of the bundle.
        device : str
            "auto" takes a CUDA device where there is one, else the CPU; or "cpu", "cuda", "cuda:1".
        networks : {"all", "best"}
            Average all networks of the bundle, or use the one that was best on validation: half the time.
            As the bundle says where it is left out.

        Raises
        ------
        BundleError
            When the bundle is damaged, incomplete or of another version.
        GuidedNetError
            When there is no such device.
        """
        where = _device(device)
        bundle = ModelBundle.read(folder)
        nets, banks = unpack(bundle.manifest, bundle.tensors())
        if (networks or bundle.manifest.answer) == "best":
            best = bundle.manifest.best
            nets, banks = {best: nets[best]}, {name: bank for name, bank in banks.items() if name == best}
        trust = Trust.of(bundle.manifest.calibration)
        stage, first = bundle.manifest.coarse, bundle.coarse()
        coarse = None if stage is None or first is None else CoarseLook.of(first, stage.margin)
        return cls(bundle.manifest, Reader(nets, banks, MAPS, trust), where, coarse)

    @property
    def scheme(self) -> LabelScheme:
        """The scheme of the labels it gives."""
        return scheme_named(self.manifest.scheme)

    def predict(
        self,
        volume: Volume,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
        maps: tuple[str, ...] = ("confidence",),
        pieces: float | None = None,
        apart: bool = False,
        mixture: bool = False,
    ) -> PredictionMaps:
        """Segment a CT.

        Parameters
        ----------
        volume : Volume
            CT in HU on any grid.
        progress : callable, optional
            Called with windows done and windows in all.
        should_stop : callable, optional
            Asked between windows.
        maps : tuple of str
            Which of `core.prediction.MAPS` to give. What the bundle cannot give (disagreement with
            one network, typicality without class banks) is left out with a note.
        pieces : float
            Connected pieces of an organ smaller than this share of its largest one are turned to
            background, of which confidence and typicality then read 0; 0 keeps all, 1 the largest alone.
            As the bundle says where it is left out.
        apart : bool
            Give what each network says alone, too.
        mixture : bool
            Give what the class mixture itself says, too: the class of the highest posterior, all pieces kept
            (where it speaks for another organ inside an organ, that is a piece apart).

        Raises
        ------
        Stopped
            When `should_stop` says so.
        GuidedNetError
            When a map is unknown, or memory does not even suffice for small windows.
        """
        if pieces is None:
            pieces = float(self.manifest.largest_only)
        unknown = sorted(set(maps) - set(MAPS))
        if unknown:
            raise GuidedNetError(f"There is no map '{unknown[0]}'.", f"Known maps: {', '.join(MAPS)}.")
        reader = replace(self.reader, wanted=tuple(maps), apart=apart, mixture=mixture)
        notes = [_WITHOUT[name] for name in maps if name not in reader.offered]
        box = self._region(volume, should_stop, notes)
        prepared = prepare(volume, self.manifest.preprocess, box)
        for device, windows, note in self._attempts():
            try:
                labels, found, alone = _run(prepared, reader, windows, device, progress, should_stop)
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                _release(reader)
                continue
            if pieces > 0:
                notes += _drop(labels, found, pieces, volume.geometry.voxel_ml)
                for name in reader.alone:
                    alone[name] = keep_pieces(alone[name], pieces)
            return self._result(volume, labels, found, alone, reader, [*notes, *note], device)
        raise _too_large(volume)

    def _region(self, volume: Volume, should_stop: ShouldStop | None, notes: list[str]) -> Box | None:
        """Give what the coarse stage leaves to look at, and say so in the notes; None is the whole CT."""
        if self.coarse is None:
            return None
        box = self._first_look(self.coarse, volume, should_stop)
        if box is None:
            notes.append("The coarse stage found no organ: the whole CT was looked at.")
            return None
        share = box.share_of(plan_steps(volume.geometry, self.manifest.preprocess).canonical_shape)
        notes.append(
            f"The organs were looked for in the {max(1, round(100 * share))} % of the CT that the coarse "
            "stage chose; outside, the maps show no doubt because nothing was looked at."
        )
        return box

    def _first_look(self, coarse: CoarseLook, volume: Volume, should_stop: ShouldStop | None) -> Box | None:
        for device in dict.fromkeys((self.device, torch.device("cpu"))):
            try:
                return coarse.find(volume, device, should_stop)
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                _release(coarse.reader)
        raise _too_large(volume)

    def _attempts(self) -> Iterator[tuple[torch.device, Windows, list[str]]]:
        """Where and with which windows to try, each with what to tell the user if it works."""
        windows = Windows.of(self.manifest.patch)
        yield self.device, windows, []
        short = f"Memory of the {self.device.type} device did not suffice: "
        small = windows.smaller(SMALLEST_WINDOW)
        if small.size != windows.size:
            size = " x ".join(map(str, small.size))
            note = f"windows of {size} voxels were used; labels and confidence may differ slightly."
            yield self.device, small, [short + note]
        if self.device.type != "cpu":
            yield torch.device("cpu"), windows, [short + "the CPU was used."]

    def _result(
        self,
        volume: Volume,
        labels: NDArray[np.uint8],
        maps: dict[str, NDArray[np.uint8]],
        alone: dict[str, NDArray[np.uint8]],
        reader: Reader,
        notes: list[str],
        device: torch.device,
    ) -> PredictionMaps:
        organs, available = self.manifest.organs, reader.available
        known = [True] * (len(organs) + 1) if available is None else available.tolist()
        unavailable = tuple(organ for organ, seen in zip(organs, known[1:], strict=True) if not seen)
        if unavailable and maps:
            notes.append(
                f"Confidence is not known for {', '.join(unavailable)}: no labelled training case has it."
            )
        table, mean = measure(labels, maps.get("confidence"), volume.geometry.voxel_ml, organs, known[1:])
        values = np.array([0, *(self.scheme.value(organ) for organ in organs)], np.uint8)
        if (values != np.arange(len(values))).any():
            for array in (labels, *alone.values()):
                np.take(values, array, out=array)
        apart = {name: volume.like(array, "labels") for name, array in alone.items()}
        return PredictionMaps(
            volume.like(labels, "labels"),
            {name: volume.like(array, "confidence") for name, array in maps.items()},
            table, mean, reader.kind, unavailable, tuple(notes), str(device),
            {name: apart[name] for name in reader.alone},
            {name: apart[name] for name in apart.keys() - set(reader.alone)},
        )  # fmt: skip


_WITHOUT = {
    "disagreement": "Disagreement needs two networks; only one is used here.",
    "typicality": "Typicality needs class statistics, which this bundle does not hold.",
}


def measure(
    labels: NDArray[np.uint8],
    confidence: NDArray[np.uint8] | None,
    voxel_ml: float,
    organs: tuple[str, ...],
    known: list[bool],
) -> tuple[dict[str, OrganMeasure], float | None]:
    """Measure every organ of a prediction.

    Parameters
    ----------
    labels : (z, y, x) uint8
        Value i + 1 is `organs[i]`.
    confidence : (z, y, x) uint8 in 255ths, or None
    voxel_ml : float
    organs : tuple of str
    known : list of bool
        Whether an organ's confidence is known.

    Returns
    -------
    table : dict of str to OrganMeasure
    mean : float or None
        Mean confidence over all voxels of organs whose confidence is known.
    """
    size = len(organs) + 1
    count, total = np.zeros(size, np.int64), np.zeros(size)
    for index, plane in enumerate(labels):  # plane by plane: bincount makes float64 of its weights
        count += np.bincount(plane.ravel(), minlength=size)
        if confidence is not None:
            total += np.bincount(plane.ravel(), confidence[index].ravel(), minlength=size) / 255
    usable = np.array([False, *known]) & (count > 0) & (confidence is not None)
    mean = np.divide(total, count, out=np.zeros(size), where=count > 0)
    table = {
        organ: OrganMeasure(
            volume_ml=float(count[value] * voxel_ml),
            mean_confidence=float(min(mean[value], 1.0)) if usable[value] else None,
        )
        for value, organ in enumerate(organs, start=1)
    }
    return table, float(min(total[usable].sum() / count[usable].sum(), 1.0)) if usable.any() else None


def _run(
    prepared: Prepared,
    reader: Reader,
    windows: Windows,
    device: torch.device,
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.uint8]], dict[str, NDArray[np.uint8]]]:
    """Give labels (class indices), maps and the labels of each opinion on the source grid."""
    _move(reader, device)
    steps = prepared.steps
    labels = np.zeros(steps.source.shape, np.uint8)
    maps = {name: np.full(steps.source.shape, OUTSIDE[name], np.uint8) for name in reader.offered}
    restorer = Restorer(
        steps.shape, steps.part(labels), {name: steps.part(array) for name, array in maps.items()}, device
    )
    alone = {name: np.zeros(steps.source.shape, np.uint8) for name in reader.opinions}
    apart = {name: Restorer(steps.shape, steps.part(array), None, device) for name, array in alone.items()}
    for slab in predict_maps(
        prepared.image, reader, windows, device=device, progress=progress, should_stop=should_stop
    ):
        _, found = reader.finish(slab.maps)
        restorer.add(slab.start, slab.maps["probability"], found)
        for name, scores in reader.scores_apart(slab.maps):
            apart[name].add(slab.start, scores)
    return labels, maps, alone


def _drop(
    labels: NDArray[np.uint8], maps: dict[str, NDArray[np.uint8]], share: float, voxel_ml: float
) -> list[str]:
    """Turn small pieces to background in place, where nobody is sure of that, and say how much it was."""
    dropped = labels != keep_pieces(labels, share)
    labels[dropped] = 0
    for name in {"confidence", "typicality"} & maps.keys():
        maps[name][dropped] = 0
    gone_ml = float(np.count_nonzero(dropped)) * voxel_ml
    return [f"{gone_ml:.1f} ml in small pieces apart from their organs were dropped."] if gone_ml else []


def _move(reader: Reader, device: torch.device) -> None:
    for module in (*reader.networks.values(), *reader.banks.values()):
        module.to(device)


def _release(reader: Reader) -> None:
    """Free what a failed attempt held on the GPU."""
    _move(reader, torch.device("cpu"))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _too_large(volume: Volume) -> GuidedNetError:
    return GuidedNetError(
        f"There is not enough memory for a CT of {' x '.join(map(str, volume.array.shape))} voxels.",
        "Close other programs, or crop the CT to the abdomen.",
    )


def _is_out_of_memory(error: BaseException) -> bool:
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or "DefaultCPUAllocator" in str(error)  # torch raises a plain RuntimeError on the CPU


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise GuidedNetError(
            f"There is no device '{name}' here.", "Use auto, cpu, or cuda where there is a GPU."
        ) from error
    return device
