"""Amounts and caps: whole units, exact money."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.budget import Amount, Caps

units = st.integers(0, 2**61)
amounts = st.builds(Amount, units, units, units, units)


@given(amounts, amounts)
def test_sum_and_difference_are_inverse(one: Amount, other: Amount) -> None:
    """Adding and taking away the same amount changes nothing, in each dimension."""
    assert one + other - other == one
    assert (one + other).tokens == one.tokens + other.tokens


@pytest.mark.parametrize("value", [True, 1.0, "1", None, Decimal(1)])
def test_only_ints_are_amounts(value: object) -> None:
    """A bool, a float or a string is a TypeError that names the field."""
    wrong: Any = value
    with pytest.raises(TypeError, match="nanodollars must be an int"):
        Amount(nanodollars=wrong)


@pytest.mark.parametrize(("value", "match"), [(-1, "negative"), (2**63, "2\\*\\*63")])
def test_amounts_are_bounded(value: int, match: str) -> None:
    """Negative and overflowing figures are ValueErrors that name the field."""
    with pytest.raises(ValueError, match=f"calls must .*{match}"):
        Amount(calls=value)


def test_a_difference_below_zero_is_refused() -> None:
    """Subtracting more than there is raises instead of saturating."""
    with pytest.raises(ValueError, match="input_tokens must not be negative"):
        _ = Amount(input_tokens=1) - Amount(input_tokens=2)


def test_a_sum_beyond_counting_is_refused() -> None:
    """A sum of 2**63 or more raises instead of wrapping around."""
    with pytest.raises(ValueError, match="below 2"):
        _ = Amount(calls=2**63 - 1) + Amount(calls=1)


@given(st.integers(0, 2**63 - 1))
def test_money_is_exact_in_any_decimal_context(nanodollars: int) -> None:
    """Dollars are exact whatever precision the caller has set."""
    with localcontext() as context:
        context.prec = 3
        usd = Amount(nanodollars=nanodollars).usd
        capped = Caps(nanodollars=nanodollars).usd
    assert int(usd.scaleb(9).to_integral_exact()) == nanodollars
    assert capped == usd


def test_caps_as_dict_uses_the_names_of_a_budget() -> None:
    """The dictionary form is ready for JSON and shows what is not capped as None."""
    caps = Caps(tokens=10, nanodollars=50_000_000)
    assert caps.as_dict() == {"tokens": 10, "usd": 0.05, "calls": None, "seconds": None}
    assert Caps().usd is None
