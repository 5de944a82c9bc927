"""The report of the demo: what happened, in Markdown, beside the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.bundle import BundleManifest
from ..core.events import Step, Validated
from ..core.files import write_text
from ..core.prediction import PredictionRecord
from ..core.run import EventTail, RunFolder
from ..core.scores import ScoreSheet
from .person import Stroke

Curve = list[tuple[float, float]]


class Report:
    """Collects the parts of the report in the order they happen.

    Parameters
    ----------
    title : str
        Heading of the whole.
    """

    def __init__(self, title: str) -> None:
        self._parts = [f"# {title}"]

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(text)

    def picture(self, title: str, path: Path) -> None:
        """Add a picture that lies beside the report."""
        self._parts.append(f"## {title}\n\n![{title}]({path.name})")

    def training(self, title: str, manifest: BundleManifest, seconds: float) -> None:
        """Add what a training used."""
        self._parts.append(
            f"## {title}\n\n{manifest.method}, {manifest.labelled} labelled and "
            f"{manifest.unlabelled} unlabelled cases, from {manifest.parent or 'scratch'}, {seconds:.0f} s."
        )

    def correction(self, strokes: Sequence[Stroke]) -> None:
        """Add what the person painted."""
        lines = ["## The correction", "", "| organ | slices | voxels |", "|---|---|---|"]
        lines += [f"| {_plain(s.organ)} | {s.slices} | {s.voxels} |" for s in strokes]
        lines += [
            "",
            "These organs are confirmed; the others stay the model's and are not learnt from as truth.",
        ]
        self._parts.append("\n".join(lines))

    def measures(self, record: PredictionRecord) -> None:
        """Add the per-organ table of a prediction."""
        lines = ["## Organs", "", "| organ | volume (ml) | mean confidence |", "|---|---|---|"]
        for organ, measure in record.organs.items():
            volume = f"{measure.volume_ml:.1f}" if measure.volume_ml else "not found"
            sure = "" if measure.mean_confidence is None else f"{measure.mean_confidence:.2f}"
            lines.append(f"| {_plain(organ)} | {volume} | {sure} |")
        self._parts.append("\n".join(lines))

    def comparison(self, val: ScoreSheet, test: ScoreSheet, verdict: str) -> None:
        """Add old against new, and what was decided."""
        reasons = "\n".join(f"- {reason}" for reason in val.reasons)
        self._parts.append(f"## Old against new\n\n**{verdict}**\n\n{reasons}")
        self._parts.append(f"Validation patients (they decide), mean Dice:\n\n{_table(val)}")
        self._parts.append(f"Test patients (nothing was chosen by them), mean Dice:\n\n{_table(test)}")

    def write(self, folder: Path, seconds: float) -> Path:
        """Write `report.md` and give its path."""
        self._parts.append(f"All of this took {seconds:.0f} s. For research use; not a medical device.")
        path = folder / "report.md"
        write_text(path, "\n\n".join(self._parts) + "\n")
        return path


def training_curves(run: RunFolder) -> tuple[dict[str, Curve], dict[str, Curve]]:
    """Give the loss terms and the validation Dice of a run over its steps, from its events."""
    losses: dict[str, Curve] = {}
    dice: dict[str, Curve] = {}
    for event in EventTail(run.folder).poll():
        if isinstance(event, Step):
            for name, value in event.terms.items():
                if name != "lr" and not name.startswith("gradient"):
                    losses.setdefault(name.split(".")[-1], []).append((event.step, value))
        elif isinstance(event, Validated):
            dice.setdefault(f"network {event.network}", []).append((event.step, event.mean_dice))
    return losses, dice


def _table(sheet: ScoreSheet) -> str:
    models = list(sheet.models)
    means = [sheet.organ_means(name) for name in models]
    lines = ["| organ | " + " | ".join(models) + " |", "|---" * (len(models) + 1) + "|"]
    for organ in dict.fromkeys(organ for mean in means for organ in mean):
        lines.append(f"| {_plain(organ)} | " + " | ".join(_figure(mean.get(organ)) for mean in means) + " |")
    lines.append("| **mean** | " + " | ".join(f"**{sheet.mean(name):.3f}**" for name in models) + " |")
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "not scored" if value is None else f"{value:.3f}"


def _plain(organ: str) -> str:
    return organ.replace("_", " ")
