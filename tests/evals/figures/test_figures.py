"""Figures: what the results of a run say, on runs whose truth is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.evals.cases import Case, Passage
from shoestring.evals.figures import (
    Point,
    area,
    compare,
    curves,
    hurt_most,
    pareto,
    self_consistency,
    smallest_within,
)
from shoestring.evals.running.result import Result


def result(case: int, right: float | None, tokens: int = 10, **more: object) -> Result:
    fields = {"budget": "b", "route": "", "seed": 0, **more}
    scores = {} if right is None else {"exact": right}
    return Result(case=str(case), scores=scores, input_tokens=tokens, **fields)  # type: ignore[arg-type]


def point(tokens: float, accuracy: float) -> Point:
    return Point("b", 9, accuracy, 0, 1, {"tokens": tokens}, {}, 0, 0, 0)


POINTS = st.lists(st.builds(point, st.floats(1, 1e6), st.floats(0, 1)), min_size=1, max_size=8)


def test_a_column_is_a_point() -> None:
    """Means over cases, seeds averaged first; a run that went wrong counts as wrong and was paid."""
    column = [
        result(1, 1.0), result(1, 0.0, seed=1), result(2, 1.0, 30), result(2, 1.0, 30, seed=1),
        result(3, None, 40, error="KeyError"), result(3, None, 40, seed=1, error="KeyError"),
    ]  # fmt: skip
    ((at,),) = (curve.points for curve in curves(column, "exact"))
    assert (at.cases, at.accuracy) == (3, 0.5)
    assert at.failed == pytest.approx(1 / 3)
    assert at.spend["tokens"] == pytest.approx(80 / 3)
    assert at.cost_of_pass["tokens"] == pytest.approx(160 / 3)
    assert "wh" not in at.spend
    assert at.low < 0.5 < at.high


def test_what_is_never_right_costs_without_end() -> None:
    """Cost of pass divides by the accuracy."""
    ((at,),) = (curve.points for curve in curves([result(1, 0.0)], "exact"))
    assert at.cost_of_pass["tokens"] == math.inf


def test_routes_are_curves_by_spend() -> None:
    """One a route, its points from little to much."""
    rows = [
        result(1, 1.0, 90, budget="large"), result(1, 0.0, 9, budget="small"),
        result(1, 1.0, 5, route="quote"),
    ]  # fmt: skip
    first, second = curves(rows, "exact")
    assert [at.budget for at in first.points] == ["small", "large"]
    assert (second.route, len(second.points)) == ("quote", 1)


def test_the_area_of_known_curves() -> None:
    """Level: its height. Half the (logarithmic) range: half of it. A ramp: its middle."""
    assert area([point(1, 0.8)], 1, 100) == pytest.approx(0.8)
    assert area([point(10, 0.8)], 1, 100) == pytest.approx(0.4)
    assert area([point(1, 0.0), point(100, 1.0)], 1, 100) == pytest.approx(0.5)
    assert area([point(200, 1.0)], 1, 100) == 0
    assert area([point(1, 1)], 1, 100, "wh") is None
    with pytest.raises(ValueError, match="the range is"):
        area([point(1, 1)], 0, 100)


@given(POINTS, st.floats(1, 1e3), st.floats(1.5, 1e3))
def test_an_area_is_between_nothing_and_the_best(
    points: list[Point], low: float, wide: float
) -> None:
    """No range gives more than the best point."""
    found = area(points, low, low * wide)
    assert found is not None
    assert -1e-9 <= found <= max(at.accuracy for at in points) + 1e-9


@given(POINTS)
def test_no_point_beats_one_of_the_front(points: list[Point]) -> None:
    """And every other is beaten, or equalled, by one of it."""
    front = pareto(points)

    def beats(one: Point, other: Point) -> bool:
        return (one.accuracy > other.accuracy and one.spend["tokens"] <= other.spend["tokens"]) or (
            one.accuracy >= other.accuracy and one.spend["tokens"] < other.spend["tokens"]
        )

    assert not any(beats(one, kept) for one in points for kept in front)
    assert all(
        any(k.accuracy >= one.accuracy and k.spend["tokens"] <= one.spend["tokens"] for k in front)
        for one in points
    )


def test_the_smallest_budget_within_a_point_of_the_best() -> None:
    """A percentage point of accuracy is not worth ten times the tokens."""
    points = [point(10, 0.5), point(50, 0.795), point(500, 0.80)]
    assert smallest_within(points) == points[1]
    assert smallest_within(points, slack=0) == points[2]
    assert smallest_within([]) is None


def test_two_runs_are_compared_case_by_case() -> None:
    """Only over the cases that both have, in whatever order they stand."""
    here = [result(n, 1.0, 5) for n in range(9)]
    there = [result(n, 0.0, 10) for n in reversed(range(1, 12))]
    found = compare(here, there, "exact")
    assert (found.cases, found.here, found.there, found.mean) == (8, 1.0, 0.0, 1.0)
    assert (found.low, found.high, found.tokens) == (1.0, 1.0, 0.5)
    assert found.p == 2 / 2**8
    with pytest.raises(ValueError, match="no case stands in both"):
        compare(here, [result(99, 1.0)], "exact")


def test_a_vote_of_more_seeds_costs_more() -> None:
    """Two of three are right: the majority is; abstentions do not vote; one seed is no vote."""
    said = [("7", 1.0, ""), ("8", 0.0, ""), ("The 7.", 1.0, ""), ("no answer", 0.0, "abstained")]
    column = [
        result(1, right, answer=answer, kind=kind, seed=seed)
        for seed, (answer, right, kind) in enumerate(said)
    ]
    points = self_consistency(column, "exact")
    assert [at.accuracy for at in points] == [1.0, 1.0, 1.0, 1.0]
    assert [at.spend["tokens"] for at in points] == [10, 20, 30, 40]
    assert self_consistency([*column[1:2], *column[3:]], "exact")[1].accuracy == 0.0
    assert self_consistency(column[:1], "exact") == []


def test_the_group_that_a_budget_hurts_most_stands_first() -> None:
    """By a field of the cases, and by the length of their contexts."""
    cases = [
        Case(str(n), "q", (Passage("p", "", "x" * n),), meta={"language": "de" if n % 2 else "en"})
        for n in range(8)
    ]
    full = [result(n, 1.0) for n in range(8)]
    tight = [result(n, float(n % 2 == 0)) for n in range(8)]
    german, english = hurt_most(cases, tight, full, "language", "exact")
    assert (german.value, german.cases, german.loss) == ("de", 4, 1.0)
    assert (english.value, english.loss) == ("en", 0.0)
    assert {group.value for group in hurt_most(cases, tight, full, "none", "exact")} == {"(none)"}
    quarters = hurt_most(cases, tight, full, "length", "exact")
    assert [group.cases for group in quarters] == [2, 2, 2, 2]
