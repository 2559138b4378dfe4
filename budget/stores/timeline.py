"""The time of a store: seconds since 1970 that never run backwards."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


# Seconds by which clocks of two hosts may differ; beyond, one was set back.
_LAG = 1.0
# Seconds between two looks at the system's clock.
_LOOK_AGAIN = 1.0


class SteadyClock:
    """Seconds since 1970 that never run backwards, if asked one at a time; they may jump forwards.

    The pace is the monotonic clock's. The system's clock is looked at once a second: if it is ahead
    it is followed, if it was set back it is not.
    """

    __slots__ = ("_ahead", "_look")

    def __init__(self) -> None:
        self._look = time.monotonic() + _LOOK_AGAIN
        self._ahead = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Return the time now."""
        ticks = time.monotonic()
        if ticks >= self._look:
            self._look = ticks + _LOOK_AGAIN
            self._ahead = max(self._ahead, time.time() - ticks)
        return ticks + self._ahead


class Timeline:
    """A clock that never runs backwards, nor behind what the store has seen.

    Clocks of two hosts differ a little: one that lags stands still until it has caught up. One that
    was set back goes on from where it was. So no process gives back time that another has counted: a
    lease may end early, active time may be counted too long, and neither refunds anything.
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
            if now < least - _LAG:
                self._ahead += least - now
            self._last = now = max(now, least)
            return now


class ServerClock:
    """A server's time: between two answers, by the pace of this machine's monotonic clock."""

    __slots__ = ("_ahead",)

    def __init__(self) -> None:
        self._ahead = float("-inf")

    def __call__(self) -> float:
        """Return the time now."""
        return time.monotonic() + self._ahead

    def heard(self, seconds: float, asked: float) -> None:
        """Take up the time of an answer to what was asked then, by the monotonic clock.

        It was told somewhere between the asking and now: what lies between agrees with it.
        """
        at_least, at_most = seconds - time.monotonic(), seconds - asked
        self._ahead = min(max(self._ahead, at_least), at_most)
