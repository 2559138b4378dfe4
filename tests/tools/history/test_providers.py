"""What is left of a conversation is what each provider's API takes, as its integration sends it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_anthropic.chat_models import _format_messages
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_google_genai.chat_models import _parse_chat_history
from langchain_openai.chat_models.base import _convert_message_to_dict

from shoestring import HistoryTooLong, Stash, trim_history

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def conversation(turns: list[tuple[list[int], bool]]) -> list[BaseMessage]:
    """Turns of a person, each with its rounds of calls, and an answer unless it was cut off."""
    said: list[BaseMessage] = [SystemMessage("Be exact.")]
    for turn, (rounds, answered) in enumerate(turns):
        said.append(HumanMessage(f"Question {turn}: which arch carries water?"))
        for number, parallel in enumerate(rounds):
            names = [f"call_{turn}_{number}_{n}" for n in range(parallel)]
            calls = [{"name": "search", "args": {"q": "arch"}, "id": name} for name in names]
            said.append(AIMessage("Looking.", tool_calls=calls))
            said += [ToolMessage("stone arch " * 60, tool_call_id=n, name="search") for n in names]
        if answered or not rounds:
            said.append(AIMessage(f"Answer {turn}."))
    return said


def openai(messages: Sequence[BaseMessage]) -> None:
    """Each result stands behind the message that called for it; each call has one result."""
    waiting: list[str] = []
    for body in map(_convert_message_to_dict, messages):
        if body["role"] == "tool":
            waiting.remove(body["tool_call_id"])
        else:
            assert not waiting
            waiting = [call["id"] for call in body.get("tool_calls", [])]
    assert not waiting


def anthropic(messages: Sequence[BaseMessage]) -> None:
    """User and assistant take turns, a user first; results answer the message before."""
    _, bodies = _format_messages(messages, model=None)
    assert bodies[0]["role"] == "user"
    for before, after in pairwise(bodies):
        assert before["role"] != after["role"]
        used = _ids(before, "tool_use", "id")
        assert used == _ids(after, "tool_result", "tool_use_id")
    assert not _ids(bodies[-1], "tool_use", "id")


def _ids(body: dict[str, Any], kind: str, key: str) -> list[str]:
    blocks = body["content"] if isinstance(body["content"], list) else []
    return sorted(block[key] for block in blocks if block["type"] == kind)


def gemini(messages: Sequence[BaseMessage]) -> None:
    """Calls come right after a user's turn or a result, and as many results right after them."""
    _, contents = _parse_chat_history(list(messages))
    assert contents[0].role == "user"
    for before, after in pairwise(contents):
        called = [part.function_call for part in before.parts or [] if part.function_call]
        answers = [part.function_response for part in after.parts or [] if part.function_response]
        assert len(called) == len(answers)
        if any(part.function_call for part in after.parts or []):
            assert before.role in ("user", "function", "tool")


turns = st.lists(
    st.tuples(st.lists(st.integers(1, 3), max_size=5), st.booleans()), min_size=1, max_size=6
)


@pytest.mark.parametrize("takes", [openai, anthropic, gemini])
@given(turns=turns, tokens=st.integers(80, 2_500), stash=st.sampled_from([None, Stash()]))
@settings(max_examples=40)
def test_a_provider_takes_it(
    takes: Callable[[Sequence[BaseMessage]], None],
    turns: list[tuple[list[int], bool]],
    tokens: int,
    stash: Stash | None,
) -> None:
    """Whatever was left out, the order is right."""
    said = conversation(turns)
    takes(said)  # what it checks holds of the whole
    shelf = stash.of("t") if stash else None
    try:
        kept = trim_history(said, tokens, shelf=shelf)
    except HistoryTooLong:
        return
    takes(kept.messages)
