"""Labels leave for other programs as they are, or not at all; those of others come in through a gate."""

import numpy as np
import pydicom
import pytest

from guidednet_training.core import closed_case, dicom_seg, handing_over
from guidednet_training.core.annotating import chosen_organs, read_structures, take_structures
from guidednet_training.core.body import Outside
from guidednet_training.core.case import Annotation, Edit, OrganState
from guidednet_training.core.errors import FileError, GuidedNetError, ProjectError, SchemeError
from guidednet_training.core.exporting import export_nifti, export_nnunet
from guidednet_training.core.handing_over import export_dicom, origins_of
from guidednet_training.core.journal import read_journal
from guidednet_training.core.labels import AMOS_15, FLARE_13
from guidednet_training.core.organ_colours import OrganColours, save_colours
from guidednet_training.core.prediction import PredictionRecord, write_prediction
from guidednet_training.core.project import Project
from guidednet_training.core.structures import paint_structures
from guidednet_training.core.volume import Volume, read_volume, write_volume

SHAPE = (5, 12, 14)
LIVER, SPLEEN = FLARE_13.value("liver"), FLARE_13.value("spleen")


def some_labels():
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 2:9, 3:10] = LIVER
    labels[2, 4:6, 5:7] = 0
    labels[1:3, 9:11, 2:5] = SPLEEN
    return labels


@pytest.fixture
def project(tmp_path, make_series):
    """Two cases from DICOM and one from NIfTI, all with the same labels."""
    folder = tmp_path / "project"
    with Project.create(folder, "p", "FLARE_13") as project:
        for number, name in enumerate(("one", "two")):
            hu = np.random.default_rng(number).integers(-900, 900, SHAPE)
            volume = read_volume(make_series(tmp_path / name, hu))
            project.add_case(volume, name, "train", volume.like(some_labels(), "labels"), ("liver",))
        plain = Volume((volume.array + 1).astype(np.int16), volume.geometry)
        write_volume(tmp_path / "plain.nii.gz", plain)
        project.add_case(
            tmp_path / "plain.nii.gz", "plain", "train", plain.like(some_labels(), "labels"), FLARE_13.names
        )
        yield project


def labels_in(path, project, case_id):
    found = read_structures(path, project.case(case_id).geometry, project.image_path(case_id))
    assert not found.notes
    return paint_structures(found, chosen_organs(project, found, None), project.scheme)[0]


@pytest.mark.parametrize(("kind", "ending"), [("dicom-seg", "seg"), ("rtstruct", "rtstruct")])
def test_a_cohort_is_written_and_reads_back(project, tmp_path, kind, ending):
    told = []
    made = export_dicom(project, tmp_path / "out", kind, progress=lambda *each: told.append(each))
    assert made.written == ("one", "two")
    assert made.left_out == (
        "plain: its CT is no DICOM series (plain.nii.gz), which the object would have to refer to.",
    )
    assert told == [(0, 3, "one"), (1, 3, "plain"), (2, 3, "two"), (3, 3, "")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cases.csv", f"one_{ending}.dcm", f"two_{ending}.dcm",
    ]  # fmt: skip
    for case_id in made.written:
        again = labels_in(tmp_path / "out" / f"{case_id}_{ending}.dcm", project, case_id)
        np.testing.assert_array_equal(again, some_labels())


def test_cases_can_be_chosen(project, tmp_path):
    assert export_dicom(project, tmp_path / "a", "rtstruct", cases=["two"]).written == ("two",)
    assert export_nifti(project, tmp_path / "b", cases=["plain"]) == 1
    assert export_nnunet(project, tmp_path / "c", ["liver"], cases=["one", "two"]) == 2
    with pytest.raises(ProjectError, match="no case 'three'"):
        export_nifti(project, tmp_path / "d", cases=["three"])


def test_without_any_dicom_there_is_advice(project, tmp_path):
    with pytest.raises(ProjectError, match="no DICOM series") as caught:
        export_dicom(project, tmp_path / "out", "rtstruct", cases=["plain"])
    assert "NIfTI" in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("write", [export_dicom, export_nifti, export_nnunet])
def test_an_export_that_is_stopped_leaves_nothing(project, tmp_path, write):
    def stop(done, total, case):
        if done == 1:
            raise KeyboardInterrupt

    kind = {export_dicom: ["rtstruct"], export_nnunet: [["liver"]]}.get(write, [])
    with pytest.raises(KeyboardInterrupt):
        write(project, tmp_path / "out", *kind, progress=stop)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".partial-*"))


@pytest.mark.parametrize("kind", ["dicom-seg", "rtstruct"])
def test_what_does_not_read_back_is_not_left(project, tmp_path, monkeypatch, kind):
    honest = handing_over._WRITERS[kind]

    def careless(path, labels, *others):
        wrong = labels.copy()
        wrong[2, 4, 5] = LIVER  # one voxel
        return honest(path, wrong, *others)

    monkeypatch.setitem(handing_over._WRITERS, kind, careless)
    with pytest.raises(ProjectError, match="'one' reads back with 1 other voxels"):
        export_dicom(project, tmp_path / "out", kind)
    assert not list(tmp_path.rglob("one_*.dcm"))


def test_without_highdicom_nothing_is_begun(project, tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_seg, "has_highdicom", lambda: False)
    with pytest.raises(GuidedNetError, match="highdicom"):
        export_dicom(project, tmp_path / "out", "dicom-seg")
    assert export_dicom(project, tmp_path / "out", "rtstruct").written


def test_predictions_are_written_under_the_names_of_the_project(project, tmp_path):
    geometry = project.case("one").geometry
    labels = Volume(
        np.where(some_labels() == LIVER, AMOS_15.value("liver"), 0).astype(np.uint8), geometry, "labels"
    )
    record = PredictionRecord(case="one", bundle="amos", scheme=AMOS_15.name, organs={})
    write_prediction(project.prediction_folder("one", "amos"), labels, {}, record)
    made = export_dicom(project, tmp_path / "out", "dicom-seg", bundle="amos")
    assert made.written == ("one",)
    data = pydicom.dcmread(tmp_path / "out" / "one_seg.dcm")
    (segment,) = data.SegmentSequence
    assert (segment.SegmentLabel, segment.SegmentAlgorithmType) == ("Liver", "AUTOMATIC")
    assert export_nifti(project, tmp_path / "plain_out", bundle="amos") == 1
    written = read_volume(tmp_path / "plain_out" / "one.nii.gz", kind="labels")
    np.testing.assert_array_equal(written.array == LIVER, some_labels() == LIVER)


def test_who_drew_an_organ():
    when = "2026-01-01T00:00:00+00:00"
    annotation = Annotation(
        scheme="FLARE_13",
        organs={
            "liver": OrganState.PREDICTED, "spleen": OrganState.CONFIRMED, "aorta": OrganState.CONFIRMED,
        },
        edits=(Edit(author="x", when=when, action="predicted", organs=("liver", "spleen"), bundle="m1"),),
    )  # fmt: skip
    origins = origins_of(annotation)
    assert [(o.kind, o.bundle) for o in (origins["liver"], origins["spleen"], origins["aorta"])] == [
        ("AUTOMATIC", "m1"), ("SEMIAUTOMATIC", "m1"), ("MANUAL", ""),
    ]  # fmt: skip


# coming in


@pytest.fixture
def drawn(project, tmp_path):
    """What another program drew on case two: a larger spleen, over liver too, and a left kidney."""
    other = some_labels()
    other[1:4, 7:11, 2:6] = SPLEEN
    other[4, 0:3, 0:3] = FLARE_13.value("left_kidney")
    with Project.create(tmp_path / "other", "o", "FLARE_13") as elsewhere:
        volume = project.image("two")
        elsewhere.add_case(volume, "two", "train", volume.like(other, "labels"))
        export_dicom(elsewhere, tmp_path / "drawn", "dicom-seg")
    return tmp_path / "drawn" / "two_seg.dcm", other


def test_structures_are_laid_over_and_confirmed_organs_stay(project, drawn):
    path, other = drawn
    found = read_structures(path, project.case("two").geometry, project.image_path("two"))
    organs = chosen_organs(project, found, None)
    taken = take_structures(project, "two", found, organs)
    assert taken.organs == ("liver", "spleen", "left_kidney")
    expected = np.where(some_labels() == LIVER, LIVER, other)  # the liver is confirmed
    expected[(other == LIVER) & (some_labels() != LIVER)] = some_labels()[
        (other == LIVER) & (some_labels() != LIVER)
    ]
    np.testing.assert_array_equal(project.labels("two").array, expected)
    assert taken.refused == np.count_nonzero((some_labels() == LIVER) != (other == LIVER))
    assert taken.changed == np.count_nonzero(expected != some_labels())
    states = project.annotation("two").organs
    assert states["liver"] is OrganState.CONFIRMED
    assert states["spleen"] is states["left_kidney"] is OrganState.CORRECTED
    (*_, last) = read_journal(project.journal_folder("two"))
    assert (last.tool, last.voxels) == ("import", taken.changed)
    again = take_structures(project, "two", found, organs)
    assert again.changed == 0


def test_only_the_chosen_ones_are_taken_and_replaced(project, drawn):
    path, other = drawn
    found = read_structures(path, project.case("two").geometry)
    organs = chosen_organs(project, found, "2=left_kidney, Left kidney = aorta")
    assert organs == {2: "left_kidney", 3: "aorta"}
    take_structures(project, "two", found, organs)
    labels = project.labels("two").array
    assert (labels[4, 0:3, 0:3] == FLARE_13.value("aorta")).all()
    np.testing.assert_array_equal(labels == SPLEEN, (some_labels() == SPLEEN) & (other != SPLEEN))


def test_confirmed_slices_and_locks_stay(project, drawn):
    path, other = drawn
    known = project.annotation("two")
    update = {"slices": (3, 4), "locks": ("spleen",), "change": None}
    project.save_labels("two", project.labels("two"), known.model_copy(update=update))
    found = read_structures(path, project.case("two").geometry)
    taken = take_structures(project, "two", found, chosen_organs(project, found, None))
    np.testing.assert_array_equal(project.labels("two").array, some_labels())
    assert taken.changed == 0
    assert taken.refused == np.count_nonzero(other != some_labels())


def test_organs_end_inside_the_body_where_the_case_says_so(project, drawn, monkeypatch):
    path, other = drawn
    cells = np.zeros(other.shape, bool)
    cells[:2] = True
    outside = Outside(cells, (1, 1, 1), other.shape)
    monkeypatch.setattr(closed_case, "find_outside", lambda image: outside)
    known = project.annotation("two").model_copy(update={"inside_body": True, "change": None})
    free = known.model_copy(update={"organs": dict.fromkeys(known.organs, OrganState.CORRECTED)})
    project.save_labels("two", project.labels("two"), free)
    found = read_structures(path, project.case("two").geometry)
    organs = chosen_organs(project, found, None)
    beyond = cells & (other != some_labels()) & (other != 0)
    taken = take_structures(project, "two", found, organs)
    assert taken.refused == np.count_nonzero(beyond) > 0
    assert f"{taken.refused:,} voxels outside the body" in taken.refusal
    np.testing.assert_array_equal(project.labels("two").array, np.where(beyond, some_labels(), other))
    assert take_structures(project, "two", found, organs, outside_body=True).refusal == ""
    np.testing.assert_array_equal(project.labels("two").array, other)


def test_mistakes_are_sentences(project, drawn):
    path, _ = drawn
    geometry = project.case("two").geometry
    found = read_structures(path, geometry)
    with pytest.raises(SchemeError, match="no structure 'Leber'"):
        chosen_organs(project, found, "Leber=liver")
    with pytest.raises(SchemeError, match="does not say"):
        chosen_organs(project, found, "Liver")
    with pytest.raises(SchemeError, match="no organ 'brain'"):
        take_structures(project, "two", found, {1: "brain"})
    with pytest.raises(SchemeError, match="has the name of an organ"):
        take_structures(project, "two", found, {})
    with pytest.raises(FileError, match="says CT"):
        read_structures(next(project.image_path("two").iterdir()), geometry)


def test_another_frame_of_reference_is_said(project, drawn):
    path, _ = drawn
    found = read_structures(path, project.case("one").geometry, project.image_path("one"))
    assert "another frame of reference" in found.notes[0]


def test_the_colours_of_the_project_go_along(project, tmp_path):
    save_colours(project, OrganColours(colours={"liver": "#0102ff"}))
    export_dicom(project, tmp_path / "outlines", "rtstruct", cases=["one"])
    made = pydicom.dcmread(tmp_path / "outlines" / "one_rtstruct.dcm")
    liver, spleen = (list(region.ROIDisplayColor) for region in made.ROIContourSequence)
    assert liver == [1, 2, 255]
    assert spleen == list(FLARE_13.organ(SPLEEN).colour)
    export_dicom(project, tmp_path / "voxels", "dicom-seg", cases=["one"])
    made = pydicom.dcmread(tmp_path / "voxels" / "one_seg.dcm")
    lab = made.SegmentSequence[0].RecommendedDisplayCIELabValue
    assert (lab[0] / 65535 * 100, lab[2] / 65535 * 255 - 128) == pytest.approx((32.3, -107.9), abs=1)  # blue
    np.testing.assert_array_equal(
        labels_in(tmp_path / "voxels" / "one_seg.dcm", project, "one"), some_labels()
    )
