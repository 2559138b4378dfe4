"""Budgeted thought asks for as many tokens as the model estimates, and learns what it obeys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document

from shoestring.agents import Elasticity, Planner
from shoestring.budget import Budget
from shoestring.graphs import BudgetedThought, build_assistant

if TYPE_CHECKING:
    from tests.conftest import CountingServer

QUESTION = "How many people does the ferry to Ellery Island carry?"
ANSWER = "The ferry to Ellery Island carries 120 people [1]."
DOCUMENTS = [
    Document(
        "The ferry to Ellery Island carries 120 people and no cars.",
        metadata={"source": "ferry.txt"},
    )
]


def last(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def limit(body: dict[str, Any]) -> int:
    return int(body.get("max_completion_tokens") or body["max_tokens"])


def script(estimate: str, thoughts: str = "120 people.") -> Any:
    """Return a script: this estimate, these thoughts, and the answer."""

    def says(body: dict[str, Any]) -> str:
        if "Estimate the fewest tokens" in last(body):
            return estimate
        return thoughts if "use less than" in last(body) else ANSWER

    return says


def asked(server: CountingServer, route: BudgetedThought) -> dict[str, Any]:
    assistant = build_assistant(
        server.model(), DOCUMENTS, budget=Budget(tokens=8_000), planner=Planner((route,))
    )
    result: dict[str, Any] = assistant.invoke({"question": QUESTION})
    return result


@pytest.mark.parametrize(
    ("estimate", "tokens"),
    [
        ("[[40]]", 40),
        ("It has 2 steps, so [[ 40 ]] tokens.", 40),
        ("About 40", 40),
        ("[[3]]", 16),  # below what any model is asked for at first
        ("[[900000]]", 128),
        ("1,000 or 0.5", 128),  # no whole number
        ("-7", 16),
        ("a few", 128),
        ("", 128),
        ("٤٠ [[ ]] ²", 40),
    ],
)
def test_the_thoughts_are_asked_to_stay_below_the_estimate(
    server: CountingServer, estimate: str, tokens: int
) -> None:
    """Any estimate becomes a number within the route's bounds, asked for in words and held at twice that."""
    server.says = script(estimate)
    result = asked(server, BudgetedThought())
    _, thinking, answering = server.requests
    assert f"use less than {tokens} tokens" in last(thinking)
    assert tokens < limit(thinking) <= 2 * tokens
    assert "Notes:\n120 people." in last(answering)
    assert result["kind"] == "generated"


def test_the_estimate_is_on_the_receipt(server: CountingServer) -> None:
    """The estimating call is a line with a cost, like the two others."""
    server.says = script("[[40]]")
    lines = [line for line in asked(server, BudgetedThought())["receipt"] if line["spent"]["calls"]]
    assert [line["node"] for line in lines] == ["estimate", "think", "answer"]
    assert all(line["spent"]["input_tokens"] for line in lines)


def test_a_model_that_ignores_what_it_is_asked_is_asked_for_more(server: CountingServer) -> None:
    """Thoughts cut off at twice the tokens asked for teach the route not to ask for so few again."""
    server.says = script("[[16]]", thoughts="on and on " * 200)
    route = BudgetedThought()
    for _ in range(3):
        assert asked(server, route)["kind"] == "generated"
    server.says = script("[[64]]", thoughts="120 people, no cars.")
    for _ in range(3):
        asked(server, route)
    assert route.elasticity.least == 64
    server.requests.clear()
    server.says = script("[[16]]")
    asked(server, route)
    assert "use less than 64 tokens" in last(server.requests[1])


def test_routes_may_share_what_is_known_of_a_model(server: CountingServer) -> None:
    """Two assistants given one elasticity learn from each other's runs."""
    known = Elasticity()
    server.says = script("[[40]]")
    for _ in range(3):
        asked(server, BudgetedThought(elasticity=known))
    assert known.seen[32][0] == 3
