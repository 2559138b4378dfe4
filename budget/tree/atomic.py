"""One step at a time: the lock of a tree, and what waits until it is let go."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, cast

from shoestring.budget.errors import BudgetBusy, BudgetError, not_portable
from shoestring.budget.tree.listening import Listeners, Outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget.tree.waiting import Waiter

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# What may come from a finaliser, and can be done a moment later.
DEFERRABLE = frozenset({"_settle", "_release", "_leave", "_disown"})


class Atomic:
    """Runs operations one at a time, each at one instant of the clock.

    Threads and tasks are woken, and listeners told, after the lock is let go: nothing of theirs runs
    under it. A step that an interrupt (Ctrl-C) breaks off is mended before anything else happens.
    """

    __slots__ = (
        "_clock",
        "_inside",
        "_later",
        "_lock",
        "_outbox",
        "_pid",
        "_torn",
        "_woken",
        "listeners",
    )

    def __init__(self, clock: Callable[[], float], listeners: Listeners | None = None) -> None:
        self._clock = clock
        self.listeners = Listeners() if listeners is None else listeners
        # Reentrant only to notice it: the garbage collector may close a generator, and so leave a
        # hold, in the middle of an operation of the same thread.
        self._lock = threading.RLock()
        self._inside = False
        # Whether a step was broken off, and what it left behind is still to be mended.
        self._torn = False
        self._later: list[Callable[[], object]] = []
        # In order; each stays until it has been woken for certain.
        self._woken: dict[Waiter, None] = {}
        self._outbox = Outbox()
        self._pid = os.getpid()

    def run(self, operation: Callable[[float, *Ts], T], *args: *Ts) -> T:
        """Run `operation(now, *args)` as one atomic step.

        Raises:
            LedgerNotPortable: In a forked process.
            BudgetBusy: In a finaliser that interrupts another operation; settling, releasing and
                leaving are done after it instead.
        """
        return self._step(self._before, operation, *args)

    def look(self, operation: Callable[[float, *Ts], T], *args: *Ts) -> T:
        """Run `operation(now, *args)`, which changes nothing; no hold that is overdue is charged.

        Raises:
            LedgerNotPortable: In a forked process.
            BudgetBusy: In a finaliser that interrupts another operation.
        """
        return self._step(self._turn, operation, *args)

    def _step(
        self, first: Callable[[float], None], operation: Callable[[float, *Ts], T], *args: *Ts
    ) -> T:
        # Before the lock: in a forked process nobody may be left to let it go.
        if os.getpid() != self._pid:
            raise not_portable("used in a forked process")
        # Not a finaliser in the middle of another.
        outermost = False
        try:
            with self._lock:
                if self._inside:
                    return self._interrupt(operation, *args)
                self._inside = outermost = True
                try:
                    if self._torn:
                        self._make_whole()
                    now = self._clock()
                    first(now)
                    return operation(now, *args)
                except BudgetError:
                    # A refusal changes nothing that has to be mended.
                    raise
                except BaseException:
                    self._torn = True
                    self._make_whole()
                    raise
                finally:
                    self._inside = False
        finally:
            if self._woken or self._later:
                try:
                    self._follow_up()
                except BaseException:
                    # Whatever came in between: who is not woken now may wait for nothing.
                    self._follow_up()
                    raise
            if outermost:
                self._outbox.deliver()

    def _turn(self, now: float) -> None:
        """Enter the windows that have begun by `now`."""
        raise NotImplementedError

    def _before(self, now: float) -> None:
        """Do what is due at `now`."""
        raise NotImplementedError

    def _mend(self, now: float) -> None:
        """Put right what a step has left behind that was broken off."""
        raise NotImplementedError

    def _make_whole(self) -> None:
        self._mend(self._clock())
        self._torn = False

    def _unreachable(self, waiter: Waiter) -> None:
        """Take back what was granted to a waiter that cannot be woken."""
        raise NotImplementedError

    def _interrupt(self, operation: Callable[[float, *Ts], T], *args: *Ts) -> T:
        if operation.__name__ not in DEFERRABLE:
            raise _at_work()
        self._later.append(partial(self.run, operation, *args))
        return cast("T", None)

    def _follow_up(self) -> None:
        """Wake those who were granted or refused, and do what finalisers asked for."""
        with self._lock:
            if self._inside:
                # Whoever is inside follows up when done.
                return
            woken = tuple(self._woken)
        for waiter in woken:
            if not waiter.gate.wake():
                # After it has left the others: taking back is a step, which follows up in its turn.
                self._later.append(partial(self._unreachable, waiter))
            self._woken.pop(waiter, None)
        while self._later:
            self._later.pop(0)()


def _at_work() -> BudgetBusy:
    return BudgetBusy("the ledger is at work in this very thread; a finaliser must retry later")
