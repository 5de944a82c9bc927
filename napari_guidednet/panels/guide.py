"""What comes next: from what is known of the work to one sentence and one panel. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from ..backend import counted

PANELS = ("Project", "Cases", "Segment", "Correct", "Train", "Models")


@dataclass(frozen=True)
class Facts:
    """What decides the next step.

    Attributes
    ----------
    project : bool
        Whether a project is open.
    cases : int
        Number of cases in it.
    models : int
        Number of models to choose from, the shipped one included.
    case : str or None
        The open case.
    held_out : bool
        Whether the open case is a validation or test case.
    segmented : bool
        Whether a model or a person has put labels into it.
    open_organs : int
        Its organs that are not confirmed.
    segmenting, training : bool
        Whether such a run goes on.
    candidate : str or None
        A newly trained model nobody has decided about.
    untrained : int
        Labelled training cases the current model has not learned from.
    next_case : str or None
        A case worth opening next.
    """

    project: bool = False
    cases: int = 0
    models: int = 0
    case: str | None = None
    held_out: bool = False
    segmented: bool = False
    open_organs: int = 0
    segmenting: bool = False
    training: bool = False
    candidate: str | None = None
    untrained: int = 0
    next_case: str | None = None


@dataclass(frozen=True)
class NextStep:
    """One sentence, the panel where it is done, and why; with a case, it is opened there at once."""

    text: str
    panel: str
    why: str = ""
    case: str | None = None


def next_step(facts: Facts) -> NextStep:
    """Give the step that brings the work forward."""
    if not facts.project:
        return NextStep("open or make a project", "Project", "Everything is kept in a project folder.")
    if not facts.cases:
        return NextStep("add CT volumes", "Cases", "The project has no cases yet.")
    if facts.candidate:
        return NextStep(
            f"compare {facts.candidate} and decide", "Models", "A new model takes over only if you say so."
        )
    if facts.case is None:
        return _open_another(facts)
    return _with_case(facts, facts.case)


def _with_case(facts: Facts, case: str) -> NextStep:
    if facts.segmenting and not facts.segmented:
        return NextStep(f"wait for the labels of {case}", "Segment", "The model is at work.")
    if not facts.segmented and facts.models:
        return NextStep(f"segment {case}", "Segment", "The model makes a first proposal for all organs.")
    if facts.open_organs:
        return NextStep(
            f"check and confirm {case} ({counted(facts.open_organs, 'organ')} left)",
            "Correct",
            "Look where the confidence is low first. A confirmed organ is protected and used for training.",
        )
    if facts.training:
        return NextStep("watch the training", "Train", "You may close napari; the training goes on.")
    if facts.untrained and not facts.held_out:
        return NextStep(
            "retrain",
            "Train",
            f"{counted(facts.untrained, 'case')} confirmed since the current model was trained.",
        )
    return _open_another(facts)


def _open_another(facts: Facts) -> NextStep:
    if facts.training:
        return NextStep("watch the training", "Train", "You may close napari; the training goes on.")
    if facts.next_case:
        why = "It has organs that nobody has confirmed."
        return NextStep(f"open {facts.next_case}", "Cases", why, facts.next_case)
    if facts.untrained:
        return NextStep("retrain", "Train", f"{counted(facts.untrained, 'case')} not yet learned from.")
    return NextStep("open a case", "Cases", "Every case is confirmed; add more CT or look again.")
