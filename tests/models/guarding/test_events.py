"""LangChain's streaming protocol of events: metered, cut and settled like a stream of chunks."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import BaseChatModel

from shoestring.budget import Amount, Budget, Ledger
from shoestring.models import DEFAULT_MAX_OUTPUT, guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatResult
    from tests.conftest import CountingServer

pytestmark = pytest.mark.skipif(
    not hasattr(BaseChatModel, "_iter_v2_events"),
    reason="this langchain-core has no events of its own",
)

WORD = "a word of some length "


class Events(BaseChatModel):
    """Speaks the protocol itself, past `_stream`: a block in parts, a block as a whole, or both.

    Attributes:
        says: How often it says its word.
        whole: Whether a block comes at its end only.
        kind: What it writes: "text", "reasoning" or "tool_call".
        ends: How it ends: with "finish", with its limit ("length"), with an "error" event, by
            raising ("raise"), or without a word ("silence": no usage).
    """

    max_tokens: int | None = None
    says: int = 1
    whole: bool = False
    kind: str = "text"
    ends: str = "finish"
    seen: list[Any] = []  # noqa: RUF012 - pydantic copies defaults

    @property
    def _llm_type(self) -> str:
        return "events"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    def _block(self, text: str, part: str = "") -> dict[str, Any]:
        if self.kind == "tool_call":
            call = {"id": "c", "name": "look"}
            args = f'{{"at": "{text}"}}' if part else {"at": text}
            return {"type": f"{self.kind}{part}", **call, "args": args}
        return {"type": self.kind, self.kind: text}

    def _delta(self, text: str) -> dict[str, Any]:
        key = {"tool_call": "args"}.get(self.kind, self.kind)
        return {"type": self.kind.replace("_", "-") + "-delta", key: text}

    def _stream_chat_model_events(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[dict[str, Any]]:
        self.seen.append(self.max_tokens)
        try:
            yield {"event": "message-start", "role": "ai", "id": "m"}
            start = {"tool_call": self._block("", "_chunk") | {"args": ""}}.get(
                self.kind, self._block("")
            )
            yield {"event": "content-block-start", "index": 0, "content": start}
            for _ in range(0 if self.whole else self.says):
                delta = self._delta(WORD)
                yield {"event": "content-block-delta", "index": 0, "delta": delta}
            if self.ends == "raise":
                raise ConnectionResetError
            if self.ends == "error":
                yield {"event": "error", "message": "overloaded"}
                return
            block = self._block(WORD * self.says)
            yield {"event": "content-block-finish", "index": 0, "content": block}
            usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
            reason = "length" if self.ends == "length" else "stop"
            metadata = {"finish_reason": reason, "model_name": "another"}
            told = {} if self.ends == "silence" else {"usage": usage}
            yield {"event": "message-finish", "metadata": metadata, **told}
        finally:
            self.seen.append("closed")

    async def _astream_chat_model_events(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[dict[str, Any]]:
        for event in self._stream_chat_model_events(messages, stop, **kwargs):
            yield event
            await asyncio.sleep(0)  # as where a server is waited for


@pytest.fixture(autouse=True)
def beta() -> Iterator[None]:
    """LangChain calls the protocol a beta, once a process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*beta")
        yield


def on_events(max_output: int | None = None, **options: Any) -> tuple[Events, Ledger]:
    ledger = Ledger(Budget(tokens=20_000))
    model = guard(Events(**options), ledger, max_output=max_output, output_field="max_tokens")
    return model, ledger


async def answer(model: BaseChatModel, way: str) -> Any:
    """The whole message, asked for in one of the two ways."""
    if way == "sync":
        return model.stream_events("hello", version="v3").output
    return await (await model.astream_events("hello", version="v3")).output


WAYS = pytest.mark.parametrize("way", ["sync", "async"])


@WAYS
async def test_the_last_event_settles(way: str) -> None:
    """Its usage is charged; the limit is set; who answered is noted."""
    model, ledger = on_events()
    assert (await answer(model, way)).text == WORD
    (line,) = ledger.receipt.lines
    assert line.spent == Amount(input_tokens=10, output_tokens=2, calls=1)
    assert (line.basis, line.detail) == ("measured", "answered by another")
    assert ledger.held == Amount()
    assert model.seen[0] == DEFAULT_MAX_OUTPUT


@WAYS
async def test_an_answer_that_met_its_limit_is_marked(way: str) -> None:
    """As an answer that comes in chunks is."""
    model, _ = on_events(ends="length")
    assert (await answer(model, way)).response_metadata["truncated"] is True
    model, _ = on_events()
    assert "truncated" not in (await answer(model, way)).response_metadata


@WAYS
@pytest.mark.parametrize("kind", ["text", "reasoning", "tool_call"])
@pytest.mark.parametrize("whole", [False, True])
async def test_a_stream_that_ignores_its_limit_is_cut_at_the_hold(
    way: str, kind: str, *, whole: bool
) -> None:
    """In whatever it writes: closed, marked, and what was held is charged."""
    model, ledger = on_events(20, says=200, kind=kind, whole=whole)
    said = await answer(model, way)
    assert said.response_metadata["truncated"] is True
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent) == ("presumed", line.reserved)
    assert "cut at its hold" in line.detail
    gc.collect()
    assert model.seen[-1] == "closed"


@WAYS
@pytest.mark.parametrize("whole", [False, True])
async def test_an_answer_of_its_full_length_is_not_cut(way: str, *, whole: bool) -> None:
    """A block that comes in parts and as a whole is counted once."""
    model, ledger = on_events(200, says=100, whole=whole)
    assert (await answer(model, way)).text == WORD * 100
    assert {line.basis for line in ledger.receipt.lines} == {"measured"}


@WAYS
@pytest.mark.parametrize(
    ("ends", "says"),
    [
        ("raise", "ended by ConnectionResetError"),
        ("error", "ended by an error in the stream"),
        ("silence", "no usage"),
    ],
)
async def test_an_end_without_a_report_charges_the_hold(way: str, ends: str, says: str) -> None:
    """An error, raised or told in an event, and an answer without usage."""
    model, ledger = on_events(ends=ends)
    if ends == "silence":
        await answer(model, way)
    else:
        with pytest.raises((ConnectionResetError, RuntimeError)):
            await answer(model, way)
    gc.collect()
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent) == ("presumed", line.reserved)
    assert says in line.detail
    assert ledger.held == Amount()


async def test_who_stops_listening_pays_the_hold() -> None:
    """A stream that is let go before its end, in both ways."""
    model, ledger = on_events(says=5)
    stream: Any = model.stream_events("hello", version="v3")
    next(iter(stream.text))
    del stream
    gc.collect()
    astream: Any = await model.astream_events("hello", version="v3")
    await anext(aiter(astream.text))
    await astream.aclose()
    del astream
    gc.collect()
    async with asyncio.timeout(10):
        while ledger.held != Amount():  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0)
    first, second = ledger.receipt.lines
    assert (first.basis, first.spent) == ("presumed", first.reserved)
    assert (second.basis, second.spent) == ("presumed", second.reserved)


@WAYS
async def test_the_bridge_from_chunks_is_metered(way: str, server: CountingServer) -> None:
    """LangChain makes events of the chunks of a guarded model that has none of its own."""
    ledger = Ledger(Budget(tokens=10_000))
    said = await answer(guard(server.model(), ledger, max_output=5), way)
    assert said.text.startswith("word")
    assert said.response_metadata["truncated"] is True
    assert ledger.spent.tokens == server.billed
    assert ledger.held == Amount()
    server.behave = "greedy"
    server.wants = 500
    said = await answer(guard(server.model(), ledger, max_output=5), way)
    assert said.response_metadata["truncated"] is True
    assert "cut at its hold" in ledger.receipt.lines[-1].detail
