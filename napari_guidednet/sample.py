"""Sample data: a synthetic abdomen whose fifteen organs are known."""

from __future__ import annotations

from typing import Any

LayerData = tuple[Any, dict[str, Any], str]

_SEED = 7


def synthetic_abdomen() -> list[LayerData]:
    """Give a CT and its labels as layers (npe2 hook)."""
    from .backend import AMOS_15, make_phantom
    from .layers.display import Display, window_limits
    from .layers.organ_names import name_options

    ct, labels = make_phantom(_SEED, scheme=AMOS_15)
    display = Display(ct.geometry)
    ct_options = display.layer_options() | {
        "name": "Synthetic CT", "colormap": "gray", "contrast_limits": window_limits("Abdomen"),
    }  # fmt: skip
    organ_options = display.layer_options() | name_options(AMOS_15) | {"name": "Organs", "opacity": 0.5}
    organ_options["metadata"]["guidednet"]["scheme"] = AMOS_15.name
    return [
        (display.view(ct.array), ct_options, "image"),
        (display.view(labels.array), organ_options, "labels"),
    ]
