"""A tool with a budget of its own stays within it, and the agent knows what is left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from shoestring import Amount, Budget, BudgetExceeded, BudgetMiddleware, Ledger, current_ledger

if TYPE_CHECKING:
    from tests.conftest import CountingServer

QUESTION: Any = {"messages": [("user", "How high is the tower of Lanthorn?")]}


@tool
def search(query: str) -> str:
    """Search."""
    return f"{query}: 324 metres"


@tool
def browse(url: str) -> str:
    """Browse, at some cost in tokens."""
    payer = current_ledger()
    assert payer is not None
    payer.reserve(Amount(input_tokens=400)).settle(Amount(input_tokens=400))
    return f"{url}: slate"


def wanting(server: CountingServer, name: str, argument: str, times: int) -> None:
    """Let the model call a tool that many times, one after the other."""

    def calls(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        done = sum(message["role"] == "tool" for message in body["messages"])
        return [(name, {argument: str(done)})] if done < times and "tools" in body else []

    server.calls = calls


def outcomes(result: dict[str, Any]) -> list[str]:
    return [m.status for m in result["messages"] if isinstance(m, ToolMessage)]


def notes(server: CountingServer) -> list[str]:
    return [str(body["messages"][-1]["content"]) for body in server.requests]


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_tool_is_called_no_more_often_than_it_may(
    server: CountingServer, mode: str
) -> None:
    """Two searches run, the third and fourth are refused as results, and the agent goes on and answers."""
    wanting(server, "search", "query", 4)
    ledger = Ledger(Budget(tokens=20_000, calls=40))
    middleware = BudgetMiddleware(ledger, tool_budgets={"search": Budget(calls=2)})
    agent = create_agent(server.model(), tools=[search, browse], middleware=[middleware])
    result = agent.invoke(QUESTION) if mode == "sync" else await agent.ainvoke(QUESTION)
    assert outcomes(result) == ["success", "success", "error", "error"]
    assert [line.what for line in ledger.receipt.lines].count("search") == 2
    assert ledger.spent.calls == 5 + 2
    told = [note.splitlines()[-1] for note in notes(server)]
    assert told[:3] == [
        "[budget of search] 0 calls used, 2 of 2 left.",
        "[budget of search] 1 calls used, 1 of 2 left.",
        "[budget of search] 2 calls used, 0 of 2 left.",
    ]


def test_what_a_tool_spends_inside_is_its_own(server: CountingServer) -> None:
    """A tool's budget caps what models in it take; what it spends is the run's spending, too."""
    wanting(server, "browse", "url", 3)
    ledger = Ledger(Budget(tokens=20_000))
    middleware = BudgetMiddleware(ledger, tool_budgets={"browse": Budget(tokens=900)})
    agent = create_agent(server.model(), tools=[search, browse], middleware=[middleware])
    result = agent.invoke(QUESTION)
    assert outcomes(result) == ["success", "success", "error"]
    assert ledger.spent.tokens == server.billed + 800


def test_calls_made_at_once_share_the_tools_budget(server: CountingServer) -> None:
    """Of five parallel calls, three fit, whichever they are."""
    server.calls = lambda body: (
        [("search", {"query": str(n)}) for n in range(5)]
        if not any(m["role"] == "tool" for m in body["messages"])
        else []
    )
    middleware = BudgetMiddleware(Budget(tokens=20_000), tool_budgets={"search": Budget(calls=3)})
    agent = create_agent(server.model(), tools=[search], middleware=[middleware])
    assert sorted(outcomes(agent.invoke(QUESTION))) == ["error"] * 2 + ["success"] * 3


def test_each_run_has_the_tools_budget_anew_and_rewinding_never_refunds(
    server: CountingServer,
) -> None:
    """A second run may search again; the first, rewound, finds its searches spent."""
    wanting(server, "search", "query", 1)
    middleware = BudgetMiddleware(Budget(tokens=20_000), tool_budgets={"search": Budget(calls=1)})
    agent = create_agent(
        server.model(), tools=[search], middleware=[middleware], checkpointer=InMemorySaver()
    )
    thread: Any = {"configurable": {"thread_id": "1"}}
    assert outcomes(agent.invoke(QUESTION, thread)) == ["success"]
    before = next(state for state in agent.get_state_history(thread) if state.next == ("tools",))
    assert outcomes(cast("Any", agent.invoke(None, before.config))) == ["error"]
    wanting(server, "search", "query", 9)
    second = outcomes(agent.invoke(QUESTION, thread))
    assert second.count("success") == 1


def test_raise_raises_for_a_tool_too(server: CountingServer) -> None:
    """With on_exceeded="raise" a tool's budget that ends leaves the agent."""
    wanting(server, "search", "query", 2)
    middleware = BudgetMiddleware(
        Budget(tokens=20_000), on_exceeded="raise", tool_budgets={"search": Budget(calls=1)}
    )
    agent = create_agent(server.model(), tools=[search], middleware=[middleware])
    with pytest.raises(BudgetExceeded, match="0 of 1 remain"):
        agent.invoke(QUESTION)


def test_a_tools_budget_is_a_budget(server: CountingServer) -> None:
    """A bare number is refused with the tool's name."""
    with pytest.raises(TypeError, match="'search' a Budget, not int"):
        BudgetMiddleware(Budget(tokens=1), tool_budgets=cast("Any", {"search": 3}))
