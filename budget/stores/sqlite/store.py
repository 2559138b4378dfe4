"""Ledgers in an SQLite file: they outlive the process, and many processes share them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from shoestring.budget.amount import check_units
from shoestring.budget.ledger import Ledger
from shoestring.budget.stores.sqlite import reading
from shoestring.budget.stores.sqlite.session import SQLiteSession
from shoestring.budget.stores.stored import StoredTree
from shoestring.budget.stores.timeline import SteadyClock, Timeline
from shoestring.budget.tree.listening import Listeners

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable

    from shoestring.budget.budget import Budget
    from shoestring.budget.stores.looking import LedgerView, Look
    from shoestring.budget.tree.tree import Tree

Durability = Literal["normal", "full"]


class SQLiteStore:
    """Keeps ledgers in one file, for all processes and threads of one machine.

    Each step of a ledger, over all its ancestors, is one transaction: it happens as a whole or not
    at all, whenever a process is killed. A hold is in the file before `reserve` returns. A hold
    whose process has ended is charged in full, presumed, when a ledger of its tree is next
    reopened (`ledger`) or waited at; one whose lease has ended, at the next step of its tree.

    It pickles as its path and reconnects; so do its ledgers and holds. It may be used after a fork.

    Args:
        path: The file; made if there is none, in a folder that exists. On a local disk.
        durability: "normal" is safe against kill -9 and crashes of the program. A power cut or a
            crash of the system can lose the last transactions, as a whole and latest first:
            spending of the last moments, and with it the cap's knowledge of it. "full" waits
            for the disk at each step, and loses nothing.
        patience: Seconds to wait for the file while other processes write, before `StoreLocked`.
        read_only: Only look (`ledgers`, `look`): whatever would change the file, from making it to
            bringing it up to date, raises `StoreReadOnly` or is left undone.
        clock: Seconds, for leases and active time; must mean the same in all processes. None for
            the system's clock; if that jumps back, time goes on from where it was.

    Raises:
        StoreError: If the file cannot be used; the subclass and the message say why.

    >>> import tempfile
    >>> from shoestring.budget import Amount, Budget, Ledger
    >>> path = Path(tempfile.mkdtemp()) / "ledgers.db"
    >>> ledger = Ledger(Budget(tokens=1_000), id="tenant-7", store=SQLiteStore(path))
    >>> ledger.reserve(Amount(input_tokens=300)).settle(Amount(input_tokens=250))
    >>> SQLiteStore(path).ledger("tenant-7").remaining.tokens  # in this process or another
    750
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "durability",
        "listeners",
        "path",
        "patience",
        "read_only",
        "session",
        "timeline",
    )

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "normal",
        patience: float = 30.0,
        read_only: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if durability not in ("normal", "full"):
            msg = f'durability must be "normal" or "full", not {durability!r:.40}'
            raise ValueError(msg)
        if not patience >= 0:
            msg = f"patience must not be negative, but is {patience}"
            raise ValueError(msg)
        if str(path) in ("", ":memory:"):
            msg = "an SQLiteStore needs the path of a file; for ledgers in memory use MemoryStore()"
            raise ValueError(msg)
        self.path = Path(path).absolute()
        self.durability: Durability = durability
        self.patience = patience
        self.read_only = read_only
        self._clock = clock
        self.listeners = Listeners()
        self.timeline = Timeline(SteadyClock() if clock is None else clock)
        self.session = SQLiteSession(
            self.path,
            self.timeline,
            full=durability == "full",
            patience=patience,
            read_only=read_only,
        )
        if read_only:
            self.session.read(_touch)
        else:
            self.session.transact(_touch)

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self.path, self.durability, self.patience, self.read_only, self._clock)

    def plant(self, id: str, name: str, budget: Budget) -> Tree:  # noqa: A002  the public name
        """Open a tree of one account; `Ledger` does this itself.

        Raises:
            ValueError: If the store holds a ledger of that id.
        """
        return StoredTree.planted(self, id, name, budget)  # pyright: ignore[reportArgumentType]  one class, seen under two paths

    def add(self, ledger: Ledger) -> None:
        """Do nothing: a ledger was written with its account, and is found by its row."""

    def ledger(self, id: str) -> Ledger:  # noqa: A002  the public name of the thing
        """Return the ledger of that id, with its spending and its holds.

        Open holds in its tree whose process has ended are charged in full first, presumed.

        Raises:
            LedgerNotFound: If there is none.
        """
        tree, account = StoredTree.found(self, id)  # pyright: ignore[reportArgumentType]  as above
        return Ledger._found(self, tree, account)  # noqa: SLF001  of one house

    def discard(self, id: str) -> None:  # noqa: A002  the public name of the thing
        """Let go of a ledger nobody will ask for again, and of all below; no change if there is none.

        A root is deleted with its whole tree, spending and receipts. A child is no longer found,
        and its id is free; what it has spent stays part of its parent's sums and receipt.
        """

        def step(db: sqlite3.Connection) -> list[tuple[str]]:
            row = db.execute(
                "SELECT key, root FROM ledger WHERE id = ? AND NOT forgotten", (id,)
            ).fetchone()
            if row is None:
                return []
            key, root = row
            if root is None:
                db.execute("DELETE FROM entry WHERE root = ?", (key,))
                return db.execute(
                    "DELETE FROM ledger WHERE key = ? OR root = ? RETURNING iif(forgotten, '', id)",
                    (key, key),
                ).fetchall()
            return db.execute(
                "WITH RECURSIVE below (key) AS (VALUES (?) UNION SELECT ledger.key "
                "FROM ledger JOIN below ON ledger.parent = below.key) "
                "UPDATE ledger SET forgotten = 1 WHERE key IN below AND NOT forgotten RETURNING id",
                (key,),
            ).fetchall()

        for (gone,) in self.session.transact(step):
            self.listeners.drop(gone)

    def ledgers(self) -> list[LedgerView]:
        """Return all ledgers in tree order, all of one instant.

        Looking changes nothing, neither in the file nor beside it.
        """
        return self.session.read(
            lambda db: reading.ledgers(db, self.timeline, self.session.damaged)
        )

    def look(self, id: str, *, lines: int = 20) -> Look:  # noqa: A002  the public name of the thing
        """Return a ledger at one instant: all below it, its open holds and its last receipt lines.

        Looking changes nothing: holds that are overdue are shown, and not charged.

        Raises:
            LedgerNotFound: If there is none.
        """
        last = check_units("lines", lines)
        return self.session.read(
            lambda db: reading.look(db, id, last, self.timeline, self.session.damaged)
        )

    def close(self) -> None:
        """Close the file; a later use opens it again."""
        self.session.close()

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.path}>"


def _reopen(
    path: Path,
    durability: Durability,
    patience: float,
    read_only: bool,  # noqa: FBT001  pickle calls by position
    clock: Callable[[], float] | None,
) -> SQLiteStore:
    return SQLiteStore(
        path, durability=durability, patience=patience, read_only=read_only, clock=clock
    )


def _touch(_db: sqlite3.Connection) -> None:
    """Touch the file, so that what is wrong with it is said at once."""
