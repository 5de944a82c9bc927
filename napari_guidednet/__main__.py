"""Starts napari with the GuidedNet dock: `python -m napari_guidednet [PROJECT]`."""

from __future__ import annotations

import sys
from pathlib import Path

TITLE = "GuidedNet (napari-guidednet)"  # as napari names the docks of plugins


def main(arguments: list[str]) -> int:
    """Open napari, the dock and, if one is given, a project; come back when napari is closed."""
    import napari

    from .panels.main import MainPanel

    viewer = napari.Viewer(title="GuidedNet")
    panel = MainPanel(viewer)
    viewer.window.add_dock_widget(panel, name=TITLE, area="right")
    if arguments:
        panel.open_project(Path(arguments[0]))
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
