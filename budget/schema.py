"""The tables of a ledger file, and how an older file becomes a current one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.budget.errors import StoreForeign, StoreTooNew, StoreUnavailable

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

# Marks the file as ours, for `file` and for us: "shoe" in ASCII.
APPLICATION_ID = 0x73686F65

# Each step leads from one schema to the next; `user_version` counts how many a file has taken.
STEPS = (
    (
        """CREATE TABLE ledger (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            forgotten INTEGER NOT NULL DEFAULT 0,  -- 1: no longer found by its id
            root INTEGER,                 -- the key of the tree's root; none in the root itself
            parent INTEGER,
            name TEXT NOT NULL,
            budget TEXT,                  -- JSON, as rows.py writes it; none: it groups
            set_aside INTEGER NOT NULL,
            seen REAL NOT NULL,           -- the time of the last change: time never runs backwards
            seq INTEGER NOT NULL,         -- in a root: the last place given in the tree
            state TEXT NOT NULL           -- JSON: the sums
        ) STRICT""",
        """CREATE TABLE entry (
            root INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            ledger INTEGER NOT NULL,
            deadline REAL,                -- of open holds: when the lease ends
            owner TEXT,                   -- of open holds: whose process
            state TEXT NOT NULL,          -- JSON: a request, or a note
            PRIMARY KEY (root, seq)
        ) STRICT, WITHOUT ROWID""",
        "CREATE UNIQUE INDEX ledger_id ON ledger (id) WHERE NOT forgotten",
        "CREATE INDEX ledger_parent ON ledger (parent)",
        "CREATE INDEX entry_ledger ON entry (ledger)",
    ),
    # Finds ended leases and dead owners without walking the receipts.
    ("CREATE INDEX entry_open ON entry (root, deadline) WHERE deadline IS NOT NULL",),
)


def prepare(db: sqlite3.Connection, path: Path, *, full: bool) -> None:
    """Check that the file is ours, bring it to the current schema, and set how safely it writes.

    Raises:
        StoreForeign: If it belongs to another program.
        StoreTooNew: If a newer shoestring has written it.
        StoreUnavailable: If it cannot be shared between processes.
        sqlite3.Error: If the file does not let us.
    """
    if not _current(db, path):
        # Looked at again inside: another process may be at it, too.
        db.execute("BEGIN IMMEDIATE")
        try:
            if not _current(db, path):
                for step in STEPS[_version(db) :]:
                    for statement in step:
                        db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {len(STEPS)}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StoreUnavailable(
            f"ledger file {path}: its file system cannot share it between processes (no WAL): "
            f"put it on a local disk"
        )
    db.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")


def _current(db: sqlite3.Connection, path: Path) -> bool:
    version = _version(db)
    mark = db.execute("PRAGMA application_id").fetchone()[0]
    empty = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if mark != APPLICATION_ID and not (empty and mark == version == 0):
        raise StoreForeign(
            f"{path} belongs to another program: choose another path; it was left as it is"
        )
    if version > len(STEPS):
        raise StoreTooNew(
            f"ledger file {path}: a newer shoestring wrote it (schema {version}, this one knows "
            f"{len(STEPS)}): upgrade shoestring; it was left as it is"
        )
    return version == len(STEPS)


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version
