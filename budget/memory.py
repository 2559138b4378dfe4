"""Ledgers in the memory of one process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from shoestring.budget.errors import Anchored, LedgerNotFound

if TYPE_CHECKING:
    from collections.abc import Callable

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
            msg = (
                f"no ledger {id!r:.60} in this store: create it with Ledger(budget, id=…, store=…)"
            )
            raise LedgerNotFound(msg)
        return found

    def add(self, ledger: Ledger) -> None:
        """Keep a new ledger; `Ledger` and `Ledger.child` do this themselves.

        Raises:
            ValueError: If the store holds another ledger of that id.
        """
        with self._lock:
            if self._ledgers.setdefault(ledger.id, ledger) is not ledger:
                msg = (
                    f"the store holds a ledger {ledger.id!r:.60} already: "
                    f"continue it with store.ledger(id), or choose another id"
                )
                raise ValueError(msg)

    def discard(self, id: str) -> None:  # noqa: A002  the public name of the thing
        """Let go of a ledger that nobody will ask for again; no change if there is none."""
        with self._lock:
            self._ledgers.pop(id, None)
