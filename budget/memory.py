"""Ledgers in the memory of one process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from shoestring.budget.errors import Anchored, not_found, taken
from shoestring.budget.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget.budget import Budget
    from shoestring.budget.ledger import Ledger


class MemoryStore(Anchored):
    """Keeps ledgers, and finds them by id, for as long as the process lives.

    Args:
        clock: Seconds that never run backwards, for leases and for active time.

    >>> from shoestring.budget import Budget, Ledger
    >>> store = MemoryStore()
    >>> ledger = Ledger(Budget(tokens=100), id="thread-7", store=store)
    >>> store.ledger("thread-7") is ledger
    True
    """

    __slots__ = ("_ledgers", "_lock", "clock")

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
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
        return Tree(id, name, budget, self.clock)

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
