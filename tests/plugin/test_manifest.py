"""The manifest: everything it names is there, and napari really uses it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

from napari_guidednet.backend import AMOS_15, Volume, read_volume, write_volume

# Menus that napari 0.9 lets plugins add to; others are ignored without a word.
OPEN_MENUS = ("napari/layers/", "napari/file/io_utilities", "napari/file/acquire", "napari/file/new_layer")


@pytest.fixture(scope="module")
def manifest(repo_root: Path) -> PluginManifest:
    return PluginManifest.from_file(repo_root / "napari_guidednet" / "napari.yaml")


@pytest.fixture
def viewer(make_napari_viewer, manifest: PluginManifest):
    """A real viewer that knows this plugin, installed or not."""
    from npe2 import PluginManager

    manager = PluginManager.instance()
    if manifest.name not in {known.name for known in manager.iter_manifests()}:
        manager.register(manifest)
    return make_napari_viewer()


def test_the_manifest_at_the_root_is_the_one_in_the_package(repo_root: Path):
    assert (repo_root / "napari.yaml").read_text() == (repo_root / "napari_guidednet/napari.yaml").read_text()


def test_every_command_can_be_imported_and_is_used(manifest: PluginManifest):
    used = manifest.model_dump_json(exclude={"contributions": {"commands"}})
    for command in manifest.contributions.commands or ():
        module, name = str(command.python_name).split(":")
        assert callable(getattr(import_module(module), name))
        assert f'"{command.id}"' in used


def test_menus_are_ones_that_napari_shows(manifest: PluginManifest):
    menus = manifest.contributions.menus or {}
    own = {submenu.id for submenu in manifest.contributions.submenus or ()}
    for menu in menus:
        assert menu in own or menu.startswith(OPEN_MENUS), menu
    assert not manifest.contributions.keybindings  # ignored by napari


def test_importing_the_backend_leaves_torch_alone():
    code = "import sys, napari_guidednet.backend; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_dropped_on_napari_opens_and_saves_through_the_plugin(viewer, tmp_path: Path, phantoms):
    labels: Volume = phantoms[0][1]
    write_volume(tmp_path / "labels.nii.gz", labels)
    (layer,) = viewer.open(str(tmp_path / "labels.nii.gz"), plugin="napari-guidednet")
    assert dict(zip(layer.features["index"], layer.features["organ"], strict=True))[6] == "Liver"
    layer.data[0, 0, 0] = AMOS_15.value("aorta")
    saved = viewer.layers.save(str(tmp_path / "saved.nii.gz"))
    assert saved == [str(tmp_path / "saved.nii.gz")]
    again = read_volume(tmp_path / "saved.nii.gz", "labels")
    assert again.geometry.same_grid(labels.geometry)
    assert again.array[-1, -1, -1] == AMOS_15.value("aorta")
    assert np.count_nonzero(again.array != labels.array) == 1


def test_sample_data_and_menu_commands_work_on_it(viewer, monkeypatch: pytest.MonkeyPatch):
    from napari_guidednet import backend, commands

    full = backend.make_phantom
    tiny = {"shape": (16, 24, 24), "spacing_mm": (12, 14, 14)}
    monkeypatch.setattr(backend, "make_phantom", lambda seed, scheme: full(seed, scheme=scheme, **tiny))
    viewer.open_sample("napari-guidednet", "synthetic_abdomen")
    image, labels = viewer.layers
    assert image.data.shape == labels.data.shape == (16, 24, 24)
    viewer.layers.selection.active = labels
    commands.window_lung(viewer)
    assert image.contrast_limits == [-1350, 150]
    commands.name_flare(viewer)
    assert labels.features["organ"].tolist()[1] == "Liver"
    commands.name_amos(viewer)
    commands.measure_volumes(viewer)
    table = labels.features
    liver = float(table["volume_ml"][table["organ"] == "Liver"].iloc[0])
    voxels = np.count_nonzero(labels.data == AMOS_15.value("liver"))
    assert liver == pytest.approx(voxels * 12 * 14 * 14 / 1000, abs=0.001)


def test_commands_without_a_layer_say_so(viewer, monkeypatch: pytest.MonkeyPatch):
    from napari.utils import notifications

    from napari_guidednet import commands

    said: list[str] = []
    monkeypatch.setattr(notifications, "show_warning", said.append)
    commands.window_liver(viewer)
    commands.measure_volumes(viewer)
    assert "no CT" in said[0]
    assert "labels layer" in said[1]


def test_files_can_be_given_to_the_plugin_for_good(monkeypatch: pytest.MonkeyPatch):
    from napari.settings import get_settings
    from napari.utils import notifications

    from napari_guidednet import commands

    monkeypatch.setattr(notifications, "show_info", lambda text: None)
    commands.open_files_here()
    readers = get_settings().plugins.extension2reader
    assert readers["*.nii.gz"] == readers["*.dcm"] == "napari-guidednet"


def test_the_painted_layer_of_a_case_saves_like_any_labels(viewer, tmp_path: Path, correction):
    """The guarded layer in a real canvas: drawn, painted, saved through the plugin's writer."""
    from napari_guidednet.layers.case_layers import CaseLayers

    layers = CaseLayers(viewer)
    layers.show(correction.case, correction)
    layers.select_organ("spleen")
    assert layers.labels is not None
    layers.labels.paint((5, 14, 14), layers.labels.selected_label)
    viewer.layers.selection = {layers.labels}
    (saved,) = viewer.layers.save(str(tmp_path / "s.nii.gz"), selected=True)
    again = read_volume(saved, "labels")
    assert np.array_equal(again.array, correction.labels)
    assert again.geometry.same_grid(correction.case.image.geometry)
    assert viewer.screenshot(canvas_only=True, flash=False).any()
    layers.clear()


def test_menus_run_on_the_viewer_and_open_one_panel(viewer):
    """As a click does: through napari's registry, which has to find the viewer for the command."""
    from napari._app_model import get_app_model

    run = get_app_model().commands.execute_command
    image = viewer.add_image(np.zeros((8, 8, 8)), contrast_limits=(0, 1))
    run("napari-guidednet.window_bone").result()
    assert image.contrast_limits == [-500, 1300]
    run("napari-guidednet.open_panel").result()
    run("napari-guidednet.open_panel").result()
    (name,) = viewer.window.dock_widgets
    assert name.startswith("GuidedNet (")
    panel = viewer.window.dock_widgets[name]
    viewer.window.remove_dock_widget(panel)
    panel.desk.close()
