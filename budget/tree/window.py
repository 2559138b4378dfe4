"""The calendar window that a renewing ledger is in, and what belongs to the windows before it."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import add
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

Period = Literal["minute", "hour", "day", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)

# A UTC day has no other length: seconds since 1970 know no leap seconds.
_SECONDS = {"minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
_MONTHS = 12

# Spent, then held: tokens read, tokens written, nanodollars and calls of each.
Figures = tuple[int, int, int, int, int, int, int, int]
# When it was drawn, of tokens, money and calls: what a set-aside paid for was drawn at its opening.
Moments = tuple[float, float, float]


class Sums:
    """What is spent and what is held: plain integers."""

    __slots__ = (
        "held_calls",
        "held_in",
        "held_money",
        "held_out",
        "spent_calls",
        "spent_in",
        "spent_money",
        "spent_out",
    )

    def __init__(self) -> None:
        self.spent_in = self.spent_out = self.spent_money = self.spent_calls = 0
        self.held_in = self.held_out = self.held_money = self.held_calls = 0

    def figures(self) -> Figures:
        """Return them all."""
        return (
            self.spent_in,
            self.spent_out,
            self.spent_money,
            self.spent_calls,
            self.held_in,
            self.held_out,
            self.held_money,
            self.held_calls,
        )

    def restore(self, figures: Figures) -> None:
        """Take them all."""
        (
            self.spent_in,
            self.spent_out,
            self.spent_money,
            self.spent_calls,
            self.held_in,
            self.held_out,
            self.held_money,
            self.held_calls,
        ) = figures

    def add(self, figures: Iterable[int]) -> None:
        """Add to each."""
        a, b, c, d, e, f, g, h = map(add, self.figures(), figures)
        self.restore((a, b, c, d, e, f, g, h))


class Window:
    """The window of one ledger: a UTC minute, hour, day or month.

    Attributes:
        start, end: Seconds since 1970; the end is the start of the next.
        past: What was spent in earlier windows, and what holds reserved in them still keep.
        own: What the ledger has spent itself in this window: tokens read, written, money, calls.
    """

    __slots__ = ("end", "own", "past", "per", "start")

    def __init__(self, per: Period, now: float) -> None:
        self.per: Period = per
        self.past = Sums()
        self.own = (0, 0, 0, 0)
        self.start, self.end = bounds(per, now)

    def state(self) -> tuple[float, Figures, tuple[int, int, int, int]]:
        """Return what to keep of it."""
        return self.start, self.past.figures(), self.own

    def restore(self, start: float, past: Figures, own: tuple[int, int, int, int]) -> None:
        """Go on from what was kept."""
        self.start, self.end = bounds(self.per, start)
        self.past.restore(past)
        self.own = own

    def begin(self, now: float, over: Sums) -> None:
        """Enter the window of `now`; what the last one came to, `over`, joins the past."""
        self.past.add(over.figures())
        over.restore((0, 0, 0, 0, 0, 0, 0, 0))
        self.own = (0, 0, 0, 0)
        self.start, self.end = bounds(self.per, now)


def bounds(per: Period, now: float) -> tuple[float, float]:
    """Return when the window that contains `now` starts, and when the next one does.

    >>> bounds("minute", 75.5)
    (60.0, 120.0)
    """
    if per != "month":
        seconds = _SECONDS[per]
        start = now // seconds * seconds
        return start, start + seconds
    first = datetime.fromtimestamp(now, UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    years, month = divmod(first.month, _MONTHS)
    after = first.replace(year=first.year + years, month=month + 1)
    return first.timestamp(), after.timestamp()


def moment(seconds: float) -> datetime:
    """Return seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def utc(seconds: float) -> str:
    """Return the start of a window as it stands in a message."""
    return f"{moment(seconds):%Y-%m-%d %H:%M} UTC"
