"""What a ledger asks of where it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shoestring.budget.budget import Budget
    from shoestring.budget.ledger import Ledger
    from shoestring.budget.stores.looking import LedgerView, Look
    from shoestring.budget.tree.tree import Tree


class Store(Protocol):
    """Where ledgers live: in memory (`MemoryStore`), a file (`SQLiteStore`) or a server (`RedisStore`).

    The law is the same everywhere, and so is the code that keeps it: the private steps of `Tree`,
    pure integer arithmetic on accounts and holds. A store gives each tree a `run` that makes one
    step atomic: it loads what the step reads, runs it, and keeps what it changed, or nothing.
    `shoestring.budget.conformance` holds the tests that every store passes.
    """

    def plant(self, id: str, name: str, budget: Budget) -> Tree:  # noqa: A002  the public name
        """Open a tree of one account; `Ledger` does this itself.

        Raises:
            ValueError: If the store can tell already that it holds a ledger of that id.
        """
        ...

    def add(self, ledger: Ledger) -> None:
        """Make a ledger findable whose account was just opened; `Ledger` does this itself.

        Raises:
            ValueError: If the store holds another ledger of that id.
        """
        ...

    def ledger(self, id: str) -> Ledger:  # noqa: A002  the public name
        """Return the ledger of that id, with its spending and its holds.

        Raises:
            LedgerNotFound: If there is none.
        """
        ...

    def discard(self, id: str) -> None:  # noqa: A002  the public name
        """Let go of a ledger nobody will ask for again, and of all below; no change if there is none.

        What a child has spent stays part of its parent's sums.
        """
        ...

    def ledgers(self) -> list[LedgerView]:
        """Return all ledgers in tree order, root by root, each tree at one instant.

        Looking changes nothing; ledgers that were discarded are not shown.
        """
        ...

    def look(self, id: str, *, lines: int = 20) -> Look:  # noqa: A002  the public name
        """Return a ledger at one instant: all below it, its open holds, and its last receipt lines.

        Looking changes nothing: holds that are overdue are shown, and not charged.

        Raises:
            LedgerNotFound: If there is none.
        """
        ...
