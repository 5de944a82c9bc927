"""Features are compared where the model looks."""

from __future__ import annotations

import pytest

from guidednet_training.core.box import Box
from guidednet_training.core.bundle import publish_cascade
from guidednet_training.core.project import Project
from guidednet_training.inference.cascade import CoarseLook
from guidednet_training.jobs.feature_distance import feature_distances


def _apart(project, bundle):
    return feature_distances(project, bundle.folder, ["v1"], "cpu", lambda _: None, lambda: False)


def test_a_cascade_is_measured_in_the_region_that_its_coarse_stage_finds(
    make_project, make_bundle, tmp_path, monkeypatch
):
    project, fine = Project.open(make_project()), make_bundle("fine")
    both = publish_cascade(tmp_path / "both", fine, make_bundle("first"))
    z, y, x = project.case("v1").shape
    found = {"whole": Box.whole((z, y, x)), "part": Box(start=(2, 2, 2), stop=(z - 4, y - 4, x - 4))}
    apart = {"alone": _apart(project, fine)}
    for name, box in (found | {"nothing": None}).items():
        monkeypatch.setattr(CoarseLook, "find", lambda *_, box=box: box)
        apart[name] = _apart(project, both)
    assert apart["whole"] == pytest.approx(apart["alone"])
    assert apart["nothing"] == apart["alone"]
    assert apart["part"]["liver"] != pytest.approx(apart["alone"]["liver"])
