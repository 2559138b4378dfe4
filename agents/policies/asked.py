"""The model itself picks the route, shown what is left."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage, SystemMessage

from shoestring.agents.choosing import FREE, Choice, Offers, told
from shoestring.agents.policies.expected import Expected
from shoestring.budget import BudgetError
from shoestring.models import guard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.language_models import BaseChatModel

    from shoestring.agents.choosing import Policy, Standing
    from shoestring.agents.route import Forecast
    from shoestring.models import Price

LONGEST_QUESTION = 2_000
"""Characters of a question that the model is shown to choose by."""

_SYSTEM = (
    "You choose how a question is answered within a budget. Reply with the name of one route from the "
    "list, and nothing else. Spend more only where the question needs it."
)
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """Asks a model which of the routes that fit to take, under the question's own budget.

    The call counts as any other, and is made only where there is something to choose, the call can be paid,
    and somebody pays: `shoestring plan` and `preview` ask nobody. Where the model is not asked, names
    none of the routes, or names one that fits no more, the policy behind it chooses.

    Args:
        model: Any chat model, not yet guarded.
        otherwise: The policy behind it.
        max_output: Bound on the tokens of the reply.
        price: What the model costs; None to look it up.
    """

    model: BaseChatModel
    otherwise: Policy = field(default_factory=Expected)
    max_output: int = 24
    price: Price | None = None

    def choose(self, forecasts: Mapping[str, Forecast], standing: Standing) -> Choice:
        """Choose the route that the model names."""
        fitting = self._fitting(forecasts, standing)
        if standing.ledger is None:
            return self._else(forecasts, standing, "nobody was asked, since nobody pays here")
        if len(fitting) < 2:  # noqa: PLR2004 - nothing to choose between
            return self.otherwise.choose(forecasts, standing)
        ledger = standing.ledger.at(node="plan")
        try:
            model = guard(self.model, ledger, max_output=self.max_output, price=self.price)
            said = model.invoke(_prompt(standing, fitting)).text
        except BudgetError as error:
            return self._else(forecasts, _now(standing), f"no model was asked: {error}")
        standing = _now(standing)  # what is left after the call
        named = [name for name in _NAME.findall(said) if name in forecasts]
        offered = dict(self._fitting(forecasts, standing))
        if not named or named[0] not in offered:
            return self._else(forecasts, standing, "the model named no route that fits")
        name = named[0]
        reason = f"{name}: named by the model, {forecasts[name]}, {told(standing.affordable)} left"
        return Offers(forecasts, standing).explained(Choice(name, reason))

    @staticmethod
    def _fitting(
        forecasts: Mapping[str, Forecast], standing: Standing
    ) -> Sequence[tuple[str, Forecast]]:
        offers = Offers(forecasts, standing)
        return [*offers.fitting(standing.affordable), *offers.free]

    def _else(self, forecasts: Mapping[str, Forecast], standing: Standing, why: str) -> Choice:
        choice = self.otherwise.choose(forecasts, standing)
        return replace(choice, reason=f"{choice.reason} ({why})")


def _now(standing: Standing) -> Standing:
    """Return the standing with what its ledger has left now."""
    ledger = standing.ledger
    assert ledger is not None  # noqa: S101 - only asked with one
    return replace(
        standing,
        affordable=ledger.affordable(token_price=standing.token_price),
        finishing=ledger.at(purpose="answer").affordable(token_price=standing.token_price),
    )


def _prompt(
    standing: Standing, fitting: Sequence[tuple[str, Forecast]]
) -> list[SystemMessage | HumanMessage]:
    routes = "\n".join(
        f"- {name}: {forecast}"
        if forecast.least != FREE
        else f"- {name}: {forecast.success:.0%} right, free"
        for name, forecast in fitting
    )
    question = standing.task.question[:LONGEST_QUESTION]
    text = (
        f"Left: {told(standing.affordable)}.\nRoutes:\n{routes}\n\nQuestion:\n{question}\n\nRoute:"
    )
    return [SystemMessage(_SYSTEM), HumanMessage(text)]
