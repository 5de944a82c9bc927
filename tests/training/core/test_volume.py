"""Volumes: what each kind may hold, how it is stored, and one door to every format."""

import math

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from guidednet_training.core.errors import FileError, GeometryError
from guidednet_training.core.geometry import Geometry, lps_to_ras
from guidednet_training.core.volume import Volume, is_volume_path, read_volume, write_volume

SHAPE = (4, 5, 6)


def geometry(shape=SHAPE, axes_mm=(3.0, 2.0, 1.5)):
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = axes_mm
    affine[:, 3] = (-10, 20, 300, 1)
    return Geometry(shape, affine)


def ct(seed=0):
    return Volume(np.random.default_rng(seed).integers(-1000, 1500, SHAPE).astype(np.int16), geometry())


def test_array_must_fit_the_grid():
    with pytest.raises(GeometryError, match=r"\(4, 5, 6\)"):
        Volume(np.zeros((4, 5, 7)), geometry())
    with pytest.raises(GeometryError):
        ct().like(np.zeros((5, 4, 6)), "labels")


def test_unknown_kind():
    with pytest.raises(FileError, match="'mask' is no kind"):
        Volume(np.zeros(SHAPE), geometry(), "mask")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_volume_without_header_round_trips(tmp_path, suffix):
    volume = ct()
    write_volume(tmp_path / f"a{suffix}", volume)
    again = read_volume(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.array.dtype == np.int16
    assert again.geometry.same_grid(volume.geometry, tol_mm=1e-4)
    header = nib.load(tmp_path / f"a{suffix}").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert header.get_xyzt_units()[0] == "mm"


def test_sheared_geometry_is_written_without_a_quaternion(tmp_path):
    affine = geometry().affine.copy()
    affine[1, 0] = 0.8
    volume = Volume(ct().array, Geometry(SHAPE, affine))
    write_volume(tmp_path / "a.nii", volume)
    assert read_volume(tmp_path / "a.nii").geometry.same_grid(volume.geometry, tol_mm=1e-4)
    assert int(nib.load(tmp_path / "a.nii").header["qform_code"]) == 0


def test_a_header_of_another_grid_is_not_used(tmp_path):
    write_volume(tmp_path / "a.nii", ct())
    source = read_volume(tmp_path / "a.nii")
    turned = source.geometry.reorient_to("IPL")
    moved = Volume(turned.apply(source.array), turned.geometry(source.geometry), "ct_hu", source.header)
    write_volume(tmp_path / "b.nii", moved)
    again = read_volume(tmp_path / "b.nii")
    assert again.geometry.axes == "IPL"
    assert again.geometry.same_grid(moved.geometry, tol_mm=1e-4)
    np.testing.assert_array_equal(turned.invert(again.array), source.array)


def test_labels_are_bytes_on_the_images_header(tmp_path):
    image = nib.Nifti1Image(ct().array.T, None)
    image.header.set_sform(geometry().affine[:, [2, 1, 0, 3]], 3)
    image.header.set_qform(geometry().affine[:, [2, 1, 0, 3]], 2)
    image.header["cal_max"] = 400
    image.to_filename(tmp_path / "ct.nii.gz")
    labels = np.zeros(SHAPE, np.int64)
    labels[1:3, 2, 2:5] = 13
    labels[0, 0, 0] = 255
    write_volume(tmp_path / "l.nii.gz", read_volume(tmp_path / "ct.nii.gz").like(labels, "labels"))
    again = read_volume(tmp_path / "l.nii.gz", "labels")
    assert again.array.dtype == np.uint8
    np.testing.assert_array_equal(again.array, labels)
    header = nib.load(tmp_path / "l.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (3, 2)
    assert header.get_data_dtype() == np.uint8
    assert float(header["cal_max"]) == 0  # the CT's window is none for labels


def test_confidence_is_bytes_with_a_slope(tmp_path):
    confidence = np.random.default_rng(1).random(SHAPE, dtype=np.float32)
    confidence.flat[:2] = 0, 1
    write_volume(tmp_path / "c.nii.gz", ct().like(confidence, "confidence"))
    stored = nib.load(tmp_path / "c.nii.gz")
    assert stored.get_data_dtype() == np.uint8
    np.testing.assert_allclose(stored.get_fdata().T, confidence, atol=0.5 / 255 + 1e-6)
    first = read_volume(tmp_path / "c.nii.gz", "confidence")
    assert first.array.dtype == np.float32
    assert (first.array.min(), first.array.max()) == (0, 1)
    write_volume(tmp_path / "d.nii.gz", first)
    np.testing.assert_array_equal(read_volume(tmp_path / "d.nii.gz", "confidence").array, first.array)
    in_bytes = np.rint(confidence * 255).astype(np.uint8)
    write_volume(tmp_path / "e.nii.gz", ct().like(in_bytes, "confidence"))
    assert (tmp_path / "e.nii.gz").read_bytes() == (tmp_path / "c.nii.gz").read_bytes()


@pytest.mark.parametrize(
    ("array", "kind", "word"),
    [
        (np.full(SHAPE, 256, np.int16), "labels", "0 to 255"),
        (np.full(SHAPE, -1, np.int16), "labels", "0 to 255"),
        (np.full(SHAPE, 1.5, np.float32), "labels", "fractions"),
        (np.full(SHAPE, np.nan, np.float32), "labels", "not finite"),
        (np.full(SHAPE, 1.5, np.float32), "confidence", "0 to 1"),
        (np.full(SHAPE, np.nan, np.float32), "confidence", "not finite"),
        (np.full(SHAPE, np.nan, np.float32), "ct_hu", "not finite"),
        (np.full(SHAPE, 1j, np.complex64), "ct_hu", "real number"),
    ],
)
def test_what_a_kind_may_not_hold(tmp_path, array, kind, word):
    with pytest.raises(FileError, match=word):
        ct().like(array, kind)
    with pytest.raises(FileError, match=word):
        write_volume(tmp_path / "a.nii", Volume(array, geometry(), kind))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float64])
def test_whole_numbers_become_label_bytes(dtype):
    labels = ct().like(np.ones(SHAPE, dtype), "labels")
    assert labels.array.dtype == np.uint8
    assert (labels.array == 1).all()


def test_writing_is_deterministic(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(tmp_path / name, ct())
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_digest_sees_voxels_and_grid_but_not_memory_layout():
    volume = ct()
    assert len(volume.digest()) == 64
    copies = [np.asfortranarray(volume.array), volume.array.astype(">i2")]
    assert {Volume(copy, geometry()).digest() for copy in copies} == {volume.digest()}
    other = volume.array.copy()
    other[0, 0, 0] += 1
    assert Volume(other, geometry()).digest() != volume.digest()
    assert Volume(volume.array, geometry(axes_mm=(3, 2, 1.6))).digest() != volume.digest()


@pytest.mark.parametrize("name", ["a.txt", "a.nii.bz2", "a.img", "a"])
def test_unknown_types_are_named(tmp_path, name):
    (tmp_path / name).write_text("hello")
    with pytest.raises(FileError, match=r"of no known type.*\.nii\.gz"):
        read_volume(tmp_path / name)
    assert not is_volume_path(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd", "a.dcm"])
@pytest.mark.parametrize("content", [None, b"", b"hello", bytes(400), b"\x1f\x8b"])
def test_files_that_are_not_what_their_name_says(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError):
        read_volume(tmp_path / name)
    assert is_volume_path(tmp_path / name)


def test_only_nifti_is_written(tmp_path):
    with pytest.raises(FileError, match=r"\.nii or \.nii\.gz"):
        write_volume(tmp_path / "a.mha", ct())


def itk_image(dtype="int16"):
    cos, sin = math.cos(0.3), math.sin(0.3)
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 100, SHAPE).astype(dtype))
    image.SetSpacing((0.7, 0.8, 3.5))
    image.SetOrigin((10, -20, 30))
    image.SetDirection((cos, -sin, 0, sin, cos, 0, 0, 0, -1))
    return image


def itk_affine(image):
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return lps_to_ras(affine)[:, [2, 1, 0, 3]]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd", ".nii.gz"])
def test_every_format_agrees_with_simpleitk(tmp_path, suffix, compressed, dtype):
    image = itk_image(dtype)
    sitk.WriteImage(image, str(tmp_path / f"a{suffix}"), compressed)
    volume = read_volume(tmp_path / f"a{suffix}")
    assert volume.array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.geometry.affine, itk_affine(image), atol=1e-5)
    write_volume(tmp_path / "b.nii", volume)
    assert read_volume(tmp_path / "b.nii").geometry.same_grid(volume.geometry, tol_mm=1e-3)


TEXT_HEADERS = [
    (".nrrd", b"space: left-posterior-superior\n", b"", "patient"),
    (".nrrd", b"space: left-posterior-superior", b"space: 3D-right-handed", "patient"),
    (".nrrd", b"sizes: 6 5 4", b"sizes: 6 5 4 1", "4 axes"),
    (".nrrd", b"sizes: 6 5 4", b"sizes: 6 5 1", "2-D"),
    (".nrrd", b"sizes: 6 5 4", b"sizes: 6 5 0", "sizes"),
    (".nrrd", b"sizes: 6 5 4", b"sizes: 600 500 400", "claims"),
    (".nrrd", b"sizes: 6 5 4", b"sizes: 6 5 3", "more bytes"),
    (".nrrd", b"type: short", b"type: block", "type 'block'"),
    (".nrrd", b"endian: little", b"endian: middle", "byte order"),
    (".nrrd", b"encoding: raw", b"encoding: hex", "hex"),
    (".nrrd", b"encoding: raw", b"data file: b.raw\nencoding: raw", "elsewhere"),
    (".nrrd", b"(10,-20,30)", b"(10,nan,30)", "finite"),
    (".mha", b"TransformMatrix", b"Other", "TransformMatrix"),
    (".mha", b"ElementSpacing = 0.69999999999999996", b"ElementSpacing = x", "ElementSpacing"),
    (".mha", b"DimSize = 6 5 4", b"DimSize = 6 5 400", "claims"),
    (".mha", b"DimSize = 6 5 4", b"DimSize = 6 5 3", "more bytes"),
    (".mha", b"DimSize = 6 5 4", b"DimSize = 6 20", "3-D"),
    (".mha", b"DimSize = 6 5 4", b"ElementNumberOfChannels = 3\nDimSize = 6 5 4", "single numbers"),
    (".mha", b"MET_SHORT", b"MET_STRING", "MET_STRING"),
    (".mha", b"= LOCAL", b"= /etc/passwd", "beside"),
    (".mha", b"= LOCAL", b"= ../b.raw", "beside"),
    (".mha", b"= LOCAL", b"= LIST", "beside"),
    (".mha", b"= LOCAL", b"= absent.raw", "no file"),
]


@pytest.mark.parametrize(("suffix", "old", "new", "word"), TEXT_HEADERS)
def test_text_headers_that_lie_are_refused(tmp_path, suffix, old, new, word):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(itk_image(), str(path), False)
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    with pytest.raises((FileError, GeometryError), match=word):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("damage", ["cut", "flip", "append"])
def test_damaged_compressed_voxels_are_refused(tmp_path, suffix, damage):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(itk_image(), str(path), True)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[-5:]
    elif damage == "flip":
        content[-40] ^= 1
    else:
        content += b"more"
    path.write_bytes(content)
    with pytest.raises(FileError):
        read_volume(path)


@pytest.mark.real_data
def test_real_ct_and_its_labels_share_a_grid(real_data):
    volume = read_volume(real_data / "totalsegmentator" / "ct.nii.gz")
    labels = read_volume(real_data / "totalsegmentator" / "labels_amos15.nii.gz", "labels")
    assert labels.geometry.same_grid(volume.geometry)
    assert labels.array.max() == 15
    with pytest.raises(FileError, match="0 to 255"):
        read_volume(real_data / "totalsegmentator" / "ct.nii.gz", "labels")
    canonical = volume.geometry.reorient_to("SAR").apply(labels.array)
    liver, spleen = (np.argwhere(canonical == value).mean(0) for value in (6, 1))
    assert liver[2] > spleen[2]  # x grows to the patient's right, where the liver is
