"""The route whose chance of a right answer is most above what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shoestring.agents.choosing import FREE, Choice, Offers, short, told
from shoestring.agents.policies.worth import Worth
from shoestring.budget import Budget, Caps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoestring.agents.choosing import Session, Standing
    from shoestring.agents.route import Forecast
    from shoestring.budget import Amount


@dataclass(frozen=True, slots=True)
class Expected:
    """Maximises P(right) - λ·cost, where 1/λ is what one more right answer is worth.

    A route is eligible if its least cost, at its hard bounds, fits what is left; it runs in a set-aside
    child of its 90 % cost. One that fits at its likely cost goes before one whose context must be cut.
    Where no route is worth its cost, there is none: to abstain is worth 0, a free route its chance.

    In a session of several questions, (1) what the cheapest route needs at least is kept back for each
    question to come, and (2) the price rises while the questions before have spent more than their
    share, so that early questions do not starve late ones and rich sessions still spend.

    Source of (2): dual descent on the budget's shadow price, Balseiro, Lu and Mirrokni, arXiv:2011.10124;
    with a constant step its price is the step times the overspending so far, which the ledger knows.

    Args:
        worth: What one more right answer is worth, in tokens or dollars.
    """

    worth: Worth = field(default_factory=lambda: Worth(tokens=20_000))

    def choose(self, forecasts: Mapping[str, Forecast], standing: Standing) -> Choice:
        """Choose the eligible route with the greatest worth after its cost."""
        offers = Offers(forecasts, standing)
        left = _left(forecasts, standing)
        eligible = offers.fitting(left)
        if not eligible:
            # Too little for this question and those to come: this one is here.
            left = standing.affordable
            eligible = sorted(offers.fitting(left), key=lambda one: one[1].least.tokens)[:1]
        if not eligible:
            return offers.last_resort()
        whole = [one for one in eligible if short(one[1].likely, left) is None]
        candidates = [*(whole or eligible), *offers.free]
        gains = {name: self._gain(forecast, standing, candidates) for name, forecast in candidates}
        whys = {name: f"{forecasts[name]}, worth {gain:+.3f}" for name, gain in gains.items()}
        for name, forecast in eligible:
            whys.setdefault(name, f"does not fit as it likes to run: {forecast}")
        name, forecast = max(candidates, key=lambda one: (gains[one[0]], one[1].success))
        if gains[name] <= 0 and forecast.least != FREE:
            return offers.explained(
                Choice(None, f"no route is worth its cost at {self.worth}"), whys
            )
        reason = f"{name}: {whys[name]} at {self.worth}, {told(left)} left"
        return offers.explained(Choice(name, reason, set_aside=_set_aside(forecast, left)), whys)

    def _gain(
        self, forecast: Forecast, standing: Standing, rivals: Sequence[tuple[str, Forecast]]
    ) -> float:
        cost = self.worth.share(forecast.likely)
        if standing.session is not None:
            chances = [rival.success for _, rival in rivals]
            cost += _pressure(standing.session, forecast.likely, max(chances) - min(chances))
        return forecast.success - cost


def _pressure(session: Session, cost: Amount, at_stake: float) -> float:
    """Return the price of a cost, in right answers, for what the session has overspent so far.

    Spending `n` shares more than the questions so far were due makes a whole share cost n/√N of what
    is at stake between the routes, N questions in all: the step that bounds the regret by √N.
    """
    due = session.asked / session.questions
    price = 0.0
    for limit, spent, costs in (
        (session.limit.tokens, session.spent.tokens, cost.tokens),
        (session.limit.nanodollars, session.spent.nanodollars, cost.nanodollars),
        (session.limit.calls, session.spent.calls, cost.calls),
    ):
        if limit:
            over = max(0.0, spent / limit - due)
            shares = session.questions * costs / limit
            price = max(price, at_stake * over * math.sqrt(session.questions) * shares)
    return price


def _left(forecasts: Mapping[str, Forecast], standing: Standing) -> Caps:
    """Return what this question may spend: in a session, less the least that each to come needs."""
    left, session = standing.affordable, standing.session
    paid = [forecast.least for forecast in forecasts.values() if forecast.least != FREE]
    if session is None or not paid:
        return left
    least, n = min(paid, key=lambda amount: amount.tokens), session.to_come

    def less(own: int | None, limit: int | None, spent: int, each: int) -> int | None:
        if limit is None:
            return own
        shared = max(0, limit - spent - n * each)
        return shared if own is None else min(own, shared)

    limit, spent = session.limit, session.spent
    return Caps(
        less(left.tokens, limit.tokens, spent.tokens, least.tokens),
        less(left.nanodollars, limit.nanodollars, spent.nanodollars, least.nanodollars),
        less(left.calls, limit.calls, spent.calls, least.calls),
        left.seconds,
    )


def _set_aside(forecast: Forecast, left: Caps) -> Budget | None:
    """Return the budget of the route's own child: its 90 % cost, or what is left of it."""
    if forecast.least == FREE:
        return None
    wanted = forecast.set_aside
    money = None if left.nanodollars is None else min(wanted.nanodollars, left.nanodollars)
    return Budget(
        tokens=_at_most(wanted.tokens, left.tokens),
        usd=Caps(nanodollars=money).usd,
        calls=_at_most(wanted.calls, left.calls),
    )


def _at_most(wanted: int, left: int | None) -> int:
    return wanted if left is None else min(wanted, left)
