"""DICOM series: the right slices at the right places, or a reason."""

import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage, generate_uid

from guidednet_training.core.errors import FileError, GeometryError, GuidedNetError
from guidednet_training.core.geometry import lps_to_ras
from guidednet_training.core.volume import is_volume_path, read_volume, write_volume

SERIES = generate_uid()
N, ROWS, COLUMNS = 5, 4, 6
STEP_MM = 2.5


def stored(index):
    """Stored values of a slice; HU is 1024 less."""
    return np.random.default_rng(index).integers(0, 2000, (ROWS, COLUMNS)).astype(np.int16)


def save_slice(folder, index, name=None, pixels=None, **changes):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = changes.get("SOPClassUID", CTImageStorage)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    fields = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "CT",
        "PatientName": "DOE^JOHN", "SeriesInstanceUID": SERIES, "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "Rows": ROWS, "Columns": COLUMNS, "PixelSpacing": [0.8, 0.7],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [-100, -90, 40 + STEP_MM * index], "RescaleSlope": 1,
        "RescaleIntercept": -1024, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1,
        "PixelData": (stored(index) if pixels is None else pixels).tobytes(),
    }  # fmt: skip
    for keyword, value in (fields | changes).items():
        if value is not None:
            setattr(data, keyword, value)
    path = folder / (name or f"{(index * 3) % 7}-{index}.dcm")  # the names do not follow the positions
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def series(tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    for index in range(N):
        save_slice(folder, index)
    return folder


def expected_hu():
    return np.stack([stored(index) for index in range(N)]) - 1024


def test_slices_are_ordered_by_place(series):
    volume = read_volume(series)
    np.testing.assert_array_equal(volume.array, expected_hu())
    assert volume.array.dtype == np.int16
    assert volume.geometry.axes == "SPL"
    assert volume.geometry.spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    np.testing.assert_allclose(volume.geometry.affine @ [0, 0, 0, 1], [100, 90, 40, 1])
    np.testing.assert_allclose(
        volume.geometry.affine @ [4, 3, 5, 1], [100 - 5 * 0.7, 90 - 3 * 0.8, 40 + 4 * 2.5, 1]
    )
    assert is_volume_path(series)


def test_a_slice_of_other_signedness_is_refused(series):
    save_slice(series, 2, PixelRepresentation=0)
    with pytest.raises(GeometryError, match="differ in PixelRepresentation"):
        read_volume(series)


def test_pixels_that_are_cut_short_are_not_taken_for_air(series):
    path = save_slice(series, 2, pixels=stored(2)[:2])
    with pytest.raises(FileError, match=f"{path.name} has 24 of the 48 bytes of its pixels"):
        read_volume(series)


def test_slices_that_share_an_identifier_are_all_read(series):
    twin = pydicom.dcmread(next(series.glob("*-3.dcm"))).SOPInstanceUID
    save_slice(series, N - 1, SOPInstanceUID=twin)
    np.testing.assert_array_equal(read_volume(series).array, expected_hu())


def test_one_file_stands_for_its_series(series):
    scout = save_slice(series, 0, "other.dcm", SeriesInstanceUID=generate_uid())
    save_slice(series, 1, "other2.dcm", SeriesInstanceUID=pydicom.dcmread(scout).SeriesInstanceUID)
    volume = read_volume(series / "0-0.dcm")
    np.testing.assert_array_equal(volume.array, expected_hu())
    assert read_volume(scout).array.shape == (2, ROWS, COLUMNS)


def test_a_file_without_suffix_is_known_by_its_content(series):
    (series / "0-0.dcm").rename(series / "IM0001")
    assert is_volume_path(series / "IM0001")
    np.testing.assert_array_equal(read_volume(series / "IM0001").array, expected_hu())


def test_several_series_are_refused_with_a_way_out(series):
    other = generate_uid()
    for index in range(2):
        save_slice(series, index, f"b{index}.dcm", SeriesInstanceUID=other)
    with pytest.raises(FileError, match=r"2 CT series: .*5 slices.*2 slices|2 slices.*5 slices") as caught:
        read_volume(series)
    assert "one file of the series" in caught.value.hint
    assert "DOE" not in str(caught.value)


def test_what_lies_beside_the_series_is_left_out(series):
    (series / "readme.txt").write_text("hello")
    save_slice(series, 0, "seg.dcm", SOPClassUID=SegmentationStorage, Modality="SEG",
               SeriesInstanceUID=generate_uid())  # fmt: skip
    save_slice(series, 0, "mr.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.4", Modality="MR",
               SeriesInstanceUID=generate_uid())  # fmt: skip
    save_slice(series, 0, "scout.dcm", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
               SeriesInstanceUID=generate_uid())  # fmt: skip
    np.testing.assert_array_equal(read_volume(series).array, expected_hu())


def test_a_copied_slice_is_one_slice(series):
    shutil.copy(series / "0-0.dcm", series / "copy.dcm")
    np.testing.assert_array_equal(read_volume(series).array, expected_hu())


def test_padding_becomes_air(series):
    pixels = stored(2)
    pixels[0, :2] = -2000
    save_slice(series, 2, pixels=pixels, PixelPaddingValue=-2000)
    hu = expected_hu()
    hu[2, 0, :2] = -1024
    np.testing.assert_array_equal(read_volume(series).array, hu)


def test_a_tilted_gantry_shears_the_grid(series):
    for index in range(N):
        position = [-100, -90 + 0.5 * index, 40 + STEP_MM * index]
        save_slice(series, index, ImagePositionPatient=position)
    geometry = read_volume(series).geometry
    assert geometry.is_sheared
    np.testing.assert_allclose(geometry.affine @ [4, 0, 0, 1], [100, 88, 50, 1])


def test_oblique_series_agree_with_simpleitk(series):
    cos, sin = np.cos(0.3), np.sin(0.3)
    for index in range(N):
        save_slice(
            series, index, ImageOrientationPatient=[1, 0, 0, 0, float(round(cos, 9)), float(round(sin, 9))],
            ImagePositionPatient=[float(round(v, 6)) for v in (1, -sin * index * 2, cos * index * 2)],
        )  # fmt: skip
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(series))
    image = sitk.ReadImage(names)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    volume = read_volume(series)
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.geometry.affine[:, [2, 1, 0, 3]], lps_to_ras(affine), atol=1e-4)


BAD_PLACES = [
    (2, None, "unevenly spaced"),  # a slice is missing
    (2, {"ImagePositionPatient": [-100, -90, 46]}, "unevenly spaced"),
    (2, {"ImagePositionPatient": [-100, -90, 42.5]}, "same place"),
    (2, {"ImagePositionPatient": [-95, -90, 45]}, "in line"),
    (2, {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "differ in ImageOrientationPatient"),
    (2, {"PixelSpacing": [0.9, 0.9]}, "differ in PixelSpacing"),
    (2, {"RescaleIntercept": 0}, "differ in RescaleIntercept"),
]


@pytest.mark.parametrize(("index", "changes", "word"), BAD_PLACES)
def test_series_without_one_grid_are_refused(series, index, changes, word):
    path = next(series.glob(f"*-{index}.dcm"))
    path.unlink()
    if changes is not None:
        save_slice(series, index, **changes)
    with pytest.raises(GeometryError, match=word):
        read_volume(series)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"RescaleSlope": None}, "RescaleSlope"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient"),
        ({"PixelSpacing": None}, "PixelSpacing"),
        ({"PixelSpacing": [0.0, 0.7]}, "singular"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "right angles"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "grey"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, "multi-frame"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "no axial CT"),
        ({"Modality": "MR"}, "kind MR"),
        ({"Rows": 30000, "Columns": 30000}, "larger than any scan|claims"),
    ],
)
def test_series_that_are_no_usable_ct_are_refused(series, changes, word):
    for index in range(N):
        save_slice(series, index, **changes)
    with pytest.raises(GuidedNetError, match=word):
        read_volume(series)


@pytest.mark.parametrize("left", [0, 100, 200, 400, -10])
@pytest.mark.parametrize("index", [0, 2, 4])
def test_a_damaged_slice_is_never_left_out(series, index, left):
    path = next(series.glob(f"*-{index}.dcm"))
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(FileError, match=r"damaged|no usable|cannot be read"):
        read_volume(series)


def test_folders_without_a_series(tmp_path, series):
    with pytest.raises(FileError, match="no DICOM files") as caught:
        read_volume(tmp_path)
    assert "series" in caught.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="no DICOM files"):
        read_volume(tmp_path / "empty")
    assert not is_volume_path(tmp_path)
    for path in list(series.iterdir())[1:]:
        path.unlink()
    with pytest.raises(FileError, match="one slice"):
        read_volume(series)


def test_nothing_of_the_patient_reaches_a_nifti_file(series, tmp_path):
    write_volume(tmp_path / "a.nii", read_volume(series))
    assert b"DOE" not in (tmp_path / "a.nii").read_bytes()
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").array, expected_hu())


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "shape", "spacing"),
    [
        ("crlm_1004", (41, 512, 512), (5, 0.796875, 0.796875)),
        ("totalsegmentator_20_slices", (20, 512, 512), (2, 0.9765625, 0.9765625)),
        ("dcmqi_ct_and_seg", (3, 512, 512), (1, 0.810547, 0.810547)),
    ],
)
def test_real_series(real_data, name, shape, spacing):
    volume = read_volume(real_data / "dicom" / name)
    assert volume.geometry.shape == shape
    assert volume.geometry.spacing_mm == pytest.approx(spacing)
    assert volume.geometry.axes == "SPL"
    assert volume.array.dtype == np.int16
    assert volume.array.min() == -1024
    assert -50 < np.median(volume.array[:, 200:300, 200:300]) < 150  # soft tissue in the middle


@pytest.mark.real_data
def test_a_segmentation_is_no_ct(real_data):
    with pytest.raises(FileError, match="not a slice of a CT series"):
        read_volume(real_data / "dicom" / "dcmqi_ct_and_seg" / "liver.dcm")
