"""What one more right answer is worth: the meaning of λ."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoestring.budget import Amount

_NANODOLLARS = Decimal(10**9)


@dataclass(frozen=True, slots=True)
class Worth:
    """What you would pay for one more right answer, in tokens or in dollars.

    With a worth of 20,000 tokens, a route that costs 2,000 tokens more is taken where it raises the
    chance of a right answer by more than a tenth.

    Args:
        tokens: Tokens, read and written together.
        usd: Dollars, as a Decimal, an int or a string such as "0.02".

    Raises:
        ValueError: If not exactly one is given, or it is not positive and finite.

    >>> from shoestring.budget import Amount
    >>> Worth(tokens=20_000).share(Amount(input_tokens=1_900, output_tokens=100))
    0.1
    """

    tokens: int | None = None
    usd: Decimal | int | str | None = None

    def __post_init__(self) -> None:
        given = [worth for worth in (self.tokens, self.usd) if worth is not None]
        try:
            if len(given) == 1 and 0 < Decimal(given[0]) < Decimal("Infinity"):
                return
        except ArithmeticError:
            pass
        raise ValueError(
            f"{self}: give tokens= or usd=, what you would pay at most for one more right answer"
        )

    def share(self, cost: Amount) -> float:
        """Return a cost in right answers."""
        if self.usd is not None:
            return float(cost.nanodollars / (Decimal(self.usd) * _NANODOLLARS))
        assert self.tokens is not None  # noqa: S101 - __post_init__ made sure
        return cost.tokens / self.tokens

    def __str__(self) -> str:
        if self.usd is not None:
            return f"${self.usd} a right answer"
        return "no worth" if self.tokens is None else f"{self.tokens:,} tokens a right answer"
