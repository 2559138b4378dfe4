"""What the assistant does with a choice: a set-aside for the route, a forecaster that learns, a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langgraph.checkpoint.memory import InMemorySaver

from shoestring.agents import Expected, Forecaster, Planner, Thresholds, Worth
from shoestring.budget import Budget, Ledger, MemoryStore
from shoestring.graphs import ChainOfThought, Direct, Quote, build_assistant, preview

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CountingServer

    from shoestring.agents import Policy

QUESTION = "How many people does the ferry to Ellery Island carry?"
ANSWER = "The ferry to Ellery Island carries 120 people [1]."
DOCUMENTS = [
    Document("The ferry to Ellery Island carries 120 people.", metadata={"source": "ferry.txt"})
]
ROUTES = (Quote(), Direct(), ChainOfThought())


def ask(
    server: CountingServer, budget: Budget, planner: Planner, **options: Any
) -> tuple[dict[str, Any], Ledger]:
    """Ask the ferry question, and return the answer and its ledger."""
    store = MemoryStore()
    assistant = build_assistant(
        server.model(), DOCUMENTS, budget=budget, ledgers=store, planner=planner, **options
    )
    result = assistant.invoke({"question": QUESTION}, {"configurable": {"thread_id": "t"}})
    return result, store.ledger(result["ledger_id"])


@pytest.mark.parametrize("policy", [Expected(Worth(tokens=10_000)), Thresholds()])
@pytest.mark.parametrize("tokens", [120, 400, 900, 3_000])
def test_the_cap_holds_whatever_the_policy(
    server: CountingServer, policy: Policy, tokens: int
) -> None:
    """Each policy answers within the budget, the mirror in the state says what the ledger does."""
    server.says = lambda _: ANSWER
    result, ledger = ask(server, Budget(tokens=tokens, answer_reserve=100), Planner(ROUTES, policy))
    assert ledger.spent.tokens <= tokens
    assert server.billed == ledger.spent.tokens
    assert result["kind"] in {"generated", "quote"}


def test_a_route_spends_from_its_set_aside_which_comes_back(server: CountingServer) -> None:
    """The call is on the receipt of the question, mirrored in the state; nothing stays held."""
    server.says = lambda _: ANSWER
    saver = InMemorySaver()
    planner = Planner(ROUTES, Expected(Worth(tokens=5_000)))
    result, ledger = ask(server, Budget(tokens=3_000), planner, checkpointer=saver)
    own = ledger.store.ledger(f"{ledger.id}, route direct")
    assert result["route"] == "direct"
    assert own.closed
    assert own.spent == ledger.spent
    assert ledger.held.tokens == 0
    kept: dict[str, Any] = saver.get({"configurable": {"thread_id": "t"}})["channel_values"]  # type: ignore[index]
    mirrored = [entry for key, entry in kept["spend"].items() if key.startswith(own.id)]
    assert [entry["input_tokens"] for entry in mirrored] == [ledger.spent.input_tokens]


def test_the_receipt_says_what_was_considered(server: CountingServer) -> None:
    """The plan's line names the chosen route with its forecast, and why each other was not taken."""
    server.says = lambda _: ANSWER
    result, _ = ask(server, Budget(tokens=3_000), Planner(ROUTES, Expected(Worth(tokens=5_000))))
    (plan,) = (line["detail"] for line in result["receipt"] if line["what"] == "plan")
    assert plan.startswith("direct: 50% right, likely ")
    assert "not chain_of_thought: 60% right" in plan
    assert "not quote: 20% right, free of charge" in plan


def test_what_is_not_worth_its_cost_ends_in_an_honest_refusal(server: CountingServer) -> None:
    """Where no route pays, nothing is spent, and the answer says why there is none."""
    planner = Planner((Direct(),), Expected(Worth(tokens=10)))
    result, ledger = ask(server, Budget(tokens=3_000), planner)
    assert (result["kind"], ledger.spent.tokens, server.requests) == ("abstained", 0, [])
    assert "no route is worth its cost at 10 tokens a right answer" in result["answer"]


def test_every_run_teaches_the_forecaster(server: CountingServer, tmp_path: Path) -> None:
    """After ten questions the plan goes by what they cost, also in a new process."""
    server.says = lambda _: ANSWER
    file = tmp_path / "forecasts.json"
    budget = Budget(tokens=3_000)
    ledgers = [
        ask(server, budget, Planner((Direct(),), forecaster=Forecaster(file)))[1] for _ in range(10)
    ]
    planner = Planner((Direct(),), forecaster=Forecaster(file))
    plan = preview(QUESTION, server.model(), DOCUMENTS, budget=budget, planner=planner)
    found = plan.forecasts["direct"]
    assert found.runs == 10
    assert found.high is not None
    assert found.bound is not None
    assert ledgers[-1].spent.tokens <= found.likely.tokens < found.bound.tokens / 2
    assert len(server.requests) == 10


def test_a_forecaster_that_cannot_write_costs_no_answer(
    server: CountingServer, tmp_path: Path
) -> None:
    """A file that was damaged meanwhile is told on the receipt, beside the answer."""
    server.says = lambda _: ANSWER
    file = tmp_path / "forecasts.json"
    planner = Planner((Direct(),), forecaster=Forecaster(file))
    file.write_text("{", encoding="utf-8")
    result, _ = ask(server, Budget(tokens=3_000), planner)
    assert result["kind"] == "generated"
    (told,) = (line["detail"] for line in result["receipt"] if line["what"] == "learn")
    assert "forecasts.json: is not JSON" in told
