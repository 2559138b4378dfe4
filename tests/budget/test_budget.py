"""What a user may set as a budget."""

from __future__ import annotations

from decimal import Decimal, Inexact, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.budget import Amount, Budget


@pytest.mark.parametrize(
    ("usd", "nanodollars"),
    [
        (0.1, 100_000_000),
        ("0.10", 100_000_000),
        (1, 1_000_000_000),
        (Decimal("0.0000000019"), 1),
        ("1e-999999", 0),
        (Decimal("0.99999999999999999999999999999999999999999"), 999_999_999),
    ],
)
def test_a_budget_rounds_money_down(usd: Decimal | float | str, nanodollars: int) -> None:
    """Money: a budget rounds down to whole nanodollars, and a float is taken as it prints."""
    assert Budget(usd=usd).caps.nanodollars == nanodollars


def test_a_budget_is_the_same_whatever_the_callers_decimal_context() -> None:
    """Few digits change nothing, and rounding down is no error of a program that traps it."""
    with localcontext(prec=2) as context:
        context.traps[Inexact] = True
        assert Budget(usd="0.1234567899").caps.nanodollars == 123_456_789


@given(st.decimals(0, 9_000_000_000, allow_nan=False, allow_infinity=False))
def test_rounding_never_raises_a_budget(usd: Decimal) -> None:
    """The cap in nanodollars is at most the dollars given, and less than one below them."""
    nanodollars = Budget(usd=usd).caps.nanodollars
    assert nanodollars is not None
    assert 0 <= Fraction(usd) * 10**9 - nanodollars < 1


def test_a_budget_without_caps_is_refused_with_the_cure() -> None:
    """A budget that caps nothing names the caps one may give."""
    with pytest.raises(
        ValueError, match=r"needs a cap: give it tokens=, usd=, calls=, seconds= or repeats="
    ):
        Budget()


@pytest.mark.parametrize(
    "bad",
    [
        {"tokens": -1},
        {"tokens": 2**63},
        {"calls": -1},
        {"usd": -0.01},
        {"usd": float("nan")},
        {"usd": float("inf")},
        {"usd": "five"},
        {"usd": 10**12},
        {"usd": Decimal("sNaN")},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 1e300},
        {"tokens": 1, "answer_reserve": -1},
    ],
)
def test_absurd_caps_are_value_errors(bad: dict[str, Any]) -> None:
    """Negative, NaN, infinite and overflowing caps are refused."""
    with pytest.raises(ValueError):
        Budget(**bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"tokens": True},
        {"tokens": 1.5},
        {"tokens": "10"},
        {"calls": False},
        {"usd": True},
        {"usd": [1]},
        {"seconds": True},
        {"seconds": "60"},
        {"tokens": 1, "answer_reserve": 0.5},
    ],
)
def test_caps_of_a_wrong_type_are_type_errors(bad: dict[str, Any]) -> None:
    """A bool is no count, and a string no number of tokens."""
    with pytest.raises(TypeError):
        Budget(**bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"tokens": 100, "answer_reserve": 101},
        {"calls": 0, "answer_reserve": 1},
        {"usd": 1, "answer_reserve": Amount(nanodollars=10**9 + 1)},
        {"tokens": 100, "answer_reserve": Amount(input_tokens=60, output_tokens=60)},
    ],
)
def test_a_reserve_larger_than_the_budget_is_refused(bad: dict[str, Any]) -> None:
    """An answer_reserve must fit its own budget, wherever the two compare."""
    with pytest.raises(ValueError, match="answer_reserve keeps"):
        Budget(**bad)


def test_zero_caps_are_budgets() -> None:
    """A cap of zero allows nothing, and is a cap."""
    assert Budget(tokens=0).caps.tokens == 0
    assert Budget(seconds=0).caps.seconds == 0.0
