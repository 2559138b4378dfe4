"""One process's access to a durable store: one step at a time, also in finalisers and forks."""

from __future__ import annotations

import os
import random
import threading
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from shoestring.budget.errors import BudgetBusy

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget.errors import StoreCorrupt
    from shoestring.budget.stores.stored import StoredTree
    from shoestring.budget.stores.work import Work

T = TypeVar("T")

# Between two tries while others write: a write takes some 0.1 ms.
_FIRST_PAUSE = 0.000_2
_LONGEST_PAUSE = 0.02


def pause(tries: int) -> float:
    """Return how many seconds to wait before the next try: longer each time, and never in step."""
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(tries, 16))
    return longest * random.uniform(0.25, 1.0)  # noqa: S311  jitter, no secret


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ledger is: its key, and the root of its tree with the budget as text."""

    key: int
    root: int
    root_id: str
    root_name: str
    root_budget: str | None


class Session(ABC):
    """Runs steps on a store, one at a time in this process, each atomic among all processes.

    The threads of a process share one connection. A finaliser that interrupts a step (the garbage
    collector may leave a hold at any point) has its own step run after it.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._inside = False
        self._later: list[Callable[[], object]] = []
        _SESSIONS.add(self)

    @abstractmethod
    def locate(self, id: str) -> Place | None:  # noqa: A002  the public name of the thing
        """Return where the ledger of that id is; None if there is none."""

    @abstractmethod
    def step(self, tree: StoredTree, run: Callable[[Work], T]) -> T:
        """Run one step of `tree`: all of it is kept, or nothing.

        `run` may be called again with other work, where others came in between; what it had
        changed in memory was undone.

        Raises:
            StoreError: If the store does not let us.
        """

    @abstractmethod
    def damaged(self) -> StoreCorrupt:
        """Return the error for rows that make no sense."""

    # One at a time.

    def postponed(self, run: Callable[[], object], *, may_wait: bool) -> bool:
        """Return whether a finaliser interrupts a step of this thread; its own then comes after.

        Raises:
            BudgetBusy: If it is in the middle of a step, and its own may not wait.
        """
        if not self._inside:
            return False
        with self._lock:
            # Another thread's step is over by now: only one's own is still going on here.
            if not self._inside:
                return False
            if not may_wait:
                msg = "the store is at work in this very thread; a finaliser must retry later"
                raise BudgetBusy(msg)
            self._later.append(run)
            return True

    def _alone(self, run: Callable[[], T]) -> T:
        """Run something with no other step of this process in between; then what was postponed."""
        try:
            with self._lock:
                self._inside = True
                try:
                    return run()
                finally:
                    self._inside = False
        finally:
            if self._later:
                self._follow_up()

    def _follow_up(self) -> None:
        with self._lock:
            if self._inside:
                # Whoever is inside follows up when done.
                return
            later, self._later = self._later, []
        for run in later:
            run()

    # Forking.

    def before_fork(self) -> None:
        """Let no step cross a fork."""
        self._lock.acquire()

    def after_fork(self, *, child: bool) -> None:
        """Go on, in both processes."""
        if child:
            self._pid = os.getpid()
            self._lock = threading.RLock()
            self._later = []
        else:
            self._lock.release()


_SESSIONS: weakref.WeakSet[Session] = weakref.WeakSet()
_forking: list[Session] = []


def _before_fork() -> None:
    _forking[:] = list(_SESSIONS)
    for session in _forking:
        session.before_fork()


def _after_fork(*, child: bool) -> None:
    for session in _forking:
        session.after_fork(child=child)
    _forking.clear()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=lambda: _after_fork(child=False),
    after_in_child=lambda: _after_fork(child=True),
)
