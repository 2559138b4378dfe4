"""What one step loads from a ledger file, and writes back."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, cast

from shoestring.budget.errors import not_found, taken
from shoestring.budget.stores import owner
from shoestring.budget.stores.loading import Loading
from shoestring.budget.stores.rows import (
    StoredAccount,
    StoredRecord,
    dump_budget,
    dump_note,
)
from shoestring.budget.tree.loops import REMEMBERED
from shoestring.budget.tree.record import Origin, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.stores.stored import StoredTree
    from shoestring.budget.stores.timeline import Timeline
    from shoestring.budget.tree.account import Account

_COLUMNS = "key, id, parent, name, budget, set_aside, state"
# What `account` builds an account from, in the order of _COLUMNS.
_Row = tuple[int, str, int | None, str, str | None, int, str]
_ENTRIES = "SELECT seq, ledger, state FROM entry"


class SQLiteWork(Loading):
    """What one step has loaded in an open transaction, and writes back."""

    __slots__ = (
        "_before",
        "_db",
        "_key",
        "_now",
        "_seq",
        "_timeline",
    )

    def __init__(self, db: sqlite3.Connection, tree: StoredTree, timeline: Timeline) -> None:
        super().__init__(tree)
        self._db = db
        self._timeline = timeline
        self._key = 0
        self._seq = 0
        self._now = timeline.now()
        self._before: list[tuple[StoredAccount | StoredRecord, str | None]] = []

    # Loading.

    def begin(self, subject: Account | Origin | Record, *, looks: bool) -> float:
        """Load what is asked about; return the time of this step."""
        _ = looks  # a transaction sees what stands in the file
        self._now = self._timeline.now(self._refresh(subject))
        return self._now

    def _refresh(self, subject: Account | Origin | Record) -> float:
        """Load path and request; return when something last changed there, in the store's time."""
        record = subject if isinstance(subject, StoredRecord) else None
        if isinstance(subject, Record):
            subject = subject.origin
        if isinstance(subject, Origin):
            subject = subject.account
        path = cast("tuple[StoredAccount, ...]", subject.path)
        self._key = path[-1].key
        marks = ",".join("?" * len(path))
        accounts = {account.key: account for account in path}
        seen = 0.0
        found = 0
        for key, at, seq, state in self._db.execute(
            f"SELECT key, seen, seq, state FROM ledger WHERE key IN ({marks})",  # noqa: S608  marks
            tuple(accounts),
        ):
            found += 1
            seen = max(seen, at)
            self._figures(accounts[key], state)
            if key == self._key:
                self._seq = seq
                self._tree.go_on(seq)
        if found < len(path):
            raise not_found(subject.id)
        self._accounts = accounts
        if record is not None and record.seq:
            row = self._db.execute(
                "SELECT state FROM entry WHERE root = ? AND seq = ?", (self._key, record.seq)
            ).fetchone()
            if row is None:
                record.forget()
            else:
                self._load(record, row[0])
                self._records[record.seq] = record
        return seen

    def _figures(self, account: StoredAccount, text: str) -> None:
        try:
            account.load(text)
        except (ValueError, TypeError) as error:
            raise self._tree.damaged() from error

    def account(self, key: int) -> StoredAccount:
        """Return the account of that row, with all above it."""
        known = self._accounts.get(key)
        if known is not None:
            return known
        row = self._db.execute(f"SELECT {_COLUMNS} FROM ledger WHERE key = ?", (key,)).fetchone()  # noqa: S608  a constant
        if row is None:
            raise self._tree.damaged()
        return self._loaded(row, None if row[2] is None else self.account(row[2]))

    def children(self, parent: StoredAccount) -> Iterator[StoredAccount]:
        """Yield the accounts right below one."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM ledger WHERE parent = ? ORDER BY key",  # noqa: S608  a constant
            (parent.key,),
        ).fetchall()
        for row in rows:
            yield self._accounts.get(row[0]) or self._loaded(row, parent)

    def _loaded(self, row: _Row, parent: StoredAccount | None) -> StoredAccount:
        key, id_, _, name, budget, set_aside, state = row
        account = self._built(key, id_, name, budget, parent, set_aside=bool(set_aside))
        self._figures(account, state)
        self._accounts[key] = account
        return account

    def entries(self, account: StoredAccount) -> Iterator[tuple[int, Record | ReceiptLine]]:
        """Yield what the account's own receipt lists."""
        for row in self._db.execute(f"{_ENTRIES} WHERE ledger = ?", (account.key,)).fetchall():
            yield row[0], self._record(*row) or self._note(row[2])

    def request(self, account: StoredAccount, seq: int) -> StoredRecord | None:
        """Return the account's request at that place; None if there is none."""
        row = self._db.execute(
            f"{_ENTRIES} WHERE root = ? AND seq = ? AND ledger = ?",
            (self._key, seq, account.key),
        ).fetchone()
        return None if row is None else self._record(*row)

    def overdue(self, now: float) -> Iterator[StoredRecord]:
        """Yield the open holds whose leases have ended."""
        return self._open("deadline <= ?", now)

    def orphans(self) -> Iterator[StoredRecord]:
        """Yield the open holds whose processes have ended."""
        owners = self._db.execute(
            "SELECT DISTINCT owner FROM entry INDEXED BY entry_open WHERE root = ? AND deadline IS NOT NULL "
            "AND owner IS NOT ?",
            (self._key, owner.myself()),
        ).fetchall()
        for (name,) in owners:
            if owner.gone(name):
                yield from self._open("deadline IS NOT NULL AND owner IS ?", name)

    def _open(self, condition: str, value: float | str) -> Iterator[StoredRecord]:
        # Named, or the planner walks the whole receipt. The order is that of the tree.
        rows = self._db.execute(
            f"{_ENTRIES} INDEXED BY entry_open WHERE root = ? AND {condition}", (self._key, value)
        ).fetchall()
        for row in sorted(rows):
            record = self._record(*row)
            if record is None:
                raise self._tree.damaged()
            yield record

    def count(self, account: StoredAccount, call: str) -> int:
        """Return how often a tool call was made; 0 where that is not remembered."""
        row = self._db.execute(
            "SELECT count FROM repeat WHERE ledger = ? AND call = ?", (account.key, call)
        ).fetchone()
        return 0 if row is None else cast("int", row[0])

    # Writing.

    def put_count(self, account: StoredAccount, call: str, count: int) -> None:
        """Remember how often a tool call was made, and forget the one made longest ago if need be."""
        # Replaced, it gets the highest key: the order of keys is that of time.
        self._db.execute(
            "INSERT OR REPLACE INTO repeat (ledger, call, count) VALUES (?, ?, ?)",
            (account.key, call, count),
        )
        self._db.execute(
            "DELETE FROM repeat WHERE ledger = ?1 AND key <= "
            "(SELECT key FROM repeat WHERE ledger = ?1 ORDER BY key DESC LIMIT 1 OFFSET ?2)",
            (account.key, REMEMBERED),
        )

    def clear_counts(self, account: StoredAccount) -> None:
        """Forget how often tool calls were made."""
        self._db.execute("DELETE FROM repeat WHERE ledger = ?", (account.key,))

    def keep(self, record: StoredRecord) -> None:
        """Take care of a new request."""
        self._records[record.seq] = record

    def drop(self, seq: int) -> None:
        """Delete an entry."""
        self._db.execute("DELETE FROM entry WHERE root = ? AND seq = ?", (self._key, seq))
        record = self._records.get(seq)
        if record is not None:
            # Noted before it is let go of: an interrupt in between must still find it.
            self._before.append((record, record.saved))
            del self._records[seq]

    def note(self, account: StoredAccount, seq: int, line: ReceiptLine) -> None:
        """Write a note."""
        self._db.execute(
            "INSERT INTO entry (root, seq, ledger, state) VALUES (?, ?, ?, ?)",
            (self._key, seq, account.key, dump_note(line)),
        )

    def insert(self, account: StoredAccount) -> None:
        """Write a new account.

        Raises:
            ValueError: If the store holds another of that id.
        """
        parent = cast("StoredAccount | None", account.parent)
        account.saved = account.dump()
        try:
            done = self._db.execute(
                "INSERT INTO ledger (id, root, parent, name, budget, set_aside, seen, seq, state) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
                (
                    account.id,
                    None if parent is None else self._key,
                    None if parent is None else parent.key,
                    account.name,
                    dump_budget(account.budget),
                    account.set_aside,
                    self._now,
                    account.saved,
                ),
            )
        except sqlite3.IntegrityError as error:
            raise taken(account.id) from error
        account.key = done.lastrowid or 0
        self._accounts[account.key] = account

    def save(self, now: float, seq: int, *, refused: bool) -> None:
        """Write what has changed; `seq` is the last place given in the tree."""
        _ = refused  # a refusal is an outcome like another: what was learnt before it is kept
        db, root = self._db, self._key
        for account in self._accounts.values():
            text = account.dump()
            if text != account.saved or (account.key == root and seq != self._seq):
                db.execute(
                    "UPDATE ledger SET state = ?, seen = ?, seq = ? WHERE key = ?",
                    (text, now, seq if account.key == root else 0, account.key),
                )
                self._before.append((account, account.saved))
                account.saved = text
        for record in self._records.values():
            text = record.dump()
            if text == record.saved:
                continue
            watched = record.open
            values = (
                record.deadline if watched else None,
                owner.myself() if watched else None,
                text,
                root,
                record.seq,
            )
            if record.saved is None:
                key = cast("StoredAccount", record.origin.account).key
                db.execute(
                    "INSERT INTO entry (deadline, owner, state, root, seq, ledger) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (*values, key),
                )
            else:
                db.execute(
                    "UPDATE entry SET deadline = ?, owner = ?, state = ? "
                    "WHERE root = ? AND seq = ?",
                    values,
                )
            self._before.append((record, record.saved))
            record.saved = text

    def undo(self) -> None:
        """Put back into memory what still stands in the file."""
        before: dict[int, tuple[StoredAccount | StoredRecord, str | None]] = {}
        things: Iterable[Any] = (*self._accounts.values(), *self._records.values())
        for thing in things:
            before[id(thing)] = (thing, thing.saved)
        for thing, text in self._before:
            before[id(thing)] = (thing, text)
        for thing, text in before.values():
            thing.saved = None
            if text is not None:
                thing.load(text)
