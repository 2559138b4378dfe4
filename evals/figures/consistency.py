"""Self-consistency at matched budget: the baseline that most published gains do not survive.

(Wang et al., arXiv:2406.06461.) Where a run has several seeds of a column, a vote among the first k
of them costs what those cost: the curve over k is what the same tokens buy without any strategy.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING

from shoestring.agents.stopping import majority
from shoestring.evals.figures.curve import Point
from shoestring.evals.figures.table import right
from shoestring.evals.intervals import interval
from shoestring.evals.scorers.text import bare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shoestring.evals.running.result import Result


def self_consistency(column: Iterable[Result], scorer: str) -> list[Point]:
    """Return what a vote among the first 1, 2, … seeds of a column is worth, and costs.

    Answers are the same if they are in lower case, without punctuation and articles; the most frequent
    wins, of equals the first. It scores what its first sample scored. Abstentions do not vote unless
    all abstain.

    Args:
        column: Results of one budget and route, with several seeds.
        scorer: Whose score is the accuracy.

    Returns:
        A point for each number of samples up to the fewest seeds that a case has; empty where that is
        below two, since a single sample is no vote.
    """
    seeds: defaultdict[str, list[Result]] = defaultdict(list)
    for result in column:
        seeds[result.case].append(result)
    cases = [sorted(results, key=lambda result: result.seed) for results in seeds.values()]
    most = min((len(results) for results in cases), default=0)
    if most < 2:  # noqa: PLR2004 - as said
        return []
    return [_vote([results[:k] for results in cases], scorer) for k in range(1, most + 1)]


def _vote(cases: Sequence[Sequence[Result]], scorer: str) -> Point:
    hits = [right(_winner(drawn), scorer) for drawn in cases]
    low, high = interval(hits) or (0.0, 1.0)
    accuracy = fmean(hits)
    spend = {
        "tokens": fmean(sum(result.tokens for result in drawn) for drawn in cases),
        "usd": fmean(sum(result.usd for result in drawn) for drawn in cases),
        "calls": fmean(sum(result.calls for result in drawn) for drawn in cases),
    }
    samples = len(cases[0])
    return Point(
        budget=f"{samples} {'sample' if samples == 1 else 'samples'}",
        cases=len(cases),
        accuracy=accuracy,
        low=low,
        high=high,
        spend=spend,
        cost_of_pass={
            name: mean / accuracy if accuracy else float("inf") for name, mean in spend.items()
        },
        abstained=fmean(_winner(drawn).kind == "abstained" for drawn in cases),
        failed=fmean(_winner(drawn).error is not None for drawn in cases),
        over=max(result.over for drawn in cases for result in drawn),
    )


def _winner(drawn: Sequence[Result]) -> Result:
    voting = [result for result in drawn if result.error is None and result.kind != "abstained"]
    answers = [bare(result.answer) for result in voting or drawn]
    return (voting or drawn)[answers.index(str(majority(answers)))]
