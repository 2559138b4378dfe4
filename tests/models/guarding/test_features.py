"""LangChain's features on a guarded model."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    UsageMetadataCallbackHandler,
)
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnableParallel

from shoestring.budget import Amount, Budget, BudgetBusy, BudgetExceeded, Ledger, SQLiteStore
from shoestring.models import guard, is_guarded

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel
    from langchain_core.outputs import LLMResult
    from tests.conftest import CountingServer

PLENTY = Budget(tokens=100_000)


class Seen(BaseCallbackHandler):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.told.append("start")

    def on_llm_new_token(self, *args: Any, **kwargs: Any) -> None:
        self.told.append("token")

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.told.append("end")

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.told.append(type(error).__name__)


class AsyncSeen(AsyncCallbackHandler):
    """The same, asynchronously."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def on_llm_new_token(self, *args: Any, **kwargs: Any) -> None:
        self.told.append("token")

    async def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.told.append("end")


def test_callbacks_are_told_as_before(server: CountingServer) -> None:
    """Start, tokens, end and usage; a refusal reaches them as the call's error."""
    seen, usage = Seen(), UsageMetadataCallbackHandler()
    ledger = Ledger(PLENTY)
    model = guard(server.model(), ledger, max_output=3)
    list(model.stream("hello", {"callbacks": [seen, usage]}))
    assert seen.told == ["start", *["token"] * seen.told.count("token"), "end"]
    assert seen.told.count("token") >= 3
    (reported,) = usage.usage_metadata.values()
    assert reported["total_tokens"] == ledger.spent.tokens == server.billed
    with pytest.raises(BudgetExceeded):
        guard(server.model(), Ledger(Budget(tokens=1))).invoke("hello", {"callbacks": [seen]})
    assert seen.told[-2:] == ["start", "BudgetExceeded"]


async def test_asynchronous_callbacks_are_told_as_before(server: CountingServer) -> None:
    """Asynchronous handlers hear of the tokens of an asynchronous stream."""
    seen = AsyncSeen()
    model = guard(server.model(), Ledger(PLENTY), max_output=3)
    [_ async for _ in model.astream("hello", {"callbacks": [seen]})]
    assert seen.told.count("token") >= 3
    assert seen.told[-1] == "end"


class Limiter(BaseRateLimiter):
    """Counts who asks."""

    def __init__(self) -> None:
        self.asked = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return True


async def test_a_rate_limiter_is_asked_once_a_call(server: CountingServer) -> None:
    """It stands above the guard: nothing is held while a call waits for its turn."""
    limiter, ledger = Limiter(), Ledger(PLENTY)
    model = guard(server.model(rate_limiter=limiter), ledger)
    model.invoke("hello")
    list(model.stream("hello"))
    await model.ainvoke("hello")
    assert limiter.asked == ledger.spent.calls == 3


def test_alternatives_of_a_guarded_model_are_each_what_they_are(server: CountingServer) -> None:
    """The default stays guarded; an alternative spends what its own guard lets it."""
    first, second = Ledger(PLENTY), Ledger(PLENTY)
    model = guard(server.model(), first).configurable_alternatives(
        ConfigurableField(id="which"), default_key="a", b=guard(server.model(), second)
    )
    model.invoke("hello")
    model.invoke("hello", {"configurable": {"which": "b"}})
    assert (first.spent.calls, second.spent.calls) == (1, 1)


class Limited(FakeListChatModel):
    """A model that can be pickled."""

    max_tokens: int | None = None


def test_a_guarded_model_travels_with_a_durable_ledger(tmp_path: Path) -> None:
    """Pickled and loaded again, it is guarded, and spends from the same ledger."""
    ledger = Ledger(PLENTY, store=SQLiteStore(tmp_path / "l.db"))
    plain = Limited(responses=["hello"])
    model = guard(plain, ledger.at(node="far"), max_output=20, output_field="max_tokens")
    copy = pickle.loads(pickle.dumps(model))
    assert is_guarded(copy)
    assert isinstance(copy, Limited)
    copy.invoke("hi")
    (line,) = ledger.receipt.lines
    assert (line.node, line.reserved.output_tokens) == ("far", 20)


def test_one_of_two_branches_is_refused_when_there_is_room_for_one(
    server: CountingServer,
) -> None:
    """A budget that ends between parallel branches lets one through, whole, and never two."""
    ledger = Ledger(Budget(calls=1))
    model = guard(server.model(), ledger)

    def ask(text: str) -> AIMessage | str:
        try:
            return model.invoke(text)
        except (BudgetBusy, BudgetExceeded) as refusal:
            return refusal.dimension if isinstance(refusal, BudgetExceeded) else "busy"

    branch = RunnableLambda(ask)
    answers = RunnableParallel(a=branch, b=branch).invoke("hello").values()
    assert sum(isinstance(answer, AIMessage) for answer in answers) == 1
    assert ledger.spent.calls == len(server.requests) == 1


def test_a_branch_that_may_wait_is_let_through_after_the_other(server: CountingServer) -> None:
    """What a branch held and did not spend is there for the one that waits for it."""
    ledger = Ledger(Budget(tokens=110))
    server.wants = 5
    model = guard(server.model(), ledger, max_output=60, wait=30)
    answers = RunnableParallel(a=model, b=model).invoke("hello")
    assert all(isinstance(answer, AIMessage) for answer in answers.values())
    assert ledger.spent.tokens == server.billed
    assert len(server.requests) == 2


async def test_a_batch_with_a_refusal_is_settled_call_by_call(server: CountingServer) -> None:
    """LangChain's rule stands: each outcome on demand, else the first refusal; what was sent is paid."""
    server.wants = 20
    questions: list[Any] = ["Where?"] * 4
    ledger = Ledger(Budget(tokens=70))
    outcomes = await model_of(ledger, server).abatch(questions, return_exceptions=True)
    refusals = [one for one in outcomes if isinstance(one, BaseException)]
    assert len(refusals) == 2
    assert all(isinstance(one, BudgetBusy | BudgetExceeded) for one in refusals)
    assert ledger.spent.tokens == server.billed
    second = Ledger(Budget(tokens=70))
    before = server.billed
    with pytest.raises((BudgetBusy, BudgetExceeded)):
        await model_of(second, server).abatch(questions)
    async with asyncio.timeout(20):
        while second.held != Amount():  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0)
    assert second.spent.tokens == server.billed - before > 0
    assert {line.basis for line in second.receipt.lines} == {"measured"}


def model_of(ledger: Ledger, server: CountingServer) -> BaseChatModel:
    return guard(server.model(), ledger, max_output=20)
