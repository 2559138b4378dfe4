"""First come, first served: who waits for room, and in which order they get it."""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from shoestring.budget.errors import BudgetError
    from shoestring.budget.hold import Hold
    from shoestring.budget.tree.account import Account, Purpose
    from shoestring.budget.tree.answering import Units
    from shoestring.budget.tree.record import Record

# Heaps are tidied when more than this share of them is stale, and not below this size.
_STALE_SHARE = 2
_TIDY_SIZE = 32


class ThreadGate:
    """Where a thread waits until it is woken."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> bool:
        """Block for at most `seconds`; True if woken."""
        return self._lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))

    def wake(self) -> bool:
        """Wake the waiter; again changes nothing. False if nobody can be woken any more."""
        with suppress(RuntimeError):  # it was woken already
            self._lock.release()
        return True


class TaskGate:
    """Where an asyncio task waits until it is woken, from whatever thread."""

    __slots__ = ("_future", "_loop", "_wait")

    def __init__(self) -> None:
        # Loaded by those who wait in a loop, who have it anyway; budget/ stays light without.
        import asyncio

        self._wait = asyncio.wait
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    async def wait(self, seconds: float) -> bool:
        """Wait for at most `seconds`; True if woken."""
        timeout = None if seconds >= threading.TIMEOUT_MAX else seconds
        await self._wait((self._future,), timeout=timeout)
        return self._future.done()

    def wake(self) -> bool:
        """Wake the waiter; again changes nothing. False if its loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self._resolve)
        except RuntimeError:
            return False
        return True

    def _resolve(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


class Waiter:
    """One request in the queue. It holds nothing until it is granted."""

    __slots__ = ("gate", "outcome", "record", "seq")

    def __init__(self, record: Record, gate: ThreadGate | TaskGate, seq: int) -> None:
        self.record = record
        self.gate = gate
        self.seq = seq
        self.outcome: Hold | BudgetError | None = None

    def result(self) -> Hold:
        """Return the granted hold, or raise why there is none."""
        outcome = self.outcome
        if outcome is None or isinstance(outcome, Exception):
            raise outcome or AssertionError("a waiter was woken without an outcome")
        return outcome


class Line:
    """Those who wait to draw on one capped ledger, in order of arrival.

    Beside the order, a heap for each dimension and purpose finds those whose request has grown
    hopeless without walking the line.
    """

    __slots__ = ("_heaps", "_order")

    def __init__(self) -> None:
        self._order: OrderedDict[Waiter, None] = OrderedDict()
        self._heaps: dict[tuple[Purpose, int], list[tuple[int, int, Waiter]]] = {}

    def __len__(self) -> int:
        return len(self._order)

    def head(self) -> Waiter | None:
        """Return who came first, if anyone waits."""
        return next(iter(self._order), None)

    def add(self, waiter: Waiter, needs: Units) -> None:
        """Add `waiter` at the end, or note that one in the line now needs more."""
        self._order.setdefault(waiter)
        for index, need in enumerate(needs):
            if not need:
                continue
            heap = self._heaps.setdefault((waiter.record.origin.purpose, index), [])
            heapq.heappush(heap, (-need, waiter.seq, waiter))
            if len(heap) > _TIDY_SIZE and len(heap) > _STALE_SHARE * len(self._order):
                heap[:] = [entry for entry in heap if entry[2] in self._order]
                heapq.heapify(heap)

    def remove(self, waiter: Waiter) -> None:
        """Take `waiter` out."""
        del self._order[waiter]
        if not self._order:
            self._heaps.clear()

    def hopeless(self, account: Account) -> list[Waiter]:
        """Take from the heaps, and return, those who need more than can ever be free."""
        found: dict[Waiter, None] = {}
        for (purpose, index), heap in self._heaps.items():
            ceiling = account.ceilings(purpose)[index]
            while heap and (heap[0][2] not in self._order or -heap[0][0] > ceiling):
                waiter = heapq.heappop(heap)[2]
                if waiter in self._order:
                    found[waiter] = None
        return list(found)
