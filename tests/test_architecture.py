"""Who imports whom: the floors of both houses, read from the source without running it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSES = {
    "guidednet_training": ROOT / "training" / "guidednet_training",
    "napari_guidednet": ROOT / "napari_guidednet",
}
SCREEN = {
    "napari",
    "qtpy",
    "magicgui",
    "superqt",
    "psygnal",
    "vispy",
    "pyqtgraph",
    "PySide6",
    "PyQt5",
    "PyQt6",
}
TORCH = {"torch", "lightning_fabric", "lightning", "monai"}

# What each floor may import of its own house; a floor may always import itself and the package's version.
FLOORS = {
    "core": set(),
    "data": {"core"},
    "nets": {"core"},
    "functional": {"core"},
    "methods": {"core", "data", "nets", "functional"},
    "inference": {"core", "data", "nets", "functional"},
    "engine": {"core", "data", "nets", "functional", "methods", "inference"},
    "jobs": {"core", "data", "nets", "functional", "methods", "inference", "engine"},
    "demo": {"core", "jobs", "cli"},  # one storey: the demo speaks with the words of the command line
    "cli": {"core", "jobs", "demo"},
    "__main__": {"cli"},
}
PLUGIN_FLOORS = {
    "backend": set(),
    "state": {"backend"},
    "layers": {"backend", "state"},
    "panels": {"backend", "state", "layers"},
    "reader": {"backend", "state", "layers"},
    "writer": {"backend", "state", "layers"},
    "sample": {"backend", "state", "layers"},
    "commands": {"backend", "state", "layers", "panels"},
    "__main__": {"backend", "state", "layers", "panels"},
}


def sources():
    return [path for house in HOUSES.values() for path in sorted(house.rglob("*.py"))]


def module_name(path):
    for name, folder in HOUSES.items():
        if path.is_relative_to(folder):
            return ".".join([name, *path.relative_to(folder).with_suffix("").parts])
    raise AssertionError(path)


def imports(path):
    """Absolute dotted names of all that a file imports, wherever in the file it does so."""
    package = module_name(path).split(".")[:-1]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found += [f"{base}.{alias.name}" for alias in node.names]
    return found


def floor(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def offences(paths, is_wrong):
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imports(path)
        if is_wrong(name)
    ]


def of_house(house, *floors):
    return [
        p
        for p in sources()
        if module_name(p).split(".")[0] == house and (not floors or floor(module_name(p)) in floors)
    ]


def test_all_files_are_seen():
    assert len(sources()) > 60
    assert {floor(module_name(p)) for p in of_house("guidednet_training")} >= set(FLOORS)
    assert {floor(module_name(p)) for p in of_house("napari_guidednet")} >= set(PLUGIN_FLOORS)


def test_every_floor_has_a_rule():
    known = {
        "guidednet_training": {*FLOORS, "__init__", "starter"},
        "napari_guidednet": {*PLUGIN_FLOORS, "__init__"},
    }
    for path in sources():
        house = module_name(path).split(".")[0]
        assert floor(module_name(path)) in known[house], f"{path.relative_to(ROOT)} is on no known floor"


@pytest.mark.parametrize("name", FLOORS)
def test_backend_floors_import_downwards(name):
    allowed = FLOORS[name] | {name, "__version__", "__init__"}
    wrong = offences(
        of_house("guidednet_training", name),
        lambda target: target.startswith("guidednet_training.") and floor(target) not in allowed,
    )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", PLUGIN_FLOORS)
def test_plugin_floors_import_downwards(name):
    allowed = PLUGIN_FLOORS[name] | {name, "__version__", "__init__"}
    wrong = offences(
        of_house("napari_guidednet", name),
        lambda target: target.startswith("napari_guidednet.") and floor(target) not in allowed,
    )
    assert not wrong, "\n".join(wrong)


def test_the_backend_knows_no_screen():
    wrong = offences(of_house("guidednet_training"), lambda target: target.split(".")[0] in SCREEN)
    assert not wrong, "\n".join(wrong)


def test_core_and_the_command_line_know_no_torch():
    wrong = offences(
        of_house("guidednet_training", "core", "cli"), lambda target: target.split(".")[0] in TORCH
    )
    assert not wrong, "\n".join(wrong)


# files of methods/ that hold no method
SHARED = {"__init__", "base", "contract", "exchange", "settings", "taught"}


def test_nothing_imports_a_method_but_the_registry():
    folder = HOUSES["guidednet_training"] / "methods"
    methods = {p.stem for p in folder.glob("*.py")} - SHARED
    assert {"supervised", "cps", "guidednet"} <= methods
    wrong = offences(
        [p for p in sources() if p != folder / "__init__.py"],
        lambda target: target.startswith("guidednet_training.methods.") and target.split(".")[2] in methods,
    )
    assert not wrong, "\n".join(wrong)


def test_the_plugin_has_one_door_and_no_torch():
    wrong = offences(
        [p for p in of_house("napari_guidednet") if p.name != "backend.py"],
        lambda target: target.split(".")[0] == "guidednet_training",
    )
    wrong += offences(of_house("napari_guidednet"), lambda target: target.split(".")[0] in TORCH)
    assert not wrong, "\n".join(wrong)


def test_state_knows_no_screen_and_layers_no_qt():
    qt = {"qtpy", "superqt", "magicgui", "pyqtgraph", "PySide6", "PyQt5", "PyQt6"}
    wrong = offences(
        of_house("napari_guidednet", "state", "backend"), lambda t: t.split(".")[0] in SCREEN - {"psygnal"}
    )
    wrong += offences(of_house("napari_guidednet", "layers"), lambda t: t.split(".")[0] in qt)
    wrong += offences(
        of_house("napari_guidednet"), lambda t: t.split(".")[0] in {"PySide6", "PyQt5", "PyQt6"}
    )
    assert not wrong, "\n".join(wrong)


UNSAFE = {
    "pickle": "imports a pickle",
    "dill": "imports a pickle",
    "cloudpickle": "imports a pickle",
    "joblib": "imports a pickle",
    "shelve": "imports a pickle",
}


def unsafe_calls(path):
    """What may run code from a file, or write outside the folder it was given."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"torch.load", "eval", "exec", "os.system"} or called.endswith(".extractall"):
                yield f"{path.relative_to(ROOT)}:{node.lineno} calls {called}"
            for keyword in node.keywords:
                given = (keyword.arg, getattr(keyword.value, "value", None))
                if given in {("allow_pickle", True), ("weights_only", False), ("shell", True)}:
                    yield f"{path.relative_to(ROOT)}:{node.lineno} passes {given[0]}={given[1]}"


def test_nothing_is_unpickled():
    wrong = offences(sources(), lambda target: target.split(".")[0] in UNSAFE)
    for path in [*sources(), *sorted((ROOT / "benchmarks").rglob("*.py"))]:
        wrong += unsafe_calls(path)
    assert not wrong, "\n".join(wrong)


def test_names_say_what_files_are_for():
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    wrong = [str(p.relative_to(ROOT)) for p in sources() if {p.stem, *p.parent.parts[-2:]} & empty]
    assert not wrong, "\n".join(wrong)


def test_the_root_holds_no_python():
    assert not list(ROOT.glob("*.py"))
