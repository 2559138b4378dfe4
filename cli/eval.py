"""`shoestring eval`: measure on cases with known answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from shoestring.cli.errors import BadInput
from shoestring.cli.progress import counting
from shoestring.cli.reports import report
from shoestring.cli.runs import compare, run
from shoestring.cli.text import printable
from shoestring.cli.trim import Fill  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from shoestring.evals.trimming import Method, Row

# Figures of a row with the least width of each, so that the tables of all sets line up. An oracle is
# that of the figure before it.
_COLUMNS = (
    ("budget", 6), ("answers", 7), ("oracle", 6), ("gold", 5), ("oracle", 6), ("95 %", 7), ("used", 6),
    ("of", 6), ("over", 4), ("ms", 6),
)  # fmt: skip
_WIDTH = 130  # characters of the table where it is not written to a terminal

eval_app = typer.Typer(help="Measure on cases with known answers.", no_args_is_help=True)


@eval_app.callback()
def measurements() -> None:
    """Measure on cases with known answers."""


eval_app.command("run")(run)
eval_app.command("compare")(compare)
eval_app.command("report")(report)


@eval_app.command("trim")
def trim(
    suite: Annotated[Path, typer.Argument(help="Folder with a folder for each set of cases.")],
    *,
    sets: Annotated[str, typer.Option(help="Names of sets, with commas; all by default.")] = "",
    budgets: Annotated[
        str, typer.Option(help="Tokens, or shares of the whole context, with commas.")
    ] = "10%,256,512",
    split: Annotated[str, typer.Option(help="Which files of a set to read.")] = "dev",
    limit: Annotated[
        int | None, typer.Option(help="Cases a set, chosen by the hash of their ids.")
    ] = None,
    fill: Annotated[Fill, typer.Option(help="As for `shoestring trim`.")] = "budget",
    tiers: Annotated[str, typer.Option(help="As for `shoestring trim`.")] = "",
    method: Annotated[
        str, typer.Option(help="What to measure, with commas: trim, bm25, read.")
    ] = "trim,bm25",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the rows to this file.")
    ] = None,
) -> None:
    """Measure which evidence survives trimming, beside whole passages by BM25."""
    from shoestring.evals.cases import choose, read_cases
    from shoestring.evals.trimming import Room, measure, methods
    from shoestring.tools.relevance.tiers import tiers_named

    if limit is not None and limit < 1:
        raise BadInput(f"--limit must be 1 or more, not {limit}")
    if json_file is not None and (json_file.is_dir() or not json_file.parent.is_dir()):
        raise BadInput(f"--json: {json_file} cannot be written: no such folder, or a folder itself")
    rooms = [Room.parse(budget) for budget in budgets.split(",")]
    names = _names(suite, sets, split)
    measured = _chosen(method, methods(fill, tiers_named(tiers)))
    rows: list[Row] = []
    with counting("Measuring", "sets") as progress:
        for done, name in enumerate(names):
            progress(done, len(names))
            cases = choose(read_cases(suite / name, split), limit)
            rows.extend(measure(name, cases, rooms, measured))
    if json_file is not None:
        text = json.dumps([asdict(row) for row in rows], indent=1)
        json_file.write_text(f"{text}\n", encoding="utf-8")
    _show(rows)


def _chosen(wanted: str, known: dict[str, Method]) -> dict[str, Method]:
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise BadInput(f"no method {name!r}; there are {', '.join(known)}")
    if not names:
        raise BadInput("--method names no method")
    return {name: known[name] for name in names}


def _names(suite: Path, sets: str, split: str) -> list[str]:
    if not suite.is_dir():
        raise BadInput(f"{suite}: no such folder")
    there = sorted(at.parent.name for at in suite.glob(f"*/{split}.jsonl.gz"))
    if not there:
        raise BadInput(f"{suite}: holds no <set>/{split}.jsonl.gz")
    names = [name.strip() for name in sets.split(",") if name.strip()] or there
    for name in names:
        if name not in there:
            raise BadInput(f"no set {name!r} in {suite}; there are {', '.join(there)}")
    return names


def _show(rows: Sequence[Row]) -> None:
    """Print a table a set: at 80 columns one table of all would not fit."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width
        console = Console(width=_WIDTH)
    for number, (name, group) in enumerate(groupby(rows, lambda row: row.set)):
        of_set = list(group)
        items = of_set[0].items
        cases = f"  {items:,} {'case' if items == 1 else 'cases'}"
        console.print(Text.assemble("\n" if number else "", (printable(name), "bold"), cases))
        console.print(_table(of_set))


def _table(rows: Sequence[Row]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("method", no_wrap=True)
    for column, width in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True, min_width=width)
    for row in rows:
        low_high = row.interval
        table.add_row(
            row.method,
            row.budget,
            _percent(row.answer_recall),
            _percent(row.oracle if row.answer_recall is not None else None),
            _percent(row.gold_recall),
            _percent(row.gold_oracle),
            f"{100 * low_high[0]:.0f}-{100 * low_high[1]:.0f}" if low_high else "",
            f"{row.tokens_used:,.0f}",
            f"{row.tokens_limit:,.0f}",
            str(row.over_budget),
            f"{row.ms_per_query:.1f}",
            style="bold" if row.method == "trim" else None,
        )
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
