"""Counts of windows agree with the windows that are laid."""

from __future__ import annotations

import numpy as np
import pytest

from guidednet_training.core.geometry import Geometry
from guidednet_training.core.spec import PatchSpec, PreprocessSpec
from guidednet_training.core.windows import prepared_shape, window_count
from guidednet_training.data.preprocess import plan_steps
from guidednet_training.inference.sliding import Windows


@pytest.mark.parametrize("shape", [(20, 28, 28), (100, 160, 161), (32, 32, 32)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_as_many_windows_as_are_laid(shape: tuple[int, int, int], overlap: float) -> None:
    patch = PatchSpec(window=(32, 48, 64), overlap=overlap)
    assert window_count(shape, patch) == Windows.of(patch).layout(shape).count
    assert window_count(shape, patch, 0.0) == Windows(patch.window, 0.0).layout(shape).count


def test_the_prepared_shape_is_that_of_preparing() -> None:
    affine = np.array([[0, 0, -0.9, 5], [0, 0.8, 0, 7], [3, 0, 0, -100], [0, 0, 0, 1]], dtype=float)
    geometry, spec = Geometry((40, 200, 180), affine), PreprocessSpec(spacing_mm=(4, 3, 2))
    assert prepared_shape(geometry, spec) == plan_steps(geometry, spec).shape == (30, 53, 81)
