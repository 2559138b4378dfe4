"""What an onlooker sees of a store: ledgers, open holds and receipts, as they stand.

Looking changes nothing. A hold whose lease has ended, or whose process has, is shown as that; it is
charged by the next step of its tree, not by the look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shoestring.budget.stores import owner
from shoestring.budget.tree import view
from shoestring.budget.tree.record import Record, receipt_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shoestring.budget.amount import Amount, Caps
    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.tree.account import Account
    from shoestring.budget.tree.record import HoldState

LedgerState = Literal["open", "paused", "closed"]


@dataclass(frozen=True, slots=True)
class LedgerView:
    """A ledger at one instant.

    Attributes:
        id: How the store finds it.
        name: How messages call it.
        parent: The id of the ledger above it; None for a root.
        depth: How many ledgers are above it.
        set_aside: Whether its budget was moved into a hold on its parent.
        limit: Its own caps.
        spent: What was spent here and below.
        held: What open holds here and below keep, and what set-asides below have not drawn.
        remaining: What is neither, the least of here and above.
        elapsed: Its active seconds.
        running: Whether its clock runs.
        closed: Why it takes no more reservations; None while it does.
    """

    id: str
    name: str
    parent: str | None
    depth: int
    set_aside: bool
    limit: Caps
    spent: Amount
    held: Amount
    remaining: Caps
    elapsed: float
    running: bool
    closed: str | None

    @property
    def state(self) -> LedgerState:
        """Whether it is closed, open, or open with its clock stopped."""
        if self.closed is not None:
            return "closed"
        return "open" if self.running else "paused"

    def as_dict(self) -> dict[str, object]:
        """Return the ledger as plain data, ready for JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "parent": self.parent,
            "depth": self.depth,
            "set_aside": self.set_aside,
            "state": self.state,
            "closed": self.closed,
            "limit": self.limit.as_dict(),
            "spent": self.spent.as_dict(),
            "held": self.held.as_dict(),
            "remaining": self.remaining.as_dict(),
            "elapsed": self.elapsed,
        }


@dataclass(frozen=True, slots=True)
class HoldView:
    """An open hold at one instant.

    Attributes:
        id: The id of its ledger and its place in the tree.
        node: Who asked; "" if not named.
        route: On which path; "" if not named.
        what: What it is for.
        state: "reserved", or "dispatched" once the request went out.
        bound: What it keeps.
        age: Seconds since its owner was last heard of: it was granted, sent or extended then.
        lease_left: Seconds until silence becomes presumed spend; 0 if the lease has ended.
        pid: The process that owns it; None where that is not known.
        gone: Whether that process has certainly ended.
    """

    id: str
    node: str
    route: str
    what: str
    state: HoldState
    bound: Amount
    age: float
    lease_left: float
    pid: int | None
    gone: bool

    def as_dict(self) -> dict[str, object]:
        """Return the hold as plain data, ready for JSON."""
        return {
            "id": self.id,
            "node": self.node,
            "route": self.route,
            "what": self.what,
            "state": self.state,
            "bound": self.bound.as_dict(),
            "age": self.age,
            "lease_left": self.lease_left,
            "pid": self.pid,
            "gone": self.gone,
        }


@dataclass(frozen=True, slots=True)
class Look:
    """A ledger at one instant, with all below it.

    Attributes:
        above: The ids of the ledgers above it, the root first.
        ledgers: The ledger itself, then those below it in tree order: parents first.
        holds: The open holds of all of them, the oldest place first.
        lines: The last lines of the receipt, in the order of reservation.
        left_out: How many lines come before those.
    """

    above: tuple[str, ...]
    ledgers: tuple[LedgerView, ...]
    holds: tuple[HoldView, ...]
    lines: tuple[ReceiptLine, ...]
    left_out: int

    def as_dict(self) -> dict[str, object]:
        """Return it as plain data, ready for JSON."""
        return {
            "above": list(self.above),
            "ledgers": [ledger.as_dict() for ledger in self.ledgers],
            "holds": [hold.as_dict() for hold in self.holds],
            "receipt": {
                "left_out": self.left_out,
                "lines": [
                    {"hold": line.hold, **line.as_dict(), "dropped": line.dropped}
                    for line in self.lines
                ],
            },
        }


def ledgers(now: float, account: Account, known: Callable[[Account], bool]) -> list[LedgerView]:
    """Return an account and all below it in tree order, without those that were discarded."""
    return [_ledger(now, found) for found in _in_order(account) if known(found)]


def look(
    now: float,
    account: Account,
    known: Callable[[Account], bool],
    entries: Iterable[tuple[int, Record | ReceiptLine, str]],
    *,
    last: int,
    total: int,
) -> Look:
    """Return an account, with what its receipt lists as (place, entry, the entry's owner).

    Args:
        now: The time.
        account: The account.
        known: Which accounts were not discarded.
        entries: At least all open holds of its subtree, and the `last` entries.
        last: How many lines to show.
        total: How many entries there are.
    """
    found = sorted(entries, key=lambda entry: entry[0])
    shown = found[max(0, len(found) - last) :]
    return Look(
        above=tuple(above.id for above in reversed(account.path[1:])),
        ledgers=tuple(ledgers(now, account, known)),
        holds=tuple(
            _hold(now, item, who)
            for _, item, who in found
            if isinstance(item, Record) and item.open
        ),
        lines=tuple(
            receipt_line(item, item.bound, item.outcome) if isinstance(item, Record) else item
            for _, item, _ in shown
        ),
        left_out=total - len(shown),
    )


def _in_order(account: Account) -> Iterator[Account]:
    stack = [account]
    while stack:
        found = stack.pop()
        yield found
        stack += reversed(list(found.children))


def _ledger(now: float, account: Account) -> LedgerView:
    parent = account.parent
    return LedgerView(
        id=account.id,
        name=account.name,
        parent=None if parent is None else parent.id,
        depth=len(account.path) - 1,
        set_aside=account.set_aside,
        limit=account.caps,
        spent=view.spent(now, account),
        held=view.held(now, account),
        remaining=view.remaining(now, account),
        elapsed=view.elapsed(now, account),
        running=account.clock.running,
        closed=account.closed,
    )


def _hold(now: float, record: Record, who: str) -> HoldView:
    origin = record.origin
    return HoldView(
        id=record.id,
        node=origin.node,
        route=origin.route,
        what=record.what,
        state=record.state,
        bound=record.bound,
        age=max(0.0, now - (record.deadline - record.lease)),
        lease_left=max(0.0, record.deadline - now),
        pid=owner.pid(who),
        gone=owner.gone(who),
    )
