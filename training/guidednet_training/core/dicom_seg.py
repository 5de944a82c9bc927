"""Segmentations in DICOM (SEG), written with highdicom for PACS and viewers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from .dicom_source import DicomSource
from .errors import FileError, GuidedNetError
from .files import atomic_path
from .labels import LabelScheme
from .organ_codes import ANATOMY, organ_code

_FAMILY = ("123110", "DCM", "Artificial Intelligence")  # of DICOM's list of algorithm families
SERIES_NUMBER = 9001  # far from those of scanners


@dataclass(frozen=True)
class Origin:
    """Who drew an organ: the maker of a segment is part of it.

    Attributes
    ----------
    kind : {"MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"}
    bundle : str
        The model behind it; empty where it is manual.
    """

    kind: str = "MANUAL"
    bundle: str = ""


def has_highdicom() -> bool:
    """Whether segmentations can be written here."""
    from importlib.util import find_spec

    return find_spec("highdicom") is not None


def require_highdicom() -> None:
    """Raise GuidedNetError where highdicom is not installed."""
    if not has_highdicom():
        raise GuidedNetError(
            "DICOM-SEG is written with highdicom, which is not installed.",
            "Install it: pip install 'napari-guidednet[dicom]'. Importing DICOM-SEG works without.",
        )


def write_seg(
    path: Path,
    labels: NDArray[np.uint8],
    scheme: LabelScheme,
    source: DicomSource,
    origins: dict[str, Origin] | None = None,
) -> tuple[str, ...]:
    """Write the organs of a label map as a binary segmentation, whole or not at all.

    Parameters
    ----------
    path : Path
        A .dcm file.
    labels : array of uint8, shape (z, y, x)
        On the grid of the series; values of `scheme`. 255 is left out.
    source : DicomSource
        The series that it belongs to.
    origins : dict of str to Origin, optional
        Who drew each organ; default: a person.

    Returns
    -------
    tuple of str
        The organs written: those that occur. Segments are numbered in their order, from 1.

    Raises
    ------
    GuidedNetError
        When highdicom is not installed.
    FileError
        When no organ occurs or the file cannot be written.
    """
    require_highdicom()
    present = np.bincount(labels.ravel(), minlength=256)
    names = tuple(name for name in scheme.names if present[scheme.value(name)])
    if not names:
        raise FileError(
            "There are no organs to write as a segmentation.", "Segment or annotate the case first."
        )
    dense = np.zeros(256, np.uint8)
    for number, name in enumerate(names, start=1):
        dense[scheme.value(name)] = number
    made = _segmentation(dense[labels], names, scheme, source, origins or {})
    with atomic_path(path) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's opinion of values that came with the CT
        made.save_as(partial, enforce_file_format=True)
    return names


def _segmentation(
    array: NDArray[np.uint8],
    names: Sequence[str],
    scheme: LabelScheme,
    source: DicomSource,
    origins: dict[str, Origin],
) -> Any:
    import highdicom as hd
    from pydicom.uid import generate_uid

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hd.seg.Segmentation(
            source_images=list(source.slices),
            pixel_array=array,
            segmentation_type="BINARY",
            segment_descriptions=[
                _described(number, name, scheme, origins.get(name, Origin()))
                for number, name in enumerate(names, start=1)
            ],
            series_instance_uid=generate_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="napari-guidednet",
            manufacturer_model_name="GuidedNet",
            software_versions=__version__,
            device_serial_number="0",
            content_label="ORGANS",
            series_description=f"GuidedNet {scheme.name}"[:64],
            specific_character_set="ISO_IR 192",
        )


def _described(number: int, name: str, scheme: LabelScheme, origin: Origin) -> Any:
    import highdicom as hd
    from pydicom.sr.coding import Code

    code, side = organ_code(name)
    organ = scheme.organ(scheme.value(name))
    made = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=organ.title,
        segmented_property_category=Code(ANATOMY[0], "SCT", ANATOMY[1]),
        segmented_property_type=Code(code[0], "SCT", code[1]),
        algorithm_type=origin.kind,
        algorithm_identification=_algorithm(origin),
        display_color=hd.color.CIELabColor.from_rgb(*organ.colour),
    )
    if side is not None:
        modifier = hd.sr.CodedConcept(side[0], "SCT", side[1])
        made.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return made


def _algorithm(origin: Origin) -> Any:
    if origin.kind == "MANUAL":
        return None
    import highdicom as hd
    from pydicom.sr.coding import Code

    family = Code(*_FAMILY)
    name = f"GuidedNet {origin.bundle}".strip()[:64]
    return hd.AlgorithmIdentificationSequence(name=name, family=family, version=__version__)
