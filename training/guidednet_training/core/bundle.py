"""A model bundle: a folder of weights and facts, published whole, checked at every use, never changed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import Field

from .case import CASE_ID
from .errors import BundleError, GuidedNetError
from .files import atomic_folder, read_text
from .record import FilePart, Record
from .spec import NetSpec, PatchSpec, PreprocessSpec

if TYPE_CHECKING:
    from .project import Project

FORMAT = 1
_BANK = ("mean", "variance", "count", "seen")
_MANIFEST, _WEIGHTS, _CARD = "manifest.json", "weights.safetensors", "README.md"
_COARSE = "coarse"  # folder of the coarse stage's bundle inside a bundle
MARGIN = 0.1  # the organs of a coarse stage are sure to a few of its large voxels

Tensors = dict[str, NDArray[Any]]


class CoarseStage(Record):
    """The model that finds where the organs are; its bundle lies in the folder `coarse` of another."""

    name: str = Field(description="of the bundle that was copied there")
    weights_sha256: str = Field(description="of its weights; it cannot be exchanged")
    margin: float = Field(
        MARGIN,
        ge=0,
        le=1,
        description="the box around its organs grows by this share of its side, on each side",
    )

    @classmethod
    def of(cls, bundle: ModelBundle, margin: float = MARGIN) -> CoarseStage:
        """Name a bundle as a coarse stage."""
        return cls(name=bundle.name, weights_sha256=bundle.manifest.weights_sha256, margin=margin)


class BundleManifest(Record):
    """What is known about a trained model (`manifest.json`)."""

    format: Literal[1] = 1
    name: str = Field(pattern=CASE_ID)
    parent: str | None = None  # bundle it was warm-started from
    method: str
    net: NetSpec
    scheme: str
    organs: tuple[str, ...] = Field(min_length=1)  # class i + 1 of the network
    preprocess: PreprocessSpec
    patch: PatchSpec
    coarse: CoarseStage | None = Field(
        None, description="a coarse model finds the region to look at first; none = the whole CT is looked at"
    )
    answer: Literal["all", "best"] = Field(
        "all",
        description="who gives labels and maps: all networks in the mean, or the best alone; chosen on "
        "validation cases",
    )
    largest_only: bool = Field(
        False,
        description="only the largest connected piece of each organ is kept; chosen on validation cases",
    )
    networks: tuple[FilePart, ...] = ("a",)
    best: str = "a"  # of `networks`, by validation
    settings: dict[str, Any] = Field(default_factory=dict)
    training_cases: dict[str, str] = Field(default_factory=dict, description="case id -> digest")
    labelled: int = 0
    unlabelled: int = 0
    validation: dict[str, dict[str, float | None]] = Field(
        default_factory=dict, description="organ -> dice, nsd, ...; none = no case has the organ"
    )
    calibration: dict[str, Any] = Field(default_factory=dict)
    code_version: str = ""
    created: str = Field("", description="UTC, ISO 8601")
    licence: str = ""
    terms: str = ""
    weights_sha256: str = ""  # written by publish_bundle


@dataclass(frozen=True)
class ModelBundle:
    """A published bundle whose version and checksum were found right."""

    folder: Path
    manifest: BundleManifest

    @classmethod
    def read(cls, folder: Path | str) -> ModelBundle:
        """Read a bundle's manifest and check its weights against the checksum.

        Raises
        ------
        BundleError
            When it is missing, of another format version, incomplete or damaged.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder)
        _checked_weights(folder, manifest)
        bundle = cls(folder, manifest)
        _check_coarse(manifest, bundle.coarse())
        return bundle

    @property
    def name(self) -> str:
        """Name in its manifest."""
        return self.manifest.name

    def tensors(self) -> Tensors:
        """Read weights and class statistics, checked again.

        Returns
        -------
        dict
            `net.<network>.<key of the state dict>` and, per network,
            `bank.<network>.mean` (K, C), `.variance` (K,) or (K, C), `.count` (K,), `.seen` (K,),
            where K counts the background.

        Raises
        ------
        BundleError
            When the weights are damaged or hold tensors that do not belong.
        """
        content = _checked_weights(self.folder, self.manifest)
        try:
            tensors: Tensors = safetensors.numpy.load(content)
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"The weights of bundle '{self.name}' are not a safetensors file.") from error
        _check_tensors(tensors, self.manifest)
        return tensors

    def coarse(self) -> ModelBundle | None:
        """Read the bundle of the coarse stage; None when this one looks at the whole CT.

        Raises
        ------
        BundleError
            When it is missing or damaged.
        """
        return None if self.manifest.coarse is None else ModelBundle.read(self.folder / _COARSE)

    def card(self) -> str:
        """Give the model card (Markdown)."""
        return read_text(self.folder / _CARD)


def publish_bundle(
    folder: Path | str,
    manifest: BundleManifest,
    tensors: Tensors,
    card: str,
    coarse: ModelBundle | None = None,
) -> ModelBundle:
    """Write a new bundle; it appears whole under its name or not at all.

    Parameters
    ----------
    folder : Path
        The folder to make; it must not exist, for bundles are never changed.
    manifest : BundleManifest
        Its `weights_sha256` is filled in here.
    tensors : dict
        As `ModelBundle.tensors` gives them.
    card : str
        Model card, Markdown.
    coarse : ModelBundle, optional
        The coarse stage that the manifest names; it is copied into the new bundle.

    Raises
    ------
    BundleError
        When the name is taken or the tensors do not fit the manifest.
    FileError
        When the disk is full or read-only.
    """
    folder = Path(folder)
    if folder.exists():
        raise BundleError(
            f"There is a bundle at {folder} already.", "Bundles never change: choose a new name."
        )
    _check_tensors(tensors, manifest)
    _check_coarse(manifest, coarse)
    content = safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    manifest = manifest.model_copy(update={"weights_sha256": hashlib.sha256(content).hexdigest()})
    with atomic_folder(folder) as partial:
        (partial / _WEIGHTS).write_bytes(content)
        (partial / _CARD).write_text(card, encoding="utf-8")
        (partial / _MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        if coarse is not None:
            (partial / _COARSE).mkdir()
            for name in (_WEIGHTS, _CARD, _MANIFEST):
                shutil.copyfile(coarse.folder / name, partial / _COARSE / name)
    return ModelBundle(folder, manifest)


def publish_cascade(
    folder: Path | str, bundle: ModelBundle, coarse: ModelBundle, margin: float = MARGIN
) -> ModelBundle:
    """Write a bundle anew under the folder's name, with a coarse stage that finds where it shall look.

    Its validation scores are left out: they were those of the bundle alone.

    Raises
    ------
    BundleError
        When the name is taken, or `coarse` has a coarse stage itself.
    SpecError
        When name or margin is not possible.
    """
    changes = {
        "name": Path(folder).name,
        "coarse": CoarseStage.of(coarse).model_dump() | {"margin": margin},
        "validation": {},
    }
    manifest = BundleManifest.parse(bundle.manifest.model_dump(mode="json") | changes, "the new bundle")
    card = f"# {manifest.name}\n\n{bundle.name}, looking where {coarse.name} finds organs. {bundle.name}:\n\n"
    return publish_bundle(folder, manifest, bundle.tensors(), card + bundle.card(), coarse)


def is_bundle(folder: Path | str) -> bool:
    """Tell whether a folder claims to be a bundle; reading it finds out if it is a sound one."""
    return (Path(folder) / _MANIFEST).is_file()


def starter_bundle() -> Path:
    """Give the folder of the bundle that ships with the package.

    Raises
    ------
    BundleError
        When this installation came without it.
    """
    folder = Path(__file__).resolve().parent.parent / "starter"
    if not is_bundle(folder):
        raise BundleError(
            "This installation has no starter model.", "Train one, or give the folder of a bundle."
        )
    return folder


def resolve_bundle(ref: str, project: Project | None = None) -> Path:
    """Find the folder of a bundle.

    Parameters
    ----------
    ref : str
        "starter", "current" or the name of a bundle in the project, or a path.
    project : Project, optional
        Where names are looked up first.

    Raises
    ------
    BundleError
        When nothing of that name is found; the message lists what there is.
    """
    names = project.bundles() if project is not None else ()
    if project is not None and ref == "current" and project.current is not None:
        return project.bundle_folder(project.current)
    if project is not None and ref in names:
        return project.bundle_folder(ref)
    if ref == "starter":
        return starter_bundle()
    if is_bundle(ref):
        return Path(ref)
    known = ", ".join((*names, "starter"))
    raise BundleError(
        f"There is no bundle '{ref}'.", f"Known: {known}; or give the path of a bundle's folder."
    )


def _read_manifest(folder: Path) -> BundleManifest:
    path = folder / _MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is not a model bundle: it has no {_MANIFEST}.")
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{path} is damaged: it is not JSON.", "Fetch or publish the bundle again."
        ) from error
    version = content.get("format") if isinstance(content, dict) else None
    if version != FORMAT:
        raise BundleError(
            f"The bundle in {folder} has format {version}; this version reads format {FORMAT}.",
            "Use the program version that made it, or one that is newer.",
        )
    try:
        manifest = BundleManifest.parse(content, str(path))
    except GuidedNetError as error:
        raise BundleError(error.message, error.hint) from error
    if manifest.best not in manifest.networks:
        raise BundleError(f"{path}: best network '{manifest.best}' is not one of {manifest.networks}.")
    return manifest


def _checked_weights(folder: Path, manifest: BundleManifest) -> bytes:
    path = folder / _WEIGHTS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"Could not read {path}: {error.strerror or error}.") from error
    if hashlib.sha256(content).hexdigest() != manifest.weights_sha256:
        raise BundleError(
            f"The weights in {folder} do not match their checksum: damaged or exchanged.",
            "Copy or publish the bundle again; it was not used.",
        )
    return content


def _check_coarse(manifest: BundleManifest, coarse: ModelBundle | None) -> None:
    wanted = manifest.coarse
    if wanted is None and coarse is None:
        return
    if wanted is None or coarse is None or wanted.weights_sha256 != coarse.manifest.weights_sha256:
        raise BundleError(
            f"The coarse stage of bundle '{manifest.name}' is not the one its manifest names.",
            "Copy or publish the bundle again; it was not used.",
        )
    if coarse.manifest.coarse is not None:
        raise BundleError(
            f"'{coarse.name}' has a coarse stage itself.",
            "Take a model that looks at whole CTs as coarse stage.",
        )


def _check_tensors(tensors: Tensors, manifest: BundleManifest) -> None:
    networks = "|".join(re.escape(name) for name in manifest.networks)
    allowed = re.compile(rf"(net\.({networks})\..+)|(bank\.({networks})\.({'|'.join(_BANK)}))")
    foreign = sorted(name for name in tensors if not allowed.fullmatch(name))
    if foreign:
        raise BundleError(
            f"Bundle '{manifest.name}' holds tensors that do not belong: {', '.join(foreign[:3])}."
        )
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BundleError(
                f"Tensor '{name}' of bundle '{manifest.name}' holds values that are not finite."
            )
    for network in manifest.networks:
        if not any(name.startswith(f"net.{network}.") for name in tensors):
            raise BundleError(f"Bundle '{manifest.name}' has no weights for network '{network}'.")
        _check_bank(tensors, manifest, network)


def _check_bank(tensors: Tensors, manifest: BundleManifest, network: str) -> None:
    bank = {part: tensors[f"bank.{network}.{part}"] for part in _BANK if f"bank.{network}.{part}" in tensors}
    if not bank:
        return  # trained without class statistics: no confidence but the softmax
    n_classes = len(manifest.organs) + 1
    whole = set(bank) == set(_BANK) and all(a.ndim and a.shape[0] == n_classes for a in bank.values())
    if (
        not whole
        or bank["mean"].ndim != 2
        or bank["variance"].shape not in (bank["mean"].shape, (n_classes,))
    ):
        raise BundleError(
            f"The class statistics of network '{network}' in bundle '{manifest.name}' do not fit "
            f"{n_classes} classes."
        )
