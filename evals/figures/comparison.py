"""Two targets over the same cases: is the one better, or was it luck?"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from shoestring.evals.figures.table import by_case, right
from shoestring.evals.intervals import difference, permutation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoestring.evals.running.result import Result


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference of two columns, paired by case.

    Attributes:
        cases: How many both have.
        here: Mean score of the one, 0 to 1.
        there: Of the other.
        mean: `here - there`.
        low: The lower end of the 95 % bootstrap interval of the difference.
        high: The upper end.
        p: Two-sided, of a paired permutation test.
        tokens: Mean tokens of the one over those of the other; infinite where the other spent none.
    """

    cases: int
    here: float
    there: float
    mean: float
    low: float
    high: float
    p: float
    tokens: float


def compare(here: Sequence[Result], there: Sequence[Result], scorer: str) -> Comparison:
    """Compare two columns over the cases that both have.

    Args:
        here: Results of one budget and route.
        there: Of another, or of another run over the same suite.
        scorer: Whose score is compared.

    Raises:
        ValueError: If no case stands in both.
    """
    mine = by_case(here, lambda result: right(result, scorer))
    other = by_case(there, lambda result: right(result, scorer))
    shared = [case for case in mine if case in other]
    if not shared:
        raise ValueError("no case stands in both runs: compare runs over one suite")
    values, others = [mine[case] for case in shared], [other[case] for case in shared]
    mean, low, high = difference(values, others)
    spent = by_case(here, lambda result: result.tokens)
    beside = by_case(there, lambda result: result.tokens)
    paid = sum(beside[case] for case in shared)
    return Comparison(
        cases=len(shared),
        here=fmean(values),
        there=fmean(others),
        mean=mean,
        low=low,
        high=high,
        p=permutation(values, others),
        tokens=sum(spent[case] for case in shared) / paid if paid else float("inf"),
    )
