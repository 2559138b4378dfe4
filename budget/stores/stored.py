"""A tree whose accounts live in a store: the same law, loaded and kept at each step."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol, TypeVar, TypeVarTuple, cast

from shoestring.budget.errors import (
    BudgetBusy,
    BudgetError,
    HoldSettled,
    StoreError,
    not_found,
)
from shoestring.budget.hold import Hold
from shoestring.budget.stores.rows import (
    StoredAccount,
    StoredRecord,
    load_budget,
)
from shoestring.budget.stores.session import pause
from shoestring.budget.tree.atomic import DEFERRABLE
from shoestring.budget.tree.record import Origin, Record
from shoestring.budget.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shoestring.budget.budget import Budget
    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.stores.session import Session
    from shoestring.budget.stores.timeline import Timeline
    from shoestring.budget.stores.work import Work
    from shoestring.budget.tree.account import Account
    from shoestring.budget.tree.listening import Listeners

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Durable(Protocol):
    """A store that outlives the process, as its trees see it."""

    @property
    def session(self) -> Session:
        """How steps are run."""
        ...

    @property
    def timeline(self) -> Timeline:
        """What time it is."""
        ...

    @property
    def listeners(self) -> Listeners:
        """Who is told of spending, in this process."""
        ...


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
        store: Durable,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget | None,
    ) -> None:
        self._store = store
        self._work: Work | None = None
        super().__init__(id, name, budget, store.timeline.now, store.listeners)

    @classmethod
    def planted(
        cls,
        store: Durable,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget,
    ) -> StoredTree:
        """Return a new tree with one account, written.

        Raises:
            ValueError: If the store holds a ledger of that id.
        """
        tree = cls(store, id, name, budget)
        tree._transact(lambda work: work.insert(tree.root))
        return tree

    @classmethod
    def found(
        cls,
        store: Durable,
        id: str,  # noqa: A002  the public name of the thing
    ) -> tuple[StoredTree, StoredAccount]:
        """Return a ledger's tree and account; holds of ended processes are charged in full.

        Raises:
            LedgerNotFound: If there is none of that id.
        """
        place = store.session.locate(id)
        if place is None:
            raise not_found(id)
        try:
            tree = cls(store, place.root_id, place.root_name, load_budget(place.root_budget))
        except (ValueError, TypeError) as error:
            raise store.session.damaged() from error
        tree.root.key = place.root

        def step(work: Work) -> StoredAccount:
            work.begin(tree.root, looks=True)
            return work.account(place.key)

        account = tree._transact(step)
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
        subject = cast("tuple[Account | Origin | Record, ...]", args)[0]
        # What is no method of the tree (`view`) changes nothing.
        looks = getattr(operation, "__self__", None) is not self

        def step(work: Work) -> tuple[T | None, BudgetError | None]:
            self._work = work
            # Of a try that was not kept.
            self._outbox.revise()
            try:
                now = work.begin(subject, looks=looks)
                try:
                    for account in _account_of(subject).renewing:
                        account.roll(now)
                    self._before(now)
                    result, error = operation(now, *args), None
                except StoreError:
                    raise
                except BudgetError as refused:
                    # A refusal is an outcome: what was learnt before it (a lease that ended, a
                    # dearer price) is kept, as in memory.
                    result, error = None, refused
                work.save(now, self._seq, refused=error is not None)
            finally:
                self._work = None
            return result, error

        result, error = self._transact(step)
        self._outbox.deliver()
        if error is not None:
            raise error
        return cast("T", result)

    def _transact(self, run: Callable[[Work], T]) -> T:
        session = self._store.session
        return session.step(self, run)  # pyright: ignore[reportArgumentType]  one class, seen under two paths

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

    def _expect_renewal(self, account: Account) -> None:
        """Do nothing: each step looks at the windows on its path."""

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
        account.children = _Children(self, account)
        account.entries = _Entries(self, account)
        if account.repeats is not None:
            account.repeats.counts = _Counts(self, account)
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
            except BudgetError:
                raise
            except BaseException:
                # It may be in the file already.
                self.run(self._disown, record)
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
        record = self.work.request(cast("StoredAccount", account), seq)
        if record is None:
            msg = f"the hold {account.id}:{seq} was released: reserve again for another call"
            raise HoldSettled(msg)
        return Hold(self, record)


def _account_of(subject: Account | Origin | Record) -> Account:
    """Return the account that a step is made at."""
    if isinstance(subject, Record):
        subject = subject.origin
    return subject.account if isinstance(subject, Origin) else subject


def _find(store: Durable, id: str, seq: int) -> Hold:  # noqa: A002  the public name
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


class _Counts:
    """How often each tool call was made, as the store has it."""

    __slots__ = ("_account", "_tree")

    def __init__(self, tree: StoredTree, account: StoredAccount) -> None:
        self._tree = tree
        self._account = account

    def get(self, call: str, /) -> int:
        return self._tree.work.count(self._account, call)

    def put(self, call: str, count: int, /) -> None:
        self._tree.work.put_count(self._account, call, count)

    def clear(self) -> None:
        self._tree.work.clear_counts(self._account)
