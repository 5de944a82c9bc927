"""What a user installs holds every module, the manifest and the starter model, however it was built."""

import configparser
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLACES = {"napari_guidednet": "napari_guidednet", "guidednet_training": "training/guidednet_training"}
STARTER_LIMIT_BYTES = 16 * 2**20


def python(*arguments, cwd, **environment):
    """Run Python without the checkout on its path; give what it printed."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout, so that building leaves nothing in the real one."""
    target = tmp_path_factory.mktemp("checkout") / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, target, symlinks=True, ignore=ignored)
    for name in (".ci", ".pre-commit-config.yaml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, target / name)
    return target


def build(source, kind, out):
    python("-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(out), str(source), cwd=out)
    (archive,) = out.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory):
    return build(checkout, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel_of_checkout(checkout, tmp_path_factory):
    return build(checkout, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel_of_sdist(sdist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return build(source, "wheel", tmp_path_factory.mktemp("wheel_of_sdist"))


def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def expected_names(source):
    """All that the source folders hold and a user needs, by its place in site-packages."""
    kept = {
        f"{house}/{path.relative_to(source / place).as_posix()}"
        for house, place in PLACES.items()
        for path in (source / place).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    shipped = ("/starter/", "/published/")
    return {
        name
        for name in kept
        if name.endswith((".py", "py.typed", "napari.yaml")) or any(folder in name for folder in shipped)
    }


@pytest.mark.parametrize("built", ["wheel_of_checkout", "wheel_of_sdist"])
def test_wheel_holds_every_file_and_nothing_else(built, checkout, request):
    found, expected = names(request.getfixturevalue(built)), expected_names(checkout)
    assert found - expected == set()
    assert expected - found == set()


def test_packages_are_listed_completely(checkout):
    config = configparser.ConfigParser()
    config.read(checkout / "setup.cfg", encoding="utf-8")
    listed = set(config["options"]["packages"].split())
    there = {
        ".".join([house, *path.parent.relative_to(checkout / place).parts])
        for house, place in PLACES.items()
        for path in (checkout / place).rglob("__init__.py")
    }
    assert listed == there


def test_a_starter_model_is_shipped_whole_and_small_or_not_at_all(wheel_of_checkout):
    with zipfile.ZipFile(wheel_of_checkout) as archive:
        sizes = {i.filename: i.file_size for i in archive.infolist() if "/starter/" in i.filename}
        if not sizes:
            pytest.skip("this version ships no starter model")
        (manifest,) = (name for name in sizes if name.endswith("/manifest.json"))
        assert json.loads(archive.read(manifest))["terms"]
    assert any(name.endswith("/weights.safetensors") for name in sizes)
    assert any(name.endswith("/README.md") for name in sizes)
    assert sum(sizes.values()) <= STARTER_LIMIT_BYTES


def test_the_core_install_forces_no_window(wheel_of_checkout):
    with zipfile.ZipFile(wheel_of_checkout) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    always = [line.lower() for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert any(line.startswith("torch") for line in always)
    assert not [line for line in always if line.startswith(("pyside", "pyqt", "napari", "qtpy"))]
    assert metadata["License"] == "BSD-3-Clause"
    assert metadata.get_payload().startswith("# GuidedNet")


def test_sdist_builds_tests_and_explains_itself(sdist):
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
        (root_manifest,) = (
            m for m in archive.getmembers() if m.name.count("/") == 1 and m.name.endswith("/napari.yaml")
        )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md"):
        assert name in found, name
    for name in (
        "constraints.txt",
        "scripts/test.sh",
        ".ci/run",
        "tests/conftest.py",
        "docs/file-formats.md",
    ):
        assert name in found, name
    assert root_manifest.isfile() or root_manifest.issym()
    assert "napari_guidednet/napari.yaml" in found


def test_the_root_manifest_is_the_packages(repo_root):
    assert (repo_root / "napari.yaml").read_bytes() == (
        repo_root / "napari_guidednet" / "napari.yaml"
    ).read_bytes()


LOOK = """
import importlib.metadata, pathlib, site, sys
place = sys.argv[1]
# an editable install of the checkout that runs this test must not answer for the one that is tested
sys.meta_path[:] = [f for f in sys.meta_path if not getattr(f, "__module__", "").startswith("__editable__")]
for name in [name for name in sys.modules if name.startswith("__editable__")]:
    del sys.modules[name]
before = list(sys.meta_path)
ours = ("guidednet_training", "napari_guidednet")
sys.path[:] = [p for p in sys.path if not any(pathlib.Path(p, name).is_dir() for name in ours)]  # no checkout
sys.path.insert(0, place)
site.addsitedir(place)  # runs what an editable install leaves there
sys.meta_path.sort(key=lambda finder: finder in before)
import npe2, guidednet_training, napari_guidednet
for module in (guidednet_training, napari_guidednet):
    assert module.__file__.startswith(sys.argv[2]), (module.__file__, sys.argv[2])
found = npe2.PluginManifest.from_distribution("napari-guidednet")
assert found.display_name == "GuidedNet", found.display_name
assert found.contributions.widgets and found.contributions.readers and found.contributions.writers
assert pathlib.Path(napari_guidednet.__file__).with_name("napari.yaml").is_file()
distribution = importlib.metadata.distribution("napari-guidednet")
(script,) = distribution.entry_points.select(group="console_scripts")
assert script.name == "guidednet"
(manifest,) = distribution.entry_points.select(group="napari.manifest")
assert manifest.value == "napari_guidednet:napari.yaml", manifest.value
if sys.argv[3] == "whole":
    found.validate_imports()  # every command of the manifest
try:
    script.load()(["--help"])
except SystemExit as done:
    assert not done.code
"""


@pytest.mark.parametrize("built", ["wheel_of_checkout", "wheel_of_sdist"])
def test_installed_wheel_works(built, request, tmp_path):
    with zipfile.ZipFile(request.getfixturevalue(built)) as archive:
        archive.extractall(tmp_path / "site")
    whole = "whole" if built == "wheel_of_checkout" else "manifest"
    site = str(tmp_path / "site")
    assert "usage: guidednet" in python("-c", LOOK, site, site, whole, cwd=tmp_path)


@pytest.mark.parametrize("mode", ["lenient", "strict"])
def test_editable_install_works(mode, checkout, tmp_path):
    make = (
        "import os, sys; os.chdir(sys.argv[1]); from setuptools import build_meta;"
        "print(build_meta.build_editable(sys.argv[2], {'editable_mode': sys.argv[3]}))"
    )
    python("-c", make, str(checkout), str(tmp_path), mode, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert "usage: guidednet" in python(
        "-c", LOOK, str(tmp_path / "site"), str(checkout), "manifest", cwd=tmp_path
    )
