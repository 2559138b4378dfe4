"""The deepest route that what is left can pay for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.agents.choosing import Choice, Offers, portion, short, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoestring.agents.choosing import Standing
    from shoestring.agents.route import Forecast


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

    Raises:
        ValueError: If it is no such share.
    """

    first_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.first_share <= 1:
            raise ValueError(f"first_share is {self.first_share}; give a share above 0 and up to 1")

    def choose(self, forecasts: Mapping[str, Forecast], standing: Standing) -> Choice:
        """Choose by comparing each forecast with what is left; see the class."""
        offers = Offers(forecasts, standing)
        left = standing.affordable
        share = 1.0 if standing.tried else self.first_share
        for name, forecast in offers.paid:
            if short(forecast.likely, portion(left, share)) is None:
                needs = f"likely {forecast.likely.tokens:,} tokens"
                return offers.explained(Choice(name, f"{name}: {needs}, {told(left)} left"))
        for name, forecast in offers.fitting(left):
            needs = f"at least {forecast.least.tokens:,} tokens"
            reason = f"{name}, its context cut to fit: {needs}, {told(left)} left"
            return offers.explained(Choice(name, reason))
        return offers.last_resort()
