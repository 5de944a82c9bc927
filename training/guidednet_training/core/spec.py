"""What a training is made of: one frozen tree of strict specifications."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from .record import Record


class PreprocessSpec(Record):
    """How a CT becomes the network's input (canonical RAS axes, window, spacing, normalise)."""

    spacing_mm: tuple[float, float, float] = Field(
        (2.5, 1.25, 1.25), title="Spacing", description="voxel size along z, y, x in mm"
    )
    window_hu: tuple[float, float] = Field(
        (-325.0, 325.0), title="Window", description="HU are clipped to this range"
    )
    normalise: Literal["percentile", "window"] = Field(
        "percentile",
        title="Normalisation",
        description="to [0, 1] by the 0.5 and 99.5 percentiles of the volume, or by the window itself",
    )
    grid: tuple[int, int, int] | None = Field(
        None,
        title="Fixed grid",
        description="every CT, or the region a coarse model found in it, becomes this many voxels (z, y, x), "
        "whatever their size; none = by the spacing",
    )

    @model_validator(mode="after")
    def _check(self) -> PreprocessSpec:
        if min(self.spacing_mm) <= 0 or self.window_hu[0] >= self.window_hu[1]:
            raise ValueError("spacing must be positive and the window's low end below its high end")
        if self.grid is not None and min(self.grid) < 1:
            raise ValueError(f"a grid of {self.grid} holds no voxel")
        return self


class PatchSpec(Record):
    """Patches for training and windows for inference, in voxels of the prepared grid (z, y, x)."""

    size: tuple[int, int, int] = Field((64, 128, 128), title="Training patch")
    window: tuple[int, int, int] = Field((64, 160, 160), title="Inference window")
    overlap: float = Field(0.5, ge=0.0, lt=1.0, title="Window overlap", description="share of the window")
    labelled: int = Field(4, ge=1, title="Labelled patches per step")
    unlabelled: int = Field(
        4,
        ge=0,
        title="Unlabelled patches per step",
        description="methods that compare overlapping patches draw two for each",
    )
    foreground: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        title="Foreground crops",
        description="probability that a labelled crop is centred on a random organ",
    )
    flip: bool = Field(True, title="Flips", description="of z and y; x never: left and right organs differ")
    intensity: bool = Field(False, title="Intensity augmentation", description="noise, blur, contrast, gamma")
    affine: bool = Field(False, title="Spatial augmentation", description="small rotations and scalings")

    @model_validator(mode="after")
    def _check_sides(self) -> PatchSpec:
        # five stages halve each side four times, and one voxel alone cannot be normalised
        for name, sides in (("size", self.size), ("window", self.window)):
            if any(side % 16 or side < 32 for side in sides):
                raise ValueError(f"{name} {sides}: every side must be a multiple of 16, at least 32")
        return self


class NetSpec(Record):
    """A segmentation network."""

    name: Literal["unet3d", "vnet", "uxnet", "dkuxnet"] = Field("unet3d", title="Network")
    width: int = Field(16, ge=4, le=64, title="Width", description="channels of the first stage")
    dropout: float = Field(0.3, ge=0.0, lt=1.0, title="Dropout")
    norm: Literal["instance", "batch"] = Field(
        "instance", title="Norm", description="batch: of the network vnet only, as originally published"
    )
    feature_layer: int = Field(4, ge=1, le=4, title="Feature layer", description="decoder stage of the tap")
    tap: Literal["pre_dropout", "post_dropout"] = Field("pre_dropout", title="Feature tap")
    queries: int = Field(
        128,
        ge=8,
        le=512,
        multiple_of=8,
        title="Queries",
        description="of networks and methods that cluster voxels",
    )
    query_stride: Literal[1, 2, 4] = Field(
        1,
        title="Query stride",
        description="of the network dkuxnet; 2 or 4 save memory, 1 is full resolution",
    )

    @model_validator(mode="after")
    def _check_norm(self) -> NetSpec:
        if self.norm == "batch" and self.name != "vnet":
            raise ValueError(f"the network {self.name} has no batch norm to choose; vnet has")
        return self


class OptimSpec(Record):
    """Optimiser, schedule and numerical precision."""

    name: Literal["sgd", "adamw"] = Field("sgd", title="Optimiser")
    lr: float = Field(0.1, gt=0, title="Learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, title="Momentum", description="SGD only")
    weight_decay: float = Field(1e-4, ge=0, title="Weight decay")
    schedule: Literal["poly", "halving", "tenths"] = Field(
        "poly",
        title="Schedule",
        description="poly decay to 0; halved after each fifth of the steps; or a tenth after each 5/12",
    )
    power: float = Field(0.9, gt=0, title="Poly power", description="lr(t) = lr (1 - t/T)^power")
    clip: float | None = Field(None, gt=0, title="Gradient clipping", description="norm, none = off")
    ema: float | None = Field(
        None, gt=0, lt=1, title="Weight average", description="momentum of shipped weights"
    )
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = Field("32-true", title="Precision")


class LearnSpec(Record):
    """What corrections, earlier cases and organs in focus count for; the defaults treat all alike."""

    edited: float = Field(
        1.0,
        ge=1,
        le=10,
        title="Weight of corrections",
        description="voxels of confirmed organs that a person has changed after a model count this many "
        "times in the loss on labelled patches; 1 = like all others",
    )
    reach_mm: float = Field(
        5.0,
        ge=0,
        le=50,
        title="Reach of corrections",
        description="over this distance in mm the weight of a correction falls back to 1",
    )
    rehearsal: float = Field(
        0.5,
        ge=0,
        le=0.9,
        title="Share of earlier cases",
        description="of the labelled patches, at least, comes from cases that the model to start from has "
        "learnt, so that it forgets nothing; 0 = each case as often as any other",
    )
    focus: tuple[str, ...] = Field(
        (), title="Organs in focus", description="names of organs that are to be learnt before all others"
    )
    focus_share: float = Field(
        0.6,
        ge=0,
        le=1,
        title="Share of the focus",
        description="probability that a labelled patch is centred on an organ in focus, if its case has any",
    )
    checked_cases: int = Field(
        20,
        ge=0,
        le=1000,
        title="Corrected cases to check",
        description="so many training cases at most are segmented again by the new model and the one in use, "
        "to see which past corrections they keep; 0 = none",
    )


class TrainSpec(Record):
    """Everything that decides a training, beside the data."""

    method: str = Field("guidednet", title="Method")
    settings: dict[str, Any] = Field(default_factory=dict, description="settings of the method")
    net: NetSpec = Field(NetSpec(), title="Network")
    patch: PatchSpec = Field(PatchSpec(), title="Patches")
    preprocess: PreprocessSpec = Field(PreprocessSpec(), title="Preparation of the CT")
    optim: OptimSpec = Field(OptimSpec(), title="Optimiser and schedule")
    learn: LearnSpec = Field(LearnSpec(), title="Learning from corrections")
    seed: int = Field(0, ge=0)
    steps: int = Field(20_000, ge=1, title="Steps")
    validate_every: int = Field(200, ge=1, title="Validate every")
    validate_from: float = Field(0.5, ge=0, le=1, title="First validation", description="share of the steps")
    gradients_every: int = Field(100, ge=0, title="Gradient norms every", description="0 = never")
    devices: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device")
