"""What is saved from napari lies on exactly the grid it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer

from napari_guidednet.backend import FileError, Geometry, read_volume, write_volume
from napari_guidednet.layers.display import Display
from napari_guidednet.reader import read_layers
from napari_guidednet.writer import write_image, write_labels


def _tilted(shape: tuple[int, int, int]) -> Geometry:
    turn = np.array([[1, 0, 0], [0, np.cos(0.2), -np.sin(0.2)], [0, np.sin(0.2), np.cos(0.2)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array([[0, 0, -1.5], [0, 1.5, 0], [5.0, 0, 0]])
    affine[:3, 3] = (12.5, -30.25, 7.0)
    return Geometry(shape, affine)


def test_labels_come_back_bit_for_bit_on_an_oblique_mirrored_grid(tmp_path: Path, phantoms):
    from napari_guidednet.backend import Volume

    labels = phantoms[0][1].array
    source = Volume(labels, _tilted(labels.shape), "labels")
    write_volume(tmp_path / "in.nii.gz", source)
    layer = Layer.create(*read_layers(str(tmp_path / "in.nii.gz"))[0])
    written = write_labels(str(tmp_path / "out.nii.gz"), *layer.as_layer_data_tuple()[:2])
    assert written == [str(tmp_path / "out.nii.gz")]
    first, second = (read_volume(tmp_path / name, "labels") for name in ("in.nii.gz", "out.nii.gz"))
    assert np.array_equal(first.array, second.array)
    assert np.array_equal(first.geometry.affine, second.geometry.affine)
    assert first.header.tobytes() == second.header.tobytes() if hasattr(first.header, "tobytes") else True


def test_a_ct_keeps_voxels_and_dtype(tmp_path: Path, phantoms):
    write_volume(tmp_path / "ct.nii.gz", phantoms[0][0])
    layer = Layer.create(*read_layers(str(tmp_path / "ct.nii.gz"))[0])
    write_image(str(tmp_path / "again"), *layer.as_layer_data_tuple()[:2])
    again = read_volume(tmp_path / "again.nii.gz")
    assert again.array.dtype == np.int16
    assert again.digest() == phantoms[0][0].digest()


def test_a_map_is_saved_as_confidence(tmp_path: Path, phantoms):
    geometry = phantoms[0][0].geometry
    display = Display(geometry)
    options = display.layer_options()
    options["metadata"]["guidednet"]["map"] = "confidence"
    values = np.zeros(geometry.shape, np.uint8)
    values[3] = 255
    layer = Image(display.view(values), **options)
    write_image(str(tmp_path / "c.nii.gz"), *layer.as_layer_data_tuple()[:2])
    assert read_volume(tmp_path / "c.nii.gz", "confidence").array[3].min() == pytest.approx(1.0)


def test_a_layer_made_elsewhere_is_saved_where_it_is_shown(tmp_path: Path):
    data = np.zeros((4, 5, 6), np.uint8)
    data[1, 2, 3] = 2
    layer = Labels(data, scale=(5, 2, 1), translate=(-10, 20, 30))
    write_labels(str(tmp_path / "l.nii"), *layer.as_layer_data_tuple()[:2])
    volume = read_volume(tmp_path / "l.nii", "labels")
    display = Display(volume.geometry)
    assert np.array_equal(display.view(volume.array), data)
    assert display.scale_mm == pytest.approx((5, 2, 1))
    assert display.origin_mm == pytest.approx((-10, 20, 30))


def test_what_cannot_be_nifti_is_refused(tmp_path: Path):
    layer = Labels(np.zeros((4, 4), np.uint8))
    with pytest.raises(FileError, match="2 dimensions"):
        write_labels(str(tmp_path / "l.nii"), *layer.as_layer_data_tuple()[:2])
    large = Labels(np.full((3, 3, 3), 300, np.int32))
    with pytest.raises(FileError, match="0 to 255"):
        write_labels(str(tmp_path / "l.nii"), *large.as_layer_data_tuple()[:2])
    assert not list(tmp_path.iterdir())
