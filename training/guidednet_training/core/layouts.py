"""How public data sets lie on disk: which file is which case's CT or labels, and what their values mean."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from .case import CHANNEL, IMAGE_SUFFIXES, Split, id_from_path, stem_of
from .dicom import structure_files
from .errors import FileError
from .files import read_text
from .labels import AMOS_15, FLARE_13, LabelScheme, canonical_name
from .volume import is_volume_path
from .words import counted

Layout = Literal["auto", "nnunet", "flare22", "amos", "pairs"]
LAYOUTS: tuple[Layout, ...] = ("auto", "nnunet", "flare22", "amos", "pairs")
_FIRST_AMOS_MR = 500  # from this number on AMOS images are MR
_LABEL_ENDINGS = re.compile(r"[_.-](seg|segmentation|label|labels|mask|gt)$", re.IGNORECASE)
_FURTHER = re.compile(r"_0{0,3}[1-9]\d{0,3}$")  # channel of nnU-Net, where there is a _0000 too
_LABEL_NAME = re.compile(rf"^(seg|labels?|mask)([_.-]|$)|{_LABEL_ENDINGS.pattern}", re.IGNORECASE)
_WHICH = "Say which with the layout: nnunet, flare22, amos or pairs."


@dataclass(frozen=True)
class Found:
    """One case of a data set: a CT, perhaps labels, perhaps the split its makers gave it."""

    id: str
    image: Path
    labels: Path | None = None
    split: Split | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Annotated:
    """A line of cases.csv: which organs were annotated in a case, and which of them are really absent."""

    organs: tuple[str, ...]
    absent: tuple[str, ...]
    split: Split | None = None


@dataclass(frozen=True)
class DataSet:
    """What was found in a folder.

    Attributes
    ----------
    layout : str
        How it was read.
    cases : tuple of Found
        By id.
    values : dict of int to str
        Organ name, "background" or "unknown" of each label value.
    complete : bool
        Whether its makers annotated every organ in every labelled case, so that a missing one is absent.
    manifest : dict of str to Annotated
        From cases.csv, by case; overrules `complete`.
    problems : tuple of str
        Files that cannot be taken, and why.
    notes : tuple of str
        What else a person should know.
    """

    layout: str
    cases: tuple[Found, ...]
    values: dict[int, str]
    complete: bool
    manifest: dict[str, Annotated]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_cases(folder: Path | str, layout: Layout, scheme: LabelScheme) -> DataSet:
    """Look through a folder for cases; reads names and small text files only.

    Parameters
    ----------
    folder : Path
        A data set, or a single CT (file or DICOM folder).
    layout : str
        One of `LAYOUTS`; "auto" finds out.
    scheme : LabelScheme
        What label values mean where the data set does not say ("pairs" without organs.csv).

    Raises
    ------
    FileError
        When it does not exist, holds no image or is not laid out as was said.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileError(f"There is no folder {folder}.", "Check the path.")
    if folder.is_file() or is_volume_path(folder):
        return DataSet("pairs", (_lone(folder),), _values_of(scheme), False, {})
    if layout not in LAYOUTS:
        raise FileError(f"There is no layout '{layout}'.", f"Known: {', '.join(LAYOUTS)}.")
    layout = _guess(folder) if layout == "auto" else layout
    found = _READERS[layout](folder, scheme)
    if not found.cases:
        raise FileError(f"No image was found in {folder}, read as {layout}.", _WHICH)
    return replace(_without_twins(found), manifest=_read_manifest(folder))


def _guess(folder: Path) -> Layout:
    names = {path.name.lower() for path in folder.iterdir()}
    if any(name.startswith("flare22_") for name in names):
        return "flare22"
    if "dataset.json" in names and "imagestr" in names:
        images = [path.name.lower() for path in (folder / "imagesTr").glob("*")]
        return "amos" if images and all(name.startswith("amos_") for name in images) else "nnunet"
    images = [path.name.lower() for path in (folder / "images").glob("*")]
    return "flare22" if images and all(name.startswith("flare22_") for name in images) else "pairs"


# nnU-Net


def _nnunet(folder: Path, scheme: LabelScheme) -> DataSet:
    content = _dataset_json(folder)
    cases, problems = [], []
    for part, split in (("Tr", None), ("Ts", "test")):
        labels = _by_stem(folder / f"labels{part}")
        stems = set(_by_stem(folder / f"images{part}"))
        for image in _images(folder / f"images{part}"):
            channel = _FURTHER.search(stem_of(image))
            if channel is not None and stem_of(image)[: channel.start()] + "_0000" in stems:
                problems.append(f"{image.name}: a further channel; cases of one CT image are taken")
                continue
            own = labels.pop(CHANNEL.sub("", stem_of(image)), None)
            held_out: Split | None = "test" if split and own else None
            cases.append(Found(id_from_path(image), image, own, held_out))
        problems += [f"{path.name}: labels without an image" for path in labels.values()]
    channel_names = content.get("channel_names", content.get("modality", {}))
    notes = (
        () if "ct" in str(channel_names).lower() else ("dataset.json does not say that the images are CT",)
    )
    return DataSet("nnunet", tuple(cases), _json_values(content, folder), True, {}, tuple(problems), notes)


def _dataset_json(folder: Path) -> dict[str, Any]:
    path = folder / "dataset.json"
    if not path.is_file():
        raise FileError(f"{folder} has no dataset.json, so its label values have no names.", _WHICH)
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise FileError(f"{path} is damaged: it is not JSON.") from error
    if not isinstance(content, dict) or not isinstance(content.get("labels"), dict):
        raise FileError(
            f"{path} names no labels.", "It needs an entry 'labels': {'background': 0, 'liver': 1, ...}."
        )
    return content


def _json_values(content: dict[str, Any], folder: Path) -> dict[int, str]:
    """Read name -> value as nnU-Net 2 writes it, or value -> name as Decathlon, nnU-Net 1 and AMOS do."""
    path, named = folder / "dataset.json", []
    for key, entry in content["labels"].items():
        name, value = (entry, key) if str(key).isdecimal() else (key, entry)
        if not isinstance(value, int) and not str(value).isdecimal():
            raise FileError(f"{path}: label '{key}' is not one value ({entry}).", "Regions are not read.")
        named.append((int(value), "unknown" if name == "ignore" else canonical_name(str(name))))
    return _each_once(named, path)


def _each_once(named: list[tuple[int, str]], path: Path) -> dict[int, str]:
    """Give the names of label values; refuse two for one value, of which one would be lost."""
    values: dict[int, str] = {}
    for value, name in named:
        if values.setdefault(value, name) != name:
            raise FileError(f"{path}: the value {value} is {values[value]} and {name}.", "Correct the file.")
    return values


# FLARE22, AMOS


def _flare22(folder: Path, scheme: LabelScheme) -> DataSet:
    places = [path for path in (folder, *sorted(folder.glob("FLARE22_*"))) if path.is_dir()]
    cases, problems = [], []
    for place in places:
        labels = _by_stem(place / "labels")
        for image in (*_images(place / "images"), *_images(place)):
            cases.append(Found(id_from_path(image), image, labels.pop(CHANNEL.sub("", stem_of(image)), None)))
        problems += [f"{path.name}: labels without an image" for path in labels.values()]
    return DataSet("flare22", tuple(cases), _values_of(FLARE_13), True, {}, tuple(problems))


def _amos(folder: Path, scheme: LabelScheme) -> DataSet:
    cases, problems, skipped = [], [], 0
    splits: dict[str, Split | None] = {"Tr": "train", "Va": "val", "Ts": None}
    for part, split in splits.items():
        labels = _by_stem(folder / f"labels{part}")
        for image in _images(folder / f"images{part}"):
            own = labels.pop(CHANNEL.sub("", stem_of(image)), None)
            number = re.search(r"(\d+)$", CHANNEL.sub("", stem_of(image)))
            if number is not None and int(number[1]) >= _FIRST_AMOS_MR:
                skipped += 1
                continue
            given = split if own is not None else None
            given = "test" if own is not None and part == "Ts" else given
            cases.append(Found(id_from_path(image), image, own, given))
        problems += [f"{path.name}: labels without an image" for path in labels.values()]
    notes = (
        (f"{counted(skipped, 'image')} left out: numbers from {_FIRST_AMOS_MR} on are MR",) if skipped else ()
    )
    return DataSet("amos", tuple(cases), _values_of(AMOS_15), True, {}, tuple(problems), notes)


# Loose pairs


def _pairs(folder: Path, scheme: LabelScheme) -> DataSet:
    """X with X_seg, X_label, ... beside it, or images/X with labels/X; the rest is unlabelled."""
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    problems = []
    for path in _loose(folder):
        stem = stem_of(path)
        is_label = path.is_file() and _is_label(path)
        group = labels if is_label else images
        key = _LABEL_ENDINGS.sub("", stem) if is_label else CHANNEL.sub("", stem)
        if key in group:
            problems.append(f"{path.name}: has the name of {group[key].parent.name}/{group[key].name}")
            continue
        group[key] = path
    problems += [f"{path.name}: labels without an image" for key, path in labels.items() if key not in images]
    cases = tuple(
        Found(id_from_path(path), path, labels[key]) if key in labels else _lone(path)
        for key, path in images.items()
    )
    named = folder / "organs.csv"
    values = _read_organs(named) if named.is_file() else _values_of(scheme)
    notes = (
        f"label values are taken as those of {'organs.csv' if named.is_file() else scheme.name}",
        "an organ that a label map lacks counts as not annotated there, unless cases.csv says otherwise",
    )
    return DataSet("pairs", cases, values, False, {}, tuple(problems), notes if labels else ())


def _lone(image: Path) -> Found:
    """Give a CT without a label map; in a folder of DICOM what was drawn on it may lie beside its slices."""
    drawn = structure_files(image) if image.is_dir() else ()
    if len(drawn) == 1:
        return Found(id_from_path(image), image, drawn[0])
    several = f"{len(drawn)} segmentations beside the CT, none was taken; `guidednet annotate` takes one"
    return Found(id_from_path(image), image, notes=(several,) if drawn else ())


def _is_label(path: Path) -> bool:
    return path.parent.name.lower().startswith("label") or _LABEL_NAME.search(stem_of(path)) is not None


def _loose(folder: Path) -> Iterator[Path]:
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        if place != folder and is_volume_path(place):  # a folder of DICOM slices is one image
            yield place
            continue
        yield from _images(place)


def _read_organs(path: Path) -> dict[int, str]:
    rows = _read_csv(path, "value", "organ")
    try:
        named = [(int(row["value"]), canonical_name(row["organ"])) for row in rows]
    except ValueError as error:
        raise FileError(f"{path} cannot be read: {error}.", "A value is a whole number.") from error
    return {0: "background"} | _each_once(named, path)


# Common


def _read_manifest(folder: Path) -> dict[str, Annotated]:
    path = folder / "cases.csv"
    if not path.is_file():
        return {}
    rows = _read_csv(path, "case", "annotated_organs")
    return {id_from_path(Path(row["case"])): _manifest_line(row, path) for row in rows}


def _read_csv(path: Path, *columns: str) -> list[dict[str, str]]:
    """Read a table that has these columns, in all of its rows."""
    wanted = f"It needs the columns {' and '.join(columns)}, with commas between them."
    try:
        table = csv.DictReader(read_text(path).removeprefix("\ufeff").splitlines())  # as Excel begins it
        rows = list(table)
    except csv.Error as error:
        raise FileError(f"{path} cannot be read: {error}.", wanted) from error
    if not set(columns) <= set(table.fieldnames or ()):
        raise FileError(f"{path} cannot be read.", wanted)
    for row in rows:
        if any(row[column] is None for column in columns):
            raise FileError(f"{path} cannot be read: line {rows.index(row) + 2} is too short.", wanted)
    return rows


def _manifest_line(row: dict[str, str], path: Path) -> Annotated:
    split = row.get("split") or None
    if split not in (None, "train", "val", "test"):
        raise FileError(f"{path}: '{split}' is no split.", "Write train, val or test.")
    organs = _names(row.get("annotated_organs"))
    absent = _names(row.get("annotated_but_absent"))
    return Annotated(tuple(dict.fromkeys((*organs, *absent))), absent, split)  # type: ignore[arg-type]


def _names(cell: str | None) -> tuple[str, ...]:
    return tuple(canonical_name(name) for name in (cell or "").split(";") if name.strip())


def _without_twins(found: DataSet) -> DataSet:
    """Keep the first of several cases of one id and name the others as problems."""
    kept: dict[str, Found] = {}
    problems = list(found.problems)
    for case in sorted(found.cases, key=lambda case: case.id):
        first = kept.setdefault(case.id, case)
        if first is not case:
            problems.append(f"{case.image.name}: has the name of another image ({first.image})")
    return replace(found, cases=tuple(kept.values()), problems=tuple(problems))


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _is_image(path))


def _is_image(path: Path) -> bool:
    name = path.name.lower()
    return (
        path.is_file()
        and not name.startswith(".")
        and name.endswith(IMAGE_SUFFIXES)
        and not name.endswith(".dcm")
    )


def _by_stem(folder: Path) -> dict[str, Path]:
    return {stem_of(path): path for path in _images(folder)}


def _values_of(scheme: LabelScheme) -> dict[int, str]:
    return {0: "background"} | dict(enumerate(scheme.names, start=1))


_READERS: dict[str, Callable[[Path, LabelScheme], DataSet]] = {
    "nnunet": _nnunet,
    "flare22": _flare22,
    "amos": _amos,
    "pairs": _pairs,
}
