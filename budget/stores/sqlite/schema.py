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
    # Renewing budgets, shares told and loops. Figures may pass 64 bits: what is there is not parsed.
    (
        "UPDATE ledger SET state = substr(state, 1, length(state) - 1) || ',0.0,null,null,[]]'",
        "UPDATE ledger SET budget = substr(budget, 1, length(budget) - 1) || ',null,null]'",
        """UPDATE entry SET state = substr(state, 1, length(state) - 1) || ',0.0]'
            WHERE state LIKE '[0,%'""",
        """CREATE TABLE repeat (
            key INTEGER PRIMARY KEY,      -- the order in which the calls were last made
            ledger INTEGER NOT NULL,
            call TEXT NOT NULL,           -- a digest of tool and arguments
            count INTEGER NOT NULL,
            UNIQUE (ledger, call)
        ) STRICT""",
        "CREATE INDEX repeat_order ON repeat (ledger, key)",
        """CREATE TRIGGER ledger_gone AFTER DELETE ON ledger
            BEGIN DELETE FROM repeat WHERE ledger = OLD.key; END""",
    ),
)


def prepare(db: sqlite3.Connection, path: Path, *, full: bool) -> None:
    """Check that the file is ours, bring it to the current schema, and set how safely it writes.

    Raises:
        StoreForeign: If it belongs to another program.
        StoreTooNew: If a newer shoestring has written it.
        StoreUnavailable: If it cannot be shared between processes.
        sqlite3.Error: If the file does not let us.
    """
    if not current(db, path):
        # Looked at again inside: another process may be at it, too.
        db.execute("BEGIN IMMEDIATE")
        try:
            if not current(db, path):
                migrate(db)
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


def migrate(db: sqlite3.Connection) -> None:
    """Take the steps that lead to the current schema."""
    for step in STEPS[_version(db) :]:
        for statement in step:
            db.execute(statement)


def current(db: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file has the current schema; False if an older one, or none yet.

    Raises:
        StoreForeign: If it belongs to another program.
        StoreTooNew: If a newer shoestring has written it.
    """
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
