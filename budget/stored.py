"""A tree whose accounts live in a file: the same law, loaded and kept at each step."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, cast

from shoestring.budget import owner
from shoestring.budget.atomic import DEFERRABLE
from shoestring.budget.errors import (
    BudgetBusy,
    BudgetError,
    HoldSettled,
    StoreError,
    not_found,
    taken,
)
from shoestring.budget.hold import Hold
from shoestring.budget.record import NOTHING, Origin, Record
from shoestring.budget.rows import (
    StoredAccount,
    StoredRecord,
    dump_budget,
    dump_note,
    labels,
    load_budget,
    load_note,
)
from shoestring.budget.session import pause
from shoestring.budget.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shoestring.budget.account import Account
    from shoestring.budget.budget import Budget
    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.sqlite import SQLiteStore
    from shoestring.budget.timeline import Timeline

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_COLUMNS = "key, id, parent, name, budget, set_aside, state"
# What `account` builds an account from, in the order of _COLUMNS.
_Row = tuple[int, str, int | None, str, str | None, int, str]
_ENTRIES = "SELECT seq, ledger, state FROM entry"


class StoredTree(Tree):
    """All accounts under one root, as one handle sees them.

    A step loads the path of the account it is asked of, and the hold; what else it looks at, it
    finds through `_Children` and `_Entries`. There is no queue: who waits tries again.
    """

    __slots__ = ("_store", "_work")

    root: StoredAccount
    request = StoredRecord

    def __init__(
        self,
        store: SQLiteStore,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget | None,
    ) -> None:
        self._store = store
        self._work: Work | None = None
        super().__init__(id, name, budget, store.timeline.now)

    @classmethod
    def planted(
        cls,
        store: SQLiteStore,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget,
    ) -> StoredTree:
        """Return a new tree with one account, written.

        Raises:
            ValueError: If the store holds a ledger of that id.
        """
        tree = cls(store, id, name, budget)

        def step(db: sqlite3.Connection) -> None:
            Work(db, tree, store.timeline).insert(tree.root)

        store.session.transact(step)
        return tree

    @classmethod
    def found(
        cls,
        store: SQLiteStore,
        id: str,  # noqa: A002  the public name of the thing
    ) -> tuple[StoredTree, StoredAccount]:
        """Return a ledger's tree and account; holds of ended processes are charged in full.

        Raises:
            LedgerNotFound: If there is none of that id.
        """

        def step(db: sqlite3.Connection) -> tuple[StoredTree, StoredAccount]:
            row = db.execute(
                "SELECT key, coalesce(root, key) FROM ledger WHERE id = ? AND NOT forgotten", (id,)
            ).fetchone()
            if row is None:
                raise not_found(id)
            key, root = row
            row = db.execute(
                "SELECT id, name, budget FROM ledger WHERE key = ?", (root,)
            ).fetchone()
            try:
                id_, name, budget = row
                tree = cls(store, id_, name, load_budget(budget))
            except (ValueError, TypeError) as error:
                raise store.session.damaged() from error
            tree.root.key = root
            work = Work(db, tree, store.timeline)
            work.refresh(tree.root)
            return tree, work.account(key)

        tree, account = store.session.transact(step)
        tree.bury(account)
        return tree, account

    # One step.

    def run(self, operation: Callable[[float, *Ts], T], *args: *Ts) -> T:
        """Run `operation(now, *args)` as one transaction.

        The first argument says where: an account, an origin or a request.

        Raises:
            StoreError: If the file does not let us; then nothing has changed.
            BudgetBusy: In a finaliser that interrupts another step; settling, releasing and
                leaving are done after it instead.
        """
        session = self._store.session
        may_wait = operation.__name__ in DEFERRABLE
        if session.postponed(lambda: self.run(operation, *args), may_wait=may_wait):
            return cast("T", None)
        work: Work | None = None

        def step(db: sqlite3.Connection) -> tuple[T | None, BudgetError | None]:
            nonlocal work
            work = self._work = Work(db, self, self._store.timeline)
            now = work.begin(cast("tuple[Account | Origin | Record, ...]", args)[0])
            try:
                self._before(now)
                result, error = operation(now, *args), None
            except StoreError:
                raise
            except BudgetError as refused:
                # A refusal is an outcome: what was learnt before it (a lease that ended, a dearer
                # price) is kept, as in memory.
                result, error = None, refused
            work.save(now, self._seq)
            self._work = None
            return result, error

        def undo() -> None:
            self._work = None
            if work is not None:
                work.undo()

        result, error = session.transact(step, undo)
        if error is not None:
            raise error
        return cast("T", result)

    @property
    def work(self) -> Work:
        """What the step under way has loaded."""
        if self._work is None:
            raise AssertionError("no step is under way")
        return self._work

    def damaged(self) -> StoreError:
        """Return the error for rows that make no sense."""
        return self._store.session.damaged()

    def go_on(self, seq: int) -> None:
        """Take up the order of the tree where the store has it."""
        self._seq = seq

    def loaded(
        self,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget | None,
        parent: Account | None,
        *,
        set_aside: bool,
    ) -> StoredAccount:
        """Return an account whose figures are still to be loaded."""
        return self._account(id, name, budget, 0.0, parent, set_aside=set_aside)

    def _before(self, now: float) -> None:
        for record in self.work.overdue(now):
            self._presume(now, record, "lease ended: charged in full")

    def bury(self, account: Account) -> None:
        """Charge in full what processes hold that have ended."""
        self.run(self._bury, account)

    def _bury(self, now: float, _account: Account) -> None:
        for record in self.work.orphans():
            self._presume(now, record, "owner gone: charged in full")

    def _watch(self, record: Record) -> None:
        """Do nothing: the row says when the lease ends."""

    def _account(
        self,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget | None,
        now: float,
        parent: Account | None,
        *,
        set_aside: bool,
    ) -> StoredAccount:
        account = StoredAccount(id, name, budget, now, parent=parent, set_aside=set_aside)
        account.key, account.saved = 0, None
        account.children = _Children(self, account)
        account.entries = _Entries(self, account)
        return account

    # Waiting.

    def reserve(self, record: Record, token_price: int, wait: float) -> Hold:
        """Grant the request of `record`, at once or within `wait` seconds, or raise why not."""
        until = time.monotonic() + wait
        tries = 0
        while True:
            try:
                return self.run(self._reserve, record, token_price)
            except BudgetBusy:
                if time.monotonic() >= until:
                    raise
            self.bury(record.origin.account)
            time.sleep(min(pause(tries), max(0.0, until - time.monotonic())))
            tries += 1

    async def areserve(self, record: Record, token_price: int, wait: float) -> Hold:
        """Do what `reserve` does without blocking the event loop, which the file could do."""
        # Loaded by those who wait in a loop, who have it anyway.
        import asyncio

        until = time.monotonic() + wait
        tries = 0
        while True:
            attempt = _Attempt(self, record, token_price)
            try:
                return await asyncio.to_thread(attempt.run)
            except BudgetBusy:
                if time.monotonic() >= until:
                    raise
            except BaseException:
                attempt.abandon()
                raise
            await asyncio.to_thread(self.bury, record.origin.account)
            await asyncio.sleep(min(pause(tries), max(0.0, until - time.monotonic())))
            tries += 1

    def attempt(self, record: Record, token_price: int) -> Hold:
        """Grant the request of `record` now, or raise why not."""
        return self.run(self._reserve, record, token_price)

    # Pickling.

    def pickled(self, record: Record) -> tuple[Callable[..., Hold], tuple[object, ...]]:
        """Return how to find the hold again elsewhere."""
        return _find, (self._store, record.origin.account.id, record.seq)

    def hold(self, account: Account, seq: int) -> Hold:
        """Return the hold at that place.

        Raises:
            HoldSettled: If it was released.
        """
        return self.run(self._hold, account, seq)

    def _hold(self, _now: float, account: Account, seq: int) -> Hold:
        record = self.work.request(seq)
        if record is None:
            msg = f"the hold {account.id}:{seq} was released: reserve again for another call"
            raise HoldSettled(msg)
        return Hold(self, record)


def _find(store: SQLiteStore, id: str, seq: int) -> Hold:  # noqa: A002  the public name
    """Return the hold that was pickled."""
    tree, account = StoredTree.found(store, id)
    return tree.hold(account, seq)


class _Attempt:
    """One try to reserve in another thread; a grant that nobody waits for any more is released."""

    __slots__ = ("_abandoned", "_args", "_hold", "_lock", "_tree")

    def __init__(self, tree: StoredTree, record: Record, token_price: int) -> None:
        self._tree = tree
        self._args = record, token_price
        self._lock = threading.Lock()
        self._hold: Hold | None = None
        self._abandoned = False

    def run(self) -> Hold:
        with self._lock:
            if self._abandoned:
                raise BudgetBusy("the waiting was cancelled")
        hold = self._tree.attempt(*self._args)
        with self._lock:
            self._hold = hold
            abandoned = self._abandoned
        if abandoned:
            hold.release()
        return hold

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            hold = self._hold
        if hold is not None:
            hold.release()


class Work:
    """What one step has loaded, and writes back."""

    __slots__ = (
        "_accounts",
        "_before",
        "_db",
        "_key",
        "_now",
        "_records",
        "_seq",
        "_timeline",
        "_tree",
    )

    def __init__(self, db: sqlite3.Connection, tree: StoredTree, timeline: Timeline) -> None:
        self._db = db
        self._timeline = timeline
        self._tree = tree
        self._key = 0
        self._seq = 0
        self._now = timeline.now()
        self._accounts: dict[int, StoredAccount] = {}
        self._records: dict[int, StoredRecord] = {}
        self._before: list[tuple[StoredAccount | StoredRecord, str | None]] = []

    # Loading.

    def begin(self, subject: Account | Origin | Record) -> float:
        """Load what is asked about; return the time of this step."""
        self._now = self._timeline.now(self.refresh(subject))
        return self._now

    def refresh(self, subject: Account | Origin | Record) -> float:
        """Load the path of an account, and the request that is asked about.

        Returns:
            When something last changed there, in the time of the store.
        """
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
            self._load(accounts[key], state)
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

    def _load(self, thing: StoredAccount | StoredRecord, text: str) -> None:
        try:
            thing.load(text)
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
        return self._built(row, None if row[2] is None else self.account(row[2]))

    def children(self, parent: StoredAccount) -> Iterator[StoredAccount]:
        """Yield the accounts right below one."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM ledger WHERE parent = ? ORDER BY key",  # noqa: S608  a constant
            (parent.key,),
        ).fetchall()
        for row in rows:
            yield self._accounts.get(row[0]) or self._built(row, parent)

    def _built(self, row: _Row, parent: StoredAccount | None) -> StoredAccount:
        key, id_, _, name, budget, set_aside, state = row
        try:
            account = self._tree.loaded(
                id_, name, load_budget(budget), parent, set_aside=bool(set_aside)
            )
        except (ValueError, TypeError) as error:
            raise self._tree.damaged() from error
        account.key = key
        self._load(account, state)
        self._accounts[key] = account
        return account

    def entries(self, account: StoredAccount) -> Iterator[tuple[int, Record | ReceiptLine]]:
        """Yield what the account's own receipt lists."""
        for row in self._db.execute(f"{_ENTRIES} WHERE ledger = ?", (account.key,)).fetchall():
            yield row[0], self._record(*row) or self._note(row[2])

    def request(self, seq: int) -> StoredRecord | None:
        """Return the request at that place; None if there is none."""
        row = self._db.execute(
            f"{_ENTRIES} WHERE root = ? AND seq = ?", (self._key, seq)
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

    def _record(self, seq: int, ledger: int, state: str) -> StoredRecord | None:
        known = self._records.get(seq)
        if known is not None:
            return known
        try:
            who = labels(state)
        except (ValueError, TypeError) as error:
            raise self._tree.damaged() from error
        if who is None:
            return None
        node, route, purpose, what = who
        origin = Origin(self.account(ledger), node, route, purpose)
        record = StoredRecord(origin, what, NOTHING, 0.0)
        record.seq = seq
        self._load(record, state)
        self._records[seq] = record
        return record

    def _note(self, state: str) -> ReceiptLine:
        try:
            return load_note(state)
        except (ValueError, TypeError) as error:
            raise self._tree.damaged() from error

    # Writing.

    def keep(self, record: StoredRecord) -> None:
        """Take care of a new request."""
        self._records[record.seq] = record

    def drop(self, seq: int) -> None:
        """Delete an entry."""
        self._db.execute("DELETE FROM entry WHERE root = ? AND seq = ?", (self._key, seq))
        record = self._records.pop(seq, None)
        if record is not None:
            self._before.append((record, record.saved))

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

    def save(self, now: float, seq: int) -> None:
        """Write what has changed; `seq` is the last place given in the tree."""
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


class _Children:
    """The accounts below one, as the store has them."""

    __slots__ = ("_account", "_tree")

    def __init__(self, tree: StoredTree, account: StoredAccount) -> None:
        self._tree = tree
        self._account = account

    def __iter__(self) -> Iterator[StoredAccount]:
        return self._tree.work.children(self._account)

    def append(self, child: Account, /) -> None:
        self._tree.work.insert(cast("StoredAccount", child))


class _Entries:
    """What an account's receipt lists, as the store has it."""

    __slots__ = ("_account", "_tree")

    def __init__(self, tree: StoredTree, account: StoredAccount) -> None:
        self._tree = tree
        self._account = account

    def __setitem__(self, seq: int, entry: Record | ReceiptLine, /) -> None:
        if isinstance(entry, StoredRecord):
            self._tree.work.keep(entry)
        else:
            self._tree.work.note(self._account, seq, cast("ReceiptLine", entry))

    def __delitem__(self, seq: int, /) -> None:
        self._tree.work.drop(seq)

    def items(self) -> Iterator[tuple[int, Record | ReceiptLine]]:
        return self._tree.work.entries(self._account)
