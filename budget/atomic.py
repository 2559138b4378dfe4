"""One step at a time: the lock of a tree, and what waits until it is let go."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, cast

from shoestring.budget.errors import BudgetBusy, not_portable

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget.waiting import Waiter

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# What may come from a finaliser, and can be done a moment later.
DEFERRABLE = frozenset({"_settle", "_release", "_leave", "_abandon"})


class Atomic:
    """Runs operations one at a time, each at one instant of the clock.

    Threads and tasks are woken after the lock is let go: nothing of theirs runs under it.
    """

    __slots__ = ("_clock", "_inside", "_later", "_lock", "_pid", "_woken")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # Reentrant only to notice it: the garbage collector may close a generator, and so leave a
        # hold, in the middle of an operation of the same thread.
        self._lock = threading.RLock()
        self._inside = False
        self._later: list[Callable[[], object]] = []
        self._woken: list[Waiter] = []
        self._pid = os.getpid()

    def run(self, operation: Callable[[float, *Ts], T], *args: *Ts) -> T:
        """Run `operation(now, *args)` as one atomic step.

        Raises:
            LedgerNotPortable: In a forked process.
            BudgetBusy: In a finaliser that interrupts another operation; settling, releasing and
                leaving are done after it instead.
        """
        # Before the lock: in a forked process nobody may be left to let it go.
        if os.getpid() != self._pid:
            raise not_portable("used in a forked process")
        try:
            with self._lock:
                if self._inside:
                    return self._interrupt(operation, *args)
                self._inside = True
                try:
                    now = self._clock()
                    self._before(now)
                    return operation(now, *args)
                finally:
                    self._inside = False
        finally:
            if self._woken or self._later:
                self._follow_up()

    def _before(self, now: float) -> None:
        """Do what is due at `now`."""
        raise NotImplementedError

    def _unreachable(self, waiter: Waiter) -> None:
        """Take back what was granted to a waiter that cannot be woken."""
        raise NotImplementedError

    def _interrupt(self, operation: Callable[[float, *Ts], T], *args: *Ts) -> T:
        if operation.__name__ not in DEFERRABLE:
            msg = "the ledger is at work in this very thread; a finaliser must retry later"
            raise BudgetBusy(msg)
        self._later.append(partial(self.run, operation, *args))
        return cast("T", None)

    def _follow_up(self) -> None:
        """Wake those who were granted or refused, and do what finalisers asked for."""
        with self._lock:
            if self._inside:
                # Whoever is inside follows up when done.
                return
            woken, self._woken = self._woken, []
            later, self._later = self._later, []
        for waiter in woken:
            if not waiter.gate.wake():
                self._unreachable(waiter)
        for run in later:
            run()
