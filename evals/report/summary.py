"""What a report says of a run: its columns, curves, the budget to choose, and whom a budget hurts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.evals.figures import (
    Curve,
    Group,
    Point,
    area,
    curves,
    hurt_most,
    pareto,
    self_consistency,
    smallest_within,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoestring.evals.cases import Case
    from shoestring.evals.running.folder import RunFolder, SweepInfo
    from shoestring.evals.running.result import Result
    from shoestring.evals.suite import Suite

__all__ = ["Hurt", "Series", "Summary", "summarise"]

_MOST_VALUES = 20  # of a field of meta that makes groups
_FEWEST = 5  # cases of a group that is shown
_GROUPS = 25
CHOOSES = "route of its choice"


@dataclass(frozen=True, slots=True)
class Series:
    """A line of the chart.

    Attributes:
        name: What it is called.
        points: Its points.
        baseline: Whether it is self-consistency, the baseline at matched budget.
        area: Mean accuracy over the tokens that any point spends, on a logarithmic axis.
    """

    name: str
    points: tuple[Point, ...]
    baseline: bool
    area: float | None


@dataclass(frozen=True, slots=True)
class Hurt:
    """A group that a tighter budget hurts, with the field of `meta` it is of."""

    field: str
    group: Group


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures of a report.

    Attributes:
        info: What was run.
        suite: Its cases.
        results: All that is finished.
        runs: How many runs the whole grid has.
        series: The curves, and the baselines beside them.
        front: Points that no other beats in tokens.
        choice: The cheapest point within one percentage point of the best, with its series' name.
        span: The range of mean tokens that areas are taken over; None if there is none.
        hurt: The groups that lose most from the largest budget to the smallest, most first.
        compared: The two columns that `hurt` compares: tight, full.
        over: The most that a cap was passed by.
    """

    info: SweepInfo
    suite: Suite
    results: Sequence[Result]
    runs: int
    series: tuple[Series, ...]
    front: tuple[Point, ...]
    choice: tuple[str, Point] | None
    span: tuple[float, float] | None
    hurt: tuple[Hurt, ...]
    compared: tuple[str, str] | None
    over: float


def summarise(run: RunFolder) -> Summary:
    """Return the figures of a run.

    Raises:
        BrokenRun: If the folder holds none, or nothing is finished in it.
    """
    from shoestring.evals.running.folder import BrokenRun

    info, suite = run.info(), run.suite()
    results = list(run.results())
    if not results:
        raise BrokenRun(f"{str(run.path)!r} has no finished run yet")
    scorer = info.scorers[0]
    columns: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        columns[result.route, result.budget].append(result)
    drawn = curves(results, scorer)
    spends = [p.spend["tokens"] for curve in drawn for p in curve.points if p.spend["tokens"] > 0]
    span = (min(spends), max(spends)) if spends and min(spends) < max(spends) else None
    series: list[Series] = []
    for curve in drawn:
        series.append(_series(route_name(curve.route), curve.points, span))
        voted = self_consistency(columns[curve.route, curve.points[0].budget], scorer)
        if voted:
            name = f"votes, {route_name(curve.route)}, {curve.points[0].budget}"
            series.append(_series(name, tuple(voted), span, baseline=True))
    points = [(one.name, point) for one in series if not one.baseline for point in one.points]
    best = smallest_within([point for _, point in points])
    compared = _ends(drawn[0])
    return Summary(
        info=info,
        suite=suite,
        results=results,
        runs=len(suite.cases) * len(info.budgets) * len(info.routes) * len(info.seeds),
        series=tuple(series),
        front=tuple(pareto([point for _, point in points])),
        choice=next(((name, point) for name, point in points if point is best), None),
        span=span,
        hurt=_hurt(suite.cases, columns, drawn[0].route, compared, scorer) if compared else (),
        compared=compared,
        over=max(result.over for result in results),
    )


def route_name(route: str) -> str:
    """Return what a route is called; "" is the target's own choice."""
    return route or CHOOSES


def _series(
    name: str,
    points: tuple[Point, ...],
    span: tuple[float, float] | None,
    *,
    baseline: bool = False,
) -> Series:
    return Series(name, points, baseline, area(points, *span) if span else None)


def _ends(curve: Curve) -> tuple[str, str] | None:
    """Give the budgets with the least and the most spend."""
    if len(curve.points) < 2:  # noqa: PLR2004 - two ends
        return None
    return curve.points[0].budget, curve.points[-1].budget


def _hurt(
    cases: Sequence[Case],
    columns: Mapping[tuple[str, str], Sequence[Result]],
    route: str,
    compared: tuple[str, str],
    scorer: str,
) -> tuple[Hurt, ...]:
    tight, full = (columns[route, budget] for budget in compared)
    found = [
        Hurt(field, group)
        for field in fields_of(cases)
        for group in hurt_most(cases, tight, full, field, scorer)
        if group.cases >= _FEWEST
    ]
    return tuple(sorted(found, key=lambda hurt: -hurt.group.loss)[:_GROUPS])


def fields_of(cases: Sequence[Case]) -> list[str]:
    """Return the fields of `meta` that make groups: few values, each of some cases; and the length."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        for field, value in case.meta.items():
            if isinstance(value, str | int | float | bool):
                counts[field][str(value)] += 1
    fields = [field for field, values in counts.items() if 1 < len(values) <= _MOST_VALUES]
    return [*sorted(fields), "length"] if any(case.passages for case in cases) else sorted(fields)
