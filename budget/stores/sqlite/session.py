"""One process's connection to an SQLite file: each step is one transaction."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from shoestring.budget import errors
from shoestring.budget.stores.session import Place, Session, pause
from shoestring.budget.stores.sqlite import reading
from shoestring.budget.stores.sqlite.schema import prepare
from shoestring.budget.stores.sqlite.work import SQLiteWork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shoestring.budget.stores.stored import StoredTree
    from shoestring.budget.stores.timeline import Timeline
    from shoestring.budget.stores.work import Work

T = TypeVar("T")

# The lower byte of SQLite's extended result codes.
_PRIMARY = 0xFF


class SQLiteSession(Session):
    """Runs steps on the file, each in one transaction that no other process interleaves with.

    The connection is closed while the process forks, because SQLite loses its locks otherwise, and
    opened again by whoever uses it next.
    """

    def __init__(
        self,
        path: Path,
        timeline: Timeline,
        *,
        full: bool,
        patience: float,
        read_only: bool = False,
    ) -> None:
        super().__init__()
        self._path = path
        self._read_only = read_only
        self._timeline = timeline
        self._full = full
        self._patience = patience
        self._db: sqlite3.Connection | None = None

    def locate(self, id: str) -> Place | None:  # noqa: A002  the public name of the thing
        """Return where the ledger of that id is; None if there is none."""

        def look(db: sqlite3.Connection) -> Place | None:
            row = db.execute(
                "SELECT ledger.key, root.key, root.id, root.name, root.budget FROM ledger "
                "JOIN ledger AS root ON root.key = coalesce(ledger.root, ledger.key) "
                "WHERE ledger.id = ? AND NOT ledger.forgotten",
                (id,),
            ).fetchone()
            return None if row is None else Place(*row)

        return self.transact(look)

    def step(self, tree: StoredTree, run: Callable[[Work], T]) -> T:
        """Run one step of `tree` in one transaction.

        Raises:
            StoreError: If the file does not let us.
        """
        work: SQLiteWork | None = None

        def transaction(db: sqlite3.Connection) -> T:
            nonlocal work
            work = SQLiteWork(db, tree, self._timeline)
            return run(work)

        def undo() -> None:
            if work is not None:
                work.undo()

        return self.transact(transaction, undo)

    def transact(
        self, step: Callable[[sqlite3.Connection], T], undo: Callable[[], None] | None = None
    ) -> T:
        """Run `step` in one transaction; if it or its commit fails, roll back and `undo`.

        Raises:
            StoreError: If the file does not let us.
        """
        tries, until = 0, time.monotonic() + self._patience
        done: list[T] = []

        def attempt() -> None:
            if self._begin(last=time.monotonic() >= until):
                done.append(self._finish(step, undo))

        while True:
            self._alone(attempt)
            if done:
                return done[0]
            # Not under the lock: other threads may have more luck.
            time.sleep(pause(tries))
            tries += 1

    def read(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Run `step` on the file as it is at one instant; it changes nothing, in it or beside it.

        Raises:
            StoreError: If the file does not let us.
        """
        # Under the lock: no connection may cross a fork.
        with self._lock:
            try:
                return reading.read(self._path, step, self._patience)
            except sqlite3.Error as error:
                raise self._told(error) from error

    def _begin(self, *, last: bool) -> bool:
        """Open the transaction; False if another process writes just now."""
        if self._read_only:
            raise errors.StoreReadOnly(
                f"ledger file {self._path} was opened to be looked at: "
                f"spend through SQLiteStore(path), without read_only=True"
            )
        if self._pid != os.getpid():
            raise errors.StoreUnavailable(
                f"{self._path} was opened before a fork that Python does not know of: "
                f"create the SQLiteStore in the process that uses it (uWSGI: lazy-apps = true)"
            )
        try:
            if self._db is None:
                self._db = self._open()
            elif self._db.in_transaction:
                # An interrupt (Ctrl-C) fell between opening a transaction and its first step.
                self._db.execute("ROLLBACK")
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if not last and _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return False
            raise self._told(error) from error
        return True

    def _open(self) -> sqlite3.Connection:
        # Waiting is ours: SQLite's own would hold up the other threads, in step with other processes.
        db = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            prepare(db, self._path, full=self._full)
        except BaseException:
            db.close()
            raise
        return db

    def _finish(
        self, step: Callable[[sqlite3.Connection], T], undo: Callable[[], None] | None
    ) -> T:
        db = self._db
        if db is None:
            raise AssertionError("a transaction was begun without a connection")
        try:
            result = step(db)
            db.execute("COMMIT")
        except BaseException as error:
            # An interrupt may come just behind the commit.
            if db.in_transaction or isinstance(error, sqlite3.Error):
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                if undo is not None:
                    undo()
            if isinstance(error, sqlite3.Error):
                raise self._told(error) from error
            raise
        return result

    def _told(self, error: sqlite3.Error) -> errors.StoreError:
        """Return the named error, with its cure."""
        path = self._path
        kinds: dict[int, tuple[type[errors.StoreError], str]] = {
            sqlite3.SQLITE_BUSY: (
                errors.StoreLocked,
                (
                    f"another process kept it locked for {self._patience:g} seconds: "
                    f"end that process, or raise SQLiteStore(patience=…)"
                ),
            ),
            sqlite3.SQLITE_READONLY: (
                errors.StoreReadOnly,
                "it may not be written to: allow this user to write to the file and to its folder",
            ),
            sqlite3.SQLITE_FULL: (
                errors.StoreFull,
                "its disk is full: make room and try again; nothing was lost",
            ),
            sqlite3.SQLITE_CORRUPT: (
                errors.StoreCorrupt,
                "it is damaged: keep a copy, try the sqlite3 command's .recover, or start a new file",
            ),
            sqlite3.SQLITE_NOTADB: (
                errors.StoreForeign,
                "it is no SQLite file: choose another path; it was left as it is",
            ),
        }
        kinds[sqlite3.SQLITE_LOCKED] = kinds[sqlite3.SQLITE_BUSY]
        kind, why = kinds.get(
            _code(error),
            (errors.StoreUnavailable, f"{error}: see that its folder exists and can be used"),
        )
        return kind(f"ledger file {path}: {why}")

    def damaged(self) -> errors.StoreCorrupt:
        """Return the error for rows that make no sense."""
        return errors.StoreCorrupt(
            f"ledger file {self._path}: it holds rows that make no sense: keep a copy, "
            f"restore an earlier one, or start a new file"
        )

    def close(self) -> None:
        """Close the connection; the next step opens another."""
        with self._lock:
            if self._db is not None and self._pid == os.getpid():
                self._db.close()
            self._db = None

    def __del__(self) -> None:
        if self._db is not None and self._pid == os.getpid():
            self._db.close()

    # Forking.

    def before_fork(self) -> None:
        """Let no step and no connection cross a fork."""
        super().before_fork()
        if self._db is not None:
            self._db.close()
            self._db = None


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY
