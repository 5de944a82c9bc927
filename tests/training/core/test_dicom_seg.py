"""DICOM-SEG: what was written is read back voxel by voxel, and other programs' files are understood."""

import warnings

import numpy as np
import pydicom
import pytest

from guidednet_training.core import dicom_seg
from guidednet_training.core.dicom_seg import Origin, write_seg
from guidednet_training.core.dicom_seg_reading import read_seg
from guidednet_training.core.dicom_source import read_source
from guidednet_training.core.errors import FileError, GeometryError, GuidedNetError
from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import FLARE_13
from guidednet_training.core.structures import paint_structures, propose_organs
from guidednet_training.core.volume import read_geometry, read_volume

SHAPE = (6, 9, 11)  # 99 voxels a slice: no whole number of bytes


def random_labels(shape, seed=0):
    values = [0, 0, 0, *range(1, 14), 255]
    return np.random.default_rng(seed).choice(values, shape).astype(np.uint8)


def blocks(shape):
    """Organs as blocks in the middle of slices, with holes."""
    z, y, x = np.indices(shape, sparse=True)
    middle = (np.abs(y - shape[1] // 2) < 90) & (np.abs(x - shape[2] // 2) < 110) & ((x + y) % 37 > 0)
    return np.where(middle, (z // 2 + y // 45 * 3 + x // 40 * 5) % 4, 0).astype(np.uint8)


def without_unknown(labels):
    return np.where(labels == 255, 0, labels)


@pytest.fixture
def series(tmp_path, make_series):
    return make_series(tmp_path / "ct", np.random.default_rng(1).integers(-900, 900, SHAPE))


def round_trip(series, labels, path):
    write_seg(path, labels, FLARE_13, read_source(series))
    return read_seg(path, read_geometry(series))


def test_labels_come_back_voxel_by_voxel(series, tmp_path):
    labels = random_labels(SHAPE)
    found = round_trip(series, labels, tmp_path / "seg.dcm")
    organs = propose_organs(found, FLARE_13)
    assert sorted(organs.values()) == sorted(FLARE_13.names)
    again, doubled = paint_structures(found, organs, FLARE_13)
    np.testing.assert_array_equal(again, without_unknown(labels))
    assert doubled == 0


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_other_kinds_of_segmentation(series, tmp_path, kind):
    hd = pytest.importorskip("highdicom")
    labels = np.random.default_rng(2).integers(0, 3, SHAPE).astype(np.uint8)
    pixels = labels if kind == "LABELMAP" else (labels == 1) * 0.6 + (labels == 2) * 0.4
    numbers = (1, 2) if kind == "LABELMAP" else (1,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hd.seg.Segmentation(
            list(read_source(series).slices), pixels, kind,
            [dicom_seg._described(n, FLARE_13.names[n - 1], FLARE_13, Origin()) for n in numbers],
            series_instance_uid=hd.UID(), series_number=1, sop_instance_uid=hd.UID(), instance_number=1,
            manufacturer="x", manufacturer_model_name="x", software_versions="1", device_serial_number="1",
        ).save_as(tmp_path / "seg.dcm")  # fmt: skip
    found = read_seg(tmp_path / "seg.dcm", read_geometry(series))
    assert bool(found.notes) == (kind == "FRACTIONAL")
    for structure in found.structures:
        np.testing.assert_array_equal(structure.voxels, np.flatnonzero(labels == structure.number))


def test_organs_that_are_absent_have_no_segment(series, tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[2, 3, 4] = FLARE_13.value("left_kidney")
    labels[3, 3, 4] = FLARE_13.value("liver")
    path = tmp_path / "seg.dcm"
    assert write_seg(path, labels, FLARE_13, read_source(series)) == ("liver", "left_kidney")
    data = pydicom.dcmread(path)
    assert [item.SegmentLabel for item in data.SegmentSequence] == ["Liver", "Left kidney"]
    kidney = data.SegmentSequence[1].SegmentedPropertyTypeCodeSequence[0]
    assert (kidney.CodeValue, kidney.CodeMeaning) == ("64033007", "Kidney")
    assert kidney.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert data.NumberOfFrames == 2  # slices without an organ are left out


def test_it_belongs_to_the_patient_and_the_slices_of_the_ct(series, tmp_path):
    labels = random_labels(SHAPE)
    write_seg(
        tmp_path / "seg.dcm", labels, FLARE_13, read_source(series), {"liver": Origin("AUTOMATIC", "m1")}
    )
    data = pydicom.dcmread(tmp_path / "seg.dcm")
    ct = [pydicom.dcmread(path, stop_before_pixels=True) for path in series.iterdir()]
    assert (data.PatientID, str(data.PatientName)) == ("secret-7", "DOE^JOHN")
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "StudyDate"):
        assert data[name].value == ct[0][name].value
    (referenced,) = data.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == ct[0].SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} == {
        each.SOPInstanceUID for each in ct
    }
    liver, kidney = data.SegmentSequence[0], data.SegmentSequence[1]
    assert (liver.SegmentAlgorithmType, liver.SegmentAlgorithmName) == ("AUTOMATIC", "GuidedNet m1")
    assert kidney.SegmentAlgorithmType == "MANUAL"


def test_highdicom_reads_the_same(series, tmp_path):
    hd = pytest.importorskip("highdicom")
    labels = random_labels(SHAPE)
    write_seg(tmp_path / "seg.dcm", labels, FLARE_13, read_source(series))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume = hd.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    theirs = Geometry(volume.array.shape, np.diag([-1, -1, 1, 1]) @ volume.affine)
    turn = theirs.reorient_to(read_geometry(series).axes)
    assert turn.geometry(theirs).same_grid(read_geometry(series))
    np.testing.assert_array_equal(turn.apply(volume.array), without_unknown(labels))


@pytest.mark.parametrize("step", [(0, 0, -2.5), (0, 1.2, 2.5)], ids=["upside down", "tilted"])
def test_series_of_every_slant(tmp_path, make_series, step):
    folder = make_series(tmp_path / "ct", np.zeros(SHAPE), step=step)
    labels = random_labels(SHAPE, 4)
    found = round_trip(folder, labels, tmp_path / "seg.dcm")
    again, _ = paint_structures(found, propose_organs(found, FLARE_13), FLARE_13)
    np.testing.assert_array_equal(again, without_unknown(labels))


def test_headers_spoilt_by_anonymising_are_mended(tmp_path, make_series):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = make_series(
            tmp_path / "ct", np.zeros(SHAPE), PatientBirthDate="00000000", StudyDate="anonymous",
            StudyTime="99", PatientSex="unknown", StudyInstanceUID="", SeriesInstanceUID="",
            SOPInstanceUID="", SOPClassUID="", FrameOfReferenceUID=None, PatientID=None,
            PatientName=None, StudyID="x" * 40,
        )  # fmt: skip
        source = read_source(folder)
    assert len(source.notes) == 3
    labels = random_labels(SHAPE)
    write_seg(tmp_path / "seg.dcm", labels, FLARE_13, source)
    data = pydicom.dcmread(tmp_path / "seg.dcm")
    assert (data.PatientBirthDate, data.PatientSex, data.StudyDate, data.StudyTime) == ("", "", "", "")
    assert data.StudyInstanceUID == read_source(folder).slices[0].StudyInstanceUID  # made up alike each time
    found = read_seg(tmp_path / "seg.dcm", read_geometry(folder))
    again, _ = paint_structures(found, propose_organs(found, FLARE_13), FLARE_13)
    np.testing.assert_array_equal(again, without_unknown(labels))


def test_the_axes_of_the_case_may_run_otherwise(series, tmp_path):
    labels = random_labels(SHAPE)
    write_seg(tmp_path / "seg.dcm", labels, FLARE_13, read_source(series))
    turn = read_geometry(series).reorient_to("ARI")
    found = read_seg(tmp_path / "seg.dcm", turn.geometry(read_geometry(series)))
    again, _ = paint_structures(found, propose_organs(found, FLARE_13), FLARE_13)
    np.testing.assert_array_equal(again, turn.apply(without_unknown(labels)))


def test_another_grid_is_refused_and_a_part_of_it_is_told(series, tmp_path):
    labels = np.ones(SHAPE, np.uint8)
    write_seg(tmp_path / "seg.dcm", labels, FLARE_13, read_source(series))
    grid = read_geometry(series)
    moved = grid.affine.copy()
    moved[0, 3] += 0.3
    with pytest.raises(GeometryError, match="another grid"):
        read_seg(tmp_path / "seg.dcm", Geometry(grid.shape, moved))
    part = grid.affine.copy()
    part[:3, 3] += grid.affine[:3, :3] @ [
        2,
        -3,
        4,
    ]  # begins two slices up, three rows before, four columns in
    (liver,) = read_seg(tmp_path / "seg.dcm", Geometry(SHAPE, part)).structures
    expected = np.zeros(SHAPE, bool)
    expected[:-2, 3:, :-4] = True
    np.testing.assert_array_equal(liver.voxels, np.flatnonzero(expected))
    assert liver.outside == labels.size - expected.sum()
    far = grid.affine.copy()
    far[:3, 3] += grid.affine[:3, :3] @ [0, 50, 0]
    assert read_seg(tmp_path / "seg.dcm", Geometry(SHAPE, far)).structures[0].outside == labels.size


def test_without_highdicom_there_is_advice(series, tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_seg, "has_highdicom", lambda: False)
    with pytest.raises(GuidedNetError, match="not installed") as caught:
        write_seg(tmp_path / "seg.dcm", random_labels(SHAPE), FLARE_13, read_source(series))
    assert "pip install" in caught.value.hint
    assert not (tmp_path / "seg.dcm").exists()


def test_other_files_and_damaged_ones_are_refused(series, tmp_path):
    geometry = read_geometry(series)
    with pytest.raises(FileError, match="says CT"):
        read_seg(next(series.iterdir()), geometry)
    (tmp_path / "text.dcm").write_text("hello")
    with pytest.raises(FileError, match="no DICOM"):
        read_seg(tmp_path / "text.dcm", geometry)
    write_seg(tmp_path / "seg.dcm", random_labels(SHAPE), FLARE_13, read_source(series))
    content = (tmp_path / "seg.dcm").read_bytes()
    (tmp_path / "torn.dcm").write_bytes(content[:-30])
    with pytest.raises(FileError):
        read_seg(tmp_path / "torn.dcm", geometry)


def test_a_frame_that_lies_nowhere_is_refused(series, tmp_path):
    shape = read_volume(series).array.shape
    write_seg(tmp_path / "seg.dcm", blocks(shape), FLARE_13, read_source(series))
    data = pydicom.dcmread(tmp_path / "seg.dcm")
    place = data.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    place.ImagePositionPatient = ["0", "0", "1e400"]  # infinite
    data.save_as(tmp_path / "seg.dcm")
    with pytest.raises(FileError, match="where its frames lie"):
        read_seg(tmp_path / "seg.dcm", read_geometry(series))


def test_nothing_to_write_is_said(series, tmp_path):
    with pytest.raises(FileError, match="no organs"):
        write_seg(tmp_path / "seg.dcm", np.zeros(SHAPE, np.uint8), FLARE_13, read_source(series))


@pytest.mark.real_data
def test_a_liver_of_another_program(real_data):
    folder = real_data / "dicom" / "dcmqi_ct_and_seg"
    found = read_seg(folder / "liver.dcm", read_geometry(folder))
    assert propose_organs(found, FLARE_13) == {1: "liver"}
    labels, _ = paint_structures(found, {1: "liver"}, FLARE_13)
    assert found.structures[0].outside == 0
    hu = read_volume(folder).array[labels == 1]
    assert hu.size > 30_000
    assert np.mean((hu > 0) & (hu < 120)) > 0.75  # liver, not fat or air; mirrored it would be half


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["crlm_1004", "totalsegmentator_20_slices", "dcmqi_ct_and_seg"])
def test_real_series(real_data, tmp_path, name):
    folder = real_data / "dicom" / name
    volume = read_volume(folder)
    labels = blocks(volume.array.shape)
    found = round_trip(folder, labels, tmp_path / "seg.dcm")
    again, _ = paint_structures(found, propose_organs(found, FLARE_13), FLARE_13)
    np.testing.assert_array_equal(again, labels)
