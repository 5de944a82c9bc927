"""Labels go to other programs and come from them by the Project step, with progress, cancel and undo."""

import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_guidednet.backend import AMOS_15, Project, export_dicom, read_volume
from napari_guidednet.panels import exporting
from napari_guidednet.panels.desk import Desk
from napari_guidednet.panels.exporting import FORMATS, ExportBox
from napari_guidednet.panels.structures import StructureBox

SHAPE = (6, 14, 16)
LIVER, SPLEEN, AORTA = (AMOS_15.value(name) for name in ("liver", "spleen", "aorta"))


def some_labels():
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:5, 2:9, 3:10] = LIVER
    labels[2:4, 10:12, 2:5] = SPLEEN
    return labels


def drawn_elsewhere():
    labels = some_labels()
    labels[1:5, 2:9, 3] = 0
    labels[4, 10:12, 2:5] = SPLEEN
    labels[3, 4:6, 4:6] = AORTA
    return labels


@pytest.fixture
def folder(tmp_path, make_series):
    """A project with two cases from DICOM, the first with labels."""
    with Project.create(tmp_path / "project", "p", "AMOS_15") as project:
        for number, name in enumerate(("one", "two")):
            volume = read_volume(make_series(tmp_path / name, np.full(SHAPE, number)))
            project.add_case(volume, name, "train", volume.like(some_labels(), "labels"))
    return tmp_path / "project"


@pytest.fixture
def desk(qtbot, folder, answers):
    """A desk with the project open; what is told to the user is kept in `told`."""
    desk = Desk(ViewerModel(), answers)
    desk.told, desk.offered = [], []
    desk.said.connect(lambda text, _name, do: (desk.told.append(text), desk.offered.append(do)))
    desk.failed.connect(lambda error, _doing: desk.told.append(f"! {error}"))
    desk.open_project(folder)
    yield desk
    desk.close()


def docked(qtbot, desk, kind):
    dock = QWidget()
    box = kind(desk)
    QVBoxLayout(dock).addWidget(box)
    qtbot.addWidget(dock)
    dock.show()
    box.dock = dock  # which owns the box
    return box


@pytest.fixture
def box(qtbot, desk):
    return docked(qtbot, desk, ExportBox)


def choose(box, title):
    box.format.setCurrentIndex([each[0] for each in FORMATS].index(title))


def open_case(desk, qtbot, name):
    desk.open_case(name)
    qtbot.waitUntil(lambda: desk.correction is not None and desk.correction.case.id == name, timeout=60_000)


@pytest.mark.parametrize(
    ("title", "files"),
    [
        ("NIfTI", {"one.nii.gz", "two.nii.gz", "organs.csv", "cases.csv"}),
        ("DICOM-SEG", {"one_seg.dcm", "two_seg.dcm", "cases.csv"}),
        ("RTSTRUCT", {"one_rtstruct.dcm", "two_rtstruct.dcm", "cases.csv"}),
    ],
)
def test_a_cohort_is_exported(box, desk, answers, tmp_path, qtbot, title, files):
    choose(box, title)
    answers.folders = [tmp_path / "out"]
    box.go.click()
    assert not box.go.isEnabled()
    qtbot.waitUntil(lambda: "Exported 2 cases" in desk.told[-1], timeout=60_000)
    (made,) = (tmp_path / "out").iterdir()
    assert {path.name for path in made.iterdir()} == files
    assert box.go.isEnabled()
    assert box.bar.isHidden()


def test_only_the_open_case_with_what_was_just_painted(box, desk, answers, tmp_path, qtbot):
    open_case(desk, qtbot, "two")
    desk.correction.write(
        (slice(0, 1), slice(0, 2), slice(0, 2)), np.full((1, 2, 2), AORTA, np.uint8), "paint"
    )
    box.cases.setCurrentIndex(1)
    assert box.cases.currentText() == "only two"
    answers.folders = [tmp_path / "out"]
    box.go.click()
    qtbot.waitUntil(lambda: "Exported 1 case " in desk.told[-1], timeout=60_000)
    (path,) = (tmp_path / "out").rglob("*.nii.gz")
    assert path.name == "two.nii.gz"
    assert (read_volume(path, kind="labels").array[0, :2, :2] == AORTA).all()


def test_a_cancelled_export_leaves_nothing(box, desk, answers, tmp_path, qtbot, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def slow(project, out, cases, progress):
        def waiting(done, total, case):
            begun.set()
            go_on.wait(60)
            progress(done, total, case)

        return exporting.export_nifti(project, out, cases=cases, progress=waiting)

    monkeypatch.setattr(exporting, "FORMATS", (("NIfTI", "labels", slow, "slow"), *FORMATS[1:]))
    answers.folders = [tmp_path / "out"]
    box.go.click()
    assert begun.wait(60)
    assert box.cancel.isVisible()
    box.cancel.click()
    go_on.set()
    qtbot.waitUntil(lambda: "cancelled" in desk.told[-1], timeout=60_000)
    assert not list(tmp_path.glob("out/*"))
    assert box.go.isEnabled()
    assert box.cancel.isHidden()


def test_a_failed_export_leaves_the_box_ready(box, desk, answers, tmp_path, qtbot):
    choose(box, "nnU-Net data set")
    answers.folders = [tmp_path / "out"]
    box.go.click()
    qtbot.waitUntil(lambda: desk.told[-1].startswith("! No case"), timeout=60_000)
    assert box.go.isEnabled()
    assert box.cancel.isHidden()


# coming in


@pytest.fixture
def file(tmp_path, folder):
    """What another program drew on the CT of case two."""
    with Project.open(folder) as project, Project.create(tmp_path / "other", "o", "AMOS_15") as other:
        volume = project.image("two")
        other.add_case(volume, "two", "train", volume.like(drawn_elsewhere(), "labels"))
        export_dicom(other, tmp_path / "drawn", "rtstruct")
    return tmp_path / "drawn" / "two_rtstruct.dcm"


@pytest.fixture
def structures(qtbot, desk):
    return docked(qtbot, desk, StructureBox)


def test_without_a_case_it_says_what_to_do(structures):
    assert not structures.choose.isEnabled()
    assert "Open the case" in structures.about.text()


def test_structures_are_matched_shown_taken_and_undone(structures, desk, answers, qtbot, file):
    open_case(desk, qtbot, "two")
    answers.paths = [file]
    structures.choose.click()
    qtbot.waitUntil(lambda: structures.found is not None, timeout=60_000)
    rows = [structures.table.cell(row, 0).text() for row in range(structures.table.rowCount())]
    assert rows == ["Spleen", "Liver", "Aorta"]
    assert [structures.choice(row).currentData() for row in range(3)] == ["spleen", "liver", "aorta"]
    np.testing.assert_array_equal(desk.correction.labels, some_labels())  # nothing has been changed yet
    desk.correction.confirm(["liver"])
    structures.take.click()
    qtbot.waitUntil(lambda: "Taking two_rtstruct.dcm into two:" in desk.told[-1], timeout=60_000)
    assert "refused" in desk.told[-1]
    expected = some_labels()
    expected[4, 10:12, 2:5] = SPLEEN
    np.testing.assert_array_equal(desk.correction.labels, expected)
    assert structures.found is None
    desk.offered[-1]()
    np.testing.assert_array_equal(desk.correction.labels, some_labels())


def test_a_structure_can_be_another_organ_or_left_out(structures, desk, qtbot, file):
    open_case(desk, qtbot, "two")
    structures.look_at(file)
    qtbot.waitUntil(lambda: structures.found is not None, timeout=60_000)
    structures.choice(0).setCurrentIndex(0)  # the spleen
    structures.choice(1).setCurrentIndex(0)  # the liver
    assert structures.take.text() == "Take over 1 organ"
    structures.choice(2).setCurrentIndex(0)
    assert not structures.take.isEnabled()
    structures.choice(2).setCurrentIndex(structures.choice(2).findData("stomach"))
    structures.take.click()
    qtbot.waitUntil(lambda: "Taking two_rtstruct.dcm into two:" in desk.told[-1], timeout=60_000)
    labels = desk.correction.labels
    assert np.count_nonzero(labels == AMOS_15.value("stomach")) == 4
    np.testing.assert_array_equal(labels == SPLEEN, some_labels() == SPLEEN)


def test_another_case_forgets_the_file(structures, desk, qtbot, file):
    open_case(desk, qtbot, "two")
    structures.look_at(file)
    qtbot.waitUntil(lambda: structures.found is not None, timeout=60_000)
    open_case(desk, qtbot, "one")
    assert structures.found is None
    assert structures.table.isHidden()


def test_a_wrong_file_is_a_message(structures, desk, qtbot, folder):
    open_case(desk, qtbot, "two")
    structures.look_at(folder / "project.json")
    qtbot.waitUntil(lambda: desk.told[-1].startswith("! "), timeout=60_000)
    assert "no DICOM file" in desk.told[-1]
    assert structures.choose.isEnabled()
