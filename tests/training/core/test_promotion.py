"""The promotion rule: the same cases, the mean, and no organ left behind."""

import math

from guidednet_training.core.promotion import FixTally, compare

OLD = {"c1": {"liver": 0.90, "spleen": 0.80}, "c2": {"liver": 0.92, "spleen": 0.84}}


def with_dice(liver: float, spleen: float) -> dict:
    return {case: {"liver": liver, "spleen": spleen} for case in OLD}


def test_better_everywhere_is_promoted_and_the_organs_are_named() -> None:
    verdict = compare(OLD, with_dice(0.93, 0.90))
    assert verdict.decision == "promote"
    assert math.isclose(verdict.old_mean, 0.865)
    assert math.isclose(verdict.new_mean, 0.915)
    assert any("Spleen got better: 0.820 before, 0.900 now" in reason for reason in verdict.reasons)


def test_the_same_scores_are_promoted() -> None:
    assert compare(OLD, OLD).decision == "promote"


def test_a_lower_mean_keeps_the_old_one() -> None:
    verdict = compare(OLD, with_dice(0.90, 0.81))
    assert verdict.decision == "keep"
    assert "fell from 0.865 to 0.855" in verdict.reasons[0]


def test_an_organ_beyond_the_margin_asks_even_when_the_mean_rises() -> None:
    verdict = compare(OLD, with_dice(0.88, 0.95), margin=0.02)
    assert verdict.decision == "ask"
    assert any("Liver got worse: 0.910 before, 0.880 now" in reason for reason in verdict.reasons)
    assert compare(OLD, with_dice(0.88, 0.95), margin=0.05).decision == "promote"


def test_other_cases_cannot_be_compared() -> None:
    verdict = compare(OLD, {"c1": OLD["c1"], "c3": OLD["c2"]})
    assert verdict.decision == "ask"
    assert "c2, c3" in verdict.reasons[0]


def test_an_organ_counts_only_where_both_were_scored() -> None:
    new = {"c1": {"liver": 0.95, "spleen": None}, "c2": {"liver": 0.95, "spleen": 0.9}}
    old = {"c1": {"liver": 0.90, "spleen": 0.1}, "c2": {"liver": 0.90, "spleen": math.nan}}
    verdict = compare(old, new)
    assert [(change.organ, change.cases) for change in verdict.changes] == [("liver", 2)]
    assert verdict.decision == "promote"


def test_nothing_scored_asks_and_no_old_model_promotes() -> None:
    assert compare({"c": {}}, {"c": {"liver": None}}).decision == "ask"
    assert compare(None, OLD).decision == "promote"


def test_it_is_said_whether_the_change_may_be_chance() -> None:
    same = {f"c{i}": {"liver": 0.8} for i in range(6)}
    steady = {case: {"liver": 0.85 + 0.001 * i} for i, case in enumerate(same)}
    shaky = {case: {"liver": 0.8 + (0.3 if i == 0 else 0.0)} for i, case in enumerate(same)}
    sure, unsure = compare(same, steady), compare(same, shaky)
    assert sure.decision == unsure.decision == "promote"
    assert any("more than chance" in reason and "over 6 cases" in reason for reason in sure.reasons)
    assert any("may be chance" in reason for reason in unsure.reasons)
    assert unsure.interval.low < 0 < unsure.interval.high
    assert sure.changes[0].interval.excludes_zero
    one = compare({"c": {"liver": 0.8}}, {"c": {"liver": 0.9}})
    assert one.interval is None
    assert any("One case cannot tell" in reason for reason in one.reasons)


def test_a_model_that_forgets_corrections_is_not_promoted_by_itself() -> None:
    better = with_dice(0.93, 0.90)
    keeps = compare(OLD, better, fixes=FixTally(412, 398, 371))
    assert keeps.decision == "promote"
    assert "Of 412 past corrections the new model keeps 398, the old model 371." in keeps.reasons
    assert compare(OLD, better, fixes=FixTally(412, 370, 371)).decision == "ask"
    assert compare(OLD, with_dice(0.5, 0.5), fixes=FixTally(1, 1, 0)).decision == "keep"
    first = compare(None, better, fixes=FixTally(1, 0))
    assert first.decision == "promote"
    assert first.reasons[-1] == "Of 1 past correction the new model keeps 0."
