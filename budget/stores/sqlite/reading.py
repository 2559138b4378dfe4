"""A ledger file as it stands, for onlookers: nothing in it or beside it is changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from errno import EINVAL
from itertools import groupby
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, TypeVar

from shoestring.budget.errors import StoreUnavailable, not_found
from shoestring.budget.stores import looking
from shoestring.budget.stores.detached import Detached
from shoestring.budget.stores.sqlite.schema import current, migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shoestring.budget.stores.looking import LedgerView, Look
    from shoestring.budget.stores.timeline import Timeline

T = TypeVar("T")

_LEDGER = "key, coalesce(root, key), id, parent, name, budget, set_aside, seen, forgotten, state"
# What a tree is built from, in the order of _LEDGER.
_Row = tuple[int, int, str, int | None, str, str | None, int, float, int, str]
_ABOVE = """WITH RECURSIVE above (key) AS (
    VALUES (?) UNION SELECT ledger.parent FROM ledger JOIN above USING (key)
    WHERE ledger.parent IS NOT NULL
)"""
_BELOW = """WITH RECURSIVE below (key) AS (
    VALUES (?) UNION SELECT ledger.key FROM ledger JOIN below ON ledger.parent = below.key
)"""


def read(path: Path, step: Callable[[sqlite3.Connection], T], patience: float) -> T:
    """Run `step` on the file as it is at one instant.

    Raises:
        StoreUnavailable: If there is no such file.
        StoreForeign: If it belongs to another program.
        StoreTooNew: If a newer shoestring has written it.
        sqlite3.Error: If the file does not let us.
    """
    try:
        before = _idle(path)
        if before is not None:
            # Nobody has it open. To lock it as readers do would leave files beside it, for which
            # the folder must be writable.
            try:
                found = _run(path, "immutable=1", step, patience)
            except (sqlite3.Error, RuntimeError):
                if _idle(path) == before:
                    raise
            else:
                if _idle(path) == before:
                    return found
    except OSError as error:
        raise StoreUnavailable(
            f"ledger file {path}: {error.strerror}: see that the path is right, or let a "
            f"Ledger(budget, store=SQLiteStore(path)) make the file"
        ) from error
    return _run(path, "mode=ro", step, patience)


def ledgers(
    db: sqlite3.Connection, timeline: Timeline, damaged: Callable[[], Exception]
) -> list[LedgerView]:
    """Return all ledgers of the file, root by root, in tree order."""
    rows = db.execute(f"SELECT {_LEDGER} FROM ledger ORDER BY 2, 1")  # noqa: S608  a constant
    found: list[LedgerView] = []
    for root, group in groupby(rows, key=lambda row: row[1]):
        tree, now = _tree(group, timeline, damaged)
        found += looking.ledgers(now, tree.accounts[root], tree.known)
    return found


def look(
    db: sqlite3.Connection,
    id: str,  # noqa: A002  the public name of the thing
    lines: int,
    timeline: Timeline,
    damaged: Callable[[], Exception],
) -> Look:
    """Return a ledger of the file, with all below it.

    Raises:
        LedgerNotFound: If there is none.
    """
    row = db.execute(
        "SELECT key, coalesce(root, key) FROM ledger WHERE id = ? AND NOT forgotten", (id,)
    ).fetchone()
    if row is None:
        raise not_found(id)
    key, root = row
    tree, now = _tree(
        db.execute(
            f"{_ABOVE}, {_BELOW.removeprefix('WITH RECURSIVE ')} SELECT {_LEDGER} FROM ledger "  # noqa: S608  constants
            "WHERE key IN above OR key IN below ORDER BY key",
            (key, key),
        ),
        timeline,
        damaged,
    )
    of_tree = f"{_BELOW} SELECT %s FROM entry WHERE root = ? AND ledger IN below"  # noqa: S608  as above
    entry = of_tree % "seq, ledger, owner, state"
    rows = [
        *db.execute(f"{entry} AND deadline IS NOT NULL", (key, root)),
        *db.execute(f"{entry} ORDER BY seq DESC LIMIT ?", (key, root, lines)),
    ]
    (total,) = db.execute(of_tree % "count(*)", (key, root)).fetchone()
    return looking.look(
        now, tree.accounts[key], tree.known, tree.entries(rows), last=lines, total=total
    )


def _tree(
    rows: Iterable[_Row], timeline: Timeline, damaged: Callable[[], Exception]
) -> tuple[Detached, float]:
    """Return the accounts of one tree, parents before their children, and the time they see."""
    tree = Detached(damaged)
    last = float("-inf")
    for key, _, id_, parent, name, budget, set_aside, seen, forgotten, state in rows:
        tree.add(
            *(key, parent, id_, name, budget, bool(set_aside), state, None), known=not forgotten
        )
        last = max(last, seen)
    now = timeline.now(last)
    tree.at(now)
    return tree, now


def _run(path: Path, how: str, step: Callable[[sqlite3.Connection], T], patience: float) -> T:
    with closing(
        sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, timeout=patience, isolation_level=None)
    ) as db:
        db.execute("BEGIN")
        if current(db, path):
            return step(db)
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            db.backup(copy)
            migrate(copy)
            return step(copy)


def _idle(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when somebody writes to the file; None while somebody has it open.

    Raises:
        OSError: If there is no such file.
    """
    found = path.stat()
    if not S_ISREG(found.st_mode):
        raise OSError(EINVAL, "it is no file")
    if Path(f"{path}-wal").exists():
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
