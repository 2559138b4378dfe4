"""Results by case: seeds are averaged first, so that a case counts once."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shoestring.evals.running.result import Result


def right(result: Result, scorer: str) -> float:
    """Return the score of a result; 0 for a run that went wrong, or that the scorer did not score."""
    return result.scores.get(scorer, 0.0) if result.error is None else 0.0


def by_case(results: Iterable[Result], figure: Callable[[Result], float]) -> dict[str, float]:
    """Return the mean of a figure by case, in the order cases first come."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for result in results:
        found[result.case].append(figure(result))
    return {case: fmean(values) for case, values in found.items()}
