"""Files dropped on napari: right axes, spacing and names, through napari's own reader machinery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_guidednet.backend import AMOS_15, FileError, Volume, write_volume
from napari_guidednet.reader import get_reader, read_layers


@pytest.fixture
def ct_file(tmp_path: Path, phantoms: list[tuple[Volume, Volume]]) -> Path:
    write_volume(tmp_path / "ct_0000.nii.gz", phantoms[0][0])
    return tmp_path / "ct_0000.nii.gz"


@pytest.fixture
def label_file(tmp_path: Path, phantoms: list[tuple[Volume, Volume]]) -> Path:
    write_volume(tmp_path / "labels.nii", phantoms[0][1])
    return tmp_path / "labels.nii"


def test_a_ct_opens_as_an_image_the_radiological_way(ct_file: Path, phantoms):
    ((data, options, kind),) = read_layers(str(ct_file))
    ct = phantoms[0][0]
    assert kind == "image"
    assert options["name"] == "ct"
    assert options["contrast_limits"] == (-160.0, 240.0)
    assert options["scale"] == pytest.approx((11.0, 12.0, 12.0))
    assert ct.geometry.axes == "SAR"  # so all three axes are turned
    assert np.array_equal(data, ct.array[::-1, ::-1, ::-1])


def test_labels_open_with_names_and_colours_over_their_ct(ct_file: Path, label_file: Path):
    viewer = ViewerModel()
    viewer.add_layer(_layer(read_layers(str(ct_file))[0]))
    ((data, options, kind),) = read_layers([str(label_file)])
    assert kind == "labels"
    assert data.dtype == np.uint8
    assert data.flags.writeable
    layer = _layer((data, options, kind))
    assert tuple(layer.translate) == pytest.approx(tuple(viewer.layers[0].translate))
    names = dict(zip(layer.features["index"], layer.features["organ"], strict=True))
    assert names[AMOS_15.value("liver")] == "Liver"
    assert np.allclose(layer.get_color(6)[:3], np.array(AMOS_15.organ(6).colour) / 255)


def test_whole_numbers_with_many_values_are_an_image(tmp_path: Path, phantoms):
    ct = phantoms[0][0]
    grey = np.clip(ct.array / 8 + 128, 0, 255).astype(np.uint8)
    write_volume(tmp_path / "grey.nii.gz", ct.like(grey, "ct_hu"))
    ((_data, options, kind),) = read_layers(str(tmp_path / "grey.nii.gz"))
    assert kind == "image"
    assert "contrast_limits" not in options


def test_labels_of_a_larger_scheme_stay_unnamed(tmp_path: Path, phantoms):
    labels = phantoms[0][1]
    write_volume(tmp_path / "many.nii.gz", labels.like(labels.array * 7, "labels"))
    ((_data, options, kind),) = read_layers(str(tmp_path / "many.nii.gz"))
    assert kind == "labels"
    assert "features" not in options


def test_what_is_not_ours_is_left_to_others(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    (tmp_path / "empty").mkdir()
    assert get_reader(str(tmp_path / "a.png")) is None
    assert get_reader(str(tmp_path / "empty")) is None
    assert get_reader([]) is None


def test_a_damaged_file_is_a_clear_error(ct_file: Path):
    ct_file.write_bytes(ct_file.read_bytes()[:-200])
    reader = get_reader(str(ct_file))
    assert reader is not None
    with pytest.raises(FileError, match=ct_file.name):
        reader(str(ct_file))


def test_real_dicom_folders_and_slices_open_once(real_data: Path):
    folder = next(path for path in sorted((real_data / "dicom").iterdir()) if path.is_dir())
    series = next(path for path in (folder, *sorted(folder.rglob("*"))) if get_reader(str(path)))
    if series.is_dir():
        ((data, options, kind),) = read_layers(str(series))
        assert kind == "image"
        assert data.ndim == 3
        assert options["name"] == series.name
        slices = [str(p) for p in sorted(series.iterdir()) if p.suffix == ".dcm"][:3]
        if slices:
            assert len(read_layers(slices)) == 1


def _layer(data: tuple) -> object:
    from napari.layers import Layer

    return Layer.create(*data)
