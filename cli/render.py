"""How an answer and its receipt look in a terminal."""

from __future__ import annotations

import re
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

_MARK = re.compile(r"\s*(?:(?:[-*+]|\d{1,3}[.)])\s+)?")
_STARTERS = "#-*+|>`~:="
"""What a line of prose does not start with; it is a heading, a list, a table, code."""
_LETTERS = 0.8
"""Share of letters and spaces from which a line is taken for prose and not for code."""

_INDENT = (0, 0, 0, 2)
_SMALL_GAP = 2
"""Characters between two excerpts that are only a break: more was left out, and is shown as "…"."""


def show_answer(console: Console, answer: Answer, ledger: Ledger) -> None:
    """Print the answer, its sources, and the receipt with what each cap has left."""
    kind = answer["kind"]
    head = Text(kind, KIND_STYLE[kind])
    if kind == "generated":
        head.append(f" by {printable(answer['route'])}", "not bold default")
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
        for line in _refilled(self.text.expandtabs(4).splitlines(), width):
            hang = min(_hang(line), width // 2)
            parts = Text(line[hang:]).wrap(console, width - hang) or [Text()]
            for number, part in enumerate(parts):
                part.rstrip()
                yield Text.assemble(("│ ", "yellow"), " " * hang if number else line[:hang], part)


def _refilled(lines: list[str], width: int) -> list[str]:
    """Join prose that its author wrapped wider than the screen, so that it wraps once, not twice.

    >>> _refilled(["- a line as wide", "  as its author liked", "", "it = [is, left, alone]"], 12)
    ['- a line as wide as its author liked', '', 'it = [is, left, alone]']
    """
    filled: list[str] = []
    wide = False
    for line in lines:
        text = line.lstrip()
        if wide and _flows(filled[-1], line):
            filled[-1] += f" {text}"
        else:
            filled.append(line)
            wide = len(line) > width
    return filled


def _flows(before: str, line: str) -> bool:
    text = line.lstrip()
    aligned = len(line) - len(text) == _hang(before)
    return aligned and text[:1] not in _STARTERS and _prose(before)


def _hang(line: str) -> int:
    """Return where the text of a line starts: behind its indentation and the mark of a list."""
    return len(line) - len(_MARK.sub("", line, count=1))


def _prose(line: str) -> bool:
    letters = sum(c.isalpha() or c.isspace() for c in line)
    return letters >= _LETTERS * len(line) and " = " not in line and line[:4].strip() != ""


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
