"""Ledgers as trees in a terminal: each with its state, and a line for each cap."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.text import Text

from shoestring.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from shoestring.budget import LedgerView

STATE_STYLE = {"open": "green", "paused": "yellow", "closed": "bold red"}
LONGEST_NAME, LONGEST_ID, LONGEST_REASON = 40, 64, 200
"""Characters that are shown of what others have written."""

SHORTEST_BAR, LONGEST_BAR = 8, 30
"""Cells of the bar that shows how much of a cap was spent and is held; none where it is narrower."""

DEEPEST = 8
"""Floors of a tree whose lines are drawn; what lies deeper is drawn at that floor."""

# A dimension: its name, its cap, what is spent, held and left, and how a figure of it is told.
_Figure = Decimal | float
_Row = tuple[
    str, _Figure | None, _Figure, _Figure | None, _Figure | None, "Callable[[_Figure], str]"
]
# Behind what remains there is room for a mark.
_HEADS = ("spent", "held", "remaining ", "limit")
_ABOVE = "↑"
_GAP = 2
_FOLD = 16  # cells a line keeps for text, however far it is indented
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class _Line:
    """What one line says of one dimension."""

    dimension: str
    figures: tuple[str, str, str, str]
    spent: float
    held: float
    """Shares of the limit, from 0 to 1; nothing of either where there is none."""
    style: str


class Trees:
    """Ledgers in tree order, each with a line for each cap; their figures in columns."""

    def __init__(self, ledgers: Sequence[LedgerView]) -> None:
        self.ledgers = ledgers

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        blocks = [(ledger, list(_lines(ledger))) for ledger in self.ledgers]
        guides = list(_guides([ledger.depth for ledger in self.ledgers]))
        lines = [line for _, found in blocks for line in found]
        widths = [
            max(len(head), *(len(line.figures[index]) for line in lines), 0)
            for index, head in enumerate(_HEADS)
        ]
        label = max(
            (
                len(below) + len(line.dimension) + _GAP
                for (_, below), (_, found) in zip(guides, blocks, strict=True)
                for line in found
            ),
            default=0,
        )
        room = options.max_width - label - sum(widths) - _GAP * len(widths)
        bar = min(LONGEST_BAR, room) if room >= SHORTEST_BAR else 0
        heads = (f"{head:>{width + _GAP}}" for head, width in zip(_HEADS, widths, strict=True))
        yield Text(" " * (label + bar) + "".join(heads), "dim", no_wrap=True)
        for (first, below), (ledger, found) in zip(guides, blocks, strict=True):
            if ledger.depth == self.ledgers[0].depth:
                yield Text("")
            yield from _hung(first, below, _head(ledger), console, options.max_width)
            for line in found:
                text = Text(below, "bright_black", no_wrap=True, overflow="ellipsis")
                text.append(line.dimension.ljust(label - len(below)), "default")
                if bar:
                    text.append_text(_bar(line, bar))
                for figure, width, name in zip(line.figures, widths, _HEADS, strict=True):
                    style = line.style if name == _HEADS[2] else "default"
                    text.append(" " * _GAP).append(f"{figure:>{width}}", style)
                yield text
        if any(figure.endswith(_ABOVE) for line in lines for figure in line.figures):
            yield Text(f"\n{_ABOVE} bound by what a ledger above has left", "dim")


def _guides(depths: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Yield the lines left of each ledger: of its head, and of what stands below that."""
    first = min(depths, default=0)
    drawn = [min(depth - first, DEEPEST) for depth in depths]
    # From the end: which floors go on below this line.
    going: set[int] = set()
    found: list[tuple[str, str]] = []
    for index in range(len(drawn) - 1, -1, -1):
        depth = drawn[index]
        follows = depth in going
        going = {floor for floor in going if floor <= depth} | {depth}
        stem = "".join("│  " if floor in going else "   " for floor in range(1, depth))
        head = stem + ("├─ " if follows else "└─ ") if depth else ""
        rest = stem + ("│  " if follows else "   ") if depth else ""
        parent = index + 1 < len(drawn) and drawn[index + 1] > depth
        found.append((head, rest + ("│  " if parent else "   ")))
    yield from reversed(found)


def _head(ledger: LedgerView) -> Text:
    text = Text(one_line(ledger.name, LONGEST_NAME), "bold")
    if ledger.id != ledger.name:
        text.append("  ").append(one_line(ledger.id, LONGEST_ID), "not bold cyan")
    if ledger.set_aside:
        text.append("  set aside", "not bold dim")
    text.append("  ").append(ledger.state, f"not bold {STATE_STYLE[ledger.state]}")
    if ledger.closed is not None:
        text.append(f": {one_line(ledger.closed, LONGEST_REASON)}", "not bold default")
    return text


def _hung(first: str, below: str, text: Text, console: Console, width: int) -> Iterator[Text]:
    """Yield a text that wraps beside the lines of the tree."""
    for number, part in enumerate(text.wrap(console, max(_FOLD, width - len(below)))):
        part.rstrip()
        yield Text.assemble((below if number else first, "bright_black"), part)


def _lines(ledger: LedgerView) -> Iterator[_Line]:
    """Yield a line for each dimension that is capped, or in which something was spent or is held."""
    limit, spent, held, left = ledger.limit, ledger.spent, ledger.held, ledger.remaining
    rows: tuple[_Row, ...] = (
        ("tokens", limit.tokens, spent.tokens, held.tokens, left.tokens, count),
        ("usd", limit.usd, spent.usd, held.usd, left.usd, money),
        ("calls", limit.calls, spent.calls, held.calls, left.calls, count),
        ("seconds", limit.seconds, ledger.elapsed, None, left.seconds, _seconds),
    )
    for name, cap, used, kept, free, tell in rows:
        if cap is None and (name == "seconds" or not (used or kept)):
            continue
        own = (
            None
            if cap is None
            else max(Decimal(0), Decimal(cap) - Decimal(used) - Decimal(kept or 0))
        )
        # Less than its own cap leaves: a ledger above binds it.
        # As shown: seconds are floats, and differ in their last digits.
        bound = own is not None and Decimal(free or 0) < own and tell(free or 0) != tell(own)
        yield _Line(
            name,
            (
                tell(used),
                "" if kept is None else tell(kept),
                "" if cap is None else tell(free or 0) + (_ABOVE if bound else " "),
                "no cap" if cap is None else tell(cap),
            ),
            *_shares(cap, used, kept or 0),
            "bold red" if cap is not None and not free else "bold default",
        )


def _shares(cap: _Figure | None, used: _Figure, kept: _Figure) -> tuple[float, float]:
    if cap is None:
        return 0.0, 0.0
    if not cap:
        return 1.0, 0.0
    spent = min(1.0, float(used) / float(cap))
    return spent, min(1.0 - spent, float(kept) / float(cap))


def _bar(line: _Line, width: int) -> Text:
    """Return how much was spent and is held, by shape as by colour: a log has no colours."""
    if line.figures[3] == "no cap":
        return Text(" " * width)
    # Whatever there is shows.
    spent = max(round(line.spent * width), line.spent > 0)
    held = min(width - spent, max(round(line.held * width), line.held > 0))
    return Text.assemble(
        ("━" * spent, "green"),
        ("┅" * held, "yellow"),
        ("╌" * (width - spent - held), "bright_black"),
    )


def count(figure: _Figure) -> str:
    r"""Return a count, short where its last digits tell nothing.

    >>> count(999_999_999), count(12 * 10**12)
    ('999,999,999', '12,000,000M')
    """
    return f"{figure:,}" if figure < 1_000 * _MILLION else f"{int(figure) // _MILLION:,}M"


def money(figure: _Figure) -> str:
    """Return dollars with all digits that are not zero, and two at least.

    >>> money(Decimal("5")), money(Decimal("1234.000310000"))
    ('$5.00', '$1,234.00031')
    """
    whole, _, parts = f"{figure:,.9f}".partition(".")
    return f"${whole}.{parts.rstrip('0').ljust(2, '0')}"


def _seconds(figure: _Figure) -> str:
    return f"{figure:,.1f}"
