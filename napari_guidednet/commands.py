"""What the menu entries do; they work on any layers, with or without the GuidedNet panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

PLUGIN = "napari-guidednet"
PANEL = "GuidedNet"
PATTERNS = ("*.nii", "*.nii.gz", "*.nrrd", "*.mha", "*.mhd", "*.dcm")


def open_panel(viewer: Viewer) -> None:
    """Open the GuidedNet panel, or show the one that is open."""
    for title, panel in viewer.window.dock_widgets.items():
        if title.startswith(f"{PANEL} ("):  # napari adds the plugin's name, in two ways
            dock = panel.parent()  # the panel itself may be hidden behind others or closed
            dock.show()
            dock.raise_()
            return
    viewer.window.add_plugin_dock_widget(PLUGIN, PANEL)


def open_files_here() -> None:
    """Let napari open NIfTI, NRRD, MetaImage and DICOM with this plugin from now on."""
    from napari.settings import get_settings
    from napari.utils.notifications import show_info

    readers = get_settings().plugins
    readers.extension2reader = {**readers.extension2reader, **dict.fromkeys(PATTERNS, PLUGIN)}
    show_info(f"From now on GuidedNet opens {', '.join(PATTERNS)}.")


def window_abdomen(viewer: Viewer) -> None:
    """Show soft tissue."""
    _set_window(viewer, "Abdomen")


def window_liver(viewer: Viewer) -> None:
    """Show small differences in the liver."""
    _set_window(viewer, "Liver")


def window_lung(viewer: Viewer) -> None:
    """Show the lungs."""
    _set_window(viewer, "Lung")


def window_bone(viewer: Viewer) -> None:
    """Show bone."""
    _set_window(viewer, "Bone")


def window_wide(viewer: Viewer) -> None:
    """Show everything from air to bone."""
    _set_window(viewer, "Wide")


def name_flare(viewer: Viewer) -> None:
    """Name and colour the organs of the selected labels by FLARE_13."""
    _name_organs(viewer, "FLARE_13")


def name_amos(viewer: Viewer) -> None:
    """Name and colour the organs of the selected labels by AMOS_15."""
    _name_organs(viewer, "AMOS_15")


def measure_volumes(viewer: Viewer) -> None:
    """Add each organ's volume in ml to the table of the selected labels, and say it."""
    from napari.utils.notifications import show_info

    for layer in _selected_labels(viewer):
        table = volume_table(layer)
        layer.features = table
        present = table[table["volume_ml"] > 0]
        lines = [f"{row.organ}: {row.volume_ml:.1f} ml" for row in present.itertuples() if row.index != 0]
        show_info("\n".join(lines) or f"{layer.name} holds no organ.")


def volume_table(layer: Labels) -> Any:
    """Give the table of a labels layer with a column `volume_ml`.

    Returns
    -------
    pandas.DataFrame
        Columns index (label value), organ, volume_ml.
    """
    import numpy as np
    import pandas as pd

    geometry = layer.metadata.get("guidednet", {}).get("geometry")
    voxel_ml = geometry.voxel_ml if geometry is not None else float(np.prod(layer.scale)) / 1000.0
    values, counts = np.unique(np.asarray(layer.data), return_counts=True)
    volumes = dict(zip(values.tolist(), (counts * voxel_ml).tolist(), strict=True))
    if "organ" in layer.features:
        table = layer.features[["index", "organ"]].copy()
    else:
        table = pd.DataFrame({"index": values, "organ": [f"label {value}" for value in values]})
    table["volume_ml"] = [round(volumes.get(value, 0.0), 3) for value in table["index"]]
    return table


def _set_window(viewer: Viewer, name: str) -> None:
    from napari.layers import Image
    from napari.utils.notifications import show_warning

    from .layers.display import window_limits

    images = [layer for layer in viewer.layers.selection if isinstance(layer, Image)]
    images = images or [layer for layer in viewer.layers if isinstance(layer, Image) and _is_ct(layer)]
    for layer in images:
        layer.contrast_limits = window_limits(name)
    if not images:
        show_warning("There is no CT to set the window of: open one, or select its layer.")


def _is_ct(layer: Any) -> bool:
    return "map" not in layer.metadata.get("guidednet", {"map": None})


def _name_organs(viewer: Viewer, scheme_name: str) -> None:
    from .backend import scheme_named
    from .layers.organ_names import name_options

    scheme = scheme_named(scheme_name)
    for layer in _selected_labels(viewer):
        for option, value in name_options(scheme).items():
            setattr(layer, option, value)
        layer.metadata.setdefault("guidednet", {})["scheme"] = scheme.name


def _selected_labels(viewer: Viewer) -> list[Labels]:
    from napari.layers import Labels
    from napari.utils.notifications import show_warning

    layers = [layer for layer in viewer.layers.selection if isinstance(layer, Labels)]
    if not layers:
        show_warning("Select a labels layer first.")
    return layers
