"""Counts are said in words."""

import pytest

from guidednet_training.core.words import counted


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases"), (1200, "1,200 cases")]
)
def test_a_count_agrees_with_its_noun(count, text):
    assert counted(count, "case") == text
