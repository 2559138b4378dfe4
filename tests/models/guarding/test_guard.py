"""The cap is a cap: what a server billed is on the ledger, and never above the limit."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Ledger,
    LedgerNotPortable,
)
from shoestring.models import (
    DEFAULT_MAX_OUTPUT,
    Price,
    UnboundedInput,
    UnknownPrice,
    guard,
)

KEY = SecretStr("none")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.conftest import CountingServer


class Fake(BaseChatModel):
    """Answers `says` words and reports `usage`; remembers the limit each call came with."""

    max_tokens: int | None = None
    says: int = 3
    usage: Any = None
    limits: list[Any] = []  # noqa: RUF012 - pydantic copies defaults

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _message(self, messages: list[BaseMessage]) -> AIMessage:
        self.limits.append(self.max_tokens)
        message = AIMessage("word " * self.says)
        # Set after validation: providers' mistakes pass through model_construct as well.
        message.usage_metadata = self.usage
        return message

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._message(messages))])


class Streaming(Fake):
    """Streams in chunks, reporting input first and output last, as some providers do."""

    fail_after: int | None = None

    def _chunks(self) -> Iterator[ChatGenerationChunk]:
        self.limits.append(self.max_tokens)
        first = UsageMetadata(input_tokens=10, output_tokens=0, total_tokens=10)
        says = self.says
        last = UsageMetadata(input_tokens=0, output_tokens=says, total_tokens=says)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=first))
        for index in range(self.says):
            if index == self.fail_after:
                raise ConnectionResetError
            yield ChatGenerationChunk(message=AIMessageChunk(content="word "))
        done = AIMessageChunk(
            content="", usage_metadata=last, response_metadata={"stop_reason": "end"}
        )
        yield ChatGenerationChunk(message=done)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        return self._chunks()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks():
            yield chunk


def on_fake(model: BaseChatModel, tokens: int = 10_000, **options: Any) -> tuple[Any, Ledger]:
    ledger = Ledger(Budget(tokens=tokens))
    return guard(model, ledger, output_field="max_tokens", **options), ledger


def matches(ledger: Ledger, server: CountingServer) -> bool:
    """Whether the ledger says exactly what the server billed, with nothing left open."""
    spent, held = ledger.spent, ledger.held
    billed = (server.billed_input, server.billed_output)
    return (spent.input_tokens, spent.output_tokens) == billed and held == Amount()


# The plain ways to call a model.


def test_every_way_to_call_is_metered(server: CountingServer) -> None:
    """Invoke, stream, batch and generate spend what the server bills, one call a request."""
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(server.model(), ledger)
    model.invoke("hello")
    list(model.stream("hello"))
    model.batch(["one", "two"])
    model.generate([[HumanMessage("three")], [HumanMessage("four")]])
    assert matches(ledger, server)
    assert ledger.spent.calls == len(server.requests) == 6
    assert {line.basis for line in ledger.receipt.lines} == {"measured"}
    assert {line.what for line in ledger.receipt.lines} == {"gpt-4o-mini"}


async def test_every_asynchronous_way_to_call_is_metered(server: CountingServer) -> None:
    """The asynchronous twins spend what the server bills."""
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(server.model(), ledger)
    await model.ainvoke("hello")
    [_ async for _ in model.astream("hello")]
    await model.abatch(["one", "two"])
    [_ async for _ in model.astream_events("hello", version="v2")]
    assert matches(ledger, server)
    assert ledger.spent.calls == len(server.requests) == 5


def test_the_reservation_of_a_plain_prompt_is_exact(server: CountingServer) -> None:
    """What is reserved for the input is what the provider counts; the limit is sent."""
    ledger = Ledger(Budget(tokens=10_000))
    guard(server.model(), ledger, max_output=30).invoke("How many words is this, <|endoftext|>?")
    (line,) = ledger.receipt.lines
    assert line.reserved.input_tokens == line.spent.input_tokens == server.billed_input
    assert line.reserved.output_tokens == 30
    assert server.requests[0]["max_completion_tokens"] == 30


def test_labels_of_the_ledger_are_on_the_receipt(server: CountingServer) -> None:
    """A guard on `ledger.at(node=…)` says which node spent."""
    ledger = Ledger(Budget(tokens=10_000))
    guard(server.model(), ledger.at(node="reason", route="direct")).invoke("hello")
    (line,) = ledger.receipt.lines
    assert (line.node, line.route) == ("reason", "direct")


# The cap.


def test_threads_never_pass_the_cap(server: CountingServer) -> None:
    """Eight threads with 400 tokens a call on a cap of 1,000: at most two are served."""
    server.wants = 10**6
    ledger = Ledger(Budget(tokens=1_000))
    model = guard(server.model(), ledger, max_output=390, min_output=390)

    def call(index: int) -> bool:
        try:
            model.invoke("hello")
        except (BudgetBusy, BudgetExceeded):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        served = sum(pool.map(call, range(16)))
    assert served == len(server.requests) == 2
    assert server.billed <= 1_000
    assert matches(ledger, server)


async def test_tasks_never_pass_the_cap(server: CountingServer) -> None:
    """The same for tasks of one event loop, whichever way they call."""
    server.wants = 10**6
    ledger = Ledger(Budget(tokens=1_000))
    model = guard(server.model(), ledger, max_output=390, min_output=390)

    async def stream() -> None:
        [_ async for _ in model.astream("hello")]

    calls = [model.ainvoke("hello") for _ in range(6)] + [stream() for _ in range(6)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 2
    assert server.billed <= 1_000
    assert matches(ledger, server)


def test_no_call_takes_all_that_is_left(server: CountingServer) -> None:
    """Of 20 calls without a limit all are let in together, and one that fails costs its own hold."""
    ledger = Ledger(Budget(tokens=30_000))
    server.behave = "hang"
    arrived = threading.Semaphore(0)

    def says(_: Any) -> str:
        arrived.release()
        return "word"

    server.says = says
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(guard(server.model(), ledger).invoke, "hello") for _ in range(20)]
        assert all(arrived.acquire(timeout=20) for _ in calls)
        assert ledger.held.output_tokens == 20 * DEFAULT_MAX_OUTPUT
        server.free.set()
        assert all(call.exception() for call in calls)
    lines = ledger.receipt.lines
    assert {line.basis for line in lines} == {"presumed"}
    assert all(line.spent.tokens <= DEFAULT_MAX_OUTPUT + 20 for line in lines)


def test_callers_that_wait_are_all_served(server: CountingServer) -> None:
    """With `wait`, a call takes its turn instead of failing on what others hold."""
    server.wants = 5
    ledger = Ledger(Budget(tokens=1_000))
    model = guard(server.model(), ledger, max_output=390, wait=30)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(model.invoke, ["hello"] * 16))
    assert len(server.requests) == 16
    assert matches(ledger, server)


def test_a_call_that_waited_gets_the_room_that_came_free() -> None:
    """A hold for the least output is extended to what there is, up to what was wanted."""
    usage = {"input_tokens": 80, "output_tokens": 5, "total_tokens": 85}
    model, ledger = on_fake(Fake(usage=usage), tokens=400, max_output=600, wait=1)
    model.invoke("hello")
    (line,) = ledger.receipt.lines
    assert line.reserved.tokens == 400
    assert model.limits == [line.reserved.output_tokens]


def test_nothing_is_sent_that_is_not_worth_a_call(server: CountingServer) -> None:
    """Below `min_output` the call is refused, with the numbers, and the budget stays open."""
    ledger = Ledger(Budget(tokens=20))
    with pytest.raises(BudgetExceeded) as refused:
        guard(server.model(), ledger).invoke("hello")
    assert refused.value.dimension == "tokens"
    assert server.requests == []
    assert ledger.held == Amount()
    assert ledger.spent == Amount()


def test_dollars_are_a_cap_too(server: CountingServer) -> None:
    """The answer is limited to what the money buys after the prompt."""
    ledger = Ledger(Budget(usd="0.001"))
    price = Price(input=1, output=10)
    server.wants = 10**6
    model = guard(server.model(), ledger, price=price)
    answer = model.invoke("hello")
    assert answer.response_metadata["truncated"] is True
    assert ledger.spent.nanodollars == price.bound(server.billed_input, server.billed_output)
    assert Decimal("0.0009") < ledger.spent.usd <= Decimal("0.001")
    with pytest.raises(BudgetExceeded):
        model.invoke("hello")


def test_calls_are_a_cap_too(server: CountingServer) -> None:
    """A budget of two calls sends two requests."""
    model = guard(server.model(), Ledger(Budget(calls=2)))
    with pytest.raises(BudgetExceeded):
        model.batch(["one", "two", "three"], config={"max_concurrency": 1})
    assert len(server.requests) == 2


# The limit of an answer.


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, DEFAULT_MAX_OUTPUT),
        ({"max_tokens": None}, DEFAULT_MAX_OUTPUT),
        ({"max_tokens": 0}, DEFAULT_MAX_OUTPUT),
        ({"max_tokens": -1}, DEFAULT_MAX_OUTPUT),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 3_000}, 3_000),
        ({"max_tokens": 10**9}, DEFAULT_MAX_OUTPUT),
        ({"extra_body": {"max_tokens": 10**9, "max_completion_tokens": 9}}, 9),
    ],
)
def test_the_callers_limit_is_kept_where_it_can_be(
    server: CountingServer, asked: dict[str, Any], sent: int
) -> None:
    """A smaller limit is kept, an affordable one granted, an absurd or missing one replaced."""
    ledger = Ledger(Budget(tokens=5_000))
    guard(server.model(), ledger).invoke("hello", **asked)
    (body,) = server.requests
    assert body.pop("max_completion_tokens") == sent
    assert not {"max_tokens", "max_output_tokens", "max_completion_tokens"} & body.keys()
    assert matches(ledger, server)


@pytest.mark.parametrize("where", ["field", "model_kwargs", "extra_body", "bind"])
def test_no_place_to_set_a_limit_gets_past_the_guard(server: CountingServer, where: str) -> None:
    """Wherever a larger limit stands, the request carries the guard's."""
    server.wants = 10**6
    large = {"max_completion_tokens": 10**9}
    options: dict[str, dict[str, Any]] = {
        "field": {"max_tokens": 10**9},
        "model_kwargs": {"model_kwargs": large},
        "extra_body": {"extra_body": large},
    }
    ledger = Ledger(Budget(tokens=500))
    model = guard(server.model().model_copy(update=options.get(where)), ledger)
    (model.bind(**large) if where == "bind" else model).invoke("hello")
    assert server.billed <= 500
    assert matches(ledger, server)
    assert large == {"max_completion_tokens": 10**9}  # the caller's own is untouched


def test_several_answers_share_the_limit(server: CountingServer) -> None:
    """`n` answers are reserved n times and their usage is counted once."""
    server.wants = 10**6
    ledger = Ledger(Budget(tokens=500))
    model = guard(server.model(n=2), ledger)
    model.invoke("hello")
    (line,) = ledger.receipt.lines
    assert line.reserved.output_tokens == 2 * server.requests[0]["max_completion_tokens"]
    assert server.billed <= 500
    assert matches(ledger, server)


def test_a_cut_answer_says_so(server: CountingServer) -> None:
    """`truncated` stands in the metadata of an answer that met its limit, streamed or not."""
    model = guard(server.model(), Ledger(Budget(tokens=10_000)), max_output=5)
    assert model.invoke("hello").response_metadata["truncated"] is True
    first, *others = model.stream("hello")
    whole = first.__add__(others)
    assert whole.response_metadata["truncated"] is True
    free = guard(server.model(), Ledger(Budget(tokens=10_000)))
    assert "truncated" not in free.invoke("hello").response_metadata


# Errors.


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_a_refused_request_costs_one_call(server: CountingServer, status: int, way: str) -> None:
    """Errors that are documented as unbilled charge no tokens; no hidden retry sends it again."""
    server.behave = status
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(server.model(max_retries=5), ledger)
    with pytest.raises(openai.APIStatusError):
        list(getattr(model, way)("hello"))
    assert len(server.requests) == 1
    assert ledger.spent == Amount(calls=1)
    assert ledger.held == Amount()


async def test_an_asynchronous_request_is_sent_once_too(server: CountingServer) -> None:
    """The asynchronous client's hidden retries are off as well."""
    server.behave = 429
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(server.model(max_retries=5), ledger)
    with pytest.raises(openai.RateLimitError):
        await model.ainvoke("hello")
    assert len(server.requests) == 1
    assert ledger.spent == Amount(calls=1)


def test_an_error_after_billing_charges_the_hold(server: CountingServer) -> None:
    """A server error may have been billed: the whole hold is presumed spent, once a request."""
    server.behave = "boom"
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(server.model(), ledger, max_output=100)
    with pytest.raises(openai.InternalServerError):
        model.invoke("hello")
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent) == ("presumed", line.reserved)
    assert len(server.requests) == 1
    assert ledger.spent.tokens >= server.billed


def test_a_retry_over_the_guard_is_charged_each_time(server: CountingServer) -> None:
    """`with_retry` makes physical calls, and each is reserved and charged."""
    server.behave = "boom"
    ledger = Ledger(Budget(tokens=250))
    model = guard(server.model(), ledger, max_output=90)
    with pytest.raises(BudgetExceeded):
        model.with_retry(
            stop_after_attempt=5,
            wait_exponential_jitter=False,
            retry_if_exception_type=(openai.APIError,),
        ).invoke("hello")
    assert len(server.requests) == 3
    assert server.billed <= ledger.spent.tokens <= 250


def test_a_connection_that_was_never_made_is_free() -> None:
    """A refused connection releases the hold."""
    ledger = Ledger(Budget(tokens=10_000))
    model = ChatOpenAI(model="gpt-4o-mini", api_key=KEY, base_url="http://127.0.0.1:1/v1")
    with pytest.raises(openai.APIConnectionError):
        guard(model, ledger).invoke("hello")
    assert ledger.spent == Amount()
    assert ledger.held == Amount()


@pytest.mark.parametrize("first", ["refused", "unconnected"])
def test_a_call_is_not_judged_by_the_failure_it_stands_in_for(
    server: CountingServer, first: str
) -> None:
    """Called again from an `except`, the second call's error carries the first: it is billed still."""
    ledger = Ledger(Budget(tokens=10_000))
    url = "http://127.0.0.1:1/v1" if first == "unconnected" else server.url
    server.behave = 429
    try:
        guard(server.model(base_url=url), ledger).invoke("hello")
    except openai.APIError:
        server.behave = "hang"
        with pytest.raises(openai.APITimeoutError):
            guard(server.model(request_timeout=0.2), ledger).invoke("hello")
    assert ledger.spent.tokens >= server.billed > 0
    assert ledger.receipt.lines[-1].basis == "presumed"


def test_a_timeout_charges_the_hold(server: CountingServer) -> None:
    """The provider may go on generating after the client stopped listening."""
    server.behave = "hang"
    ledger = Ledger(Budget(tokens=10_000))
    with pytest.raises(openai.APITimeoutError):
        guard(server.model(request_timeout=0.2), ledger).invoke("hello")
    assert ledger.spent.tokens >= server.billed > 0
    assert ledger.held == Amount()


def test_the_seconds_that_are_left_end_the_request(server: CountingServer) -> None:
    """What remains of `seconds` is passed on as the request's time-out."""
    server.behave = "hang"
    ledger = Ledger(Budget(tokens=10_000, seconds=0.5))
    with pytest.raises(openai.APITimeoutError):
        guard(server.model(), ledger).invoke("hello")
    with pytest.raises(BudgetExceeded) as refused:
        guard(server.model(), ledger).invoke("hello")
    assert refused.value.dimension == "seconds"


async def test_a_cancelled_call_charges_the_hold(server: CountingServer) -> None:
    """Cancelling the task does not stop the provider's clock."""
    server.behave = "hang"
    ledger = Ledger(Budget(tokens=10_000))
    task = asyncio.create_task(guard(server.model(), ledger).ainvoke("hello"))
    await asyncio.to_thread(server.arrived.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (line,) = ledger.receipt.lines
    assert line.basis == "presumed"
    assert "CancelledError" in line.detail
    assert ledger.spent.tokens >= server.billed > 0
    assert ledger.held == Amount()


# Streams.


def test_a_stream_that_is_closed_early_charges_the_hold(server: CountingServer) -> None:
    """Who stops listening pays what was reserved: the provider may have written it all."""
    ledger = Ledger(Budget(tokens=10_000))
    stream = guard(server.model(), ledger).stream("hello")
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # LangChain's stream is a generator
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent) == ("presumed", line.reserved)
    assert ledger.spent.tokens >= server.billed
    assert ledger.held == Amount()


async def test_an_asynchronous_stream_that_is_closed_early_charges_the_hold(
    server: CountingServer,
) -> None:
    """The same for an asynchronous stream."""
    ledger = Ledger(Budget(tokens=10_000))
    stream = guard(server.model(), ledger).astream("hello")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # LangChain's stream is a generator
    assert ledger.receipt.lines[0].basis == "presumed"
    assert ledger.spent.tokens >= server.billed
    assert ledger.held == Amount()


def test_a_stream_that_breaks_off_charges_the_hold(server: CountingServer) -> None:
    """A connection lost in the middle hides what was written after it."""
    server.behave = "cut"
    ledger = Ledger(Budget(tokens=10_000))
    list(guard(server.model(), ledger).stream("hello"))
    (line,) = ledger.receipt.lines
    assert line.basis == "presumed"
    assert ledger.spent.tokens >= server.billed


def test_usage_comes_with_a_stream_whatever_the_model_says(server: CountingServer) -> None:
    """Usage is forced on where an integration leaves it off, and where a call says no."""
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(server.model(stream_usage=False), ledger)
    list(model.stream("one"))
    list(model.stream("two", stream_usage=False))
    list(model.stream("three", stream_options={"include_usage": False}))
    assert matches(ledger, server)


def test_usage_in_parts_adds_up() -> None:
    """Input reported with the first chunk and output with the last make one measured line."""
    model, ledger = on_fake(Streaming(says=5))
    list(model.stream("hello"))
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent) == (
        "measured",
        Amount(input_tokens=10, output_tokens=5, calls=1),
    )


def test_usage_counts_where_no_reason_for_the_end_is_given() -> None:
    """A report with the last chunk is whole, where the provider never says why it stopped."""

    class Terse(Streaming):
        def _chunks(self) -> Iterator[ChatGenerationChunk]:
            usage = UsageMetadata(input_tokens=9, output_tokens=1, total_tokens=10)
            yield ChatGenerationChunk(message=AIMessageChunk(content="word"))
            yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage))

    model, ledger = on_fake(Terse())
    list(model.stream("hello"))
    assert ledger.spent == Amount(input_tokens=9, output_tokens=1, calls=1)


@pytest.mark.parametrize("fail_after", [0, 2])
def test_a_partial_report_is_not_taken_for_the_whole(fail_after: int) -> None:
    """A stream that failed after reporting its input is charged in full."""
    model, ledger = on_fake(Streaming(says=5, fail_after=fail_after))
    with pytest.raises(ConnectionResetError):
        list(model.stream("hello"))
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent) == ("presumed", line.reserved)


# What a provider reports.


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"input_tokens": -1, "output_tokens": 5, "total_tokens": 4},
        {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
        {"input_tokens": 10**15, "output_tokens": 5, "total_tokens": 10**15 + 5},
        {"input_tokens": "many", "output_tokens": 5, "total_tokens": 5},
    ],
)
def test_a_report_that_cannot_be_true_charges_the_hold(usage: Any) -> None:
    """Missing, negative, empty and absurd usage is no measurement."""
    model, ledger = on_fake(Fake(usage=usage))
    model.invoke("hello")
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent) == ("presumed", line.reserved)


def test_more_than_was_allowed_is_recorded_in_full(server: CountingServer) -> None:
    """A provider that ignores its limit makes a breach, on the receipt and on the ledger."""
    server.behave = "greedy"
    server.wants = 900
    ledger = Ledger(Budget(tokens=500))
    model = guard(server.model(), ledger, max_output=50)
    model.invoke("hello")
    assert matches(ledger, server)
    assert ledger.closed
    with pytest.raises(Exception, match="closed"):
        model.invoke("hello")
    assert len(server.requests) == 1


def test_cached_tokens_are_settled_at_their_price() -> None:
    """The hold is priced at the dearest rate, the settling at the billed one."""
    usage = {
        "input_tokens": 10_000,
        "output_tokens": 10,
        "total_tokens": 10_010,
        "input_token_details": {"cache_read": 9_000},
    }

    class Listed(Fake):
        def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
            return {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}

    ledger = Ledger(Budget(usd=1))
    guard(Listed(usage=usage), ledger, output_field="max_tokens").invoke("word " * 10_000)
    (line,) = ledger.receipt.lines
    assert 0 < line.spent.nanodollars < line.reserved.nanodollars * 0.7


# LangChain's features.


def test_a_cache_hit_is_free(server: CountingServer) -> None:
    """The guard stands below the cache: the second answer costs nothing and needs no room."""
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(server.model(cache=InMemoryCache()), ledger)
    first, second = model.invoke("hello"), model.invoke("hello")
    assert first.content == second.content
    assert len(server.requests) == 1
    assert matches(ledger, server)


def test_a_guarded_model_is_still_the_model(server: CountingServer) -> None:
    """Its class, its name and its parameters for tracing stay as they were."""
    plain = server.model()
    model = guard(plain, Ledger(Budget(tokens=10_000)))
    assert isinstance(model, ChatOpenAI)
    assert type(model).__name__ == "ChatOpenAI"
    assert model._get_ls_params() == plain._get_ls_params()
    assert model._get_llm_string() == plain._get_llm_string()
    assert model.lc_id() == plain.lc_id()
    plain.invoke("the model that was given is untouched")
    assert "max_completion_tokens" not in server.requests[0]


def test_tools_and_structured_output_are_metered(server: CountingServer) -> None:
    """Schemas that are sent are counted into the prompt, however they are bound."""

    @tool
    def look_up(city: str) -> str:
        """Look up a city."""
        return city

    class City(BaseModel):
        """A city."""

        name: str

    ledger = Ledger(Budget(tokens=10_000))
    model = guard(server.model(), ledger)
    model.invoke("hello")
    model.bind_tools([look_up]).invoke("hello")
    model.with_structured_output(City, method="function_calling", include_raw=True).invoke("hello")
    model.with_structured_output(City, method="json_schema", include_raw=True).invoke("hello")
    plain, *others = [line.reserved.input_tokens for line in ledger.receipt.lines]
    assert all(other > plain + 20 for other in others)
    assert len(server.requests) == 4
    assert server.requests[1]["tools"][0]["function"]["name"] == "look_up"
    assert server.requests[3]["response_format"]["type"] == "json_schema"


def test_a_stream_that_is_parsed_to_a_schema_is_measured(server: CountingServer) -> None:
    """OpenAI's integration reports its usage beside the message, not in it."""
    ledger = Ledger(Budget(tokens=10_000))
    schema = {"title": "City", "description": "A city.", "type": "object", "properties": {}}
    model = guard(server.model(), ledger).with_structured_output(schema, include_raw=True)
    list(model.stream("hello"))
    assert matches(ledger, server)
    assert {line.basis for line in ledger.receipt.lines} == {"measured"}


def test_settings_made_after_guarding_count(server: CountingServer) -> None:
    """A copy of a guarded model with another setting stays guarded, and uses the setting."""
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(server.model(), ledger).model_copy(update={"temperature": 0.25, "max_tokens": 9})
    model.invoke("hello")
    assert server.requests[0]["temperature"] == 0.25
    assert server.requests[0]["max_completion_tokens"] == 9
    assert matches(ledger, server)


def test_a_model_built_from_a_guarded_class_is_not_let_through(server: CountingServer) -> None:
    """Who makes a new model of the guarded class is told that it has no ledger."""
    model = guard(server.model(), Ledger(Budget(tokens=10_000)))
    with pytest.raises(TypeError, match="has no ledger"):
        type(model)(base_url=server.url, api_key=KEY).invoke("hello")
    assert server.requests == []


def test_guarding_again_replaces_the_ledger(server: CountingServer) -> None:
    """Two guards do not charge twice: the last one counts."""
    first, second = Ledger(Budget(tokens=10_000)), Ledger(Budget(tokens=10_000))
    model = guard(guard(server.model(), first, max_output=5), second)
    model.invoke("hello")
    assert first.spent == Amount()
    assert matches(second, server)
    assert server.requests[0]["max_completion_tokens"] == DEFAULT_MAX_OUTPUT


def test_pickling_says_that_the_ledger_cannot_travel(server: CountingServer) -> None:
    """The ledger's own error, not one about locks in a client."""
    with pytest.raises(LedgerNotPortable):
        pickle.dumps(guard(server.model(), Ledger(Budget(tokens=1))))


def test_a_copy_that_travelled_spends_from_its_ledger() -> None:
    """A guarded model's parts, put together again, are guarded; so is a deep copy."""
    model, ledger = on_fake(Fake(usage={"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}))
    restore, parts = model.__reduce__()
    restore(*parts).invoke("hello")
    copy.deepcopy(model).invoke("hello")
    assert ledger.spent == Amount(input_tokens=10, output_tokens=6, calls=2)


def test_streaming_is_offered_only_where_the_model_streams() -> None:
    """LangChain takes a method that is defined for one that works."""
    model, ledger = on_fake(Fake(usage={"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}))
    assert type(model)._stream is BaseChatModel._stream
    assert len(list(model.stream("hello"))) == 1
    assert ledger.spent.calls == 1


async def test_a_model_without_asynchronous_methods_is_charged_once() -> None:
    """LangChain's default runs the synchronous method, which is metered."""
    model, ledger = on_fake(Fake(usage={"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}))
    await model.ainvoke("hello")
    assert ledger.spent == Amount(input_tokens=5, output_tokens=3, calls=1)


# What is refused.


def test_what_wraps_a_model_is_refused_with_the_cure(server: CountingServer) -> None:
    """A binding, a chain and a name say what to guard instead."""
    ledger = Ledger(Budget(tokens=1))
    plain: Any = server.model()
    with pytest.raises(TypeError, match=r"guard\(model, ledger\)\.bind_tools"):
        guard(plain.bind(stop=["x"]), ledger)
    with pytest.raises(TypeError, match=r"guard_all\(it, ledger\)"):
        guard(plain.with_retry(), ledger)
    name: Any = "gpt-4o"
    with pytest.raises(TypeError, match="not str"):
        guard(name, ledger)


@pytest.mark.parametrize("options", [{"max_output": 0}, {"min_output": 0}, {"wait": -1}])
def test_absurd_options_are_refused(server: CountingServer, options: dict[str, Any]) -> None:
    """Limits below one token and negative waits are mistakes."""
    with pytest.raises(ValueError):
        guard(server.model(), Ledger(Budget(tokens=1)), **options)


def test_dollars_without_a_price_are_refused(server: CountingServer) -> None:
    """Money that cannot be counted cannot be capped: the error says how to give the price."""
    with pytest.raises(UnknownPrice, match="price=Price"):
        guard(server.model(), Ledger(Budget(usd=1)))
    parent = Ledger(Budget(usd=1))
    with pytest.raises(UnknownPrice, match="gpt-4o-mini"):
        guard(server.model(), parent.child(Budget(tokens=100)))


@pytest.mark.parametrize(
    "call",
    [
        {"input": [HumanMessage([{"type": "input_audio", "input_audio": {"data": "UklG"}}])]},
        {"input": "hello", "tools": [{"type": "web_search_preview"}]},
        {"input": "hello", "previous_response_id": "r1"},
        {"input": "hello", "web_search_options": {"search_context_size": "high"}},
        {"input": "hello", "extra_body": {"conversation": "c1"}},
    ],
)
def test_a_prompt_without_a_bound_is_not_sent(server: CountingServer, call: dict[str, Any]) -> None:
    """Sounds, tools at the provider and conversations kept there cannot be counted before."""
    ledger = Ledger(Budget(tokens=10_000))
    with pytest.raises(UnboundedInput):
        guard(server.model(), ledger).invoke(**call)
    assert server.requests == []
    assert ledger.held == Amount()


def test_guarding_loads_nothing_heavy() -> None:
    """No model, no vector store and no vocabulary is imported for a guard."""
    code = (
        "import sys\n"
        "from langchain_core.language_models import FakeListChatModel\n"
        "from shoestring.budget import Budget, Ledger\n"
        "from shoestring.models import guard\n"
        "class Limited(FakeListChatModel):\n"
        "    max_tokens: int = 10\n"
        "ledger = Ledger(Budget(tokens=1000))\n"
        "guard(Limited(responses=['x']), ledger, output_field='max_tokens').invoke('hi')\n"
        "print({'torch', 'transformers', 'chromadb', 'tiktoken', 'xllamacpp'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
