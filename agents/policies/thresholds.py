"""Deep while much is left, cheap when little is: by bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.agents.bands import FLOORS, Band
from shoestring.agents.choosing import Choice, Offers, short, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoestring.agents.choosing import Standing
    from shoestring.agents.route import Forecast

_HIGH, _MEDIUM, _LOW = (floor for _, floor in FLOORS)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Chooses by the share of the budget that is left, in four bands.

    High: the deepest route. Medium: the middle one. Low: the cheapest that calls a model. Critical: one
    that costs nothing, if there is one. Where that route does not fit, the next cheaper one is taken.

    Args:
        high: Least share left in the band "high", in [0, 1].
        medium: The same of "medium".
        low: The same of "low"; what is below is critical.

    Raises:
        ValueError: If they do not fall, or are no shares.
    """

    high: float = _HIGH
    medium: float = _MEDIUM
    low: float = _LOW

    def __post_init__(self) -> None:
        if not 1 >= self.high >= self.medium >= self.low >= 0:
            bands = f"{self.high}, {self.medium}, {self.low}"
            raise ValueError(f"the bands begin at {bands}: give shares from 1 to 0 that fall")

    def choose(self, forecasts: Mapping[str, Forecast], standing: Standing) -> Choice:
        """Choose the route of the band, or the next cheaper one that fits."""
        offers = Offers(forecasts, standing)
        band = self._band(standing.share)
        head = f"{band}: {standing.share:.0%} of the budget is left"
        if band == "critical" and offers.free:
            name = offers.free[0][0]
            return offers.explained(Choice(name, f"{name}, free of charge: {head}"))
        left = standing.affordable
        by_cost = sorted(offers.paid, key=lambda one: (-one[1].likely.tokens, one[0]))
        wanted = by_cost[_first(band, by_cost) :]
        for name, forecast in wanted:
            if short(forecast.likely, left) is None:
                reason = f"{name}: {head}, {forecast}, {told(left)} left"
                return offers.explained(Choice(name, reason))
        # Its context is cut; the cheapest has the most of it left.
        for name, forecast in reversed(by_cost):
            if short(forecast.least, left) is None:
                needs = f"at least {forecast.least.tokens:,} tokens"
                reason = f"{name}, its context cut to fit: {head}, {needs}, {told(left)} left"
                return offers.explained(Choice(name, reason))
        return offers.last_resort()

    def _band(self, share: float) -> Band:
        if share >= self.high:
            return "high"
        if share >= self.medium:
            return "medium"
        return "low" if share >= self.low else "critical"


def _first(band: Band, by_cost: Sequence[object]) -> int:
    """Return where a band begins among the routes, dearest first."""
    last = max(0, len(by_cost) - 1)
    return {"high": 0, "medium": (last + 1) // 2, "low": last, "critical": last}[band]
