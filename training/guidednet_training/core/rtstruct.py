"""Structure sets (RTSTRUCT), written with pydicom: closed outlines, their holes joined by keyholes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from .dicom_seg import SERIES_NUMBER, Origin
from .dicom_source import DicomSource
from .errors import FileError
from .files import atomic_path
from .labels import LabelScheme
from .outlines import Polygon, outlines

RTSTRUCT_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
CONTOUR_DATA = 0x30060050
_STUDY = "1.2.840.10008.3.1.2.3.1"  # the class by which structure sets refer to a study
_COPIED = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "StudyDate",
    "StudyTime", "StudyDescription", "AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID",
    "PositionReferenceIndicator", "SpecificCharacterSet",
)  # fmt: skip


def write_rtstruct(
    path: Path,
    labels: NDArray[np.uint8],
    scheme: LabelScheme,
    source: DicomSource,
    origins: dict[str, Origin] | None = None,
) -> tuple[str, ...]:
    """Write the organs of a label map as outlines on the slices of its CT, whole or not at all.

    The outlines run half way between voxels inside and outside, so that filling them gives the same
    voxels; coordinates are rounded to a ten-thousandth of a millimetre. A hole is joined to its rim, which
    every reader of closed planar contours understands.

    Parameters
    ----------
    path, labels, scheme, source, origins
        As for `write_seg`.

    Returns
    -------
    tuple of str
        The organs written: those that occur. Regions are numbered in their order, from 1.

    Raises
    ------
    FileError
        When no organ occurs or the file cannot be written.
    """
    present = np.bincount(labels.ravel(), minlength=256)
    names = tuple(name for name in scheme.names if present[scheme.value(name)])
    if not names:
        raise FileError("There are no organs to write as outlines.", "Segment or annotate the case first.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's opinion of values that came with the CT
        made = _structure_set(labels, names, scheme, source, origins or {})
        with atomic_path(path) as partial:
            made.save_as(partial, enforce_file_format=True)
    return names


def _structure_set(
    labels: NDArray[np.uint8],
    names: tuple[str, ...],
    scheme: LabelScheme,
    source: DicomSource,
    origins: dict[str, Origin],
) -> Any:
    made = _frame_of(source, scheme)
    made.ReferencedFrameOfReferenceSequence = [_referenced(source)]
    made.StructureSetROISequence, made.ROIContourSequence, made.RTROIObservationsSequence = [], [], []
    frame = made.FrameOfReferenceUID
    for number, name in enumerate(names, start=1):
        organ = scheme.organ(scheme.value(name))
        algorithm = origins.get(name, Origin()).kind
        made.StructureSetROISequence.append(
            _item(
                ROINumber=number,
                ReferencedFrameOfReferenceUID=frame,
                ROIName=organ.title,
                ROIGenerationAlgorithm=algorithm,
            )
        )
        contours = list(_contours(labels == scheme.value(name), source))
        made.ROIContourSequence.append(
            _item(ROIDisplayColor=list(organ.colour), ContourSequence=contours, ReferencedROINumber=number)
        )
        made.RTROIObservationsSequence.append(
            _item(
                ObservationNumber=number,
                ReferencedROINumber=number,
                RTROIInterpretedType="ORGAN",
                ROIInterpreter="",
            )
        )
    return made


def _frame_of(source: DicomSource, scheme: LabelScheme) -> Any:
    """Give all that is not about a region."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ImplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian  # only there may an outline be longer than 64 KiB
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(RTSTRUCT_STORAGE), generate_uid()
    made = _item()
    made.file_meta = meta
    for name in _COPIED:
        setattr(made, name, source.slices[0].get(name))
    now = datetime.now()
    made.SOPClassUID, made.SOPInstanceUID = RTSTRUCT_STORAGE, meta.MediaStorageSOPInstanceUID
    made.Modality, made.SeriesInstanceUID = "RTSTRUCT", generate_uid()
    made.SeriesNumber, made.InstanceNumber, made.OperatorsName = SERIES_NUMBER + 1, 1, ""
    made.SeriesDescription = made.StructureSetName = f"GuidedNet {scheme.name}"[:64]
    made.Manufacturer, made.ManufacturerModelName = "napari-guidednet", "GuidedNet"
    made.SoftwareVersions, made.StructureSetLabel = __version__, "ORGANS"
    made.StructureSetDate = made.InstanceCreationDate = now.strftime("%Y%m%d")
    made.StructureSetTime = made.InstanceCreationTime = now.strftime("%H%M%S")
    made.ApprovalStatus = "UNAPPROVED"  # approving is for the clinic
    return made


def _referenced(source: DicomSource) -> Any:
    first = source.slices[0]
    series = _item(
        SeriesInstanceUID=first.SeriesInstanceUID,
        ContourImageSequence=[_image(each) for each in source.slices],
    )
    study = _item(
        ReferencedSOPClassUID=_STUDY,
        ReferencedSOPInstanceUID=first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _contours(mask: NDArray[np.bool_], source: DicomSource) -> Iterator[Any]:
    """Give the contours of an organ, slice by slice, numbered from 1."""
    number = 0
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        for polygon in outlines(mask[z]):
            number += 1
            yield _contour(number, polygon, source.slices[z])


def _contour(number: int, polygon: Polygon, plane: Any) -> Any:
    contour = _item(
        ContourImageSequence=[_image(plane)],
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(polygon),
        ContourNumber=number,
    )
    text = "\\".join(f"{value:.4f}" for value in _places_mm(polygon, plane).ravel()).encode("ascii")
    contour[CONTOUR_DATA] = _raw(CONTOUR_DATA, text + b" " * (len(text) % 2))
    return contour


def _places_mm(polygon: Polygon, plane: Any) -> NDArray[np.float64]:
    """Turn rows and columns on a slice into millimetres (L, P, S), shape (n, 3)."""
    cosines = np.array(plane.ImageOrientationPatient, np.float64).reshape(2, 3)
    height, width = np.array(plane.PixelSpacing, np.float64)
    edges = np.stack([cosines[1] * height, cosines[0] * width])
    places: NDArray[np.float64] = np.array(plane.ImagePositionPatient, np.float64) + polygon @ edges
    return places


def _image(plane: Any) -> Any:
    return _item(ReferencedSOPClassUID=plane.SOPClassUID, ReferencedSOPInstanceUID=plane.SOPInstanceUID)


def _item(**values: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def _raw(tag: int, value: bytes) -> Any:
    """Give an element as its bytes: a million numbers as objects would take seconds."""
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    return RawDataElement(Tag(tag), "DS", len(value), value, 0, True, True)
