"""The guard's laws, over HTTP, for every provider's real integration."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import Amount, Budget, Ledger
from shoestring.models import guard
from shoestring.models.providers import provider_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from tests.models.wire.conftest import Integration, Wire

pytestmark = [
    # google-genai's session derives from aiohttp's, which says so.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    # A limit among the `model_kwargs` is what is tested.
    pytest.mark.filterwarnings("ignore:Parameters .* should be specified explicitly"),
    # LangChain gives no way to close an integration's clients.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

READ = 7
REASONS = {"done_reason", "finish_reason", "incomplete_details", "stopReason", "stop_reason"}
WAYS = ["invoke", "stream", "ainvoke", "astream"]


async def call(model: BaseChatModel, way: str, **arguments: Any) -> Any:
    """The answer, whichever way it is asked for."""
    match way:
        case "invoke":
            return model.invoke("hello", **arguments)
        case "stream":
            first, *others = model.stream("hello", **arguments)
        case "ainvoke":
            return await model.ainvoke("hello", **arguments)
        case _:
            first, *others = [part async for part in model.astream("hello", **arguments)]
    return first + others


def new(
    integration: Integration,
    wire: Wire,
    tokens: int = 5_000,
    max_output: int | None = 5,
    **options: Any,
) -> tuple[BaseChatModel, Ledger]:
    ledger = Ledger(Budget(tokens=tokens))
    return guard(integration.make(wire, **options), ledger, max_output=max_output), ledger


async def test_every_way_to_call_is_limited_and_measured(
    integration: Integration, wire: Wire
) -> None:
    """The limit is in the body, one request is one call, and the provider's count is charged."""
    model, ledger = new(integration, wire)
    for way in WAYS:
        answer = await call(model, way)
        assert answer.response_metadata["truncated"] is True, way
    assert [integration.dialect.limit(body) for body in wire.bodies] == [5] * 4
    for line in ledger.receipt.lines:
        assert (line.basis, line.detail) == ("measured", "")
        assert (line.spent.input_tokens, line.spent.output_tokens) == (READ, 5)
        assert line.spent.calls == line.reserved.calls == 1
        assert line.reserved.input_tokens >= READ
    assert ledger.spent.calls == 4


def test_no_place_to_set_a_limit_gets_past_the_guard(integration: Integration, wire: Wire) -> None:
    """Wherever a larger limit stands, the body carries the guard's, and no other."""
    for place, (options, arguments) in integration.places.items():
        before = json.dumps(arguments)
        wire.bodies.clear()
        wire.written = 0
        model, ledger = new(integration, wire, **options)
        model.bind(**arguments).invoke("hello")
        assert (place, integration.dialect.limit(wire.body)) == (place, 5)
        assert str(10**6) not in json.dumps(wire.body), place
        assert ledger.spent.output_tokens == wire.written == 5, place
        assert json.dumps(arguments) == before, "the caller's own is untouched"


@pytest.mark.parametrize("asked", [None, 0, -1, 10**9, 3])
def test_the_callers_own_limit(integration: Integration, wire: Wire, asked: int | None) -> None:
    """None, nothing and nonsense get the default, 10⁹ what is usual, a small one stands."""
    plain = integration.make(wire)
    nested = "num_predict" in type(plain).model_fields
    given: dict[str, Any] = {"max_tokens": asked}
    if nested:
        given = {"options": {"num_predict": asked}}
    ledger = Ledger(Budget(tokens=10_000))
    guard(plain, ledger).invoke("hello", **given)
    # Gemini 2.5 thinks unless told not to: 1,024 tokens more. Where langchain-anthropic does not know
    # what a model can write, it sets 4,096 itself.
    assert integration.dialect.limit(wire.body) in ({3} if asked == 3 else {1_024, 2_048, 4_096})
    assert ledger.receipt.lines[0].reserved.tokens <= 10_000


@pytest.mark.parametrize("status", [429, 500, 529])
async def test_one_reservation_is_one_request(
    integration: Integration, wire: Wire, status: int
) -> None:
    """No client retries by itself; what is documented as unbilled charges a call and no tokens."""
    wire.status = status
    model, ledger = new(integration, wire, **integration.retrying)
    for way in WAYS:
        with pytest.raises(Exception, match=r"."):
            await call(model, way)
    assert len(wire.bodies) == 4
    free = status == 429 or (status == 500 and type(model).__name__ == "ChatGoogleGenerativeAI")
    for line in ledger.receipt.lines:
        assert line.spent == (Amount(calls=1) if free else line.reserved)
    assert ledger.held == Amount()


async def test_a_model_that_was_used_before_sends_once_too(
    integration: Integration, wire: Wire
) -> None:
    """The clients it built, and what they were built of, took its number of retries with them."""
    plain = integration.make(wire, **integration.retrying)
    plain.invoke("hello")
    await plain.ainvoke("hello")
    wire.status = 500
    wire.bodies.clear()
    model = guard(plain, Ledger(Budget(tokens=10_000)))
    for way in ("invoke", "ainvoke"):
        with pytest.raises(Exception, match=r"."):
            await call(model, way)
    assert len(wire.bodies) == 2


@pytest.mark.parametrize("integration", ["openai", "google", "groq", "mistral"], indirect=True)
def test_several_answers_are_reserved_together(integration: Integration, wire: Wire) -> None:
    """Where a provider gives several answers to one prompt, each may be as long as the limit."""
    model, ledger = new(integration, wire)
    key = "candidate_count" if "candidate_count" in provider_of(model).choices_keys else "n"
    given: dict[str, Any] = {key: 3}
    model.invoke("hello", **given)
    (line,) = ledger.receipt.lines
    assert integration.dialect.choices(wire.body) == 3
    assert line.reserved.output_tokens == wire.written == line.spent.output_tokens == 15


async def test_a_connection_that_was_never_made_is_free(
    integration: Integration, wire: Wire
) -> None:
    """Nobody listens: whatever the client makes of it, the hold is released."""
    wire.url = "http://127.0.0.1:1"
    model, ledger = new(integration, wire)
    for way in WAYS:
        with pytest.raises(Exception, match=r"."):
            await call(model, way)
    assert ledger.receipt.lines == ()
    assert ledger.held == Amount()


# Streams.


async def test_a_stream_that_ignores_its_limit_is_cut_at_the_hold(
    integration: Integration, wire: Wire
) -> None:
    """What was held is charged, and the answer says that it was cut."""
    wire.greedy, wire.wants = True, 3_000
    model, ledger = new(integration, wire)
    for way in ("stream", "astream"):
        answer = await call(model, way)
        assert answer.response_metadata["truncated"] is True
    for line in ledger.receipt.lines:
        assert (line.basis, line.spent) == ("presumed", line.reserved)
        assert "cut at its hold" in line.detail


async def test_an_answer_of_its_full_length_is_not_cut(
    integration: Integration, wire: Wire
) -> None:
    """Long honest streams come whole, whatever they are counted with."""
    wire.wants = 1_000
    model, ledger = new(integration, wire, max_output=500)
    for way in ("stream", "astream"):
        await call(model, way)
    assert ledger.spent.output_tokens == wire.written == 1_000
    assert {line.basis for line in ledger.receipt.lines} == {"measured"}


async def test_a_stream_that_breaks_off_charges_the_hold(
    integration: Integration, wire: Wire
) -> None:
    """A connection lost in the middle hides what was written after it."""
    wire.breaks = 3
    model, ledger = new(integration, wire)
    for way in ("stream", "astream"):
        # Some integrations notice, each in words of its own.
        with suppress(Exception):
            await call(model, way)
    first, second = ledger.receipt.lines
    assert (first.basis, first.spent) == ("presumed", first.reserved)
    assert (second.basis, second.spent) == ("presumed", second.reserved)


async def settled(ledger: Ledger) -> None:
    """Wait for what goes on in a thread: an integration without streams of its own leaves it there."""
    async with asyncio.timeout(30):
        while ledger.held != Amount():  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0)


async def test_a_stream_closed_early_charges_the_hold(integration: Integration, wire: Wire) -> None:
    """Who stops listening pays what was reserved."""
    model, ledger = new(integration, wire)
    stream: Any = model.stream("hello")
    next(stream)
    stream.close()
    astream: Any = model.astream("hello")
    await anext(astream)
    await astream.aclose()
    await settled(ledger)
    first, second = ledger.receipt.lines
    assert (first.basis, first.spent) == ("presumed", first.reserved)
    assert (second.basis, second.spent) == ("presumed", second.reserved)


async def test_a_stream_closed_after_the_report_charges_the_report(
    integration: Integration, wire: Wire
) -> None:
    """Once the provider has said what it wrote in all, that is what is charged."""
    model, ledger = new(integration, wire)
    stream: Any = model.stream("hello")
    whole = next(stream)
    while not (whole.usage_metadata and REASONS & whole.response_metadata.keys()):
        whole += next(stream)
    stream.close()
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent.tokens) == ("measured", READ + 5)


async def test_a_cancelled_call_is_never_free(integration: Integration, wire: Wire) -> None:
    """The provider bills what it reads, whether anybody waits for it or not."""
    wire.hangs = True
    model, ledger = new(integration, wire)
    task = asyncio.create_task(model.ainvoke("hello"))
    await asyncio.to_thread(wire.arrived.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # An integration without asynchronous methods goes on in its thread, and so does its hold.
    assert ledger.spent.tokens + ledger.held.tokens >= READ + wire.written
    wire.free.set()


@pytest.mark.parametrize("own", [{}, {"timeout": 0.2}])
@pytest.mark.parametrize(
    "integration", ["openai", "responses", "anthropic", "google", "groq"], indirect=True
)
async def test_the_seconds_that_are_left_end_a_request(
    integration: Integration, wire: Wire, own: dict[str, float]
) -> None:
    """They are passed on as the time-out, unless the caller's own is shorter; the hold is charged."""
    plain = integration.make(wire, **own)
    plain.invoke("what is imported with a first call is no part of the second")
    wire.hangs = True
    ledger = Ledger(Budget(tokens=5_000, seconds=60 if own else 0.5))
    model = guard(plain, ledger)
    with pytest.raises(Exception, match=r"(?i)time"):
        await call(model, "invoke")
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent) == ("presumed", line.reserved)
    assert not wire.free.is_set(), "the server had not answered"


# What a provider reports.


async def test_silence_charges_the_hold(integration: Integration, wire: Wire) -> None:
    """A provider that reports no usage has used what was held."""
    wire.reports = None
    model, ledger = new(integration, wire)
    for way in WAYS:
        await call(model, way)
    for line in ledger.receipt.lines:
        assert (line.basis, line.spent) == ("presumed", line.reserved)


def test_a_report_below_zero_charges_the_hold(integration: Integration, wire: Wire) -> None:
    """Negative usage is no measurement."""
    wire.reports = integration.dialect.usage(-7, -5)
    model, ledger = new(integration, wire)
    model.invoke("hello")
    (line,) = ledger.receipt.lines
    assert (line.basis, line.spent) == ("presumed", line.reserved)


def test_more_than_was_allowed_is_the_truth(integration: Integration, wire: Wire) -> None:
    """It is recorded in full: the receipt shows a breach, the ledger closes if it is passed."""
    wire.greedy, wire.wants = True, 6_000
    model, ledger = new(integration, wire)
    model.invoke("hello")
    assert ledger.spent.tokens == READ + 6_000
    assert "breach" in ledger.receipt.lines[0].detail
    assert ledger.closed


@pytest.mark.parametrize(
    "integration", ["openai", "responses", "anthropic", "ollama"], indirect=True
)
def test_another_models_name_is_noted(integration: Integration, wire: Wire) -> None:
    """The price is that of the model that was asked; the receipt says who answered."""
    wire.model = "somebody-else"
    model, ledger = new(integration, wire)
    model.invoke("hello")
    assert ledger.receipt.lines[0].detail == "answered by somebody-else"
