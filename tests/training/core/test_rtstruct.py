"""RTSTRUCT: filling the outlines that were written gives the same voxels; those of others are understood."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from scipy.ndimage import gaussian_filter
from skimage.draw import polygon2mask

from guidednet_training.core.dicom_source import read_source
from guidednet_training.core.errors import FileError, GeometryError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.rtstruct import write_rtstruct
from guidednet_training.core.rtstruct_reading import read_rtstruct
from guidednet_training.core.structures import paint_structures, propose_organs
from guidednet_training.core.volume import read_geometry, read_volume

SHAPE = (5, 14, 17)


def random_labels(seed=0):
    return np.random.default_rng(seed).choice([0, 0, 1, 1, 1, 2, 13, 255], SHAPE).astype(np.uint8)


def without_unknown(labels):
    return np.where(labels == 255, 0, labels)


@pytest.fixture
def series(tmp_path, make_series):
    return make_series(tmp_path / "ct", np.zeros(SHAPE))


def written(series, labels, path):
    write_rtstruct(path, labels, FLARE_13, read_source(series))
    return path


def read_labels(path, geometry):
    found = read_rtstruct(path, geometry)
    return paint_structures(found, propose_organs(found, FLARE_13), FLARE_13)[0]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"step": (0, 0, -2.5)},
        {"step": (0, 1.2, 2.5)},
        {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "step": (3, 0, 0)},
        {"ImageOrientationPatient": [0.8, 0.6, 0, -0.6, 0.8, 0]},
    ],
    ids=["plain", "upside down", "tilted", "sagittal", "turned"],
)
def test_labels_come_back_voxel_by_voxel(tmp_path, make_series, changes):
    folder = make_series(tmp_path / "ct", np.zeros(SHAPE), **changes)
    labels = random_labels()
    path = written(folder, labels, tmp_path / "rt.dcm")
    np.testing.assert_array_equal(read_labels(path, read_geometry(folder)), without_unknown(labels))


def test_the_axes_of_the_case_may_run_otherwise(series, tmp_path):
    labels = random_labels()
    path = written(series, labels, tmp_path / "rt.dcm")
    turn = read_geometry(series).reorient_to("ARI")
    again = read_labels(path, turn.geometry(read_geometry(series)))
    np.testing.assert_array_equal(again, turn.apply(without_unknown(labels)))


def test_it_refers_to_patient_series_and_slices(series, tmp_path):
    data = pydicom.dcmread(written(series, random_labels(), tmp_path / "rt.dcm"))
    ct = [pydicom.dcmread(path, stop_before_pixels=True) for path in series.iterdir()]
    assert (data.Modality, data.PatientID, data.ApprovalStatus) == ("RTSTRUCT", "secret-7", "UNAPPROVED")
    assert [roi.ROIName for roi in data.StructureSetROISequence] == ["Liver", "Right kidney", "Left kidney"]
    (frame,) = data.ReferencedFrameOfReferenceSequence
    series_item = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert series_item.SeriesInstanceUID == ct[0].SeriesInstanceUID
    heights = {each.SOPInstanceUID: each.ImagePositionPatient[2] for each in ct}
    for region in data.ROIContourSequence:
        for contour in region.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            height = heights[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            np.testing.assert_allclose(points[:, 2], height, atol=1e-3)


def test_readers_that_only_add_outlines_up_get_the_same_voxels(series, tmp_path):
    labels = random_labels(5)
    data = pydicom.dcmread(written(series, labels, tmp_path / "rt.dcm"))
    filled = np.zeros(SHAPE, np.uint8)
    for roi, region in zip(data.StructureSetROISequence, data.ROIContourSequence, strict=True):
        value = FLARE_13.value(roi.ROIName.lower().replace(" ", "_"))
        for contour in region.ContourSequence:
            x, y, z = np.array(contour.ContourData, float).reshape(-1, 3).T
            outline = np.stack([(y + 90) / 0.8, (x + 100) / 0.7], axis=1)
            filled[round((z[0] - 40) / 2.5)][polygon2mask(SHAPE[1:], outline)] = value
    np.testing.assert_array_equal(filled, without_unknown(labels))


def redrawn(path, squares, kind="CLOSED_PLANAR"):
    """Give the first region other outlines: corners (y, x) on slice z, as another program may draw them."""
    data = pydicom.dcmread(path)
    contours = []
    for z, corners in squares:
        item = Dataset()
        item.ContourGeometricType = kind
        item.ContourData = [
            value for y, x in corners for value in (-100 + 0.7 * x, -90 + 0.8 * y, 40 + 2.5 * z)
        ]
        item.NumberOfContourPoints = len(corners)
        contours.append(item)
    data.ROIContourSequence[0].ContourSequence = contours
    data.save_as(path)
    return path


def square(low, high):
    return [(low, low), (low, high), (high, high), (high, low)]


def test_an_outline_within_another_is_a_hole(series, tmp_path):
    path = written(series, np.ones(SHAPE, np.uint8), tmp_path / "rt.dcm")
    redrawn(path, [(1, square(1.5, 9.5)), (1, square(3.5, 5.5))])
    expected = np.zeros(SHAPE, bool)
    expected[1, 2:10, 2:10] = True
    expected[1, 4:6, 4:6] = False
    np.testing.assert_array_equal(read_labels(path, read_geometry(series)) == 1, expected)


def test_outlines_through_the_outermost_voxels_hold_them(series, tmp_path):
    path = written(series, np.ones(SHAPE, np.uint8), tmp_path / "rt.dcm")
    redrawn(path, [(1, square(2, 9))])
    expected = np.zeros(SHAPE, bool)
    expected[1, 2:10, 2:10] = True
    np.testing.assert_array_equal(read_labels(path, read_geometry(series)) == 1, expected)


def test_what_is_odd_is_said(series, tmp_path):
    geometry = read_geometry(series)
    path = written(series, np.ones(SHAPE, np.uint8), tmp_path / "rt.dcm")
    sparse = read_rtstruct(redrawn(path, [(z, square(2, 9)) for z in (0, 2, 4)]), geometry)
    assert sparse.notes == ("Liver has outlines on 3 of the 5 slices that it spans",)
    points = read_rtstruct(redrawn(path, [(1, [(3, 3)])], "POINT"), geometry)
    assert points.structures[0].voxels.size == 0
    assert "1 points or open lines" in points.notes[0]
    beyond = read_rtstruct(redrawn(path, [(4, square(2.5, 6.5)), (5, square(2.5, 6.5))]), geometry)
    assert (beyond.structures[0].voxels.size, beyond.structures[0].outside) == (16, 16)


def test_outlines_between_slices_are_refused(series, tmp_path):
    path = written(series, np.ones(SHAPE, np.uint8), tmp_path / "rt.dcm")
    with pytest.raises(GeometryError, match="slices of the CT"):
        read_rtstruct(redrawn(path, [(1.5, square(2, 9))]), read_geometry(series))
    shifted = read_geometry(series).affine.copy()
    shifted[2, 3] += 1.0
    written(series, np.ones(SHAPE, np.uint8), path)
    with pytest.raises(GeometryError, match="slices of the CT"):
        read_rtstruct(path, Geometry(SHAPE, shifted))


def test_damaged_ones_are_refused(series, tmp_path):
    geometry = read_geometry(series)
    with pytest.raises(FileError, match="says CT"):
        read_rtstruct(next(series.iterdir()), geometry)
    path = written(series, np.ones(SHAPE, np.uint8), tmp_path / "rt.dcm")
    data = pydicom.dcmread(path)
    del data.StructureSetROISequence[0].ROIName
    data.save_as(path)
    with pytest.raises(FileError, match="damaged"):
        read_rtstruct(path, geometry)


def test_no_outline_is_lost_where_regions_are_given_oddly(series, tmp_path):
    labels = np.zeros(read_volume(series).array.shape, np.uint8)
    labels[1:3, 1:3, 1:4] = FLARE_13.value("liver")
    labels[1:3, 4:6, 1:3] = FLARE_13.value("spleen")
    path = written(series, labels, tmp_path / "set.dcm")
    geometry = read_geometry(series)
    data = pydicom.dcmread(path)
    first, second = data.ROIContourSequence
    rest = Dataset()
    rest.ReferencedROINumber, rest.ContourSequence = 1, list(first.ContourSequence)[1:]
    first.ContourSequence = list(first.ContourSequence)[:1]
    data.ROIContourSequence = [first, rest, second]  # one region in two parts
    data.save_as(path)
    assert [each.voxels.size for each in read_rtstruct(path, geometry).structures] == [12, 8]
    second.ReferencedROINumber = 7
    data.save_as(path)
    with pytest.raises(FileError, match="a region 7 that it does not name"):
        read_rtstruct(path, geometry)
    second.ReferencedROINumber = data.StructureSetROISequence[1].ROINumber = 1
    data.save_as(path)
    with pytest.raises(FileError, match="a region number twice"):
        read_rtstruct(path, geometry)


def test_a_long_outline_is_no_trouble(tmp_path, make_series):
    hu = np.zeros((2, 150, 150))
    folder = make_series(tmp_path / "ct", hu)
    labels = (np.random.default_rng(0).random(hu.shape) < 0.7).astype(
        np.uint8
    )  # one outline of 20,000 points
    path = written(folder, labels, tmp_path / "rt.dcm")
    np.testing.assert_array_equal(read_labels(path, read_geometry(folder)), labels)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["crlm_1004", "totalsegmentator_20_slices"])
def test_real_series(real_data, tmp_path, name):
    folder = real_data / "dicom" / name
    volume = read_volume(folder)
    hu = gaussian_filter(volume.array.astype(np.float32), (0, 3, 3))
    labels = np.select([hu > 150, hu > 30, hu > -150], [2, 1, 13], 0).astype(
        np.uint8
    )  # holes in pieces in holes
    labels[8:] = 0
    path = written(folder, labels, tmp_path / "rt.dcm")
    np.testing.assert_array_equal(read_labels(path, volume.geometry), labels)
