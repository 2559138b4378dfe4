"""Ledgers in the memory of one process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from shoestring.budget.amount import check_units
from shoestring.budget.errors import Anchored, not_found, taken
from shoestring.budget.stores import looking, owner
from shoestring.budget.stores.timeline import SteadyClock, Timeline
from shoestring.budget.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget.budget import Budget
    from shoestring.budget.ledger import Ledger
    from shoestring.budget.stores.looking import LedgerView, Look
    from shoestring.budget.tree.account import Account


class MemoryStore(Anchored):
    """Keeps ledgers, and finds them by id, for as long as the process lives.

    Args:
        clock: Seconds, for leases and active time; since 1970, if ledgers renew. None for the
            system's clock; if that jumps back, time goes on from where it was.

    >>> from shoestring.budget import Budget, Ledger
    >>> store = MemoryStore()
    >>> ledger = Ledger(Budget(tokens=100), id="thread-7", store=store)
    >>> store.ledger("thread-7") is ledger
    True
    """

    __slots__ = ("_clock", "_ledgers", "_lock")

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ledgers: dict[str, Ledger] = {}

    def ledger(self, id: str) -> Ledger:  # noqa: A002  the public name of the thing
        """Return the ledger of that id, with its spending and its holds.

        Raises:
            LedgerNotFound: If there is none.
        """
        found = self._ledgers.get(id)
        if found is None:
            raise not_found(id)
        return found

    def plant(self, id: str, name: str, budget: Budget) -> Tree:  # noqa: A002  as above
        """Open a tree of one account; `Ledger` does this itself."""
        # One for each tree, asked under its lock.
        clock = SteadyClock() if self._clock is None else Timeline(self._clock).now
        return Tree(id, name, budget, clock)

    def add(self, ledger: Ledger) -> None:
        """Keep a new ledger; `Ledger` and `Ledger.child` do this themselves.

        Raises:
            ValueError: If the store holds another ledger of that id.
        """
        with self._lock:
            if self._ledgers.setdefault(ledger.id, ledger) is not ledger:
                raise taken(ledger.id)

    def discard(self, id: str) -> None:  # noqa: A002  the public name of the thing
        """Let go of a ledger nobody will ask for again, and of all below; no change if there is none.

        What a child has spent stays part of its parent's sums.
        """
        with self._lock:
            found = self._ledgers.get(id)
            if found is not None:
                for account in found._origin.account.subtree():  # noqa: SLF001  of one house
                    self._ledgers.pop(account.id, None)
                    found._tree.listeners.drop(account.id)  # noqa: SLF001  of one house

    def ledgers(self) -> list[LedgerView]:
        """Return all ledgers in tree order, each tree at one instant. Looking changes nothing."""
        return [
            found
            for root in tuple(self._ledgers.values())
            if root.parent is None
            for found in root._tree.look(looking.ledgers, root._tree.root, self._known)  # noqa: SLF001  of one house
        ]

    def look(self, id: str, *, lines: int = 20) -> Look:  # noqa: A002  the public name of the thing
        """Return a ledger at one instant: all below it, its open holds and its last receipt lines.

        Raises:
            LedgerNotFound: If there is none.
        """
        found = self.ledger(id)
        return found._tree.look(self._look, found._origin.account, check_units("lines", lines))  # noqa: SLF001  of one house

    def _look(self, now: float, account: Account, lines: int) -> Look:
        entries = [
            (seq, item, owner.myself())
            for below in account.subtree()
            for seq, item in below.entries.items()
        ]
        return looking.look(now, account, self._known, entries, last=lines, total=len(entries))

    def _known(self, account: Account) -> bool:
        found = self._ledgers.get(account.id)
        return found is not None and found._origin.account is account  # noqa: SLF001  of one house
