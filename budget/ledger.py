"""An account under a Budget."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from shoestring.budget.amount import Amount, check_type, check_units
from shoestring.budget.budget import Budget
from shoestring.budget.errors import Anchored, not_portable
from shoestring.budget.stores.memory import MemoryStore
from shoestring.budget.tree import view
from shoestring.budget.tree.listening import SHARES
from shoestring.budget.tree.record import Origin
from shoestring.budget.tree.window import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from shoestring.budget.amount import Caps
    from shoestring.budget.hold import Hold
    from shoestring.budget.receipt import Receipt
    from shoestring.budget.stores.store import Store
    from shoestring.budget.tree.account import Account, Purpose
    from shoestring.budget.tree.listening import Spending
    from shoestring.budget.tree.tree import Tree

# Seconds the owner of a hold may be silent before its spending is presumed.
LEASE = 600.0


class Ledger:
    """What may be spent, what is held and what was spent, here and in every ledger below.

    For every capped dimension `spent + held <= limit`, here and in every ledger above, checked and
    changed in one atomic step; only a breach, a call that cost more than it held, can pass a limit,
    and then it is on the receipt. Threads and asyncio tasks may share a ledger.

    Under a budget that renews (`per=`), what is spent, held, remaining and elapsed is that of the
    current window. A hold and what it comes to belong to the window it was reserved in.

    Args:
        budget: The caps.
        name: How messages call it.
        id: How the store finds it; a fresh one if not given.
        store: Where it lives; a store of its own if not given.

    Its clock runs from its creation.

    >>> from shoestring.budget import Amount, Budget, Ledger
    >>> ledger = Ledger(Budget(tokens=8_000))
    >>> hold = ledger.reserve(Amount(input_tokens=6_000, output_tokens=700, calls=1))
    >>> hold.settle(Amount(input_tokens=6_000, output_tokens=700, calls=1))
    >>> ledger.at(node="research").reserve(Amount(input_tokens=2_000, output_tokens=140))
    Traceback (most recent call last):
    ...
    shoestring.budget.errors.BudgetExceeded: node 'research' needs 2,140 tokens; 1,300 of 8,000 \
remain. Raise Budget(tokens=…), or ask for less.
    """

    __slots__ = ("__weakref__", "_origin", "_tree", "parent", "store")

    store: Store
    parent: Ledger | None

    def __init__(
        self,
        budget: Budget,
        *,
        name: str = "budget",
        id: str | None = None,  # noqa: A002  the public name of the thing
        store: Store | None = None,
    ) -> None:
        check_type("a Ledger's budget", budget, Budget)
        self.store = MemoryStore() if store is None else store
        self.parent = None
        self._tree = self.store.plant(_fresh(id), name, budget)
        self._origin = Origin(self._tree.root, "", "", "work")
        self.store.add(self)  # pyright: ignore[reportArgumentType]  one class, seen under two paths

    @classmethod
    def _found(cls, store: Store, tree: Tree, account: Account) -> Ledger:
        """Return a handle of an account that the store has found again."""
        found: Ledger | None = None
        for above in reversed(account.path):
            handle = Ledger.__new__(cls)
            handle.store, handle.parent = store, found
            handle._tree = tree  # noqa: SLF001  its own class
            handle._origin = Origin(above, "", "", "work")  # noqa: SLF001  its own class
            found = handle
        if found is None:
            raise AssertionError("a path has at least the account itself")
        return found

    def _handle(self, origin: Origin, parent: Ledger | None) -> Ledger:
        """Return another handle of this tree."""
        handle = Ledger.__new__(Ledger)
        handle.store = self.store
        handle.parent = parent
        handle._tree = self._tree  # noqa: SLF001  its own class
        handle._origin = origin  # noqa: SLF001  its own class
        return handle

    def __reduce_ex__(self, protocol: object, /) -> tuple[object, ...]:
        if isinstance(self.store, Anchored):
            raise not_portable("pickled or copied")
        return _find, (self.store, self.id, self.node, self.route, self.purpose)

    # Who it is.

    @property
    def id(self) -> str:
        """How the store finds it."""
        return self._origin.account.id

    @property
    def name(self) -> str:
        """How messages call it."""
        return self._origin.account.name

    @property
    def budget(self) -> Budget | None:
        """The caps as given; None for a child that only groups."""
        return self._origin.account.budget

    @property
    def node(self) -> str:
        """Who asks through this handle; "" if not named."""
        return self._origin.node

    @property
    def route(self) -> str:
        """On which path; "" if not named."""
        return self._origin.route

    @property
    def purpose(self) -> Purpose:
        """What this handle asks for: only "answer" may use an `answer_reserve`."""
        return self._origin.purpose

    def at(
        self,
        *,
        node: str | None = None,
        route: str | None = None,
        purpose: Purpose | None = None,
    ) -> Ledger:
        """Return the same ledger under other labels; what is not given stays.

        Raises:
            ValueError: If the purpose is neither "work" nor "answer".
        """
        if purpose not in (None, "work", "answer"):
            msg = f'purpose must be "work" or "answer", not {purpose!r:.40}'
            raise ValueError(msg)
        old = self._origin
        origin = Origin(
            old.account,
            old.node if node is None else node,
            old.route if route is None else route,
            old.purpose if purpose is None else purpose,
        )
        return self._handle(origin, self.parent)

    # What is left.

    @property
    def closed(self) -> bool:
        """Whether it takes no new reservations."""
        return self._tree.run(view.closed, self._origin.account)

    @property
    def limit(self) -> Caps:
        """Its own caps."""
        return self._origin.account.caps

    @property
    def renews_at(self) -> datetime | None:
        """When its next window begins, in UTC; None if its budget does not renew."""
        end = self._tree.run(view.renews_at, self._origin.account)
        return None if end is None else moment(end)

    @property
    def spent(self) -> Amount:
        """What was spent here and below."""
        return self._tree.run(view.spent, self._origin.account)

    @property
    def own_spent(self) -> Amount:
        """What was spent here, without the ledgers below."""
        return self._tree.run(view.own_spent, self._origin.account)

    @property
    def past_spent(self) -> Amount:
        """What was spent here and below in earlier windows; nothing if its budget does not renew."""
        return self._tree.run(view.past_spent, self._origin.account)

    @property
    def past_held(self) -> Amount:
        """What holds and set-asides of earlier windows still keep; they draw on this one no more."""
        return self._tree.run(view.past_held, self._origin.account)

    @property
    def held(self) -> Amount:
        """What open holds here and below keep, and what set-asides below have not drawn.

        Undrawn tokens are of neither kind yet; they count as output tokens.
        """
        return self._tree.run(view.held, self._origin.account)

    @property
    def remaining(self) -> Caps:
        """What is neither spent nor held, the least of here and above; never negative.

        What a set-aside has taken from its parent is its own: the parent binds it no more.
        """
        return self._tree.run(view.remaining, self._origin.account)

    def affordable(self, *, token_price: int = 0) -> Caps:
        """Return the largest bound that `reserve` would admit now, for this handle's purpose.

        It is `remaining` less what is kept back for the answer, divided by the widening; all zero
        where the ledger is closed or its time is over. Those who wait in the queue are not counted.

        Args:
            token_price: As for `reserve`: a reserve in tokens is kept back at that price.
        """
        return self._tree.run(
            view.affordable, self._origin, check_units("token_price", token_price)
        )

    # Spending.

    def reserve(
        self,
        bound: Amount,
        *,
        what: str = "call",
        wait: float = 0,
        lease: float = LEASE,
        token_price: int = 0,
    ) -> Hold:
        """Hold `bound` for one call, here and in every ledger above, or refuse it.

        Args:
            bound: The most the call can cost. An earlier breach widens it.
            what: What it is for, on the receipt.
            wait: For how many seconds to wait while it does not fit only because of others; first
                come, first served, where the store can say who came first. Nothing is held
                while waiting.
            lease: After how many seconds without a word from its owner the hold is presumed spent.
            token_price: Nanodollars a token costs at the dearest, so that an `answer_reserve` given
                in tokens is kept back in money too. The ledger remembers the dearest.

        Raises:
            BudgetExceeded: If it cannot fit, even if every hold were released.
            BudgetBusy: If it does not fit, or would overtake those who wait, when the wait is over.
            LedgerClosed: If this ledger or one above it is closed.
            ValueError: If `wait` or `token_price` is negative or `lease` not positive.
        """
        _check(bound, wait, lease, token_price)
        record = self._tree.request(self._origin, what, bound, lease)
        return self._tree.reserve(record, token_price, wait)

    async def areserve(
        self,
        bound: Amount,
        *,
        what: str = "call",
        wait: float = 0,
        lease: float = LEASE,
        token_price: int = 0,
    ) -> Hold:
        """Do what `reserve` does without blocking the event loop; cancelling leaves the queue."""
        _check(bound, wait, lease, token_price)
        record = self._tree.request(self._origin, what, bound, lease)
        return await self._tree.areserve(record, token_price, wait)

    # The tree.

    def child(
        self,
        budget: Budget | None = None,
        *,
        name: str = "child",
        id: str | None = None,  # noqa: A002  the public name of the thing
        set_aside: bool = False,
    ) -> Ledger:
        """Open a ledger below this one, with this handle's labels.

        Args:
            budget: Its caps; they take nothing from this ledger, which binds the child too. None
                caps nothing: the child groups.
            name: How messages call it.
            id: How the store finds it; a fresh one if not given.
            set_aside: Hold the child's tokens, money and calls here at once; calls inside draw on
                that, and `close()` returns what is unspent.

        Raises:
            BudgetExceeded, BudgetBusy: If a set-aside does not fit, as for `reserve`.
            LedgerClosed: If this ledger is closed.
            ValueError: If there is nothing to set aside, a set-aside would renew, or the store holds
                that id.
        """
        if budget is not None:
            check_type("a child's budget", budget, Budget)
        if set_aside and (budget is None or budget.tokens is budget.usd is budget.calls is None):
            msg = "nothing to set aside: give the child a Budget with tokens=, usd= or calls="
            raise ValueError(msg)
        if set_aside and budget is not None and budget.per is not None:
            msg = "a set-aside is spent once: leave out per=, or leave out set_aside=True"
            raise ValueError(msg)
        old = self._origin
        account = self._tree.child(old, _fresh(id), name, budget, set_aside=set_aside)
        try:
            child = self._handle(Origin(account, old.node, old.route, old.purpose), self)
            self.store.add(child)  # pyright: ignore[reportArgumentType]  as above
        except BaseException:
            self._tree.close(account)
            raise
        return child

    def close(self) -> None:
        """Take no more reservations, here and below; return what is unspent of a set-aside.

        Open holds stay held until they are settled or released. Closing again changes nothing.
        """
        self._tree.close(self._origin.account)

    # Warnings and loops.

    def on_spend(
        self, callback: Callable[[Spending], object], *, at: Iterable[float] = SHARES
    ) -> Callable[[], None]:
        """Call back when spending, here and below, reaches a share of a limit; once each.

        That is once for the ledger: which shares were told is kept with it, over threads, processes
        and restarts, and a correction that lowers and raises the spending again repeats nothing. A
        renewal starts the shares anew. A share that is reached already is told with the next
        spending, unless it was told before.

        The call-back runs after the step, outside all locks, in the thread that made it, whichever
        handle that used. It lives in this process with the store, and does not pickle. What it raises
        is logged ("shoestring.budget"), and disturbs nothing. What an interrupt (Ctrl-C) breaks off is
        called again, once, after the next step of that thread.

        Args:
            callback: Takes a `Spending`.
            at: Shares of each limit in tokens, money and calls: 0.8 is 80 %. One above 1 tells of a
                breach.

        Returns:
            A function that ends it.

        Raises:
            TypeError, ValueError: If there is no share, one that is none, or no limit to have one of.
        """
        account = self._origin.account
        return self._tree.listeners.add(account.id, account.caps, callback, at)

    def calling(self, tool: str, arguments: object) -> None:
        """Say that a tool is called now; refuse it where the same call was made too often.

        Counted in one step here and in every ledger above, wherever `Budget(repeats=…)` limits it; a
        call that is refused counts nowhere. Calls are the same if the tool is, and the arguments
        written as JSON with their keys in order. What JSON does not know counts by its `repr`; what
        cannot be written at all, by its type alone. Each ledger remembers the 1,000 different
        calls made last.

        Args:
            tool: Its name.
            arguments: What it is called with, of any size; only a digest is kept.

        Raises:
            LoopDetected: If it was called so often already; the first time, with a line on the
                receipt.

        >>> from shoestring.budget import Budget, Ledger
        >>> ledger = Ledger(Budget(repeats=1))
        >>> ledger.calling("search", {"q": "cats"})
        >>> ledger.calling("search", {"q": "dogs"})
        >>> ledger.at(node="research").calling("search", {"q": "cats"})
        Traceback (most recent call last):
        ...
        shoestring.budget.errors.LoopDetected: node 'research' repeats itself: tool 'search' was \
called with '{"q": "cats"}' once already. Use what it returned, change the arguments, call another \
tool, or raise Budget(repeats=1).
        """
        check_type("a tool's name", tool, str)
        self._tree.calling(self._origin, tool, arguments)

    # Time.

    @property
    def elapsed(self) -> float:
        """Active seconds so far."""
        return self._tree.run(view.elapsed, self._origin.account)

    def pause(self) -> None:
        """Stop this ledger's clock, while it waits for a person; no change if it stands."""
        self._tree.pause(self._origin.account)

    def resume(self) -> None:
        """Start this ledger's clock; no change if it runs."""
        self._tree.resume(self._origin.account)

    # The receipt.

    def note(self, what: str, detail: str, *, dropped: int = 0) -> None:
        """Add a line to the receipt that costs nothing: a plan, a trim.

        Args:
            what: The kind of thing noted.
            detail: What a reader should know.
            dropped: How many pieces of text were left out.
        """
        self._tree.note(self._origin, what, detail, check_units("dropped", dropped))

    @property
    def receipt(self) -> Receipt:
        """The lines of this ledger and all below it, in the order of reservation."""
        return view.receipt(self._tree, self._origin.account)

    def __repr__(self) -> str:
        return f"<Ledger {self.name!r} {self.id}>"


def _find(store: Store, id: str, node: str, route: str, purpose: Purpose) -> Ledger:  # noqa: A002
    """Return the ledger that was pickled."""
    return store.ledger(id).at(  # pyright: ignore[reportReturnType]  as above
        node=node, route=route, purpose=purpose
    )


def _fresh(id: str | None) -> str:  # noqa: A002  the public name of the thing
    if id is None:
        return str(uuid.uuid4())
    check_type("a ledger's id", id, str)
    if not id:
        msg = "a ledger's id must not be empty"
        raise ValueError(msg)
    return id


def _check(bound: Amount, wait: float, lease: float, token_price: int) -> None:
    check_type("a bound", bound, Amount)
    # Written so that NaN is refused too.
    if not wait >= 0:
        msg = f"wait must not be negative, but is {wait}"
        raise ValueError(msg)
    if not lease > 0:
        msg = f"lease must be positive, but is {lease}"
        raise ValueError(msg)
    if token_price:
        check_units("token_price", token_price)
