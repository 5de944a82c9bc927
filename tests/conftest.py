"""What every test shares: throw-away homes, quiet threads, and the folder of real CT."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
WINDOW_FIXTURES = {"qapp", "qtbot", "make_napari_viewer", "make_napari_viewer_proxy"}
XCB_LIBRARIES = (  # without one of them Qt ends the whole process when the first window is made
    "libxcb-cursor.so.0",
    "libxcb-icccm.so.4",
    "libxcb-image.so.0",
    "libxcb-keysyms.so.1",
    "libxcb-render-util.so.0",
    "libxkbcommon-x11.so.0",
    "libEGL.so.1",
)


def _throw_away_homes() -> tempfile.TemporaryDirectory[str]:
    """Point every user folder at a temporary one: no test touches a person's own settings."""
    home = tempfile.TemporaryDirectory(prefix="guidednet-tests-")
    for variable, name in {
        "HOME": "",
        "XDG_CONFIG_HOME": "config",
        "XDG_CACHE_HOME": "cache",
        "XDG_DATA_HOME": "data",
        "XDG_STATE_HOME": "state",
    }.items():
        folder = Path(home.name) / name
        folder.mkdir(exist_ok=True)
        os.environ[variable] = str(folder)
    return home


# All of this must happen before napari, torch or Qt are imported by any test module.
_HOME = _throw_away_homes()
os.environ["NAPARI_CONFIG"] = ""  # napari neither reads nor writes a settings file
os.environ.setdefault("QT_API", "pyside6")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin starve the processes tests start
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "2")  # torch reads these when imported, and so do child processes


def pytest_report_header() -> str:
    """Say where real CT is read from, so that skips explain themselves."""
    folder = _real_data_folder()
    state = "" if folder.is_dir() else " (absent: those tests are skipped)"
    return f"real CT (GUIDEDNET_DATA): {folder}{state}"


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The root folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real CT: `GUIDEDNET_DATA`, or `shared/data` beside the checkout; skips where absent."""
    folder = _real_data_folder()
    if not folder.is_dir():
        pytest.skip(f"no real CT at {folder}; set GUIDEDNET_DATA to the folder that holds it")
    return folder


def _real_data_folder() -> Path:
    return Path(os.environ.get("GUIDEDNET_DATA") or ROOT.parent / "shared" / "data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what opens a window where none can be opened, and say why."""
    if reason := _why_no_window():
        for item in items:
            if WINDOW_FIXTURES & set(getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.skip(reason=reason))


def _why_no_window() -> str | None:
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb":
        return None
    if not os.environ.get("DISPLAY") and not shutil.which("Xvfb"):
        return "no screen and no Xvfb; sh scripts/system_libraries.sh test tells what to install"
    for library in XCB_LIBRARIES:
        try:
            ctypes.CDLL(library)
        except OSError:
            return f"{library} is missing; sh scripts/system_libraries.sh test tells what to install"
    return None


@pytest.fixture
def make_series() -> Callable[..., Path]:
    """Write (z, y, x) HU as a CT series in DICOM; keywords change headers, None leaves one out."""
    return _write_series


def _write_series(
    folder: Path, hu: Any, step: tuple[float, float, float] = (0, 0, 2.5), **changes: Any
) -> Path:
    import numpy as np
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True)
    same = {
        "SOPClassUID": CTImageStorage, "Modality": "CT", "PatientName": "DOE^JOHN", "PatientID": "secret-7",
        "PatientBirthDate": "19500102", "PatientSex": "M", "StudyDate": "20200304", "StudyTime": "101112",
        "StudyID": "1", "AccessionNumber": "A1", "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid(),
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "PixelSpacing": [0.8, 0.7], "SliceThickness": 2.5,
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "Rows": hu.shape[1], "Columns": hu.shape[2],
        "RescaleSlope": 1, "RescaleIntercept": -1024, "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": 1,
    }  # fmt: skip
    for index, plane in enumerate(hu):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        position = [float(start + index * along) for start, along in zip((-100, -90, 40), step, strict=True)]
        own = {"SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "ImagePositionPatient": position}
        for keyword, value in (same | own | changes).items():
            if value is not None:
                setattr(data, keyword, value)
        data.PixelData = (plane + 1024).astype(np.int16).tobytes()
        data.save_as(folder / f"{(index * 7) % 97:02d}-{index}.dcm", enforce_file_format=True)
    return folder
