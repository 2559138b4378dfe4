"""What a call costs, and what is capped: two small value types in whole units."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

# Every figure fits a signed 64-bit integer, so that any store can keep it.
MAX_UNITS = 2**63 - 1


def dollars(nanodollars: int) -> Decimal:
    """Return whole nanodollars as exact dollars, whatever the decimal context."""
    return Decimal(f"{nanodollars}e-9")


def check_type(name: str, value: object, kind: type) -> None:
    """Raise TypeError, by its public name, if `value` is no `kind`."""
    if not isinstance(value, kind):
        msg = f"{name} must be of type {kind.__name__}, not {type(value).__name__}"
        raise TypeError(msg)


def check_units(name: str, value: object) -> int:
    """Return `value` if it is a whole number of units.

    Raises:
        TypeError: If it is no int (a bool is none).
        ValueError: If it is negative, or 2**63 or more.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"{name} must be an int, not {type(value).__name__}"
        raise TypeError(msg)
    if value < 0:
        msg = f"{name} must not be negative, but is {value}"
        raise ValueError(msg)
    if value > MAX_UNITS:
        msg = f"{name} must be below 2**63"
        raise ValueError(msg)
    return value


@dataclass(frozen=True, slots=True)
class Amount:
    """What was, or may be, spent: non-negative whole units below 2**63.

    Args:
        input_tokens: Model tokens read.
        output_tokens: Model tokens written.
        nanodollars: Money, in 1e-9 US dollars.
        calls: Requests sent.

    Raises:
        TypeError: If a figure is no int.
        ValueError: If a figure is negative or 2**63 or more, also as a result.

    >>> Amount(input_tokens=900, output_tokens=100, calls=1) + Amount(nanodollars=25_000_000)
    Amount(input_tokens=900, output_tokens=100, nanodollars=25000000, calls=1)
    >>> Amount(input_tokens=900, output_tokens=100).tokens
    1000
    >>> Amount(nanodollars=25_000_000).usd
    Decimal('0.025000000')
    """

    input_tokens: int = 0
    output_tokens: int = 0
    nanodollars: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        for value in (self.input_tokens, self.output_tokens, self.nanodollars, self.calls):
            if value.__class__ is not int or not 0 <= value <= MAX_UNITS:
                break
        else:
            return
        check_units("input_tokens", self.input_tokens)
        check_units("output_tokens", self.output_tokens)
        check_units("nanodollars", self.nanodollars)
        check_units("calls", self.calls)

    @property
    def tokens(self) -> int:
        """Tokens read and written, together."""
        return self.input_tokens + self.output_tokens

    @property
    def usd(self) -> Decimal:
        """The money in dollars, exactly."""
        return dollars(self.nanodollars)

    def covers(self, other: Amount) -> bool:
        """Whether `other` has no more tokens, money or calls."""
        return (
            other.tokens <= self.tokens
            and other.nanodollars <= self.nanodollars
            and other.calls <= self.calls
        )

    def as_dict(self) -> dict[str, int | float]:
        """Return the figures as plain data, ready for JSON."""
        return {
            "tokens": self.tokens,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "usd": float(self.usd),
            "calls": self.calls,
        }

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.nanodollars + other.nanodollars,
            self.calls + other.calls,
        )

    def __sub__(self, other: Amount) -> Amount:
        return Amount(
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.nanodollars - other.nanodollars,
            self.calls - other.calls,
        )

    def times(self, number: int) -> Amount:
        """Return this amount so many times.

        >>> Amount(input_tokens=900, calls=1).times(3)
        Amount(input_tokens=2700, output_tokens=0, nanodollars=0, calls=3)
        """
        return Amount(
            number * self.input_tokens,
            number * self.output_tokens,
            number * self.nanodollars,
            number * self.calls,
        )


@dataclass(frozen=True, slots=True)
class Caps:
    """What is limited, left or affordable; None where nothing is capped.

    Args:
        tokens: Model tokens, read and written together.
        nanodollars: Money, in 1e-9 US dollars.
        calls: Requests.
        seconds: Active time.
    """

    tokens: int | None = None
    nanodollars: int | None = None
    calls: int | None = None
    seconds: float | None = None

    @property
    def usd(self) -> Decimal | None:
        """The money in dollars, exactly; None where it is not capped."""
        return None if self.nanodollars is None else dollars(self.nanodollars)

    def less(self, amount: Amount) -> Caps:
        """Return what an amount leaves of these caps, 0 at least; time is no part of it.

        >>> Caps(tokens=900, calls=2).less(Amount(input_tokens=400, calls=3))
        Caps(tokens=500, nanodollars=None, calls=0, seconds=None)
        """

        def left(cap: int | None, taken: int) -> int | None:
            return None if cap is None else max(0, cap - taken)

        return Caps(
            left(self.tokens, amount.tokens),
            left(self.nanodollars, amount.nanodollars),
            left(self.calls, amount.calls),
            self.seconds,
        )

    def shared(self, number: int) -> Caps:
        """Return what each of so many may spend, rounded down; all have the same time.

        >>> Caps(tokens=900, calls=2).shared(2)
        Caps(tokens=450, nanodollars=None, calls=1, seconds=None)
        """

        def share(cap: int | None) -> int | None:
            return None if cap is None else cap // number

        return Caps(share(self.tokens), share(self.nanodollars), share(self.calls), self.seconds)

    def as_dict(self) -> dict[str, int | float | None]:
        """Return the caps under the names a Budget takes, ready for JSON."""
        usd = self.usd
        return {
            "tokens": self.tokens,
            "usd": None if usd is None else float(usd),
            "calls": self.calls,
            "seconds": self.seconds,
        }
