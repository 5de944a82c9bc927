"""Small prepared cases made in memory."""

from collections.abc import Callable

import numpy as np
import pytest

from guidednet_training.data.store import PreparedCase


@pytest.fixture
def make_case() -> Callable[..., PreparedCase]:
    def make(
        name: str, shape: tuple[int, int, int] = (20, 24, 28), labelled: bool = True, weighted: bool = False
    ) -> PreparedCase:
        rng = np.random.default_rng(sum(map(ord, name)))
        label = np.zeros(shape, np.uint8)
        label[4:8, 5:9, 6:10] = 1
        label[10:12, 15:18, 20:22] = 2
        image = rng.random(shape).astype(np.float16)
        weight = np.where(label == 2, 3, 1).astype(np.float16) if weighted else None
        return PreparedCase(name, image, label if labelled else None, np.array([True, True, True]), weight)

    return make
