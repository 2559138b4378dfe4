"""The file of an outline: its tables, and what can be wrong with it."""

import sqlite3
from pathlib import Path

from shoestring.tools.files.sqlite_file import SQLiteFile
from shoestring.tools.outline.errors import OutlineBusy, OutlineCorrupt, OutlineMismatch

__all__ = ["File"]

_NAME = 0x53484F4C  # "SHOL": the file's application id
_VERSION = 1
_CACHE = 64 * 1024  # KiB of the file that a connection may hold in memory
# Text is stored as bytes: SQLite's own text cannot hold half of a surrogate pair.
_SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE documents (document INTEGER PRIMARY KEY AUTOINCREMENT, source BLOB NOT NULL,"
        " nth INTEGER NOT NULL, place INTEGER NOT NULL, hash TEXT NOT NULL, UNIQUE (source, nth))"
    ),
    (
        "CREATE TABLE nodes (at INTEGER PRIMARY KEY, last INTEGER NOT NULL, parent INTEGER NOT NULL,"
        " depth INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE, title BLOB NOT NULL,"
        " start INTEGER NOT NULL, end INTEGER NOT NULL, tokens INTEGER NOT NULL, gist BLOB NOT NULL,"
        " head BLOB NOT NULL)"
    ),
    "CREATE INDEX nodes_by_parent ON nodes (parent, at)",
    "CREATE INDEX nodes_by_depth ON nodes (depth, at)",
    "CREATE TABLE texts (at INTEGER PRIMARY KEY, text BLOB NOT NULL)",
    (
        "CREATE VIRTUAL TABLE found USING fts5 (title, text, content = '', detail = 'full',"
        " tokenize = 'porter unicode61 remove_diacritics 2')"
    ),
    "CREATE TABLE unsent (id TEXT PRIMARY KEY, gone INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE refined (hash TEXT PRIMARY KEY, gist BLOB NOT NULL) WITHOUT ROWID",
    f"PRAGMA application_id = {_NAME}",
    f"PRAGMA user_version = {_VERSION}",
)


class File(SQLiteFile):
    """The tables and the facts; every method is one transaction."""

    def __init__(self, path: Path | None, *, wait: float, new: bool) -> None:
        """Open the file, or make it if `new`; None keeps the store in memory."""
        if path is not None and not new and not path.is_file():
            raise FileNotFoundError(f"no outline at {str(path)!r}: build it first")
        super().__init__(path, wait=wait)

    def _prepare(self) -> None:
        if self._stamp() == (0, 0):
            if self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                raise OutlineCorrupt(
                    f"{self._where()} belongs to another program: name another file"
                )
            if self._path is not None:
                # Readers and the writer do not block each other.
                self._db.execute("PRAGMA journal_mode = WAL")
            with self._writing():
                # Another process may have been faster.
                for statement in _SCHEMA if self._stamp() == (0, 0) else ():
                    self._db.execute(statement)
        name, version = self._stamp()
        if name != _NAME:
            raise OutlineCorrupt(f"{self._where()} belongs to another program: name another file")
        if version != _VERSION:
            raise OutlineMismatch(
                f"the outline {self._where()} was made by another version of shoestring: "
                "delete it to build it anew"
            )
        self._db.execute("PRAGMA synchronous = NORMAL")
        # Else the pages of a large document are written and read again many times in its step.
        self._db.execute(f"PRAGMA cache_size = -{_CACHE}")

    def _stamp(self) -> tuple[int, int]:
        names = ("application_id", "user_version")
        name, version = (int(self._db.execute(f"PRAGMA {n}").fetchone()[0]) for n in names)
        return name, version

    def _where(self) -> str:
        return repr(str(self._path)) if self._path else "in memory"

    def _busy(self) -> OutlineBusy:
        return OutlineBusy(
            f"another process is writing to {self._where()}: try again when it is done"
        )

    def _unusable(self, error: sqlite3.OperationalError) -> OutlineCorrupt:
        return OutlineCorrupt(
            f"the outline {self._where()} cannot be used ({error}): if the folder is writable "
            "and the disk not full, delete it to build it anew"
        )

    def _damaged(self, error: sqlite3.DatabaseError) -> OutlineCorrupt:
        return OutlineCorrupt(
            f"the outline {self._where()} is damaged, or no outline ({error}): "
            "name another file, or delete it to build it anew"
        )

    def fact(self, name: str) -> str | None:
        """Return a stored fact."""
        with self._reading() as db:
            row = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Store a fact."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
