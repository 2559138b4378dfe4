"""The caps a user sets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation, localcontext

from shoestring.budget.amount import MAX_UNITS, Amount, Caps, check_units, dollars
from shoestring.budget.tree.window import PERIODS, Period

# Digits enough to round any sum below MAX_UNITS nanodollars exactly, whatever context the caller
# works in.
_EXACT = Context(prec=60)
_NANODOLLAR = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent at most; None caps nothing, and at least one cap is needed.

    Args:
        tokens: Model tokens, read and written together.
        usd: US dollars (a float is taken as it prints); rounded down to whole nanodollars.
        calls: Requests to models, and runs of tools where they are counted: under `BudgetMiddleware`
            each run is one, under `guard` as many as the tool's `cost` says.
        seconds: Active time.
        answer_reserve: What only a call made for the answer may use. An int means so many tokens,
            one call, and the price of those tokens; 0 keeps nothing back.
        per: "minute", "hour", "day" or "month": all of it renews when that is over, in UTC. None for
            a budget that is spent once.
        repeats: How often the same tool may be called with the same arguments.

    Raises:
        TypeError: If a cap has the wrong type.
        ValueError: If a cap is negative, not finite or 2**63 units or more, if there is none, if the
            reserve is larger than a cap, or if `per` is no such window.

    >>> Budget(tokens=8_000, usd=0.05, answer_reserve=400).caps
    Caps(tokens=8000, nanodollars=50000000, calls=None, seconds=None)
    >>> Budget()
    Traceback (most recent call last):
    ...
    ValueError: a Budget needs a cap: give it tokens=, usd=, calls=, seconds= or repeats=
    """

    tokens: int | None = None
    usd: Decimal | float | str | int | None = None
    calls: int | None = None
    seconds: float | None = None
    answer_reserve: int | Amount = 0
    per: Period | None = None
    repeats: int | None = None

    def __post_init__(self) -> None:
        caps = (self.tokens, self.usd, self.calls, self.seconds, self.repeats)
        if all(cap is None for cap in caps):
            msg = "a Budget needs a cap: give it tokens=, usd=, calls=, seconds= or repeats="
            raise ValueError(msg)
        if self.per is not None and self.per not in PERIODS:
            known = ", ".join(f'"{period}"' for period in PERIODS)
            msg = f"per must be one of {known}, or None, not {self.per!r:.40}"
            raise ValueError(msg)
        if self.repeats is not None and not check_units("repeats", self.repeats):
            msg = "repeats must be at least 1, but is 0: None lets a tool be called any number of times"
            raise ValueError(msg)
        if self.tokens is not None:
            check_units("tokens", self.tokens)
        if self.calls is not None:
            check_units("calls", self.calls)
        if self.seconds is not None:
            _check_seconds(self.seconds)
        self._check_reserve()

    def _check_reserve(self) -> None:
        caps = self.caps
        reserve = self.answer_reserve
        if not isinstance(reserve, Amount):
            check_units("answer_reserve", reserve)
            reserve = Amount(output_tokens=reserve, calls=1) if reserve else Amount()
        for name, kept, cap in (
            ("tokens", reserve.tokens, caps.tokens),
            ("nanodollars", reserve.nanodollars, caps.nanodollars),
            ("calls", reserve.calls, caps.calls),
        ):
            if cap is not None and kept > cap:
                msg = (
                    f"answer_reserve keeps {kept:,} {name}, more than the budget's {cap:,}: "
                    f"lower it or raise the cap"
                )
                raise ValueError(msg)

    @property
    def caps(self) -> Caps:
        """The caps in whole units; money rounded down."""
        return Caps(
            tokens=self.tokens,
            nanodollars=None if self.usd is None else _nanodollars(self.usd),
            calls=self.calls,
            seconds=None if self.seconds is None else float(self.seconds),
        )


def _check_seconds(seconds: object) -> None:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        msg = f"seconds must be a number, not {type(seconds).__name__}"
        raise TypeError(msg)
    if not 0 <= seconds <= MAX_UNITS or not math.isfinite(seconds):
        msg = f"seconds must be finite, not negative and below 2**63, but is {seconds}"
        raise ValueError(msg)


def _nanodollars(usd: object) -> int:
    if isinstance(usd, bool) or not isinstance(usd, Decimal | float | str | int):
        msg = f"usd must be a Decimal, a float, an int or a string, not {type(usd).__name__}"
        raise TypeError(msg)
    try:
        amount = usd if isinstance(usd, Decimal) else Decimal(str(usd))
    except InvalidOperation:
        msg = f"usd must be a number of dollars, but is {usd!r:.40}"
        raise ValueError(msg) from None
    if not amount.is_finite() or amount < 0:
        msg = f"usd must be finite and not negative, but is {amount!s:.40}"
        raise ValueError(msg)
    if amount > dollars(MAX_UNITS):
        msg = "usd must be below 2**63 nanodollars (9,223,372,036.85 dollars)"
        raise ValueError(msg)
    with localcontext(_EXACT):
        return int(amount.quantize(_NANODOLLAR, rounding=ROUND_FLOOR).scaleb(9))
