"""Scores of numbers: with their units, within a tolerance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shoestring.evals.cases import Case
    from shoestring.evals.outcome import Outcome

_SCALES = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9,
    "billion": 1e9, "t": 1e12, "tn": 1e12, "trillion": 1e12,
}  # fmt: skip
_NUMBER = re.compile(
    r"(?P<open>\()?(?P<sign>[-+\N{MINUS SIGN}])?\s?(?P<money>[$€£¥])?\s?"
    r"(?P<number>\d{1,3}(?:[,\N{NARROW NO-BREAK SPACE}]\d{3})+(?:\.\d+)?|\d{1,300}(?:\.\d+)?|\.\d+)"
    r"(?P<power>e[-+]?\d{1,3})?(?P<close>\))?"
    r"\s?(?P<unit>%|percent\b|(?:thousand|million|billion|trillion|bn|mn|tn|[kmbt])\b)?",
    re.IGNORECASE,
)


class Figure(NamedTuple):
    """A number as it was written."""

    value: float
    percent: bool
    money: str


def figures(text: str) -> list[Figure]:
    """Find the numbers of a text, in their order.

    Thousands may be grouped by commas, amounts in brackets are negative, and "1.2 million" is one
    number.

    >>> [figure.value for figure in figures("It fell from $1,200 to (3.5) million, by 12%.")]
    [1200.0, -3500000.0, 12.0]
    """
    found: list[Figure] = []
    for match in _NUMBER.finditer(text):
        digits = re.sub(r"[^\d.]", "", match["number"])
        value = float(digits + (match["power"] or ""))
        unit = (match["unit"] or "").casefold()
        value *= _SCALES.get(unit, 1)
        bracketed = bool(match["open"] and match["close"])
        if bracketed or match["sign"] in {"-", "\N{MINUS SIGN}"}:
            value = -value
        found.append(Figure(value, unit in {"%", "percent"}, match["money"] or ""))
    return found


@dataclass(frozen=True, slots=True)
class Numeric:
    """Whether the number that was said is the right one.

    The last number of what was said counts, for models reason first. Where both write per cent, or
    both a currency, these must agree; "12 %" is also right where 0.12 is asked for.

    Args:
        tolerance: The share of the right number that it may be off.
        name: What tables call it.
    """

    tolerance: float = 0.005
    name: str = "numeric"

    def score(self, case: Case, outcome: Outcome) -> float | None:
        """Return 1 or 0; None where no right answer is a number."""
        wanted = [found[0] for answer in case.answers if (found := figures(answer))]
        if not wanted:
            return None
        said = figures(outcome.answer)
        return float(bool(said) and any(self._right(said[-1], right) for right in wanted))

    def _right(self, said: Figure, right: Figure) -> bool:
        if said.money and right.money and said.money != right.money:
            return False
        values = [said.value]
        if said.percent and not right.percent:
            values.append(said.value / 100)
        slack = self.tolerance * abs(right.value) + 1e-12
        return any(abs(value - right.value) <= slack for value in values)
