"""A CT series in DICOM: headers decide which slices belong together and where; then pixels are read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FileError, GeometryError
from .geometry import Geometry, geometry_from_ijk, lps_to_ras
from .stream import DAMAGED, check_claim
from .words import counted

AIR_HU = -1024  # the least a CT number can be; padding outside the field of view (-2000, -3024) becomes this
GAP_TOLERANCE = 0.05  # of a gap between slices, against the middle one; a missing slice is off by 1
GAP_ROUNDING_MM = 0.02
LINE_TOLERANCE_MM = 0.2  # of a slice's position from the line of all, which may be tilted
SAME_TOLERANCE = 1e-3  # of cosines, pixel sizes and slopes among the slices of a series
_CT_STORAGE = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR, which is no image
_NUMBERS = {
    "Rows": 1, "Columns": 1, "PixelSpacing": 2, "ImageOrientationPatient": 6, "ImagePositionPatient": 3,
    "RescaleSlope": 1, "RescaleIntercept": 1,
}  # fmt: skip
_STORED_AS = ("PixelRepresentation", "BitsAllocated")  # of the first slice; all are taken for the same
_PIXELS = 0x7FE00010
_TAGS = [
    *_NUMBERS, *_STORED_AS, "SOPClassUID", "SOPInstanceUID", "Modality", "ImageType", "SeriesInstanceUID",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames",
]  # fmt: skip


@dataclass(frozen=True)
class _Slice:
    path: Path
    head: dict[str, Any]
    stored: int  # bytes of its pixels; more than any image has where they are compressed

    @property
    def position(self) -> NDArray[np.float64]:
        return self.numbers("ImagePositionPatient", 3)

    @property
    def cosines(self) -> NDArray[np.float64]:
        return self.numbers("ImageOrientationPatient", 6).reshape(2, 3)

    @property
    def normal(self) -> NDArray[np.float64]:
        return np.cross(*self.cosines)

    def numbers(self, name: str, count: int) -> NDArray[np.float64]:
        try:
            values = np.array(self.head.get(name), np.float64).reshape(count)
        except (TypeError, ValueError) as error:
            raise FileError(f"{self.path} has no usable {name} in its DICOM header.", DAMAGED) from error
        if not np.isfinite(values).all():
            raise FileError(f"{self.path} has no usable {name} in its DICOM header.", DAMAGED)
        return values


def read_dicom(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read the CT series of a folder, or the series that one file belongs to.

    Parameters
    ----------
    path : Path
        A folder with exactly one CT series (scouts, segmentations and structure sets beside it are left
        out), or a file of the series wanted; its neighbours in the folder are read with it.

    Returns
    -------
    array : array, shape (z, y, x)
        Hounsfield units; padding below -1024 becomes -1024.
    geometry : Geometry
        From the positions of the slices; a tilted gantry gives a sheared one.

    Raises
    ------
    FileError
        When there is no or more than one CT series, or a file is damaged.
    GeometryError
        When slices are missing, doubled or not in line.
    """
    slices = _series(path)
    _check_alike(slices)
    slices = _in_order(slices, path)
    geometry = _geometry(slices, path)
    array = _pixels(slices, path)
    if array.shape != geometry.shape:
        raise FileError(f"The pixels of {path} are {array.shape} voxels, not {geometry.shape}.", DAMAGED)
    return array, geometry


def series_files(path: Path) -> tuple[Path, ...]:
    """Give the files of a CT series in the order of z of the array that `read_dicom` gives; headers only.

    Raises
    ------
    FileError, GeometryError
        As `read_dicom`; damage of the pixels is not noticed here.
    """
    slices = _series(path)
    _check_alike(slices)
    return tuple(each.path for each in _in_order(slices, path))


def structure_files(folder: Path) -> tuple[Path, ...]:
    """Give the segmentations and structure sets that lie in a folder, by name."""
    kinds = ("SEG", "RTSTRUCT")
    return tuple(each.path for each in _headers(folder) if str(each.head.get("Modality")) in kinds)


def holds_dicom(folder: Path) -> bool:
    """Whether any file directly in a folder is DICOM."""
    return any(is_dicom_file(path) for path in _files(folder))


def is_dicom_file(path: Path) -> bool:
    """Whether a file says by its content that it is DICOM."""
    try:
        with path.open("rb") as file:
            return bool(file.read(132)[128:] == b"DICM")
    except OSError:
        return False


def _series(path: Path) -> list[_Slice]:
    folder = path if path.is_dir() else path.parent
    found = _ct_series(folder)
    if path.is_dir():
        return _only_series(found, folder)
    mine = [series for series in found.values() if any(each.path.name == path.name for each in series)]
    if not mine:
        raise FileError(f"{path} is not a slice of a CT series.", "Choose an axial CT slice or its folder.")
    return mine[0]


def _ct_series(folder: Path) -> dict[str, list[_Slice]]:
    found: dict[str, list[_Slice]] = {}
    seen: set[str] = set()
    for each in _headers(folder):
        instance = str(each.head.get("SOPInstanceUID") or each.path.name)
        instance += str(each.head.get("ImagePositionPatient"))  # anonymised, all may have one UID
        if _is_ct_slice(each.head) and instance not in seen:  # the same image twice is one image
            seen.add(instance)
            found.setdefault(str(each.head.get("SeriesInstanceUID") or ""), []).append(each)
    return found


def _only_series(found: dict[str, list[_Slice]], folder: Path) -> list[_Slice]:
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        sizes = ", ".join(
            f"{counted(len(s), 'slice')} ({s[0].path.name}, ...)" for s in list(found.values())[:6]
        )
        raise FileError(
            f"{folder} holds {len(found)} CT series: {sizes}.", "Give one file of the series you want."
        )
    kinds = sorted({str(each.head.get("Modality") or "unknown") for each in _headers(folder)})
    if kinds:
        raise FileError(f"{folder} holds no axial CT series, only DICOM of kind {', '.join(kinds)}.")
    inner = ", ".join(sorted(each.name for each in folder.iterdir() if each.is_dir())[:6])
    hint = f"Choose one of its folders: {inner}." if inner else "Check the path."
    raise FileError(f"{folder} holds no DICOM files.", hint)


def _files(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise FileError(f"Could not read the folder {folder}: {error.strerror or error}.") from error


def _claims_dicom(path: Path) -> bool:
    return path.suffix.lower() == ".dcm" or is_dicom_file(path)


def _headers(folder: Path) -> list[_Slice]:
    slices = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that the checks below look at themselves
        for path in filter(_claims_dicom, _files(folder)):
            try:
                data, stored = _read_head(path)
                head = {element.keyword: element.value for element in data}
            except Exception as error:  # pydicom raises whatever the damage happens to cause
                raise FileError(f"The DICOM header of {path} is damaged.", DAMAGED) from error
            if "Modality" in head:
                slices.append(_Slice(path, head, stored))
            elif data.file_meta.get("MediaStorageSOPClassUID") != _DIRECTORY:
                raise FileError(f"The DICOM header of {path} is damaged: it has no modality.", DAMAGED)
    return slices


def _read_head(path: Path) -> tuple[Any, int]:
    """Read what is before the pixels of a file, and how many bytes these have."""
    from pydicom.filereader import read_partial
    from pydicom.tag import Tag

    stored = 0

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        nonlocal stored
        stored = length if tag == _PIXELS else 0
        return tag == _PIXELS

    with path.open("rb") as file:
        tags: list[Any] = [Tag(name) for name in _TAGS]
        return read_partial(file, stop_when=at_pixels, specific_tags=tags), stored


def _is_ct_slice(head: dict[str, Any]) -> bool:
    scout = "LOCALIZER" in (head.get("ImageType") or [])
    storage = str(head.get("SOPClassUID") or _CT_STORAGE[0])
    return head.get("Modality") == "CT" and not scout and storage in _CT_STORAGE


def _check_alike(slices: list[_Slice]) -> None:
    first = slices[0]
    if first.head.get("SOPClassUID") in _CT_STORAGE[1:] or int(first.head.get("NumberOfFrames") or 1) > 1:
        raise FileError(
            f"{first.path} is an enhanced (multi-frame) CT, which is not read.", "Convert it to NIfTI first."
        )
    if len(slices) < 2:
        raise FileError(f"The series of {first.path} has one slice only; a 3-D volume was wanted.")
    grey = first.head.get("SamplesPerPixel", 1) == 1
    if not grey or first.head.get("PhotometricInterpretation") != "MONOCHROME2":
        raise FileError(f"{first.path} is no grey CT image.")
    if np.abs(first.cosines @ first.cosines.T - np.eye(2)).max() > SAME_TOLERANCE:
        raise GeometryError(f"The rows and columns of {first.path} are not at right angles.", DAMAGED)
    for name, count in _NUMBERS.items():
        values = [each.numbers(name, count) for each in slices]
        if name != "ImagePositionPatient":
            _check_same(slices, values, name)
    for name in _STORED_AS:
        _check_same(slices, [np.asarray(float(each.head.get(name) or 0)) for each in slices], name)


def _check_same(slices: list[_Slice], values: list[NDArray[np.float64]], name: str) -> None:
    for each, value in zip(slices, values, strict=True):
        if np.abs(value - values[0]).max() > SAME_TOLERANCE:
            raise GeometryError(
                f"{slices[0].path.name} and {each.path.name} are of one series but differ in {name}.",
                "Export one reconstruction as a series of its own.",
            )


def _in_order(slices: list[_Slice], path: Path) -> list[_Slice]:
    heights = {each.path: float(each.position @ each.normal) for each in slices}
    slices = sorted(slices, key=lambda each: heights[each.path])
    gaps = np.diff([heights[each.path] for each in slices])
    usual = float(np.median(gaps))
    if gaps.min() < GAP_ROUNDING_MM:
        first = int(gaps.argmin())
        raise GeometryError(
            f"{slices[first].path.name} and {slices[first + 1].path.name} in {path} lie at the same place.",
            "The series holds several phases or copies: export one of them.",
        )
    off = np.abs(gaps - usual) > GAP_TOLERANCE * usual + GAP_ROUNDING_MM
    if off.any():
        widest = int(gaps.argmax())
        ends = f"{slices[widest].path.name} and {slices[widest + 1].path.name}"
        raise GeometryError(
            f"The slices of {path} are unevenly spaced, {gaps.min():.2f} to {gaps.max():.2f} mm "
            f"({usual:.2f} mm as a rule); the widest gap is between {ends}.",
            "Fetch the missing slices, or export the series with even slices.",
        )
    return slices


def _geometry(slices: list[_Slice], path: Path) -> Geometry:
    first, count = slices[0], len(slices)
    rows, columns = first.numbers("Rows", 1)[0], first.numbers("Columns", 1)[0]
    height, width = first.numbers("PixelSpacing", 2)
    along_row, along_column = first.cosines
    step = (slices[-1].position - first.position) / (count - 1)
    _check_line(slices, step, path)
    affine = np.eye(4)
    affine[:3, :] = np.stack([along_row * width, along_column * height, step, first.position], axis=1)
    try:
        return geometry_from_ijk((int(columns), int(rows), count), lps_to_ras(affine))
    except GeometryError as error:
        raise GeometryError(f"{path}: {error.message}", error.hint) from error


def _check_line(slices: list[_Slice], step: NDArray[np.float64], path: Path) -> None:
    normal = slices[0].normal
    for index, each in enumerate(slices):
        aside = each.position - slices[0].position - index * step
        if np.linalg.norm(aside - (aside @ normal) * normal) > LINE_TOLERANCE_MM:
            raise GeometryError(
                f"The slices of {path} are not in line: {each.path.name} lies beside the others.",
                "Export the series again without moving its slices.",
            )


def _pixels(slices: list[_Slice], path: Path) -> NDArray[Any]:
    import SimpleITK as sitk

    size = int(slices[0].head["Rows"]) * int(slices[0].head["Columns"])
    wanted = size * int(slices[0].head.get("BitsAllocated") or 0) // 8
    for each in slices:
        if each.stored < wanted:  # GDCM would give air without a word
            raise FileError(f"{each.path} has {each.stored} of the {wanted} bytes of its pixels.", DAMAGED)
    on_disk = sum(each.path.stat().st_size for each in slices)
    check_claim(path, len(slices) * size * 2, on_disk, compressed=True)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(each.path) for each in slices])
    warned = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # it would print to the terminal what is checked here
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise FileError(f"The pixels of the series in {path} cannot be read.", DAMAGED) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warned)
    return _in_hu(sitk.GetArrayViewFromImage(image))


def _in_hu(array: NDArray[Any]) -> NDArray[Any]:
    hu: NDArray[Any]
    if array.dtype.kind == "f":
        hu = np.maximum(array, AIR_HU, dtype=np.float32, casting="unsafe")
    else:
        fits = np.iinfo(np.int16).min <= int(array.min()) and int(array.max()) <= np.iinfo(np.int16).max
        hu = np.maximum(array, AIR_HU, dtype=np.int16 if fits else np.int32, casting="unsafe")
    return hu
