"""A stash in an SQLite file, which many processes share."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shoestring.tools.stash.errors import StashCorrupt, told

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["Bounds", "File"]

T = TypeVar("T")

_PATIENCE = 10.0  # seconds to wait while other processes write
_NAME = 0x53485354  # "SHST": the file's application id
_VERSION = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS text (
    owner BLOB NOT NULL, handle TEXT NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (owner, handle)
);
CREATE INDEX IF NOT EXISTS by_use ON text (used, size);
CREATE INDEX IF NOT EXISTS by_owner ON text (owner, used, size);
"""
_LET_GO = """
DELETE FROM text WHERE rowid IN (
    SELECT rowid FROM (
        SELECT rowid, sum(size) OVER (ORDER BY used DESC, rowid DESC) AS kept FROM text {whose}
    ) WHERE kept > ?
)
"""
_LET_GO_OF_OWNER = _LET_GO.format(whose="WHERE owner = ?")
_LET_GO_OF_ALL = _LET_GO.format(whose="")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many bytes are kept, in all and of one conversation."""

    size: int
    share: int


class File:
    """Keeps texts in one file.

    Each step is a transaction on a connection of its own, so that threads, forks and killed
    processes leave the file whole.
    """

    def __init__(self, path: str | os.PathLike[str], bounds: Bounds) -> None:
        self._path = Path(path).absolute()
        self._bounds = bounds
        self._do(lambda db: db.execute("SELECT 1"))

    def put(self, owner: bytes, handle: str, data: bytes, now: float, since: float) -> bool:
        """Keep data, and let go what is then too much; False if the handle has other data."""

        def step(db: sqlite3.Connection) -> bool:
            db.execute("DELETE FROM text WHERE used < ?", (since,))
            kept = db.execute(
                "SELECT data = ? FROM text WHERE owner = ? AND handle = ?", (data, owner, handle)
            ).fetchone()
            if kept is not None and not kept[0]:
                return False
            db.execute(
                "INSERT INTO text VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (owner, handle) DO UPDATE SET used = excluded.used",
                (owner, handle, now, len(data), data),
            )
            if kept is None:
                db.execute(_LET_GO_OF_OWNER, (owner, self._bounds.share))
                db.execute(_LET_GO_OF_ALL, (self._bounds.size,))
            return True

        return self._do(step)

    def get(self, owner: bytes, handle: str, now: float, since: float) -> bytes | None:
        """Return data, and take note that it was used."""

        def step(db: sqlite3.Connection) -> bytes | None:
            found = db.execute(
                "UPDATE text SET used = ? WHERE owner = ? AND handle = ? AND used >= ? RETURNING data",
                (now, owner, handle, since),
            ).fetchone()
            return None if found is None else bytes(found[0])

        return self._do(step)

    def _do(self, step: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with closing(
                sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
            ) as db:
                self._prepare(db)
                db.execute("BEGIN IMMEDIATE")
                try:
                    result = step(db)
                except BaseException:
                    with suppress(sqlite3.Error):  # SQLite may have done so itself
                        db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
                return result
        except sqlite3.Error as error:
            raise told(self._path, error) from error

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Make the file a stash, unless it is one, or something else."""
        name, version = (
            int(db.execute(f"PRAGMA {pragma}").fetchone()[0])
            for pragma in ("application_id", "user_version")
        )
        # What is lost when the power fails is text that can be fetched again.
        db.execute("PRAGMA synchronous = OFF")
        if (name, version) == (_NAME, _VERSION):
            return
        if name or version or db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise StashCorrupt(
                f"stash {self._path}: it belongs to another program, or to another version of "
                "shoestring: choose another path"
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(
            f"BEGIN IMMEDIATE; {_TABLE} PRAGMA application_id = {_NAME}; "
            f"PRAGMA user_version = {_VERSION}; COMMIT"
        )
