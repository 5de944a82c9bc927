"""Verbs that show something: demo and gui."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..core.errors import GuidedNetError


def register(verbs: Any) -> None:
    """Add the verbs to the parser."""
    demo = verbs.add_parser(
        "demo",
        help="the whole loop on synthetic cases, in under five minutes",
        description="Makes a project of synthetic CTs, segments one, corrects it, retrains with the "
        "unlabelled cases, compares old and new; writes pictures and report.md. "
        "Ends in napari where there is a screen.",
    )
    demo.add_argument(
        "--out", type=Path, metavar="DIR", help="new folder for project, pictures and report "
        "(default: guidednet-demo, guidednet-demo-2, ... here)",
    )  # fmt: skip
    demo.add_argument(
        "--ct", type=Path, metavar="FILE_OR_FOLDER", help="instead: segment your CT with the starter model"
    )
    demo.add_argument("--no-window", action="store_true", help="do not start napari at the end")
    demo.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    demo.add_argument(
        "--seed", type=int, default=0, help="another seed, other synthetic patients (default 0)"
    )
    demo.set_defaults(act=_demo)
    gui = verbs.add_parser("gui", help="start napari with the plugin, on a project if one is given")
    gui.add_argument("project", type=Path, nargs="?", metavar="PROJECT")
    gui.set_defaults(act=_gui)


def _demo(arguments: argparse.Namespace) -> int:
    from ..demo.story import segment_own_ct, tell

    if arguments.ct is not None:
        project = segment_own_ct(arguments.ct, arguments.out, arguments.device)
    else:
        project = tell(arguments.out, arguments.seed, arguments.device)
    if arguments.no_window or not window_possible():
        print(f"To go on in napari: guidednet gui {project}")
        return 0
    print("Opening napari. Close its window to end.", flush=True)
    return open_window(project)


def _gui(arguments: argparse.Namespace) -> int:
    if not plugin_installed():
        raise GuidedNetError(
            "napari or the GuidedNet plugin is not installed here.",
            'Install them with: pip install "napari-guidednet[gui]"',
        )
    if not _display():
        raise GuidedNetError(
            "There is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set.",
            "Log in with a desktop, use ssh -X, or work without a window: "
            "guidednet predict, train, evaluate.",
        )
    if arguments.project is not None and not (arguments.project / "project.json").is_file():
        raise GuidedNetError(
            f"{arguments.project} is not a project.", f"Make one with: guidednet new {arguments.project}"
        )
    return open_window(arguments.project)


def window_possible() -> bool:
    """Tell whether napari with the plugin can be started here."""
    return plugin_installed() and _display()


def plugin_installed() -> bool:
    """Tell whether napari and the plugin are installed; imports neither."""
    return all(importlib.util.find_spec(name) is not None for name in ("napari", "napari_guidednet"))


def open_window(project: Path | None) -> int:
    """Start napari with the plugin as a process of its own, and wait until its window is closed."""
    command = [sys.executable, "-P", "-m", "napari_guidednet"]
    return subprocess.call(command if project is None else [*command, str(project)])


def _display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
