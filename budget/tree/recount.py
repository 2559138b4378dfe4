"""Every sum anew, from the requests: what makes a tree in memory whole after an interrupt.

Ctrl-C, a time-out that a signal handler raises, or a full stack may break off a step anywhere. Then
some sums are moved and others are not. But what a step decides, it writes down in one place and
in one go, without a call in between (CPython looks for interrupts only at calls and jumps): in the
request (`outcome`, `bound`), in the entries, or as the reason of a closing. The sums follow from
these, as a balance follows from its book.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.budget.tree.record import NOTHING, Record
from shoestring.budget.tree.turns import join

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shoestring.budget.tree.account import Account
    from shoestring.budget.tree.waiting import Waiter


def recount(accounts: Sequence[Account]) -> list[Record]:
    """Count the sums of a whole tree anew.

    Args:
        accounts: All of the tree, parents first.

    Returns:
        The requests that are open.
    """
    for account in accounts:
        account.clear()
        _take_back(account)
    for account in accounts:
        # With nothing drawn, a set-aside keeps all it caps; each charge below takes its part.
        if account.parent is not None:
            account.parent.add_held(0, *account.undrawn(), account.opened)
    found = [record for account in accounts for record in _requests(account)]
    for record in found:
        origin = record.origin
        if record.outcome is None:
            origin.account.hold(record.bound, origin.purpose, record.at)
        else:
            actual = record.outcome[0]
            origin.account.charge(actual, NOTHING, NOTHING, origin.purpose, record.at)
            if not record.bound.covers(actual):
                origin.account.learn(record.asked, actual)
    for account in accounts:
        # Only a breach comes to this.
        account.breached = account.breached or account.overdrawn()
    return [record for record in found if record.outcome is None]


def _take_back(account: Account) -> None:
    """Undo what was granted, and broken off before it was said: its turn comes again."""
    for waiter in account.waiting:
        if waiter.outcome is None and waiter.record.seq:
            del account.entries[waiter.record.seq]
            waiter.record.seq = 0


def _requests(account: Account) -> Iterator[Record]:
    for _, entry in account.entries.items():  # noqa: PERF102  a store of entries has no values()
        if isinstance(entry, Record):
            yield entry


def requeue(accounts: Sequence[Account]) -> tuple[list[Waiter], list[Waiter]]:
    """Form the lines anew.

    Args:
        accounts: All of the tree, recounted.

    Returns:
        Those who wait, in order of arrival, and those whose outcome they are still to be told.
    """
    known = [waiter for account in accounts for waiter in account.waiting]
    known.sort(key=lambda waiter: waiter.seq)
    for account in accounts:
        account.line = None
    waiting = [waiter for waiter in known if waiter.outcome is None]
    for waiter in waiting:
        record = waiter.record
        record.bound = record.origin.account.widened(record.asked)
        join(waiter)
    return waiting, [waiter for waiter in known if waiter.outcome is not None]
