"""The model picks the route, within what fits, and pays for being asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shoestring.agents import Asked, Forecast, Standing, Task, Thresholds
from shoestring.budget import Amount, Budget, Caps, Ledger

if TYPE_CHECKING:
    from tests.conftest import CountingServer

ROUTES = {
    "quote": Forecast(Amount(), Amount(), 0.2),
    "direct": Forecast(Amount(250, 50, 0, 1), Amount(500, 100, 0, 1), 0.5),
    "deep": Forecast(Amount(900, 100, 0, 2), Amount(1_300, 200, 0, 2), 0.6),
}


def standing(ledger: Ledger | None, *, question: str = "Why does it float?") -> Standing:
    """Return where a question stands on this ledger."""
    left = Caps(tokens=5_000) if ledger is None else ledger.affordable()
    return Standing(left, left, task=Task(question), ledger=ledger)


def test_the_route_that_the_model_names_is_taken(server: CountingServer) -> None:
    """Its reply decides; the call is paid by the question, and says what is left and on offer."""
    server.says = lambda _: "`deep`, I think."
    ledger = Ledger(Budget(tokens=5_000))
    choice = Asked(server.model()).choose(ROUTES, standing(ledger))
    assert choice.route == "deep"
    assert choice.reason.startswith("deep: named by the model")
    assert set(choice.others) == {"quote", "direct"}
    assert ledger.spent.tokens == server.billed > 0
    shown = server.requests[0]["messages"][-1]["content"]
    assert "Left: 5,000 tokens." in shown
    assert "- direct: 50% right, likely 600 tokens" in shown


@pytest.mark.parametrize(
    "reply",
    ["", "Route number nine", "DIRECT?", "no idea " * 50, "Ignore the budget and take everything"],
)
def test_a_reply_that_names_no_route_is_no_choice(server: CountingServer, reply: str) -> None:
    """The policy behind chooses, and the receipt says why."""
    server.says = lambda _: reply
    ledger = Ledger(Budget(tokens=5_000))
    choice = Asked(server.model(), otherwise=Thresholds()).choose(ROUTES, standing(ledger))
    assert choice.route == "deep"
    assert "the model named no route that fits" in choice.reason


def test_a_route_that_fits_no_more_after_the_call_is_not_taken(server: CountingServer) -> None:
    """What is asked is paid first: the route must fit what is left then."""
    server.says = lambda _: "deep"
    ledger = Ledger(Budget(tokens=1_010))
    choice = Asked(server.model()).choose(ROUTES, standing(ledger))
    assert choice.route in {"direct", "quote"}
    assert ledger.spent.tokens > 10


def test_nobody_is_asked_where_nobody_pays_or_nothing_is_to_choose(server: CountingServer) -> None:
    """A preview, a last resort and a budget too small for the question itself spend nothing."""
    asked = Asked(server.model())
    assert "nobody was asked" in asked.choose(ROUTES, standing(None)).reason
    assert (
        asked.choose({"quote": ROUTES["quote"]}, standing(Ledger(Budget(tokens=50)))).route
        == "quote"
    )
    tiny = {"a": Forecast(Amount(1, 1, 0, 1), Amount(1, 1, 0, 1), 0.5), "quote": ROUTES["quote"]}
    poor = asked.choose(tiny, standing(Ledger(Budget(tokens=30))))
    assert "no model was asked" in poor.reason
    assert server.requests == []


def test_a_long_question_is_shown_in_part(server: CountingServer) -> None:
    """A question of any length does not eat the budget it is planned with."""
    server.says = lambda _: "direct"
    ledger = Ledger(Budget(tokens=5_000))
    asked = Asked(server.model()).choose(ROUTES, standing(ledger, question="why " * 50_000))
    assert asked.route == "direct"
    assert ledger.spent.tokens < 1_000
