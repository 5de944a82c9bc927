"""How napari learns what label values mean: a colour and a name for each."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..backend import UNKNOWN, LabelScheme
from .colours import label_colormap


def organ_features(scheme: LabelScheme) -> pd.DataFrame:
    """Give the table by which napari names the organs of label values."""
    values = [0, *(scheme.value(organ.name) for organ in scheme.organs), UNKNOWN]
    titles = ["background", *(organ.title for organ in scheme.organs), "unknown"]
    return pd.DataFrame({"index": values, "organ": titles})


def name_options(scheme: LabelScheme) -> dict[str, Any]:
    """Give the options of a labels layer that shows a scheme: colours and names."""
    return {"colormap": label_colormap(scheme), "features": organ_features(scheme)}
