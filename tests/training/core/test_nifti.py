"""NIfTI: exact round trips, every odd header opened right or refused, damage always found."""

import gzip
import struct
import subprocess
import sys
import textwrap

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from guidednet_training.core.errors import FileError, GeometryError, GuidedNetError
from guidednet_training.core.geometry import MAX_SPACING_MM, MIN_SPACING_MM
from guidednet_training.core.volume import read_volume, write_volume

SHAPE = (5, 6, 7)  # i, j, k
QUIET = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CODES = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
         "qoffset_z", "srow_x", "srow_y", "srow_z", "pixdim", "xyzt_units", "dim", "dim_info")  # fmt: skip


def voxels(dtype=np.int16, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def oblique_affine(axes=(0, 1, 2), flips=(1, 1, 1), degrees=(5.0, -9.0, 14.0)):
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(flips)[:, list(axes)] * (0.8, 0.9, 2.5)
    affine[:3, 3] = (11.5, -20.25, -310)
    return affine


def save(path, array, affine, kind=nib.Nifti1Image, sform=2, qform=1, **fields):
    image = kind(array, None)
    if sform:
        image.header.set_sform(affine, sform)
    if qform:
        image.header.set_qform(affine, qform)
    for name, value in fields.items():
        image.header[name] = value
    image.header.set_xyzt_units("mm")
    kind(array, None, image.header).to_filename(path)
    return path


def patched(path, offset, layout, *values):
    """Overwrite header bytes of an uncompressed file."""
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, offset, *values)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize(("sform", "qform"), [(2, 1), (1, 0), (0, 1), (4, 4)])
def test_round_trip_is_exact(tmp_path, suffix, kind, sform, qform):
    source = save(tmp_path / f"a{suffix}", voxels(), oblique_affine(), kind, sform, qform)
    first = read_volume(source)
    write_volume(tmp_path / f"b{suffix}", first)
    second = read_volume(tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(first.array, voxels().T)
    np.testing.assert_array_equal(second.array, first.array)
    np.testing.assert_array_equal(second.geometry.affine, first.geometry.affine)
    assert second.array.dtype == first.array.dtype
    assert second.digest() == first.digest()
    old, new = nib.load(source), nib.load(tmp_path / f"b{suffix}")
    assert type(old) is type(new)
    np.testing.assert_array_equal(old.affine, new.affine)
    for name in CODES:
        assert old.header[name].tobytes() == new.header[name].tobytes(), name


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_types_and_byte_orders(tmp_path, dtype, order):
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    header.set_sform(oblique_affine(), 1)
    nib.Nifti1Image(voxels(dtype), None, header).to_filename(tmp_path / "a.nii")
    first = read_volume(tmp_path / "a.nii")
    assert first.array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(first.array, voxels(dtype).T)
    write_volume(tmp_path / "b.nii", first)
    assert (tmp_path / "b.nii").read_bytes()[:4] == (tmp_path / "a.nii").read_bytes()[:4]
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii").array, first.array)


@pytest.mark.parametrize(
    ("slope", "inter", "dtype"),
    [(1, -1024, np.int16), (2, 40000, np.int32), (0.5, 0.25, np.float32), (0, 9, np.uint8), (1, 0, np.uint8)],
)
def test_slope_and_intercept(tmp_path, slope, inter, dtype):
    path = save(tmp_path / "a.nii", voxels(np.uint8), oblique_affine())
    patched(path, 112, "<2f", slope, inter)
    volume = read_volume(path)
    assert volume.array.dtype == dtype
    np.testing.assert_allclose(volume.array, nib.load(path).get_fdata().T, rtol=1e-6)
    write_volume(tmp_path / "b.nii.gz", volume)
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii.gz").array, volume.array)


@QUIET
@given(
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.tuples(*[st.floats(-40, 40)] * 3),
)
def test_every_orientation_agrees_with_nibabel(tmp_path, axes, flips, degrees):
    path = save(tmp_path / "a.nii", voxels(), oblique_affine(axes, flips, degrees))
    volume = read_volume(path)
    np.testing.assert_allclose(volume.geometry.affine[:, [2, 1, 0, 3]], nib.load(path).affine)
    write_volume(tmp_path / "b.nii", volume)
    assert path.read_bytes()[40:348] == (tmp_path / "b.nii").read_bytes()[40:348]


def test_sheared_affine_survives(tmp_path):
    affine = np.diag([0.8, 0.9, 2.5, 1.0])
    affine[1, 2] = 0.7
    pixdim = [1, 0.8, 0.9, 2.596, 0, 0, 0, 0]
    volume = read_volume(save(tmp_path / "a.nii", voxels(), affine, qform=0, pixdim=pixdim))
    assert volume.geometry.is_sheared
    write_volume(tmp_path / "b.nii", volume)
    assert read_volume(tmp_path / "b.nii").geometry.same_grid(volume.geometry, tol_mm=0)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("unknown", 1)])
def test_units_become_millimetres(tmp_path, unit, factor):
    affine = np.diag([2.0 * factor, 2.0 * factor, 3.0 * factor, 1.0])
    image = nib.Nifti1Image(voxels(), affine)
    image.header.set_xyzt_units(unit)
    image.to_filename(tmp_path / "a.nii")
    assert read_volume(tmp_path / "a.nii").geometry.spacing_mm == pytest.approx((3, 2, 2))


def test_content_decides_about_compression(tmp_path):
    path = save(tmp_path / "a.nii", voxels(), oblique_affine())
    (tmp_path / "b.nii.gz").write_bytes(path.read_bytes())
    (tmp_path / "c.nii").write_bytes(gzip.compress(path.read_bytes()))
    for name in ("b.nii.gz", "c.nii"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).array, voxels().T)


def test_one_frame_is_a_volume_and_more_are_not(tmp_path):
    one = save(tmp_path / "one.nii", voxels(shape=(*SHAPE, 1)), oblique_affine())
    np.testing.assert_array_equal(read_volume(one).array, voxels(shape=(*SHAPE, 1))[..., 0].T)
    two = save(tmp_path / "two.nii", voxels(shape=(*SHAPE, 2)), oblique_affine())
    with pytest.raises(FileError, match="4 dimensions"):
        read_volume(two)


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (voxels(shape=(5, 6)), "2-D"),
        (voxels(shape=(5, 6, 1)), "2-D"),
        (voxels(np.complex64), "complex"),
        (
         np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]), "RGB"),
        (np.where(voxels(np.float32) > 90, np.nan, 1).astype(np.float32), "not finite"),
        (np.where(voxels(np.float32) > 90, np.inf, 1).astype(np.float32), "not finite"),
        (np.full(SHAPE, 1e9, np.float32), "Hounsfield"),
    ],
)  # fmt: skip
def test_what_is_no_ct_is_refused(tmp_path, array, word):
    path = save(tmp_path / "a.nii.gz", array, oblique_affine())
    with pytest.raises(FileError, match=word):
        read_volume(path)


def _absent(path):
    return save(path, voxels(), oblique_affine(), sform=0, qform=0)


def _mirrored_qform(path):
    save(path, voxels(), oblique_affine())
    mirrored = nib.load(path).header
    mirrored.set_qform(oblique_affine(flips=(-1, 1, 1)), 1)
    nib.Nifti1Image(voxels(), None, mirrored).to_filename(path)
    return path


def _saved(path):
    return save(path, voxels(), oblique_affine())


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (_absent, "neither sform nor qform"),
        (_mirrored_qform, "disagree"),
        (lambda path: patched(_saved(path), 280, "<4f", 0, 0, 0, 0), "singular|one plane"),
        (lambda path: patched(_saved(path), 280, "<4f", *[np.nan] * 4), "finite"),
        (lambda path: patched(_saved(path), 280, "<4f", 1e-9, 0, 0, 0), "singular|voxel size"),
        (lambda path: patched(_saved(path), 80, "<f", 40.0), "voxel size"),
        (lambda path: patched(_saved(path), 256, "<f", 7.0), "impossible"),
    ],
)
def test_unusable_orientation_is_refused(tmp_path, make, word):
    path = make(tmp_path / "a.nii")
    with pytest.raises(GeometryError, match=word) as caught:
        read_volume(path)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("offset", "layout", "values", "word"),
    [
        (42, "<3h", (2048, 2048, 2048), "claims"),  # 16 GiB in a file of a few hundred bytes
        (42, "<h", (0,), "shape"),
        (42, "<h", (-5,), "shape"),
        (46, "<h", (6,), "more bytes"),
        (46, "<h", (8,), "claims"),
        (40, "<h", (0,), "dimensions"),
        (40, "<h", (9,), "dimensions"),
        (70, "<h", (999,), "data type"),
        (70, "<h", (16,), "bits per voxel"),
        (72, "<h", (32,), "bits per voxel"),
        (108, "<f", (np.nan,), "puts the voxels"),
        (108, "<f", (1e20,), "puts the voxels"),
        (108, "<f", (0,), "puts the voxels"),
        (108, "<f", (368,), "claims"),
        (112, "<f", (np.inf,), "slope"),
        (344, "<4s", (b"ni1\0",), "not a NIfTI"),
        (0, "<i", (349,), "not a NIfTI"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path, offset, layout, values, word):
    path = patched(save(tmp_path / "a.nii", voxels(), np.diag([1.0, 1, 1, 1])), offset, layout, *values)
    with pytest.raises(FileError, match=word):
        read_volume(path)


def test_dimensions_beyond_64_bits_are_refused(tmp_path):
    path = save(tmp_path / "a.nii", voxels(), np.diag([0.02, 0.02, 0.02, 1]), nib.Nifti2Image)
    patched(path, 24, "<3q", 400_000, 400_000, 2**62)
    with pytest.raises(GuidedNetError):
        read_volume(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    header = nib.Nifti1Header()
    header.set_data_shape((1024, 1024, 2048))
    header.set_data_dtype(np.uint8)
    header.set_sform(np.eye(4), 1)
    header["vox_offset"] = 352
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4)) + gzip.compress(bytes(1 << 20)) * 1800)
    script = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        from guidednet_training.core.errors import FileError
        from guidednet_training.core.volume import read_volume
        try:
            read_volume({str(path)!r})
        except FileError as error:
            print("refused", error)
    """
    done = _python(script)
    assert "refused" in done.stdout
    assert "claims" in done.stdout


def test_an_empty_label_map_is_no_bomb(tmp_path):
    header = nib.Nifti1Header()
    image = nib.Nifti1Image(np.zeros((256, 256, 64), np.uint8), np.eye(4), header)
    image.to_filename(tmp_path / "a.nii.gz")
    assert not read_volume(tmp_path / "a.nii.gz", "labels").array.any()


@pytest.mark.parametrize("left", [0, 3, 20, 60, 300, -1, -8, -9])
def test_truncated_gzip_is_refused(tmp_path, left):
    path = save(tmp_path / "a.nii.gz", voxels(), oblique_affine())
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(FileError):
        read_volume(path)


@QUIET
@given(st.data())
def test_flipped_bits_of_gzip_never_change_voxels(tmp_path, data):
    content = bytearray(gzip.compress(_bytes_of(tmp_path), mtime=0))
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    (tmp_path / "b.nii.gz").write_bytes(content)
    try:
        volume = read_volume(tmp_path / "b.nii.gz")
    except GuidedNetError:
        return
    np.testing.assert_array_equal(volume.array, voxels().T)  # only the date or system of the packer


@QUIET
@given(st.integers(0, 351), st.binary(min_size=1, max_size=8))
def test_mutated_headers_are_refused_or_harmless(tmp_path, offset, content):
    whole = bytearray(_bytes_of(tmp_path))
    whole[offset : offset + len(content)] = content
    (tmp_path / "b.nii").write_bytes(whole[: len(_bytes_of(tmp_path))])
    try:
        geometry = read_volume(tmp_path / "b.nii").geometry
    except GuidedNetError:
        return
    assert np.isfinite(geometry.affine).all()
    assert MIN_SPACING_MM <= min(geometry.spacing_mm) <= max(geometry.spacing_mm) <= MAX_SPACING_MM
    assert abs(np.linalg.det(geometry.affine)) > 0


def _bytes_of(folder):
    path = folder / "seed.nii"
    if not path.exists():
        save(path, voxels(), oblique_affine())
    return path.read_bytes()


def test_nothing_private_is_written(tmp_path):
    path = save(
        tmp_path / "a.nii", voxels(), oblique_affine(), descrip=b"JOHN DOE 1961", aux_file=b"JOHN DOE",
        db_name=b"JOHN DOE", intent_name=b"JOHN DOE", data_type=b"JOHN DOE",
    )  # fmt: skip
    image = nib.load(path)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"JOHN DOE"))
    nib.Nifti1Image(voxels(), None, image.header).to_filename(path)
    assert path.read_bytes().count(b"JOHN DOE") == 6
    volume = read_volume(path)
    for kind, name in (("ct_hu", "b.nii"), ("labels", "c.nii")):
        write_volume(tmp_path / name, volume.like(volume.array, kind))
        assert b"JOHN" not in (tmp_path / name).read_bytes()
        assert not nib.load(tmp_path / name).header.extensions
    write_volume(tmp_path / "d.nii.gz", volume)
    assert b"b.nii" not in (tmp_path / "d.nii.gz").read_bytes()[:64]


def test_a_full_disk_leaves_the_earlier_file(tmp_path):
    path = save(tmp_path / "a.nii", np.zeros((64, 64, 64), np.int16), oblique_affine())
    before = path.read_bytes()
    script = f"""
        import resource, signal
        from guidednet_training.core.errors import FileError
        from guidednet_training.core.volume import read_volume, write_volume
        volume = read_volume({str(path)!r})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            write_volume({str(path)!r}, volume)
        except FileError as error:
            print("refused", error)
    """
    assert "refused Could not write" in _python(script).stdout
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.nii"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", voxels(), oblique_affine()))
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="Could not write"):
        write_volume(tmp_path / "file" / "b.nii", volume)


def _python(script):
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


OPENED = {  # name: (shape (z, y, x), axes (z, y, x), oblique, sheared)
    "AIL.nii.gz": ((64, 67, 79), "LIA", False, False),
    "CT_AVM.nii.gz": ((154, 242, 256), "SAR", False, False),
    "CT_pitch.nii.gz": ((58, 248, 175), "SAR", True, False),
    "anatomical.nii": ((25, 41, 33), "SAL", False, False),
    "labels256.nii.gz": ((256, 256, 256), "AIL", False, False),
    "low_res.nii.gz": ((3, 5, 7), "SAR", False, False),
    "shear.nii.gz": ((54, 422, 306), "SAR", True, True),
    "spmMotor.nii.gz": ((79, 95, 79), "SAL", False, False),
    "torsoLabel.nii.gz": ((89, 320, 384), "SAR", False, False),
}
REFUSED = {
    "complex.nii.gz": (FileError, "complex"),
    "ct_perfusion.nii.gz": (FileError, "RGB"),
    "example_nifti2.nii.gz": (FileError, "4 dimensions"),
    "functional.nii": (FileError, "4 dimensions"),
    "minimal.nii.gz": (GeometryError, "neither sform nor qform"),
    "pcasl.nii.gz": (FileError, "4 dimensions"),
    "resampled_anat_moved.nii": (FileError, "not finite"),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", sorted(OPENED))
def test_odd_files_that_open(real_data, tmp_path, name):
    volume = read_volume(real_data / "odd_nifti" / name)
    image = nib.load(real_data / "odd_nifti" / name)
    shape, axes, oblique, sheared = OPENED[name]
    geometry = volume.geometry
    assert (geometry.shape, geometry.axes, geometry.is_oblique, geometry.is_sheared) == (
        shape, axes, oblique, sheared,
    )  # fmt: skip
    np.testing.assert_allclose(geometry.affine[:, [2, 1, 0, 3]], image.affine, atol=1e-6)
    some = (slice(None, None, 7), slice(None, None, 5))
    expected = np.asanyarray(image.dataobj).T[some]
    np.testing.assert_allclose(volume.array[some], expected, rtol=1e-6, atol=1e-4)
    empty = volume.like(np.zeros(shape, np.uint8), "labels")
    write_volume(tmp_path / "labels.nii.gz", empty)
    again = read_volume(tmp_path / "labels.nii.gz", "labels")
    np.testing.assert_array_equal(again.geometry.affine, geometry.affine)
    for field in CODES:
        assert nib.load(tmp_path / "labels.nii.gz").header[field].tobytes() == image.header[field].tobytes()
    if volume.array.size < 1_000_000:  # the others would take seconds and show no more
        write_volume(tmp_path / "b.nii", volume)
        np.testing.assert_array_equal(read_volume(tmp_path / "b.nii").array, volume.array)


@pytest.mark.real_data
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_odd_files_that_are_refused(real_data, name):
    kind, word = REFUSED[name]
    with pytest.raises(kind, match=word) as caught:
        read_volume(real_data / "odd_nifti" / name)
    assert name in caught.value.message


@pytest.mark.real_data
def test_every_odd_file_is_spoken_for(real_data):
    names = {path.name for path in (real_data / "odd_nifti").iterdir()}
    assert names <= set(OPENED) | set(REFUSED)
