"""Stopping rules: they stop no later than told, and for the reason they state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shoestring.agents.stopping import (
    AdaptiveConsistency,
    EarlyStopping,
    FixedSamples,
    StoppingRule,
    leads,
    majority,
)

ANSWERS = st.lists(st.sampled_from("abc"), max_size=30)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_chance_to_lead_is_that_of_the_beta_law(first: int, second: int) -> None:
    """Whole binomials give what scipy integrates."""
    law = stats.beta(first + 1, second + 1)
    assert leads(first, second) == pytest.approx(law.sf(0.5), abs=1e-9)


@pytest.mark.parametrize(
    "rule", [FixedSamples(10), EarlyStopping(3, most=10), AdaptiveConsistency(0.9, most=10)]
)
@given(answers=ANSWERS)
def test_no_rule_begins_sure_or_goes_on_for_ever(rule: StoppingRule, answers: list[str]) -> None:
    """Nothing drawn settles nothing; the most samples settle everything."""
    assert not rule.enough([])
    assert rule.enough(answers) or len(answers) < 10


@given(ANSWERS)
def test_early_stopping_wants_one_whole_window_to_agree(answers: list[str]) -> None:
    """A window that began in another one does not count."""
    windows = [answers[at : at + 5] for at in range(0, len(answers), 5)]
    agreed = len(windows[-1]) == 5 and len(set(windows[-1])) == 1 if windows else False
    assert EarlyStopping(5, most=40).enough(answers) is agreed


@given(ANSWERS)
def test_the_majority_is_the_first_of_the_most_frequent(answers: list[str]) -> None:
    """Of equals the one that came first, so that a replay votes the same."""
    chosen = majority(answers)
    if not answers:
        assert chosen is None
        return
    most = max(answers.count(answer) for answer in answers)
    assert chosen == next(answer for answer in answers if answers.count(answer) == most)


def test_a_rule_that_means_nothing_is_refused() -> None:
    """A window of none and a certain chance are named when the rule is made."""
    with pytest.raises(ValueError, match="window must be at least 1"):
        EarlyStopping(0)
    with pytest.raises(ValueError, match="sure is a chance"):
        AdaptiveConsistency(1.0)
    with pytest.raises(ValueError, match="samples must be at least 1"):
        FixedSamples(0)
