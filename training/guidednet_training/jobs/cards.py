"""The model card of a bundle: what it is, what it learnt from, how well it did, where it must not be used."""

from __future__ import annotations

from ..core.bundle import BundleManifest
from ..core.scores import mean_of

TERMS = "For research use. Not a medical device; not for clinical use."


def model_card(manifest: BundleManifest) -> str:
    """Write the model card of a bundle as Markdown, from its manifest alone."""
    low, high = manifest.preprocess.window_hu
    grid = manifest.preprocess.grid
    sizes = " x ".join(f"{size:g}" for size in grid or manifest.preprocess.spacing_mm)
    sight = f"in {sizes} voxels" if grid else f"at {sizes} mm"
    parts = [
        f"# {manifest.name}",
        manifest.terms or TERMS,
        f"Method: {manifest.method}. Network: {manifest.net.name}, width {manifest.net.width}, "
        f"{len(manifest.networks)} network(s), best: {manifest.best}. "
        f"Parent: {manifest.parent or 'none, trained from scratch'}.",
        f"Organs ({manifest.scheme}): {', '.join(name.replace('_', ' ') for name in manifest.organs)}.",
        f"Learnt from {manifest.labelled} labelled and {manifest.unlabelled} unlabelled cases.",
        f"It sees a CT clipped to [{low:g}, {high:g}] HU {sight} (z, y, x). What differs only outside "
        "this window (lung, bone, metal) is invisible to it.",
        _cascade(manifest),
        "Its best network answers alone." if manifest.answer == "best" else "",
        "Of each organ only the largest connected piece is kept." if manifest.largest_only else "",
        _validation(manifest),
        _calibration(manifest),
        f"Made {manifest.created} with guidednet {manifest.code_version}. "
        f"Licence: {manifest.licence or 'none given'}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cascade(manifest: BundleManifest) -> str:
    if manifest.coarse is None:
        return ""
    return (
        f"A first look by {manifest.coarse.name} at the whole CT finds the region of the organs; only there "
        "are they looked for."
    )


def _validation(manifest: BundleManifest) -> str:
    if not manifest.validation:
        return "No validation: the project had no labelled validation case."
    lines = ["| organ | Dice | NSD |", "|---|---|---|"]
    for organ, figures in manifest.validation.items():
        lines.append(
            f"| {organ.replace('_', ' ')} | {_figure(figures.get('dice'))} | {_figure(figures.get('nsd'))} |"
        )
    known = [value for figures in manifest.validation.values() if (value := figures.get("dice")) is not None]
    head = f"Validation, mean Dice over organs {_figure(mean_of(known) if known else None)}:"
    return head + "\n\n" + "\n".join(lines)


def _calibration(manifest: BundleManifest) -> str:
    error = manifest.calibration.get("ece")
    lacking = manifest.calibration.get("unavailable") or []
    said = (
        f"Confidence: expected calibration error {error:.3f} on the validation cases. "
        if error is not None
        else ""
    )
    if lacking:
        said += f"No class statistics, hence no confidence, for: {', '.join(lacking)}."
    return said.strip()


def _figure(value: float | None) -> str:
    return "not scored" if value is None else f"{value:.3f}"
