"""Outcomes: an answer is found in whatever a target returns, and junk is named."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from shoestring.evals.outcome import Junk, Outcome, Span


@pytest.mark.parametrize(
    "returned",
    [
        "8",
        AIMessage("8"),
        AIMessage([{"type": "text", "text": "8"}]),
        {"answer": "8"},
        {"output": "8", "messages": []},
        {"messages": [HumanMessage("?"), AIMessage("8")]},
        {"messages": [("human", "?"), ("ai", "8")]},
        {"messages": [{"role": "assistant", "content": "8"}]},
        Outcome("8"),
    ],
)
def test_an_answer_is_found(returned: Any) -> None:
    """In a text, a message, the state of an assistant or an agent, or an outcome."""
    assert Outcome.of(returned).answer == "8"


def test_what_an_assistant_tells_is_kept() -> None:
    """Kind, route, cap and citations, but only where they are what they should be."""
    state = {
        "answer": "8", "kind": "quote", "route": "quote", "stopped_by": "tokens",
        "sources": [{"source": "passage 1", "start": 2, "end": 4, "text": "x"}, {"source": 3}, None],
    }  # fmt: skip
    expected = Outcome("8", "quote", "quote", (Span("passage 1", 2, 4),), (), "tokens")
    assert Outcome.of(state) == expected
    assert Outcome.of({"answer": "8", "kind": 3, "sources": "x"}) == Outcome("8")
    stopped = AIMessage("8", response_metadata={"stopped_by": "usd"})
    assert Outcome.of({"messages": [stopped]}).stopped_by == "usd"


@pytest.mark.parametrize(
    "returned", [None, 7, object(), {}, {"messages": []}, {"messages": "x"}, [1]]
)
def test_junk_is_named(returned: Any) -> None:
    """What holds no text says what it is."""
    with pytest.raises(Junk, match="the target returned"):
        Outcome.of(returned)
