"""A history that fits, that providers take, and whose beginning stays what it was."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import invalid_tool_call
from langchain_core.prompts import ChatPromptTemplate

from shoestring import HistoryTooLong, HistoryTrimmer, Stash, message_counter, trim_history
from shoestring.models import UnboundedInput
from shoestring.tools.history.batches import Calls
from shoestring.tools.history.sizes import Memo, Sizes
from shoestring.tools.history.steps import read

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT = message_counter()
WORDS = "bridge river tower stone arch water road mill ferry lamp 桥 мост جسر 🌉".split()  # noqa: SIM905 - shorter


def calls(*ids: str, text: str = "", **args: Any) -> AIMessage:
    made = [{"name": "search", "args": args or {"q": name}, "id": name} for name in ids]
    return AIMessage(text, tool_calls=made)


def calling(names: list[str], text: str) -> AIMessage:
    return calls(*names, text=text)


def result(name: str, content: Any = "found", **more: Any) -> ToolMessage:
    return ToolMessage(content, tool_call_id=name, **more)


def prose(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words)) + "."


def assert_valid(messages: Sequence[BaseMessage]) -> None:
    """What OpenAI, Anthropic and Gemini ask of the order of a conversation."""
    spoken = [m for m in messages if not isinstance(m, SystemMessage)]
    if any(isinstance(m, HumanMessage | ChatMessage) for m in spoken):
        assert isinstance(spoken[0], HumanMessage | ChatMessage)
    waiting: list[str] = []
    for place, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            assert message.tool_call_id in waiting, "a result without its call"
            waiting.remove(message.tool_call_id)
            continue
        assert not waiting, "a call without its result"
        if isinstance(message, AIMessage):
            every = [*message.tool_calls, *message.invalid_tool_calls]
            waiting = [str(call["id"] or "") for call in every]
            last = all(isinstance(m, ToolMessage) for m in messages[place + 1 :])
            waiting = [] if last else waiting
            if last:
                ids = [str(call["id"] or "") for call in every]
                for later in messages[place + 1 :]:
                    assert isinstance(later, ToolMessage)
                    ids.remove(later.tool_call_id)
                return
    assert not waiting


def speakers(messages: Sequence[BaseMessage]) -> list[str]:
    return [m.type for m in messages if not isinstance(m, SystemMessage)]


texts = st.one_of(
    st.text(max_size=60),
    st.sampled_from(WORDS).flatmap(lambda word: st.integers(0, 300).map(lambda n: f"{word} " * n)),
)
ids = st.sampled_from(["a", "b", "c", "d", ""])
contents = st.one_of(
    texts,
    st.lists(
        st.one_of(
            texts.map(lambda text: {"type": "text", "text": text}),
            st.just({"type": "image", "url": "https://example.org/a.png"}),
            st.just({"type": "file", "base64": "AAAA", "mime_type": "application/pdf"}),
            texts,
        ),
        max_size=3,
    ),
)
stashes = st.sampled_from([None, Stash()])
anything: st.SearchStrategy[BaseMessage] = st.one_of(
    texts.map(HumanMessage),
    texts.map(SystemMessage),
    texts.map(AIMessage),
    st.builds(calling, st.lists(ids, max_size=3), texts),
    st.builds(result, ids, contents),
    texts.map(lambda text: ChatMessage(content=text, role="user")),
    st.just(RemoveMessage(id="x")),
    ids.map(
        lambda name: AIMessage(
            "", invalid_tool_calls=[invalid_tool_call(name="s", args="{", id=name, error="bad")]
        )
    ),
)


@given(st.lists(anything, max_size=25), st.integers(0, 900), stashes)
@settings(max_examples=150)
def test_whatever_is_given_fits_and_is_valid(
    messages: list[BaseMessage], tokens: int, stash: Stash | None
) -> None:
    """Never over, never an orphan, deterministic, idempotent; or the named errors."""
    shelf = stash.of("t") if stash else None
    try:
        kept = trim_history(messages, tokens, shelf=shelf)
    except HistoryTooLong:
        return
    assert COUNT(list(kept.messages)) == kept.tokens <= tokens
    assert_valid(kept.messages)
    assert trim_history(messages, tokens, shelf=shelf) == kept
    again = trim_history(kept.messages, tokens, shelf=shelf)
    assert again.messages == kept.messages
    assert again.left_out == ()


@st.composite
def conversations(draw: st.DrawFn) -> list[BaseMessage]:
    """Well-formed ones: turns of a person, calls with their results, an answer."""
    rng = random.Random(draw(st.integers(0, 10**6)))
    said: list[BaseMessage] = [SystemMessage("Be exact.")] * draw(st.integers(0, 1))
    for turn in range(draw(st.integers(1, 6))):
        said.append(HumanMessage(prose(rng, 8)))
        for step in range(draw(st.integers(0, 8))):
            names = [f"{turn}.{step}.{n}" for n in range(draw(st.integers(1, 3)))]
            said.append(calls(*names, text=prose(rng, rng.choice([0, 5, 30]))))
            said += [result(name, prose(rng, rng.choice([2, 40, 300]))) for name in names]
        said.append(AIMessage(prose(rng, 20)))
    return said


@given(conversations(), st.integers(150, 3_000))
@settings(max_examples=30)
def test_a_run_keeps_its_beginning_between_edits(said: list[BaseMessage], tokens: int) -> None:
    """Call after call, what was sent is a prefix of what is sent, but for edits that are far apart."""
    calls_of = Calls(read(said)[0], Sizes(COUNT, Memo(1_000)), 20)
    steps = read(said)[0]
    before: list[BaseMessage] | None = None
    last: int | None = None
    for place, step in enumerate(steps):
        if step.kind not in ("exchange", "reply"):
            continue
        try:
            sent = list(trim_history(said[: step.places[0]], tokens).messages)
        except HistoryTooLong:
            before = None
            continue
        upto = Calls(steps[:place], Sizes(COUNT, Memo(1_000)), 20)
        edit = upto.last_edit(tokens)
        if edit == last and before is not None:
            assert sent[: len(before)] == before
        elif edit is not None and last is not None:
            fixed = calls_of.fixed(last, tokens)
            grown = sum(calls_of.tokens[last:edit])
            assert grown > tokens - fixed.tokens - fixed.room >= fixed.room - 1
        before, last = sent, edit


@given(conversations(), st.integers(150, 3_000))
@settings(max_examples=60)
def test_leaving_out_puts_no_two_of_a_kind_in_a_row(said: list[BaseMessage], tokens: int) -> None:
    """Where persons and assistant took turns, they still do."""
    try:
        kept = speakers(trim_history(said, tokens).messages)
    except HistoryTooLong:
        return
    for one, other in pairwise(kept):
        assert (one, other) not in {("human", "human"), ("ai", "ai")}


def long_run(turns: int, size: int = 120) -> list[BaseMessage]:
    rng = random.Random(7)
    said: list[BaseMessage] = [
        SystemMessage("Be exact."),
        HumanMessage("Which arch carries water?"),
    ]
    for turn in range(turns):
        said += [calls(str(turn), text=prose(rng, 6)), result(str(turn), prose(rng, size))]
    return said


@pytest.mark.parametrize("stash", [None, Stash()])
def test_nine_calls_in_ten_share_their_beginning(stash: Stash | None) -> None:
    """On a run whose room holds forty calls, at least nine in ten find their prefix as it was."""
    said = long_run(200)
    trimmer = HistoryTrimmer(tokens=9_000, shelf=stash.of("7") if stash else None)
    sent = [trimmer.invoke(said[:end]) for end in range(2, len(said) + 1, 2)]
    same = sum(after[: len(before)] == before for before, after in pairwise(sent))
    assert COUNT(said) > 4 * 9_000
    assert same >= 0.9 * (len(sent) - 1)
    assert max(map(COUNT, sent)) <= 9_000


def test_what_is_remembered_changes_nothing() -> None:
    """The trimmer that remembers and the function that does not give the same."""
    said = long_run(60)
    trimmer = HistoryTrimmer(tokens=2_000)
    for end in range(2, len(said) + 1, 14):
        assert trimmer.invoke(said[:end]) == list(trim_history(said[:end], 2_000).messages)


def test_what_fits_is_returned_as_it_is() -> None:
    """The very messages that were given, in their order."""
    said = long_run(3)
    kept = trim_history(said, 10_000)
    assert all(one is other for one, other in zip(kept.messages, said, strict=True))
    assert kept.left_out == ()


def test_old_results_shrink_before_turns_go() -> None:
    """Far more calls stay known than results whole."""
    said = long_run(12, size=200)
    kept = trim_history(said, COUNT(said) - 100)
    asked = [m for m in kept.messages if isinstance(m, AIMessage)]
    whole = [m for m in kept.messages if m in said and isinstance(m, ToolMessage)]
    assert len(asked) >= 9
    assert len(whole) <= 6


def test_the_words_that_matter_to_the_question_stay() -> None:
    """Of old results the lines about the question survive, and of newer ones all."""
    said = long_run(30, size=150)
    fact = "The third arch carries the water of the Lanthorn aqueduct."
    said[9] = result("3", f"{said[9].text} {fact} {said[9].text}")
    kept = trim_history(said, 2_000, "Which arch carries water to Lanthorn?")
    held = [m.text for m in kept.messages if fact in m.text]
    assert len(held) == 1
    assert "left out" in held[0]
    assert kept.messages[-1] is said[-1]


def test_a_later_question_brings_back_what_matters_to_it() -> None:
    """What was left out for one question is chosen again for the next, at the next edit."""
    said = long_run(30, size=150)
    fact = "The ferry costs 12 thalers."
    said[9] = result("3", f"{said[9].text} {fact}")
    first = trim_history(said, 2_000)
    assert not any(fact in m.text for m in first.messages)
    said += [AIMessage("The third."), HumanMessage("What costs the ferry, in thalers?")]
    said += [m for n in range(9) for m in (calls(f"x{n}"), result(f"x{n}", "lamp " * 150))]
    assert any(fact in m.text for m in trim_history(said, 2_000).messages)


def test_the_latest_result_is_cut_rather_than_refused() -> None:
    """Ten megabytes from a tool leave room for what they are needed for, and are found in."""
    lines = [f"{number} nothing of note" for number in range(60_000)]
    lines[41_234] = "disk sda1 failed at 06:13"
    big = "\n".join(lines)
    said = [HumanMessage("Which disk failed?"), calls("1"), result("1", big, artifact=lines)]
    kept = trim_history(said, 400)
    assert kept.tokens <= 400
    cut = kept.messages[-1]
    assert isinstance(cut, ToolMessage)
    assert "sda1 failed" in cut.text
    assert cut.artifact is lines
    assert kept.left_out[0].reason == "shortened"


def test_parallel_results_share_the_room() -> None:
    """A short one stays whole; the long ones are cut to what is left, all of them."""
    said = [
        HumanMessage("Compare them."),
        calls("1", "2", "3"),
        result("1", "short"),
        result("2", "stone " * 2_000),
        result("3", json.dumps([{"arch": number} for number in range(2_000)])),
    ]
    kept = trim_history(said, 600)
    assert kept.tokens <= 600
    one, two, three = kept.messages[2:]
    assert one is said[2]
    assert "stone" in two.text
    assert isinstance(json.loads(three.text), list)


def test_what_has_to_stay_and_does_not_fit_is_said_with_numbers() -> None:
    """The error says how much would do; with that much it does."""
    said = [SystemMessage("rule " * 300), HumanMessage("why " * 200)]
    with pytest.raises(
        HistoryTooLong, match=r"take 5\d\d tokens at least, but there are 400"
    ) as told:
        trim_history(said, 400)
    assert trim_history(said, told.value.needed).messages == tuple(said)
    with pytest.raises(ValueError, match="0 or more"):
        trim_history(said, -1)


def test_a_late_result_moves_to_its_call() -> None:
    """A person who spoke in between does not part a call from its result."""
    said = [HumanMessage("a"), calls("1"), HumanMessage("still there?"), result("1")]
    kept = trim_history(said, 1_000)
    assert [m.type for m in kept.messages] == ["human", "ai", "tool", "human"]


def test_a_call_without_a_result_gets_one() -> None:
    """An interrupted call keeps its sibling's result, and says that it has none."""
    said = [HumanMessage("a"), calls("1", "2"), result("2", "two"), HumanMessage("go on")]
    kept = trim_history(said, 1_000).messages
    assert [m.text for m in kept] == ["a", "", "two", "[no result]", "go on"]
    assert_valid(kept)


def test_calls_under_way_stay_open() -> None:
    """The last calls may still be answered: nothing is put in their place."""
    said = [HumanMessage("a"), calls("1", "2"), result("2", "two")]
    assert trim_history(said, 1_000).messages == tuple(said)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([HumanMessage("a"), result("9")], "no call for it"),
        ([HumanMessage("a"), calls("1"), result("1"), result("1")], "second result of a call"),
        ([AIMessage("Hello!"), HumanMessage("a")], "before a person spoke"),
        ([HumanMessage("a"), calls(""), HumanMessage("b")], "a call without an id"),
    ],
)
def test_what_a_provider_would_refuse_is_left_out_and_said(
    said: list[AnyMessage], reason: str
) -> None:
    """Each with its place and the reason."""
    kept = trim_history(said, 1_000)
    assert_valid(kept.messages)
    assert [one.reason for one in kept.left_out] == [reason]
    assert kept.left_out[0].tokens > 0


def test_ids_that_come_again_are_told_apart() -> None:
    """A server that numbers the calls of each message from 0 is understood."""
    said: list[BaseMessage] = [HumanMessage("a")]
    for turn in range(30):
        said += [calls("call_0", "call_1"), result("call_1", f"second of {turn}"), result("call_0")]
    kept = trim_history(said, 900)
    assert kept.tokens <= 900
    assert_valid(kept.messages)
    assert "second of 29" in [m.text for m in kept.messages]


def test_a_file_that_cannot_be_counted_is_told_of() -> None:
    """In an old message a note takes its place; in the question it is the caller's to solve."""
    block = {"type": "file", "base64": "AAAA", "mime_type": "application/pdf"}
    said = [
        HumanMessage([{"type": "text", "text": "read"}, block]),
        AIMessage("ok"),
        HumanMessage("b"),
    ]
    kept = trim_history(said, 1_000)
    assert kept.messages[0].content[1] == {"type": "text", "text": "[file left out]"}
    assert kept.left_out[0].reason == "cannot be counted"
    with pytest.raises(UnboundedInput):
        trim_history(said[:1], 1_000)


def test_images_count_as_the_most_their_provider_takes() -> None:
    """An old picture in a result goes before the room is passed; reasoning counts as its text."""
    picture = {"type": "image", "url": "https://example.org/a.png"}
    thought = AIMessage([{"type": "thinking", "thinking": "hm " * 500, "signature": "s"}])
    said = [HumanMessage("a"), calls("1"), result("1", [picture]), calls("2"), result("2")]
    assert trim_history(said, 60_000).messages == tuple(said)
    kept = trim_history(said, 40_000)
    assert kept.tokens < 200
    assert trim_history([HumanMessage("a"), thought, HumanMessage("b")], 300).tokens < 20


def test_steps_that_are_gone_can_be_recalled() -> None:
    """With a shelf, a line behind the first thing a person said tells how to ask for them."""
    shelf = Stash().of("7")
    said = long_run(40)
    kept = trim_history(said, 1_500, shelf=shelf)
    assert kept.tokens <= 1_500
    gone = [one for one in kept.left_out if one.reason == "no room"]
    asked = kept.messages[1].text
    assert asked.startswith("Which arch carries water?\n\n[… ")
    assert f'recall("{gone[0].handle}")' in asked
    assert said[3].text in shelf.get(gone[0].handle)
    cut = next(one for one in kept.left_out if one.reason == "shortened")
    assert shelf.get(cut.handle) == said[cut.at].text


def test_a_count_that_does_not_add_up_still_fits() -> None:
    """A counter with a mind of its own costs room, never the cap."""

    def odd(messages: Sequence[BaseMessage]) -> int:
        return COUNT(list(messages)) + len(messages) ** 2

    said = long_run(40)
    kept = trim_history(said, 2_500, count=odd)
    assert odd(kept.messages) <= 2_500
    assert_valid(kept.messages)


def test_a_counter_that_raises_is_not_hidden() -> None:
    """Its error is the caller's."""

    def broken(messages: Sequence[BaseMessage]) -> int:
        raise OSError("no vocabulary")

    with pytest.raises(OSError, match="no vocabulary"):
        trim_history([HumanMessage("a")], 100, count=broken)


def test_it_is_a_piece_of_a_chain() -> None:
    """A prompt's messages pass through it, sync, in batches and async."""
    prompt = ChatPromptTemplate([("system", "Be exact."), ("placeholder", "{said}")])
    chain = prompt | HistoryTrimmer(tokens=60)
    said = [("user", "Hi"), ("ai", "Hello! " * 99), ("user", "Bye")]
    found: list[BaseMessage] = chain.invoke({"said": said})
    assert [m.text for m in found] == ["Be exact.", "Bye"]
    assert chain.batch([{"said": said}] * 2) == [found, found]
    assert [m.text for m in HistoryTrimmer(tokens=60).invoke("Hi")] == ["Hi"]


async def test_it_is_a_piece_of_an_asynchronous_chain() -> None:
    """The same from a coroutine, and as a stream of one."""
    trimmer = HistoryTrimmer(tokens=60)
    found = await trimmer.ainvoke([("user", "Hi")])
    assert [m.text for m in found] == ["Hi"]
    assert [piece async for piece in trimmer.astream([("user", "Hi")])] == [found]
