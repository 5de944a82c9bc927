"""The headers of the series that labels refer to: what other objects repeat of them, mended."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .dicom import is_dicom_file, series_files
from .errors import FileError
from .stream import DAMAGED

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")
_TEXTS = {  # longest text that each may hold
    "PatientID": 64, "AccessionNumber": 16, "StudyID": 16, "StudyDescription": 64,
    "PositionReferenceIndicator": 64,
}  # fmt: skip
_NAMES = ("PatientName", "ReferringPhysicianName")
_PLACES = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "SliceThickness",
)
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")


@dataclass(frozen=True, eq=False)
class DicomSource:
    """A CT series as other objects refer to it.

    Attributes
    ----------
    slices : tuple of pydicom Dataset
        One per z of the array that `read_dicom` gives. They hold what a segmentation or a structure set
        repeats, patient and study included; no pixels. Every value is valid; texts are UTF-8.
    notes : tuple of str
        What had to be made up.
    """

    slices: tuple[Any, ...]
    notes: tuple[str, ...] = ()


def is_dicom_source(path: Path) -> bool:
    """Whether a CT is a series in DICOM: a folder of slices, or one of them."""
    return path.is_dir() or path.name.lower().endswith(".dcm") or is_dicom_file(path)


def read_source(path: Path) -> DicomSource:
    """Read the headers of a series.

    Dates, sexes and identifiers that break the standard, as careless anonymising leaves them, are left
    empty; identifiers that must not be empty are made from those of the slices, so that all objects of one
    series agree.

    Parameters
    ----------
    path : Path
        As for `read_dicom`.

    Raises
    ------
    FileError, GeometryError
        When it is no sound series.
    """
    files = series_files(path)
    heads = [_header(file) for file in files]
    instances = [_instance(head, file) for head, file in zip(heads, files, strict=True)]
    notes = []
    uids = {}
    for name in _UIDS[:3]:
        given = str(heads[0].get(name) or "")
        uids[name] = given if _is_uid(given) else _made_up(name, instances)
        if uids[name] != given:
            notes.append(f"the CT has no usable {name}; one was made up")
    slices = tuple(
        _clean(head, uids | {"SOPInstanceUID": uid}) for head, uid in zip(heads, instances, strict=True)
    )
    return DicomSource(slices, tuple(notes))


def _header(path: Path) -> Any:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about values that are mended here
            return pydicom.dcmread(path, stop_before_pixels=True)
    except Exception as error:  # pydicom raises whatever the damage happens to cause
        raise FileError(f"The DICOM header of {path} is damaged.", DAMAGED) from error


def _instance(head: Any, path: Path) -> str:
    for given in (head.get("SOPInstanceUID"), head.file_meta.get("MediaStorageSOPInstanceUID")):
        if _is_uid(str(given or "")):
            return str(given)
    place = str(head.get("ImagePositionPatient"))
    return _made_up("SOPInstanceUID", [path.name, place, str(head.get("SeriesInstanceUID"))])


def _clean(head: Any, uids: dict[str, str]) -> Any:
    from pydicom.dataset import Dataset

    clean = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clean.SpecificCharacterSet = "ISO_IR 192"
        clean.SOPClassUID, clean.Modality = CT_STORAGE, "CT"
        for name, uid in uids.items():
            setattr(clean, name, uid)
        for name, most in _TEXTS.items():
            setattr(clean, name, _text(head, name)[:most])
        for name in _NAMES:
            setattr(clean, name, _text(head, name))
        clean.PatientBirthDate = _matching(head, "PatientBirthDate", _DATE)
        clean.PatientSex = _matching(head, "PatientSex", re.compile("[MFO]"))
        clean.StudyDate = _matching(head, "StudyDate", _DATE)
        clean.StudyTime = _matching(head, "StudyTime", _TIME)
        for name in _PLACES:
            if head.get(name) not in (None, ""):
                setattr(clean, name, head.get(name))
    return clean


def _text(head: Any, name: str) -> str:
    try:
        text = str(head.get(name) or "")
    except Exception:  # a character set that does not exist, bytes that are none of its characters
        return ""
    return "".join(letter for letter in text if letter.isprintable() and letter != "\\").strip()


def _matching(head: Any, name: str, pattern: re.Pattern[str]) -> str:
    text = _text(head, name)
    return text if pattern.fullmatch(text) else ""


def _is_uid(text: str) -> bool:
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def _made_up(name: str, of: list[str]) -> str:
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[name, *of]))
