"""One process's connection to an SQLite file: one step at a time, all of it or nothing."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from shoestring.budget import errors
from shoestring.budget.schema import prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

# Between two tries for a file that another process writes to: a write takes some 0.1 ms.
_FIRST_PAUSE = 0.000_2
_LONGEST_PAUSE = 0.02
# The lower byte of SQLite's extended result codes.
_PRIMARY = 0xFF


def pause(tries: int) -> float:
    """Return how many seconds to wait before the next try: longer each time, and never in step."""
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(tries, 16))
    return longest * random.uniform(0.25, 1.0)  # noqa: S311  jitter, no secret


class Session:
    """Runs steps on the file, each in one transaction that no other process interleaves with.

    The threads of a process share one connection. It is closed while the process forks, because
    SQLite loses its locks otherwise, and opened again by whoever uses it next.
    """

    def __init__(self, path: Path, *, full: bool, patience: float) -> None:
        self._path = path
        self._full = full
        self._patience = patience
        self._db: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._inside = False
        self._later: list[Callable[[], object]] = []
        _SESSIONS.add(self)

    def postponed(self, run: Callable[[], object], *, may_wait: bool) -> bool:
        """Return whether a finaliser interrupts a step of this thread; its own then comes after.

        Raises:
            BudgetBusy: If it is in the middle of a step, and its own may not wait.
        """
        if not self._inside:
            return False
        with self._lock:
            # Another thread's step is over by now: only one's own is still going on here.
            if not self._inside:
                return False
            if not may_wait:
                msg = "the store is at work in this very thread; a finaliser must retry later"
                raise errors.BudgetBusy(msg)
            self._later.append(run)
            return True

    def transact(
        self, step: Callable[[sqlite3.Connection], T], undo: Callable[[], None] | None = None
    ) -> T:
        """Run `step` in one transaction; if it or its commit fails, roll back and `undo`.

        Raises:
            StoreError: If the file does not let us.
        """
        tries, until = 0, time.monotonic() + self._patience
        while True:
            try:
                with self._lock:
                    if self._begin(last=time.monotonic() >= until):
                        self._inside = True
                        try:
                            return self._finish(step, undo)
                        finally:
                            self._inside = False
            finally:
                if self._later:
                    self._follow_up()
            # Not under the lock: other threads may have more luck.
            time.sleep(pause(tries))
            tries += 1

    def _begin(self, *, last: bool) -> bool:
        """Open the transaction; False if another process writes just now."""
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
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            if undo is not None:
                undo()
            if isinstance(error, sqlite3.Error):
                raise self._told(error) from error
            raise
        return result

    def _follow_up(self) -> None:
        with self._lock:
            if self._inside:
                # Whoever is inside follows up when done.
                return
            later, self._later = self._later, []
        for run in later:
            run()

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
        self._lock.acquire()
        if self._db is not None:
            self._db.close()
            self._db = None

    def after_fork(self, *, child: bool) -> None:
        """Go on, in both processes."""
        if child:
            self._pid = os.getpid()
            self._lock = threading.RLock()
            self._later = []
        else:
            self._lock.release()


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


_SESSIONS: weakref.WeakSet[Session] = weakref.WeakSet()
_forking: list[Session] = []


def _before_fork() -> None:
    _forking[:] = list(_SESSIONS)
    for session in _forking:
        session.before_fork()


def _after_fork(*, child: bool) -> None:
    for session in _forking:
        session.after_fork(child=child)
    _forking.clear()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=lambda: _after_fork(child=False),
    after_in_child=lambda: _after_fork(child=True),
)
