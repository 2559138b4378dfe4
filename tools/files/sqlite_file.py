"""A SQLite file that threads and processes share, and what can be wrong with it."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

__all__ = ["SQLiteFile"]


class SQLiteFile(ABC):
    """One connection, shared by the threads of a process; every step is one transaction.

    Errors of SQLite are given out as those that a subclass names.
    """

    def __init__(self, path: Path | None, *, wait: float) -> None:
        """Open the file, or make it, and prepare it; None keeps it in memory.

        Args:
            path: The file.
            wait: How long a step waits for another process, in seconds.
        """
        self._path = path
        self._lock = RLock()
        with self._checked():
            self._db = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=wait,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self._checked():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    @abstractmethod
    def _prepare(self) -> None:
        """Make the tables where they are missing, and refuse what is not ours."""

    @abstractmethod
    def _busy(self) -> Exception:
        """Give the error for a step that another process keeps from being taken."""

    @abstractmethod
    def _unusable(self, error: sqlite3.OperationalError) -> Exception:
        """Give the error for a file that cannot be read or written."""

    @abstractmethod
    def _damaged(self, error: sqlite3.DatabaseError) -> Exception:
        """Give the error for a file that is not what it should be."""

    @contextmanager
    def _checked(self) -> Generator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            # The lower byte says what it is, the others under which circumstances.
            if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise self._busy() from error
            raise self._unusable(error) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._checked():
            yield self._db

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._checked():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()
