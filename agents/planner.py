"""Which route to take, given what is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from shoestring.budget import Amount, Caps

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from shoestring.agents.route import Forecast, Meter, Route
    from shoestring.budget import Dimension, Purpose

FREE = Amount()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left when the planner chooses.

    Args:
        affordable: What may be spent on work: the `answer_reserve` is kept back.
        finishing: What may be spent on a last answer: the `answer_reserve` included.
        tried: Names of the routes already taken for this question.
    """

    affordable: Caps
    finishing: Caps
    tried: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The route to take, and why.

    Args:
        route: Its name; None where no route is left that fits.
        reason: One line for the receipt: what fitted, and what the others would have needed.
        purpose: "answer" where only the `answer_reserve` can pay for the route.
        stopped_by: The cap under which no model route fits any more; None where one was chosen, or
            none is left to choose.
    """

    route: str | None
    reason: str
    purpose: Purpose = "work"
    stopped_by: Dimension | None = None


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
class Affordable:
    """The deepest route that what is left can pay for.

    Depth is the forecast chance of success. In this order, among the routes not yet tried:

    1. the deepest whose likely cost fits; a first attempt may take at most `first_share` of what is
       left, so that an answer that fails its check can still be followed by another;
    2. the deepest whose least cost fits: its context is cut to what is left;
    3. the cheapest whose least cost fits once the `answer_reserve` is spent: the last answer;
    4. the deepest that costs nothing.

    Args:
        first_share: Share of what is left that the first attempt may take, in (0, 1].
    """

    first_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.first_share <= 1:
            raise ValueError(f"first_share is {self.first_share}; give a share above 0 and up to 1")

    def choose(self, forecasts: Mapping[str, Forecast], standing: Standing) -> Choice:
        """Choose by comparing each forecast with what is left; see the class."""
        untried = sorted(
            (item for item in forecasts.items() if item[0] not in standing.tried),
            key=lambda item: (-item[1].success, item[0]),
        )
        paid = [(name, forecast) for name, forecast in untried if forecast.least != FREE]
        share = 1.0 if standing.tried else self.first_share
        left, finishing = standing.affordable, standing.finishing
        for name, forecast in paid:
            if short(forecast.likely, _part(left, share)) is None:
                needs = f"likely {forecast.likely.tokens:,} tokens"
                return Choice(name, f"{name}: {needs}, {_told(left)} left")
        for name, forecast in paid:
            if short(forecast.least, left) is None:
                needs = f"at least {forecast.least.tokens:,} tokens"
                return Choice(name, f"{name}, its context cut to fit: {needs}, {_told(left)} left")
        for name, forecast in sorted(paid, key=lambda item: (item[1].least.tokens, item[0])):
            if short(forecast.least, finishing) is None:
                needs = f"at least {forecast.least.tokens:,} tokens"
                reason = f"{name}, from the answer reserve: {needs}, {_told(finishing)} left"
                return Choice(name, reason, purpose="answer")
        stopped_by, reason = None, "no other route is left"
        if paid:
            name, forecast = min(paid, key=lambda item: (item[1].least.tokens, item[0]))
            stopped_by = short(forecast.least, finishing)
            needs = f"{name} needs at least {forecast.least.tokens:,} tokens"
            reason = f"{needs}, {_told(finishing)} left"
            if stopped_by != "tokens":
                reason += f" ({stopped_by} ran out)"
        free = next((name for name, forecast in untried if forecast.least == FREE), None)
        return Choice(
            free, f"{free}, free of charge: {reason}" if free else reason, stopped_by=stopped_by
        )


@dataclass(frozen=True, slots=True)
class Planner:
    """Chooses a route by a policy.

    Args:
        routes: The routes on offer; names differ.
        policy: The rule to choose by.

    Raises:
        ValueError: If there is no route, or two share a name.
    """

    routes: Sequence[Route]
    policy: Policy = field(default_factory=Affordable)

    def __post_init__(self) -> None:
        names = [route.name for route in self.routes]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"routes {names}: give at least one, each with a name of its own")

    def choose(self, question: str, meter: Meter | None, standing: Standing) -> Choice:
        """Return the route to take for `question`; routes that need a model are left out without one."""
        forecasts = {
            route.name: route.forecast(question, meter)
            for route in self.routes
            if meter is not None or not route.needs_model
        }
        return self.policy.choose(forecasts, standing)


def _part(caps: Caps, share: float) -> Caps:
    """Return `share` of each cap on spend, rounded down; a call is never cut in half."""
    return Caps(
        tokens=None if caps.tokens is None else int(caps.tokens * share),
        nanodollars=None if caps.nanodollars is None else int(caps.nanodollars * share),
        calls=caps.calls,
        seconds=caps.seconds,
    )


def _told(caps: Caps) -> str:
    """Return what is left in words."""
    told = []
    if caps.tokens is not None:
        told.append(f"{caps.tokens:,} tokens")
    if caps.usd is not None:
        told.append(f"${caps.usd:.6f}")
    if caps.calls is not None:
        told.append(f"{caps.calls:,} calls")
    if caps.seconds is not None:
        told.append(f"{caps.seconds:.0f} s")
    return ", ".join(told) or "no cap"
