"""The next step is always named, and it is the right one."""

from dataclasses import replace

import pytest

from napari_guidednet.panels.guide import PANELS, Facts, next_step

READY = Facts(project=True, cases=4, models=1, case="phantom_01", segmented=True, open_organs=3)


@pytest.mark.parametrize(
    ("facts", "panel", "words"),
    [
        (Facts(), "Project", "project"),
        (Facts(project=True), "Cases", "add CT"),
        (Facts(project=True, cases=4, next_case="phantom_02"), "Cases", "open phantom_02"),
        (replace(READY, segmented=False), "Segment", "segment phantom_01"),
        (replace(READY, segmented=False, segmenting=True), "Segment", "wait"),
        (replace(READY, segmented=False, models=0), "Correct", "3 organs left"),
        (READY, "Correct", "3 organs left"),
        (replace(READY, open_organs=1), "Correct", "(1 organ left)"),
        (replace(READY, candidate="model-2"), "Models", "compare model-2"),
        (replace(READY, open_organs=0, untrained=2), "Train", "retrain"),
        (replace(READY, open_organs=0, untrained=2, training=True), "Train", "watch"),
        (replace(READY, open_organs=0, untrained=2, held_out=True, next_case="ct_9"), "Cases", "open ct_9"),
        (replace(READY, open_organs=0), "Cases", "open a case"),
        (Facts(project=True, cases=4, untrained=1), "Train", "retrain"),
        (Facts(project=True, cases=4, training=True), "Train", "watch"),
    ],
)
def test_the_next_step_follows_from_the_facts(facts, panel, words):
    step = next_step(facts)
    assert (step.panel, words in step.text) == (panel, True), step


def test_every_step_leads_to_a_panel_that_exists():
    assert next_step(READY).panel in PANELS
