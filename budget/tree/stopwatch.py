"""Active time: what passes between resuming and pausing."""

from __future__ import annotations


class Stopwatch:
    """Sums up active seconds; never runs backwards, whatever the clock does."""

    __slots__ = ("_elapsed", "_started")

    def __init__(self, now: float) -> None:
        self._elapsed = 0.0
        self._started: float | None = now

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._started is not None

    def state(self) -> tuple[float, float | None]:
        """Return what to keep of it: the seconds summed up, and since when it runs."""
        return self._elapsed, self._started

    def restore(self, elapsed: float, started: float | None) -> None:
        """Go on from what was kept."""
        self._elapsed, self._started = elapsed, started

    def elapsed(self, now: float) -> float:
        """Active seconds up to `now`."""
        if self._started is None:
            return self._elapsed
        return self._elapsed + max(0.0, now - self._started)

    def pause(self, now: float) -> None:
        """Stop; no change if it stands."""
        self._elapsed = self.elapsed(now)
        self._started = None

    def resume(self, now: float) -> None:
        """Go on; no change if it runs."""
        if self._started is None:
            self._started = now

    def restart(self, since: float) -> None:
        """Begin at nought; if it runs, it has run since that time."""
        self._elapsed = 0.0
        if self._started is not None:
            self._started = max(self._started, since)
