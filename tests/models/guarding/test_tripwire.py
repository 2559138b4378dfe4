"""Inside `refuse_unguarded()` nothing unguarded is called; outside, everything is as it was."""

from __future__ import annotations

import asyncio
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel

from shoestring.budget import Budget, Ledger
from shoestring.models import UnguardedCall, guard, refuse_unguarded

if TYPE_CHECKING:
    from tests.conftest import CountingServer

PLAIN = FakeListChatModel(responses=["hello"])


def test_every_way_to_call_is_refused(server: CountingServer) -> None:
    """Invoke, stream, batch, generate and events of a real integration: nothing is sent."""
    plain = server.model()
    with refuse_unguarded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain calls its events a beta, once a process
        for call in (
            lambda: plain.invoke("hello"),
            lambda: list(plain.stream("hello")),
            lambda: plain.batch(["hello", "hello"]),
            lambda: plain.generate([[HumanMessage("hello")]]),
            lambda: plain.stream_events("hello", version="v3").output,
            lambda: plain.bind(stop=["x"]).invoke("hello"),
            lambda: plain.with_retry(stop_after_attempt=2).invoke("hello"),
            lambda: plain.with_fallbacks([plain]).invoke("hello"),
        ):
            with pytest.raises(UnguardedCall, match=r"guard\(model, ledger\)"):
                call()
    assert server.requests == []


async def test_every_asynchronous_way_to_call_is_refused(server: CountingServer) -> None:
    """The asynchronous twins are refused too, in an asynchronous context."""
    plain = server.model()
    async with refuse_unguarded():
        for call in (
            lambda: plain.ainvoke("hello"),
            lambda: plain.abatch(["hello"]),
            lambda: plain.agenerate([[HumanMessage("hello")]]),
            lambda: asyncio.to_thread(plain.invoke, "hello"),
            lambda: asyncio.create_task(plain.ainvoke("hello")),
        ):
            with pytest.raises(UnguardedCall):
                await call()
        with pytest.raises(UnguardedCall):
            [_ async for _ in plain.astream("hello")]
        with pytest.raises(UnguardedCall):
            [_ async for _ in plain.astream_events("hello", version="v2")]
    assert server.requests == []


def test_guarded_models_are_let_through(server: CountingServer) -> None:
    """What is guarded works as before, bound, streamed and in chains."""
    model = guard(server.model(), Ledger(Budget(tokens=10_000)))
    with refuse_unguarded():
        model.bind(stop=["x"]).invoke("hello")
        list(model.stream("hello"))
        (RunnableLambda(str) | model).batch(["a", "b"])
    assert len(server.requests) == 4


def test_threads_of_langchain_are_inside() -> None:
    """Parallel branches run in LangChain's threads, which take the context with them."""
    both = RunnableParallel(a=PLAIN, b=PLAIN)
    with refuse_unguarded(), pytest.raises(UnguardedCall):
        both.invoke("hello")


def test_completion_models_are_refused() -> None:
    """The other kind of model is stopped as well."""
    plain = FakeListLLM(responses=["hello"])
    with refuse_unguarded():
        for call in (lambda: plain.invoke("x"), lambda: list(plain.stream("x"))):
            with pytest.raises(UnguardedCall):
                call()
    assert plain.invoke("x") == "hello"


def test_contexts_nest_and_end() -> None:
    """An inner one that ends leaves the outer one; after the last, all is as before."""
    with refuse_unguarded():
        with refuse_unguarded(), pytest.raises(UnguardedCall):
            PLAIN.invoke("x")
        with pytest.raises(UnguardedCall):
            PLAIN.invoke("x")
    assert PLAIN.invoke("x").text == "hello"


async def test_other_tasks_are_not_disturbed() -> None:
    """A request beside the one that refuses goes on."""
    inside, asked = asyncio.Event(), asyncio.Event()

    async def strict() -> None:
        with refuse_unguarded():
            inside.set()
            await asked.wait()

    task = asyncio.create_task(strict())
    await inside.wait()
    assert (await PLAIN.ainvoke("x")).text == "hello"
    asked.set()
    await task


def call_in_a_raw_thread() -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(PLAIN.invoke, "x").result()


def test_raw_threads_are_bound_on_demand() -> None:
    """A thread without a context is outside, unless every thread is bound."""
    with refuse_unguarded():
        assert call_in_a_raw_thread().text == "hello"
    with refuse_unguarded(everywhere=True):
        with refuse_unguarded(everywhere=True), pytest.raises(UnguardedCall):
            call_in_a_raw_thread()
        with pytest.raises(UnguardedCall):
            call_in_a_raw_thread()
    assert call_in_a_raw_thread().text == "hello"


def test_a_context_may_be_entered_by_threads_at_once() -> None:
    """Counting the open ones is safe: after all have ended, nothing is refused."""
    start = threading.Barrier(8)

    def enter() -> None:
        start.wait()
        for _ in range(200):
            with refuse_unguarded(everywhere=True):
                pass

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert PLAIN.invoke("x").text == "hello"
