"""One DICOM object of a kind that was asked for; anything else is refused with a reason."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import FileError
from .stream import DAMAGED


def read_object(path: Path, kinds: Sequence[str], what: str) -> Any:
    """Read a DICOM file that must be of certain SOP classes; pixels are decoded later."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path)
            kind = str(data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID"))
    except OSError as error:
        raise FileError(f"Could not read {path}: {error.strerror or error}.") from error
    except Exception as error:  # pydicom raises whatever the damage happens to cause
        raise FileError(f"{path} is no DICOM file, or damaged.", DAMAGED) from error
    if kind not in kinds:
        raise FileError(
            f"{path} is no {what}; it says {data.get('Modality') or 'nothing'}.", "Choose another file."
        )
    return data
