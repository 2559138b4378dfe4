"""A store of ledgers in a terminal, and one of them with its open holds and its receipt."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from shoestring.cli.text import one_line
from shoestring.cli.trees import LONGEST_ID, LONGEST_NAME, Trees, count, money

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType

    from shoestring.budget import Amount, HoldView, LedgerView, Look, ReceiptLine

LONGEST_WANTED, LONGEST_DETAIL = 24, 200
"""Characters that are shown of what others have written."""

_GAP = 2


def show_ledgers(console: Console, store: str, ledgers: Sequence[LedgerView]) -> None:
    """Print all ledgers of a store as trees."""
    head = Text.assemble(
        (f"{len(ledgers):,} ", "bold"),
        "ledger in " if len(ledgers) == 1 else "ledgers in ",
        (one_line(store, LONGEST_ID), "bold"),
    )
    console.print(head, soft_wrap=True)
    if ledgers:
        console.print(Trees(ledgers))


def show_look(console: Console, look: Look) -> None:
    """Print a ledger with all below it, its open holds and its receipt."""
    parts: list[RenderableType] = []
    if look.above:
        above = " / ".join(one_line(id_, LONGEST_ID) for id_ in look.above)
        parts.append(Text(f"below {above}", "dim"))
    parts.append(Trees(look.ledgers))
    parts += ["", *_holds(look.holds)]
    parts += ["", *_receipt(look)]
    console.print(Group(*parts))


def _table(*columns: str, right: tuple[str, ...]) -> Table:
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        # What has no name takes what is left, and wraps.
        table.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=bool(column),
            overflow="fold",
        )
    return table


def _holds(holds: Sequence[HoldView]) -> Iterator[RenderableType]:
    if not holds:
        yield Text("no open holds", "dim")
        return
    columns = (_named("open hold", len(holds)), "keeps", "age", "lease", "state", "process")
    table = _table(*columns, right=("keeps", "age", "lease"))
    for ledger, group in groupby(holds, lambda hold: hold.id.rpartition(":")[0]):
        table.add_row(Text(one_line(ledger, LONGEST_NAME), "cyan"))
        for hold in group:
            wanted = " ".join(filter(None, (hold.node, hold.what)))
            table.add_row(
                Text(f"  {one_line(wanted, LONGEST_WANTED)}"),
                _amount(hold.bound),
                _duration(hold.age),
                _duration(hold.lease_left) if hold.lease_left else Text("ended", "yellow"),
                hold.state,
                _process(hold),
            )
    yield table
    if any(hold.gone or not hold.lease_left for hold in holds):
        yield Text(
            "What nobody answers for is charged in full when its ledger is next used.", "dim"
        )


def _process(hold: HoldView) -> Text:
    if hold.pid is None:
        return Text("unknown", "dim")
    return Text.assemble(str(hold.pid), (" ended", "yellow") if hold.gone else "")


def _receipt(look: Look) -> Iterator[RenderableType]:
    total = look.left_out + len(look.lines)
    if not look.lines:
        yield Text(f"{_named('receipt line', total)}", "dim")
        return
    table = _table("receipt", "reserved", "spent", "", right=("reserved", "spent"))
    route = None
    for line in look.lines:
        if line.route != route:
            route = line.route
            table.add_row(Text(one_line(route, LONGEST_WANTED) or "no route", "cyan"))
        table.add_row(
            Text(f"  {one_line(line.node or line.what, LONGEST_WANTED)}"),
            _amount(line.reserved),
            _amount(line.spent),
            Text(one_line(_detail(line, look.ledgers[0].id), LONGEST_DETAIL), "dim"),
        )
    yield table
    if look.left_out:
        yield Text(f"The last {len(look.lines):,} of {total:,} lines: see --lines.", "dim")


def _named(noun: str, count: int) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if count else f"no {noun}s"


def _detail(line: ReceiptLine, own: str) -> str:
    details = [f"{line.what}, {line.basis}"] if line.hold else []
    details += [line.detail] if line.detail else []
    if line.dropped:
        details.append(f"{line.dropped:,} {'piece' if line.dropped == 1 else 'pieces'} dropped")
    ledger = line.hold.rpartition(":")[0]
    details += [f"in {ledger}"] if ledger not in {"", own} else []
    return "; ".join(details)


def _amount(amount: Amount) -> str:
    tokens = count(amount.tokens) if amount.tokens or amount.calls else ""
    return f"{tokens} {money(amount.usd)}".strip() if amount.nanodollars else tokens


def _duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> _duration(0.4), _duration(75), _duration(90_000)
    ('0 s', '1 min', '25 h')
    """
    for unit, size in (("d", 172_800), ("h", 7_200), ("min", 60)):
        if seconds >= size:
            per = {"d": 86_400, "h": 3_600, "min": 60}[unit]
            return f"{int(seconds // per):,} {unit}"
    return f"{int(seconds)} s"
