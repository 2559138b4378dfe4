"""Accuracy against what was spent (Wang et al., "Reasoning in token economies", arXiv:2406.06461)."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from shoestring.evals.figures.table import by_case, right
from shoestring.evals.intervals import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shoestring.evals.running.result import Result

SPENDS: Mapping[str, Callable[[Result], float | None]] = {
    "tokens": lambda result: result.tokens,
    "usd": lambda result: result.usd,
    "calls": lambda result: result.calls,
    "seconds": lambda result: result.seconds,
    "wh": lambda result: None if result.wh is None else sum(result.wh) / 2,
}
"""What a run spends, by name; energy is the middle of its range, None where it is not estimated."""


@dataclass(frozen=True, slots=True)
class Point:
    """A column of the grid: one budget on one route.

    Attributes:
        budget: Its label.
        cases: How many.
        accuracy: Mean score of the first scorer, 0 to 1; a run that went wrong counts 0.
        low: The lower end of its 95 % bootstrap interval over cases.
        high: The upper end.
        spend: Mean spend of a run by the names of `SPENDS`; what is not known is left out.
        cost_of_pass: What one right answer costs, mean spend over accuracy (arXiv:2504.13359), by the
            same names; infinite where nothing is right.
        abstained: The share of runs that abstained.
        failed: The share that went wrong, by an error or a cap.
        over: The most a cap was passed by; 0 unless a provider ignored its limit.
    """

    budget: str
    cases: int
    accuracy: float
    low: float
    high: float
    spend: Mapping[str, float]
    cost_of_pass: Mapping[str, float]
    abstained: float
    failed: float
    over: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one route, by their mean spend of tokens.

    Attributes:
        route: The route that was asked for; "" where the target chooses.
        points: At least one.
    """

    route: str
    points: tuple[Point, ...]


def curves(results: Iterable[Result], scorer: str) -> list[Curve]:
    """Return a curve for each route.

    Args:
        results: All results of a run.
        scorer: Whose score is the accuracy.
    """
    columns: defaultdict[str, defaultdict[str, list[Result]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for result in results:
        columns[result.route][result.budget].append(result)
    return [
        Curve(
            route,
            tuple(
                sorted(
                    (_point(budget, column, scorer) for budget, column in budgets.items()),
                    key=lambda point: point.spend["tokens"],
                )
            ),
        )
        for route, budgets in columns.items()
    ]


def area(points: Sequence[Point], low: float, high: float, spend: str = "tokens") -> float | None:
    """Return the mean accuracy over a range of spends, as a share of the area below 1.

    The curve runs straight between points on a logarithmic axis, is 0 before its first point (so
    little buys nothing of it) and level after its last.

    Args:
        points: Of one curve.
        low: Where the range begins, above 0.
        high: Where it ends, above `low`.
        spend: The axis, of `SPENDS`.

    Returns:
        0 to 1; None where a point does not know that spend.

    Raises:
        ValueError: If the range is none.
    """
    if not 0 < low < high < math.inf:
        raise ValueError(f"the range is from above 0 to more, not {low} to {high}")
    if not points or any(spend not in point.spend for point in points):
        return None
    best: dict[float, float] = {}
    for point in points:  # of two at one spend the better
        at = point.spend[spend]
        best[at] = max(point.accuracy, best.get(at, 0.0))
    known = sorted(best.items())
    marks = sorted({low, high, *(at for at, _ in known if low < at < high)})
    total = 0.0
    for left, other in pairwise(marks):
        # Just inside both ends: before the first point the curve jumps.
        begin, end = _at(known, left, after=True), _at(known, other, after=False)
        total += (begin + end) / 2 * math.log(other / left)
    return total / math.log(high / low)


def pareto(points: Iterable[Point], spend: str = "tokens") -> list[Point]:
    """Return the points that no other beats: none is as right for less, or righter for as much.

    Args:
        points: Of any curves.
        spend: The axis, of `SPENDS`; points that do not know it are left out.
    """
    front: list[Point] = []
    known = [point for point in points if spend in point.spend]
    for point in sorted(known, key=lambda point: (point.spend[spend], -point.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return front


def smallest_within(
    points: Sequence[Point], spend: str = "tokens", slack: float = 0.01
) -> Point | None:
    """Return the cheapest point that is within a point of the best; None without points.

    Args:
        points: Of any curves.
        spend: What is cheap, of `SPENDS`.
        slack: How much less accuracy will do: 0.01 is a percentage point.
    """
    known = [point for point in points if spend in point.spend]
    best = max((point.accuracy for point in known), default=0.0)
    near = [point for point in known if point.accuracy >= best - slack - 1e-12]
    return min(near, key=lambda point: point.spend[spend], default=None)


def _point(budget: str, column: Sequence[Result], scorer: str) -> Point:
    hits = list(by_case(column, lambda result: right(result, scorer)).values())
    low, high = interval(hits) or (0.0, 1.0)
    accuracy = fmean(hits)
    spend = {name: mean for name, of in SPENDS.items() if (mean := _mean(column, of)) is not None}
    return Point(
        budget=budget,
        cases=len(hits),
        accuracy=accuracy,
        low=low,
        high=high,
        spend=spend,
        cost_of_pass={
            name: mean / accuracy if accuracy else math.inf for name, mean in spend.items()
        },
        abstained=fmean(result.kind == "abstained" for result in column),
        failed=fmean(result.error is not None for result in column),
        over=max(result.over for result in column),
    )


def _mean(column: Sequence[Result], of: Callable[[Result], float | None]) -> float | None:
    values = [value for result in column if (value := of(result)) is not None]
    return fmean(values) if len(values) == len(column) else None


def _at(known: Sequence[tuple[float, float]], spend: float, *, after: bool) -> float:
    """Return the accuracy at a spend; `after` it, or just before it, where the curve jumps there."""
    first, last = known[0], known[-1]
    if spend < first[0] or (spend == first[0] and not after):
        return 0.0
    if spend >= last[0]:
        return last[1]
    for (left, low), (right_, high) in pairwise(known):
        if left <= spend < right_:
            share = math.log(spend / left) / math.log(right_ / left) if left > 0 else 1.0
            return low + share * (high - low)
    return last[1]
