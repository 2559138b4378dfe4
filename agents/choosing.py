"""What a policy is: the rule that chooses a route by forecasts and by what is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from shoestring.agents.features import Task
from shoestring.budget import Amount, Budget, Caps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from shoestring.agents.route import Forecast
    from shoestring.budget import Dimension, Ledger, Purpose

FREE = Amount()


@dataclass(frozen=True, slots=True)
class Session:
    """The questions that share one budget, and how far they have come.

    Args:
        questions: How many there will be, about; at least 1.
        asked: How many came before this one.
        limit: What all may spend together.
        spent: What those before have spent.

    Raises:
        ValueError: If there are fewer than 1, or a negative number was asked.
    """

    questions: int
    asked: int
    limit: Caps
    spent: Amount

    def __post_init__(self) -> None:
        if self.questions < 1 or self.asked < 0:
            raise ValueError(
                f"a session of {self.questions} questions, {self.asked} asked, is none"
            )

    @property
    def to_come(self) -> int:
        """Questions expected after this one."""
        return max(0, self.questions - self.asked - 1)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a question stands when the planner chooses.

    Args:
        affordable: What may be spent on work: the `answer_reserve` is kept back.
        finishing: What may be spent on a last answer: the `answer_reserve` included.
        tried: Names of the routes already taken for this question.
        share: The smallest share of a cap that is left, in [0, 1].
        task: The question, and what is known about it.
        session: The questions that share the budget; None where this one stands alone.
        ledger: The account of the question, for a policy that spends; None where nothing may be spent.
        token_price: Nanodollars a token of the question's model costs at the dearest.
    """

    affordable: Caps
    finishing: Caps
    tried: Collection[str] = ()
    share: float = 1.0
    task: Task = field(default_factory=lambda: Task(""))
    session: Session | None = None
    ledger: Ledger | None = None
    token_price: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """The route to take, and why.

    Args:
        route: Its name; None where no route is left that fits.
        reason: One line for the receipt: what fitted, and what was needed.
        purpose: "answer" where only the `answer_reserve` can pay for the route.
        stopped_by: The cap under which no model route fits any more; None where one was chosen, or
            none is left to choose.
        set_aside: What the run is given in a child ledger of its own; None to draw on all that is left.
        others: Why each of the other routes was not chosen.
    """

    route: str | None
    reason: str
    purpose: Purpose = "work"
    stopped_by: Dimension | None = None
    set_aside: Budget | None = None
    others: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return "; ".join(
            [self.reason, *(f"not {name}: {why}" for name, why in self.others.items())]
        )


class Policy(Protocol):
    """The rule by which a planner chooses."""

    def choose(self, forecasts: Mapping[str, Forecast], standing: Standing) -> Choice:
        """Choose among the untried routes of `forecasts` (name → forecast)."""
        ...


def short(amount: Amount, caps: Caps) -> Dimension | None:
    """Return the first cap that `amount` does not fit under; None where it fits.

    >>> from shoestring.budget import Amount, Caps
    >>> short(Amount(input_tokens=900, output_tokens=200, calls=1), Caps(tokens=1_000))
    'tokens'
    >>> short(Amount(calls=1), Caps(tokens=0)) is None
    True
    """
    if caps.seconds is not None and caps.seconds <= 0 and amount.calls:
        return "seconds"
    if caps.tokens is not None and amount.tokens > caps.tokens:
        return "tokens"
    if caps.nanodollars is not None and amount.nanodollars > caps.nanodollars:
        return "usd"
    if caps.calls is not None and amount.calls > caps.calls:
        return "calls"
    return None


@dataclass(frozen=True, slots=True)
class Offers:
    """The routes not yet tried, deepest first, sorted by who can pay for them.

    Args:
        forecasts: Name → forecast, of all routes.
        standing: Where the question stands.
    """

    forecasts: Mapping[str, Forecast]
    standing: Standing

    def __iter__(self) -> Iterator[tuple[str, Forecast]]:
        untried = (one for one in self.forecasts.items() if one[0] not in self.standing.tried)
        return iter(sorted(untried, key=lambda one: (-one[1].success, one[0])))

    @property
    def paid(self) -> Sequence[tuple[str, Forecast]]:
        """Those that cost something."""
        return [(name, forecast) for name, forecast in self if forecast.least != FREE]

    @property
    def free(self) -> Sequence[tuple[str, Forecast]]:
        """Those that cost nothing."""
        return [(name, forecast) for name, forecast in self if forecast.least == FREE]

    def fitting(self, caps: Caps) -> Sequence[tuple[str, Forecast]]:
        """Those that cost something and whose least cost fits, so that they can begin and end."""
        return [one for one in self.paid if short(one[1].least, caps) is None]

    def last_resort(self) -> Choice:
        """Choose where no paid route fits what may be spent on work.

        The cheapest whose least cost fits once the `answer_reserve` is spent; or else the deepest that
        costs nothing; or else none, with what the cheapest needs.
        """
        finishing = self.standing.finishing
        for name, forecast in sorted(self.paid, key=lambda one: (one[1].least.tokens, one[0])):
            if short(forecast.least, finishing) is None:
                needs = f"at least {forecast.least.tokens:,} tokens"
                reason = f"{name}, from the answer reserve: {needs}, {told(finishing)} left"
                return self.explained(Choice(name, reason, purpose="answer"))
        stopped_by, reason = None, "no other route is left"
        if self.paid:
            name, forecast = min(self.paid, key=lambda one: (one[1].least.tokens, one[0]))
            stopped_by = short(forecast.least, finishing)
            needs = f"{name} needs at least {forecast.least.tokens:,} tokens"
            reason = f"{needs}, {told(finishing)} left"
            if stopped_by != "tokens":
                reason += f" ({stopped_by} ran out)"
        free = next((name for name, _ in self.free), None)
        reason = f"{free}, free of charge: {reason}" if free else reason
        return self.explained(Choice(free, reason, stopped_by=stopped_by))

    def explained(self, choice: Choice, whys: Mapping[str, str] | None = None) -> Choice:
        """Return the choice with a reason why not for each other route; `whys` come first."""
        others = {
            name: (whys or {}).get(name) or self._why_not(name, forecast)
            for name, forecast in sorted(self.forecasts.items())
            if name != choice.route
        }
        return Choice(
            choice.route,
            choice.reason,
            choice.purpose,
            choice.stopped_by,
            choice.set_aside,
            others,
        )

    def _why_not(self, name: str, forecast: Forecast) -> str:
        if name in self.standing.tried:
            return "tried before"
        if forecast.least == FREE:
            return str(forecast)
        cap = short(forecast.least, self.standing.affordable)
        if cap is None:
            more = short(forecast.likely, self.standing.affordable) is not None
            return f"{forecast}, more than is left" if more else str(forecast)
        what = {
            "tokens": f"{forecast.least.tokens:,} tokens",
            "usd": f"${forecast.least.usd:.6f}",
            "calls": f"{forecast.least.calls:,} calls",
            "seconds": "time",
        }[cap]
        return f"needs at least {what}"


def told(caps: Caps) -> str:
    """Return what is left in words."""
    words = list[str]()
    if caps.tokens is not None:
        words.append(f"{caps.tokens:,} tokens")
    if caps.usd is not None:
        words.append(f"${caps.usd:.6f}")
    if caps.calls is not None:
        words.append(f"{caps.calls:,} calls")
    if caps.seconds is not None:
        words.append(f"{caps.seconds:.0f} s")
    return ", ".join(words) or "no cap"


def portion(caps: Caps, share: float) -> Caps:
    """Return `share` of each cap on spend, rounded down; a call is never cut in half."""
    return Caps(
        tokens=None if caps.tokens is None else int(caps.tokens * share),
        nanodollars=None if caps.nanodollars is None else int(caps.nanodollars * share),
        calls=caps.calls,
        seconds=caps.seconds,
    )
