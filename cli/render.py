"""How an answer and its receipt look in a terminal."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shoestring.cli.text import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from shoestring.budget import Amount, Caps, Ledger
    from shoestring.graphs import Answer
    from shoestring.graphs.state import Source

KIND_STYLE = {"generated": "bold green", "quote": "bold yellow", "abstained": "bold red"}
BAR = 24
"""Cells of the bar that shows how much of a cap was spent."""

LONGEST_CITED = 240
"""Characters of a cited span that are shown under an answer."""

LONGEST_DETAIL = 400
"""Characters of a line of the receipt: it may quote a question or a provider."""

_INDENT = (0, 0, 0, 2)
_SMALL_GAP = 2
"""Characters between two excerpts that are only a break: more was left out, and is shown as "…"."""


def show_answer(console: Console, answer: Answer, ledger: Ledger) -> None:
    """Print the answer, its sources, and the receipt with what each cap has left."""
    kind = answer["kind"]
    head = Text(kind, KIND_STYLE[kind])
    if answer["route"] and answer["route"] != kind:
        head.append(f" by {answer['route']}", "not bold default")
    if answer["stopped_by"]:
        head.append(f" · stopped by the cap on {answer['stopped_by']}", "dim")
    parts: list[RenderableType] = [head, ""]
    if kind == "quote":
        # The excerpts themselves, with where they stand, in place of their rendering as text.
        parts.append(_excerpts(answer["sources"]))
    else:
        parts += [Padding(Text(printable(answer["answer"])), _INDENT), ""]
        if answer["sources"]:
            parts.append(_excerpts(answer["sources"], longest=LONGEST_CITED))
    parts += [_receipt(ledger), "", _left(ledger.limit, ledger.spent, ledger.elapsed)]
    console.print(Group(*parts))


class _Barred:
    """Text with a bar on its left, also beside the lines that wrapping adds."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 2
        for line in _refilled(self.text.splitlines(), width):
            for part in Text(line).wrap(console, width) or [Text()]:
                part.rstrip()
                yield Text.assemble(("│ ", "yellow"), part)


def _refilled(lines: list[str], width: int) -> list[str]:
    """Join what an author wrapped wider than the screen, so that it wraps once and not twice.

    >>> _refilled(["a line as wide", "as its author liked", "", "    code = 'is left alone'"], 12)
    ['a line as wide as its author liked', '', "    code = 'is left alone'"]
    """
    filled: list[str] = []
    for line in lines:
        flows = line[:1].isalnum() and filled and filled[-1][:1].isalnum()
        if flows and len(filled[-1]) > width:
            filled[-1] += f" {line}"
        else:
            filled.append(line)
    return filled


def _excerpts(sources: list[Source], longest: int | None = None) -> RenderableType:
    """Return cited spans, those of one file together, each group with its place underneath."""
    parts: list[RenderableType] = []
    for name, group in groupby(sources, lambda source: source["source"]):
        spans = sorted(group, key=lambda span: span["start"])
        shown: list[str] = []
        for number, span in enumerate(spans):
            if number and span["start"] - spans[number - 1]["end"] > _SMALL_GAP:
                shown.append("…")
            text = span["text"].strip("\n")
            shown.append(printable(text) if longest is None else one_line(text, longest))
        place = f"{name}:{spans[0]['start']}-{spans[-1]['end']}"
        parts += [_Barred("\n".join(shown)), Text(printable(place), "cyan"), ""]
    return Padding(Group(*parts), _INDENT)


def _receipt(ledger: Ledger) -> Table:
    """Return the receipt, a line a decision, trim, call and check, under the route it belongs to."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("receipt", no_wrap=True)
    table.add_column("reserved", justify="right", no_wrap=True)
    table.add_column("spent", justify="right", no_wrap=True)
    table.add_column("")
    route = None
    for line in ledger.receipt.lines:
        if line.route != route:
            route = line.route
            table.add_row(Text(printable(route) or "no route", "bold cyan"))
        details = [f"{line.what}, {line.basis}"] if line.reserved.calls else []
        details += [line.detail] if line.detail else []
        if line.dropped:
            details.append(f"{line.dropped:,} {'piece' if line.dropped == 1 else 'pieces'} dropped")
        table.add_row(
            Text(f"  {printable(line.node)}"),
            _figure(line.reserved),
            _figure(line.spent),
            Text(one_line("; ".join(details), LONGEST_DETAIL), "dim"),
        )
    return table


def _figure(amount: Amount) -> str:
    if not amount.calls and not amount.tokens:
        return ""
    return f"{amount.tokens:,}" + (f" ${amount.usd:.6f}" if amount.nanodollars else "")


def _left(limit: Caps, spent: Amount, seconds: float) -> Table:
    """Return a bar for each cap: how much of it was spent."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    rows = (
        ("tokens", spent.tokens, limit.tokens, f"{spent.tokens:,}", f"{limit.tokens or 0:,}"),
        ("usd", spent.usd, limit.usd, f"${spent.usd:.6f}", f"${limit.usd or 0:.6f}"),
        ("calls", spent.calls, limit.calls, f"{spent.calls:,}", f"{limit.calls or 0:,}"),
        ("seconds", seconds, limit.seconds, f"{seconds:.1f}", f"{limit.seconds or 0:,.1f}"),
    )
    for name, part, whole, told, cap in rows:
        if whole is None:
            continue
        share = min(1.0, float(part) / float(whole)) if whole else 1.0
        full = round(share * BAR)
        # Two shapes, not only two colours: a log and a colour-blind reader see the share too.
        bar = Text("━" * full, "green") + Text("╌" * (BAR - full), "bright_black")
        table.add_row(Text(name, "bold"), bar, f"{told} of {cap} spent")
    return table
