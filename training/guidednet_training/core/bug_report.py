"""What a bug leaves behind: one text a person can copy into a report."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
import traceback
from importlib import metadata
from pathlib import Path

from .. import __version__
from .errors import FileError
from .files import write_text

PARTS = ("torch", "lightning-fabric", "numpy", "nibabel", "SimpleITK", "pydantic", "napari")


def bug_report(error: BaseException, doing: str) -> str:
    """Describe an unexpected error, the program and the computer.

    Parameters
    ----------
    error : BaseException
        What was raised; its traceback is included.
    doing : str
        What the program was doing, in words or as a command line.

    Returns
    -------
    str
        Plain text. It holds file paths of the traceback but no voxels and no image headers.
    """
    lines = [
        f"guidednet {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ", ".join(f"{name} {_version(name)}" for name in PARTS),
        f"doing: {doing}",
        "",
        "".join(traceback.format_exception(error)).rstrip(),
    ]
    return "\n".join(lines) + "\n"


def save_bug_report(error: BaseException, doing: str, folder: Path | None = None) -> Path | None:
    """Write the report of a bug to `folder`, or to the temporary folder, and give its path.

    Returns None when neither can be written; the caller then prints the report.
    """
    name = f"guidednet-report-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    for place in (folder, Path(tempfile.gettempdir())):
        if place is None:
            continue
        try:
            write_text(place / name, bug_report(error, doing))
        except FileError:
            print(f"could not write a report to {place}", file=sys.stderr)
            continue
        return place / name
    return None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
