"""The figures of a run as Markdown, for papers and READMEs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shoestring.evals.report.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shoestring.evals.figures import Point
    from shoestring.evals.report.summary import Summary

__all__ = ["markdown", "sentences"]

_LONGEST = 120  # characters of a cell
_SPECIAL = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>|#$~"})


def markdown(summary: Summary, picture: str) -> str:
    """Return the report's figures as Markdown; no text of a case stands in it.

    Args:
        summary: The figures.
        picture: The name of the curve's file beside it.
    """
    info = summary.info
    title = f"{_cell(info.target)} on {_cell(info.suite)}"
    alt = "Accuracy against mean tokens a question, with 95 % intervals"
    parts = [
        f"# {title}",
        *(_cell(one, 2_000) for one in sentences(summary)),
        f"![{alt}]({picture})",
    ]
    parts.append("\n".join(_columns(summary)))
    if summary.hurt and summary.compared:
        tight, full = summary.compared
        parts.append(f"## Who loses most from {_cell(full)} to {_cell(tight)}")
        parts.append("\n".join(_groups(summary)))
    return "\n\n".join(parts) + "\n"


def sentences(summary: Summary) -> Iterator[str]:
    """Yield what the figures say, in words."""
    info, done = summary.info, len(summary.results)
    cases = len(summary.suite.cases)
    unfinished = "" if done >= summary.runs else f", of {summary.runs:,}: the run is not finished"
    yield (
        f"{cases:,} cases, {done:,} runs{unfinished}. Right is what the scorer {info.scorers[0]!r} says; "
        "intervals are 95 % bootstrap intervals over cases."
    )
    if summary.choice is not None:
        name, point = summary.choice
        best = max(
            point.accuracy for one in summary.series if not one.baseline for point in one.points
        )
        yield (
            f"The cheapest budget within one point of the best ({100 * best:.1f} %) is {point.budget} "
            f"({name}): {percent(point)} at {point.spend['tokens']:,.0f} tokens a question."
        )
    if not any(one.baseline for one in summary.series):
        yield "Self-consistency at matched budget is not shown: it needs several seeds."
    over = "No cap was passed." if not summary.over else f"A cap was passed by {summary.over:,.6g}."
    failed = [result for result in summary.results if result.error is not None]
    capped = sum(result.stopped_by is not None for result in failed)
    told = [
        f"{count:,} {'run' if count == 1 else 'runs'} {what}; each counts as not right."
        for count, what in (
            (capped, "needed more than their budget"),
            (len(failed) - capped, "went wrong"),
        )
        if count
    ]
    yield " ".join([over, *told])


def percent(point: Point) -> str:
    """Return an accuracy with its interval."""
    return f"{100 * point.accuracy:.1f} % [{100 * point.low:.1f}, {100 * point.high:.1f}]"


def money(dollars: float) -> str:
    """Return dollars; of little, three digits that count.

    >>> money(0.0), money(0.00001234), money(1.5), money(math.inf)
    ('0', '0.0000123', '1.5000', '–')
    """
    if not dollars:
        return "0"
    if math.isinf(dollars):
        return "–"
    if dollars >= 0.01:  # noqa: PLR2004 - a cent
        return f"{dollars:,.4f}"
    return f"{dollars:.{2 - math.floor(math.log10(dollars))}f}"


def cost(figure: float) -> str:
    """Return tokens a right answer; a dash where none is right."""
    return "–" if math.isinf(figure) else f"{figure:,.0f}"


def _columns(summary: Summary) -> Iterator[str]:
    head = (
        "route",
        "budget",
        "cases",
        "right, %",
        "95 %",
        "tokens",
        "$",
        "calls",
        "s",
        "tokens a right answer",
    )
    rows = [
        (
            one.name, point.budget, f"{point.cases:,}", f"{100 * point.accuracy:.1f}",
            f"{100 * point.low:.1f} to {100 * point.high:.1f}", f"{point.spend['tokens']:,.0f}",
            money(point.spend["usd"]), f"{point.spend['calls']:.2f}",
            f"{point.spend['seconds']:.2f}" if "seconds" in point.spend else "–",
            cost(point.cost_of_pass["tokens"]),
        )
        for one in summary.series
        for point in one.points
    ]  # fmt: skip
    return _table(head, rows)


def _groups(summary: Summary) -> Iterator[str]:
    head = ("field", "group", "cases", "more, %", "less, %", "loss, points", "95 %")
    rows = [
        (
            hurt.field, hurt.group.value, f"{hurt.group.cases:,}", f"{100 * hurt.group.full:.1f}",
            f"{100 * hurt.group.tight:.1f}", f"{100 * hurt.group.loss:.1f}",
            f"{100 * hurt.group.low:.1f} to {100 * hurt.group.high:.1f}",
        )
        for hurt in summary.hurt
    ]  # fmt: skip
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(text: str, longest: int = _LONGEST) -> str:
    line = " ".join(shown(text).split())
    return (line if len(line) <= longest else f"{line[:longest]}…").translate(_SPECIAL)
