"""Who is told when spending passes a share of a limit."""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from shoestring.budget.amount import MAX_UNITS, dollars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from decimal import Decimal

    from shoestring.budget.amount import Caps
    from shoestring.budget.tree.account import Account

# The shares that are told unless others are given.
SHARES = (0.5, 0.8, 1.0)

_DIMENSIONS: tuple[Literal["tokens"], Literal["usd"], Literal["calls"]] = ("tokens", "usd", "calls")
_log = logging.getLogger("shoestring.budget")


@dataclass(frozen=True, slots=True)
class Spending:
    """That the spending of a ledger has reached a share of a limit.

    Attributes:
        ledger: The ledger's id.
        name: Its name.
        dimension: Which limit.
        share: The share of it that was reached: 0.5 is half.
        spent: What is spent, here and below: tokens, calls, or dollars (a Decimal).
        limit: The limit, in the same unit.
    """

    ledger: str
    name: str
    dimension: Literal["tokens", "usd", "calls"]
    share: float
    spent: Decimal | int
    limit: Decimal | int


@dataclass(slots=True, eq=False)
class _Call:
    """Whom to tell what, and of which share it tells; by the thread whose step has reached it."""

    callback: Callable[[Spending], object]
    what: Spending
    account: Account
    mark: tuple[int, float]
    thread: int
    begun: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Ear:
    """One call-back, and from how many units on it is told of which dimension and share."""

    callback: Callable[[Spending], object]
    marks: tuple[tuple[int, float, int], ...]


class Listeners:
    """The call-backs of a store's ledgers, in this process.

    Which shares were told is no business of theirs: that stands in the accounts.

    Attributes:
        heard: Who listens to which ledger, by its id; replaced, never changed.
    """

    __slots__ = ("_lock", "heard")

    def __init__(self) -> None:
        self.heard: dict[str, tuple[_Ear, ...]] = {}
        self._lock = threading.Lock()

    def add(
        self, ledger: str, caps: Caps, callback: Callable[[Spending], object], at: Iterable[float]
    ) -> Callable[[], None]:
        """Listen to a ledger; return what ends it.

        Raises:
            TypeError, ValueError: If there is nothing to call, no share or no limit to have one of.
        """
        if not callable(callback):
            msg = f"on_spend needs something to call, not {type(callback).__name__}"
            raise TypeError(msg)
        ear = _Ear(callback, tuple(_marks(caps, at)))
        with self._lock:
            self.heard = {**self.heard, ledger: (*self.heard.get(ledger, ()), ear)}

        def end() -> None:
            with self._lock:
                left = tuple(other for other in self.heard.get(ledger, ()) if other is not ear)
                others = {key: ears for key, ears in self.heard.items() if key != ledger}
                self.heard = {**others, ledger: left} if left else others

        return end

    def drop(self, ledger: str) -> None:
        """Listen no more to a ledger that is discarded."""
        with self._lock:
            self.heard = {key: ears for key, ears in self.heard.items() if key != ledger}

    def notice(self, account: Account) -> Iterator[_Call]:
        """Note in the accounts which shares are reached, here and above; yield what to tell."""
        me = threading.get_ident()
        for above in account.path:
            spent = (above.spent_in + above.spent_out, above.spent_money, above.spent_calls)
            told = above.told
            for ear in self.heard.get(above.id, ()):
                for index, share, least in ear.marks:
                    mark = index, share
                    if spent[index] >= least and mark not in told:
                        what = _spending(above, index, share, spent[index])
                        yield _Call(ear.callback, what, above, mark, me)
                        # Only now: what an interrupt leaves unsaid is not to count as said.
                        above.told |= {mark}


class Outbox:
    """What the steps of a tree have to tell when they are over, each in its own thread.

    What an interrupt (Ctrl-C) leaves untold, or breaks off, is told after the next step of that thread:
    once more, if it had begun, and not again.
    """

    __slots__ = ("_calls", "_delivering")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._delivering: set[int] = set()

    def add(self, calls: Iterable[_Call]) -> None:
        """Take what a step has to tell."""
        # As they come: what an interrupt lets through is in.
        self._calls += calls

    def revise(self) -> None:
        """Drop what was to tell of a step of this thread that was undone."""
        if self._calls:
            me = threading.get_ident()
            for call in tuple(self._calls):
                if call.thread == me and call.mark not in call.account.told:
                    self._calls.remove(call)

    def deliver(self) -> None:
        """Call back; no lock is held, and the step is over."""
        if not self._calls:
            return
        me = threading.get_ident()
        if me in self._delivering:
            # A step within a call-back: its own are told after it.
            return
        try:
            self._delivering.add(me)
            while mine := [call for call in tuple(self._calls) if call.thread == me]:
                self._deliver(mine[0])
        finally:
            self._delivering.discard(me)

    def _deliver(self, call: _Call) -> None:
        if call.begun:
            self._calls.remove(call)
        call.begun = True
        try:
            call.callback(call.what)
        except Exception:  # noqa: BLE001  it is theirs, and logged
            _log.exception("a call-back of on_spend failed for ledger %.60r", call.what.name)
        if call in self._calls:
            self._calls.remove(call)


def _marks(caps: Caps, at: Iterable[float]) -> Iterable[tuple[int, float, int]]:
    """Return (dimension, share, least units), smaller shares first."""
    limits = [
        (index, limit)
        for index, limit in enumerate((caps.tokens, caps.nanodollars, caps.calls))
        if limit is not None
    ]
    if not limits:
        msg = "on_spend tells shares of a limit: give the ledger a Budget with tokens=, usd= or calls="
        raise ValueError(msg)
    shares = sorted({_share(share) for share in at})
    if not shares:
        msg = "on_spend needs a share: at=(0.8,) tells when 80 % are spent"
        raise ValueError(msg)
    return [
        # Taken as it prints, as money is: 0.8 of 1,000 is 800. Of nothing, the first unit.
        (index, share, max(1, math.ceil(Fraction(str(share)) * limit)))
        for share in shares
        for index, limit in limits
    ]


def _share(share: object) -> float:
    if not isinstance(share, int | float) or isinstance(share, bool):
        msg = f"a share must be a number, not {type(share).__name__}"
        raise TypeError(msg)
    if not 0 < share < MAX_UNITS:
        msg = f"a share must be positive and finite (0.8 is 80 %), but is {share}"
        raise ValueError(msg)
    return float(share)


def _spending(account: Account, index: int, share: float, spent: int) -> Spending:
    limit = (account.caps.tokens, account.caps.nanodollars, account.caps.calls)[index] or 0
    money = _DIMENSIONS[index] == "usd"
    return Spending(
        account.id,
        account.name,
        _DIMENSIONS[index],
        share,
        dollars(spent) if money else int(spent),
        dollars(limit) if money else limit,
    )
