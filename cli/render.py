"""How an answer and its receipt look in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from shoestring.budget import Amount, Caps, Ledger
    from shoestring.graphs import Answer

KIND_STYLE = {"generated": "bold green", "quote": "bold yellow", "abstained": "bold red"}
BAR = 24
"""Cells of the bar that shows how much of a cap was spent."""

LONGEST_SOURCE = 200
"""Characters of a cited span that are shown."""


def show_answer(console: Console, answer: Answer, ledger: Ledger) -> None:
    """Print the answer, its sources, and the receipt with what each cap has left."""
    kind = answer["kind"]
    head = Text.assemble(
        (kind, KIND_STYLE[kind]),
        (f"  by way of {answer['route']}" if answer["route"] != kind else "", "dim"),
        (
            f"  · stopped by the cap on {answer['stopped_by']}" if answer["stopped_by"] else "",
            "dim",
        ),
    )
    parts: list[RenderableType] = [head, Padding(Text(answer["answer"]), (1, 2))]
    if answer["sources"] and kind == "generated":
        parts.append(Padding(_sources(answer), (0, 2, 1, 2)))
    parts += [_receipt(ledger), _left(ledger.limit, ledger.spent, ledger.elapsed)]
    console.print(Group(*parts))


def _sources(answer: Answer) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(style="cyan", no_wrap=True, max_width=34, overflow="ellipsis")
    table.add_column(style="dim")
    for source in answer["sources"]:
        text = " ".join(source["text"].split())
        text = text if len(text) <= LONGEST_SOURCE else text[: LONGEST_SOURCE - 1] + "…"
        name = source["source"].rsplit("/", 1)[-1]
        table.add_row(Text(f"{name}:{source['start']}–{source['end']}"), Text(f"“{text}”"))
    return table


def _receipt(ledger: Ledger) -> Table:
    """Return the receipt, a line a decision, trim, call and check, under the route it belongs to."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, expand=True)
    table.add_column("receipt", no_wrap=True)
    table.add_column("reserved", justify="right", no_wrap=True)
    table.add_column("spent", justify="right", no_wrap=True)
    table.add_column("detail", style="dim", ratio=1)
    route = None
    for line in ledger.receipt.lines:
        if line.route != route:
            route = line.route
            table.add_row(Text(route or "no route", "bold cyan"))
        detail = line.detail
        if line.reserved.calls:
            detail = f"{line.what}, {line.basis}" + (f"; {detail}" if detail else "")
        if line.dropped:
            detail += f"; {line.dropped:,} pieces dropped"
        table.add_row(
            Text(f"  {line.node}"), _figure(line.reserved), _figure(line.spent), Text(detail)
        )
    return table


def _figure(amount: Amount) -> str:
    if not amount.calls and not amount.tokens:
        return ""
    return f"{amount.tokens:,}" + (f" ${amount.usd:.6f}" if amount.nanodollars else "")


def _left(limit: Caps, spent: Amount, seconds: float) -> Table:
    """Return a bar for each cap: how much of it was spent."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    rows = (
        ("tokens", spent.tokens, limit.tokens, f"{spent.tokens:,}", f"{limit.tokens or 0:,}"),
        ("usd", spent.usd, limit.usd, f"${spent.usd:.6f}", f"${limit.usd or 0:.6f}"),
        ("calls", spent.calls, limit.calls, f"{spent.calls:,}", f"{limit.calls or 0:,}"),
        ("seconds", seconds, limit.seconds, f"{seconds:.1f}", f"{limit.seconds or 0:.0f}"),
    )
    for name, part, whole, told, cap in rows:
        if whole is None:
            continue
        share = min(1.0, float(part) / float(whole)) if whole else 1.0
        full = round(share * BAR)
        bar = Text("━" * full, "green") + Text("━" * (BAR - full), "bright_black")
        table.add_row(Text(name, "bold"), bar, f"{told} of {cap} spent")
    return table
