"""The agent is told what is left, and how well off it is."""

import pytest

from shoestring.agents.middleware.left import note
from shoestring.budget import Amount, Budget, Ledger


@pytest.mark.parametrize(
    ("spent", "band"),
    [(0, "HIGH"), (300, "HIGH"), (301, "MEDIUM"), (700, "MEDIUM"), (701, "LOW"), (901, "CRITICAL")],
)
def test_the_band_follows_the_share_that_is_left(spent: int, band: str) -> None:
    """HIGH from 70 %, MEDIUM from 30 %, LOW from 10 %, CRITICAL below."""
    ledger = Ledger(Budget(tokens=1_000))
    ledger.reserve(Amount(output_tokens=spent)).settle(Amount(output_tokens=spent))
    assert f" {band}: " in note(ledger).text


def test_the_tightest_cap_sets_the_band() -> None:
    """Plenty of tokens is no comfort when the calls run out."""
    ledger = Ledger(Budget(tokens=1_000, calls=10, usd=1, seconds=60))
    ledger.reserve(Amount(calls=9)).settle(Amount(calls=9))
    told = note(ledger).text
    assert "LOW" in told
    assert "9 calls used, 1 of 10 left" in told
    assert "$0.000000 used, $1.000000 of $1.000000 left" in told
    assert "60 left" in told


def test_a_cap_above_binds_the_child() -> None:
    """What an account above has left is what there is."""
    above = Ledger(Budget(tokens=1_000))
    child = above.child(Budget(calls=5))
    above.reserve(Amount(output_tokens=950)).settle(Amount(output_tokens=950))
    assert "950 tokens used, 50 of 1,000 left" in note(child).text
    assert "CRITICAL" in note(child).text


def test_the_answer_reserve_is_not_for_work() -> None:
    """An agent is not told of what is kept back from it."""
    told = note(Ledger(Budget(tokens=1_000, answer_reserve=400))).text
    assert "600 of 1,000 left" in told


def test_a_closed_ledger_has_nothing_left() -> None:
    """Nothing is left on an account that takes no more calls."""
    ledger = Ledger(Budget(tokens=0))
    assert "0 of 0 left. CRITICAL" in note(ledger).text
