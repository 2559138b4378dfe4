"""Whose turn it is: who waits stands in the line of every ledger it would draw on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.budget.tree.waiting import Line

if TYPE_CHECKING:
    from shoestring.budget.tree.account import Account
    from shoestring.budget.tree.waiting import Waiter


def join(waiter: Waiter) -> None:
    """Put `waiter` into the line of every ledger it would draw on, or note what it now needs."""
    account = waiter.record.origin.account
    account.waiting[waiter] = None
    for gate in account.gates:
        needs = gate.needs(waiter.record.bound)
        if any(needs):
            line = gate.account.line
            if line is None:
                line = gate.account.line = Line()
            line.add(waiter, needs)


def leave(waiter: Waiter) -> tuple[Account, ...]:
    """Take `waiter` out of its lines; return the accounts whose lines may move on."""
    account = waiter.record.origin.account
    del account.waiting[waiter]
    stood = tuple(gate.account for gate in account.gates if any(gate.needs(waiter.record.bound)))
    for above in stood:
        if above.line is not None:
            above.line.remove(waiter)
    return stood


def next_in_turn(account: Account) -> Waiter | None:
    """Return the head of the account's line, if it is the head of all lines it stands in.

    Whoever comes later, anywhere it would draw on the same ledger, waits behind it.
    """
    waiter = account.line.head() if account.line else None
    if waiter is None:
        return None
    for gate in waiter.record.origin.account.gates:
        line = gate.account.line
        if line and any(gate.needs(waiter.record.bound)) and line.head() is not waiter:
            return None
    return waiter
