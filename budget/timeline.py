"""The time of a store that outlives processes: it never runs backwards."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SteadyClock:
    """Seconds since 1970 that never run backwards in this process; they may jump forwards.

    While the system's clock is set back, they go on at the pace of the monotonic one.
    """

    __slots__ = ("_now", "_ticks")

    def __init__(self) -> None:
        self._now = time.time()
        self._ticks = time.monotonic()

    def __call__(self) -> float:
        """Return the time now."""
        ticks = time.monotonic()
        self._now = max(time.time(), self._now + ticks - self._ticks)
        self._ticks = ticks
        return self._now


class Timeline:
    """A clock, moved forward wherever it lags behind what the store has seen.

    So no process gives back time that another has counted: a lease may end early, active time may
    be counted too long, and neither refunds anything.
    """

    __slots__ = ("_ahead", "_clock", "_last", "_lock")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ahead = 0.0
        self._last = float("-inf")
        self._lock = threading.Lock()

    def now(self, seen: float = float("-inf")) -> float:
        """Return the time: `seen`, which the store has seen already, or later."""
        with self._lock:
            now = self._clock() + self._ahead
            least = max(seen, self._last)
            if now < least:
                self._ahead += least - now
                now = least
            self._last = now
            return now
