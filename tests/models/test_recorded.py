"""`RecordedModel`: what was recorded is replayed, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from shoestring.budget import Budget, BudgetExceeded, Ledger
from shoestring.models import BrokenRecording, RecordedModel, UnknownPrompt, guard, refuse_unguarded

if TYPE_CHECKING:
    from pathlib import Path


def test_a_call_is_recorded_once_and_replayed_as_it_was(server: Any, tmp_path: Path) -> None:
    """Text, usage and metadata come back; the model is not asked again, nor needed."""
    file = tmp_path / "calls.jsonl"
    first = RecordedModel(path=file, model=server.model(max_tokens=5)).invoke("hello")
    asked = server.requests
    again = RecordedModel(path=file).invoke("hello")
    assert (again.text, again.usage_metadata) == (first.text, first.usage_metadata)
    assert again.response_metadata["finish_reason"] == first.response_metadata["finish_reason"]
    RecordedModel(path=file, model=server.model(max_tokens=5)).invoke("hello")
    assert server.requests == asked


def test_what_is_not_recorded_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    """Another text, another tool, another option: each is another call."""
    ledger = Ledger(Budget(tokens=500))
    model = guard(RecordedModel(path=tmp_path / "none.jsonl"), ledger)
    with refuse_unguarded(), pytest.raises(UnknownPrompt, match="'hello there'"):
        model.invoke("hello  there")
    assert ledger.spent.tokens == 0


def test_every_part_that_a_model_reads_tells_calls_apart(server: Any, tmp_path: Path) -> None:
    """Tools, stops, roles and results are part of a call; ids of messages are not."""
    file = tmp_path / "calls.jsonl"
    recording = RecordedModel(path=file, model=server.model(max_tokens=5))
    call = {"name": "look", "args": {"q": "x"}, "id": "1"}
    turns = [
        HumanMessage("hi"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("y", tool_call_id="1"),
    ]
    recording.invoke(turns)
    replay = RecordedModel(path=file)
    replay.invoke([HumanMessage("hi", id="other"), *turns[1:]])
    for other in (
        [*turns[:2], ToolMessage("z", tool_call_id="1")],
        [turns[0], AIMessage("", tool_calls=[{**call, "args": {}}]), turns[2]],
        [AIMessage("hi"), *turns[1:]],
    ):
        with pytest.raises(UnknownPrompt):
            replay.invoke(other)
    with pytest.raises(UnknownPrompt):
        replay.invoke(turns, stop=["x"])


def test_samples_are_given_in_turn(server: Any, tmp_path: Path) -> None:
    """As many as were recorded, then again from the first."""
    said = iter(["one", "two", "three"])

    def say(_: object) -> str:
        return next(said)

    server.says = say
    file = tmp_path / "calls.jsonl"
    recording = RecordedModel(path=file, model=server.model(max_tokens=9), samples=3)
    for _ in range(3):
        recording.invoke("say")
    replay = RecordedModel(path=file)
    assert [replay.invoke("say").text for _ in range(4)] == ["one", "two", "three", "one"]


def test_a_whole_answer_serves_any_limit_that_it_fits(server: Any, tmp_path: Path) -> None:
    """A shorter limit would have cut it, and a longer one would not have cut what was cut."""
    server.wants = 8
    file = tmp_path / "calls.jsonl"
    RecordedModel(path=file, model=server.model()).invoke("whole", max_tokens=20)
    RecordedModel(path=file, model=server.model()).invoke("cut", max_tokens=4)
    replay = RecordedModel(path=file)
    assert replay.invoke("whole", max_tokens=8).text
    with pytest.raises(UnknownPrompt):
        replay.invoke("whole", max_tokens=7)
    assert replay.invoke("cut", max_tokens=4).text
    with pytest.raises(UnknownPrompt):
        replay.invoke("cut", max_tokens=5)


def test_a_guard_charges_what_was_reported(server: Any, tmp_path: Path) -> None:
    """Recording and replay cost the ledger the same, and keep to its cap."""
    file = tmp_path / "calls.jsonl"
    spent: list[int] = []
    for model in (RecordedModel(path=file, model=server.model()), RecordedModel(path=file)):
        ledger = Ledger(Budget(tokens=200))
        guard(model, ledger, max_output=6).invoke("hello")
        spent.append(ledger.spent.tokens)
        with pytest.raises(BudgetExceeded):
            guard(model, Ledger(Budget(tokens=10)), max_output=6).invoke("hello")
    assert spent[0] == spent[1] == server.billed


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"format": 9}', '{"format": 1, "key": "x", "limit": null, "message": 3}', "\\x00"],
)
def test_a_broken_recording_is_named(tmp_path: Path, line: str) -> None:
    """The file and the line; a last line that was never finished is left out."""
    file = tmp_path / "calls.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(BrokenRecording, match="line 1: no recorded call"):
        RecordedModel(path=file).invoke("x")
    file.write_text(json.dumps({"format": 1})[:-3])
    with pytest.raises(UnknownPrompt):
        RecordedModel(path=file).invoke("x")


async def test_async_calls_are_replayed_too(server: Any, tmp_path: Path) -> None:
    """`ainvoke`, `astream` and batches are the same calls."""
    file = tmp_path / "calls.jsonl"
    text = RecordedModel(path=file, model=server.model(max_tokens=5)).invoke("hello").text
    replay = RecordedModel(path=file)
    assert (await replay.ainvoke("hello")).text == text
    assert "".join([part.text async for part in replay.astream("hello")]) == text
    assert [message.text for message in replay.batch(["hello", "hello"])] == [text, text]
