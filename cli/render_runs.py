"""How the figures of runs are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from shoestring.cli.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from shoestring.evals.figures import Curve
    from shoestring.evals.running.folder import RunFolder
    from shoestring.evals.running.grid import Forecast, Grid
    from shoestring.evals.running.result import Result
    from shoestring.evals.suite import Suite

WIDTH = 120  # characters of a table where it is not written to a terminal
_BAD_SHOWN = 5


def show_run(kept: RunFolder) -> None:
    """Print the figures of a run: a table, and what they come to."""
    from shoestring.evals import figures

    info = kept.info()
    results = list(kept.results())
    found = figures.curves(results, info.scorers[0])
    console = new_console()
    cases = len({result.case for result in results})
    console.print(
        Text.assemble(
            (printable(info.target), "bold"), " on ", (printable(info.suite), "bold"),
            f"  {cases:,} {'case' if cases == 1 else 'cases'}, right by {info.scorers[0]}",
        )
    )  # fmt: skip
    console.print(_curve_table(found))
    console.print(
        Text("right: in %, with its 95 % interval; per right: tokens for one right answer", "dim")
    )
    for line in [*_sums(found), *_energy(results)]:
        console.print(Text(line))
    wrong = [result for result in results if result.error and not result.stopped_by]
    for result in wrong[:_BAD_SHOWN]:
        console.print(Text(one_line(f"failed: {result.case}: {result.error}", WIDTH), "red"))
    if len(wrong) > _BAD_SHOWN:
        console.print(Text(f"failed: {len(wrong) - _BAD_SHOWN:,} more", "red"))
    console.print(Text(f"kept in {printable(str(kept.path))}", "dim"))


def _curve_table(found: Sequence[Curve]) -> Table:
    paid = any(point.spend["usd"] for curve in found for point in curve.points)
    columns = {"right": 5, "95 %": 7, "tokens": 7, "calls": 5, **({"$": 7} if paid else {})}
    rest = {"seconds": 7, "per right": 9, "abstained": 9, "failed": 6, "over": 4}
    table = new_table(**columns, **rest)
    for curve in found:
        for point in curve.points:
            usd = [f"{point.spend['usd']:.5f}"] if paid else []
            table.add_row(
                printable(named((curve.route, point.budget))),
                f"{100 * point.accuracy:.1f}",
                f"{100 * point.low:.0f}-{100 * point.high:.0f}",
                f"{point.spend['tokens']:,.0f}",
                f"{point.spend['calls']:.1f}",
                *usd,
                f"{point.spend['seconds']:.2f}",
                _finite(point.cost_of_pass["tokens"]),
                f"{100 * point.abstained:.0f} %" if point.abstained else "",
                f"{100 * point.failed:.0f} %" if point.failed else "",
                f"{point.over:g}",
            )
    return table


def _sums(found: Sequence[Curve]) -> Iterable[str]:
    from shoestring.evals import figures

    points = [(curve.route, point) for curve in found for point in curve.points]
    names = {id(point): named((route, point.budget)) for route, point in points}
    every = [point for _, point in points]
    cheapest = figures.smallest_within(every)
    if cheapest is not None and len(every) > 1:
        best = max(every, key=lambda point: point.accuracy)
        yield (
            f"within a point of the best ({100 * best.accuracy:.1f} %): {names[id(cheapest)]}, "
            f"{100 * cheapest.accuracy:.1f} % for {cheapest.spend['tokens']:,.0f} tokens"
        )
        front = figures.pareto(every)
        yield f"not beaten: {'; '.join(names[id(point)] for point in front)}"
    low = min((point.spend["tokens"] for point in every if point.spend["tokens"]), default=0)
    high = max((point.spend["tokens"] for point in every), default=0)
    if 0 < low < high:
        for curve in found:
            share = figures.area(curve.points, low, high)
            if share is not None:
                route = f"{curve.route}: " if curve.route else ""
                yield f"{route}mean accuracy from {low:,.0f} to {high:,.0f} tokens {100 * share:.1f} %"


def _energy(results: Sequence[Result]) -> Iterable[str]:
    known = [(*result.wh, *result.gco2e) for result in results if result.wh and result.gco2e]
    if known:
        low, high, least, most = (sum(ends) for ends in zip(*known, strict=True))
        yield (
            f"energy, as ecologits estimates it, of {len(known):,} of {len(results):,} runs: "
            f"{low:.3g} to {high:.3g} Wh, {least:.3g} to {most:.3g} gCO2e"
        )


def show_forecast(found: Forecast, grid: Grid, suite: Suite) -> None:
    """Print what a run would cost, before it does."""
    console = new_console()
    cases, columns = len(suite.cases), len(grid) // len(suite.cases)
    console.print(
        Text(
            f"{found.runs:,} runs: {cases:,} cases in {columns:,} columns; {found.done:,} are done"
        )
    )
    most = [
        "no cap" if found.most_tokens is None else f"{found.most_tokens:,.0f} tokens",
        "" if found.most_usd is None else f"${found.most_usd:,.4f}",
    ]
    console.print(Text(f"the rest can spend at most: {', '.join(part for part in most if part)}"))
    if found.likely_tokens is not None and found.done:
        console.print(
            Text(f"likely in all: {found.likely_tokens:,.0f} tokens, ${found.likely_usd or 0:,.4f}")
        )


def named(column: tuple[str, str]) -> str:
    """Name a route and a budget."""
    route, budget = column
    return f"{route}, {budget}" if route else budget


def new_table(**columns: int) -> Table:
    """Return an empty table with these columns of figures, each at least so wide."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("budget", no_wrap=True)
    for name, width in columns.items():
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    return table


def new_console() -> Console:
    """Return a console; what is no terminal has a stated width."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _finite(figure: float) -> str:
    return "" if figure == float("inf") else f"{figure:,.0f}"
