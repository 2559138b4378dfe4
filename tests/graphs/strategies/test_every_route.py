"""What holds for every route that calls a model, whatever it does with its money."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langgraph.checkpoint.memory import InMemorySaver

from shoestring.agents import Planner
from shoestring.agents.stopping import EarlyStopping, FixedSamples
from shoestring.budget import Budget, MemoryStore
from shoestring.graphs import (
    BudgetedThought,
    Cascade,
    ChainOfDraft,
    ChainOfThought,
    Direct,
    Quote,
    Reading,
    Research,
    SelfConsistency,
    build_assistant,
)
from shoestring.graphs.metering import meter_of
from shoestring.models import counter_for
from shoestring.tools import Outline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import CountingServer

    from shoestring.agents import Route

QUESTION = "How many people does the ferry to Ellery Island carry?"
ANSWER = "The ferry to Ellery Island carries 120 people."
LETTERS = " ".join(f"The archive holds letter number {n} of the lamp keeper." for n in range(150))
DOCUMENTS = [
    Document(
        f"The ferry to Ellery Island carries 120 people and no cars. {LETTERS}",
        metadata={"source": "ferry.txt"},
    )
]
OUTLINE = Outline.build(DOCUMENTS)
ROUTES: dict[str, Callable[[CountingServer], Route]] = {
    "direct": lambda _: Direct(),
    "chain_of_draft": lambda _: ChainOfDraft(),
    "chain_of_thought": lambda _: ChainOfThought(),
    "budgeted_thought": lambda _: BudgetedThought(),
    "self_consistency": lambda _: SelfConsistency(rule=EarlyStopping(window=3, most=6)),
    "cascade": lambda server: Cascade(server.model(), verify=True),
    "reading": lambda _: Reading(),
    "research": lambda _: Research(),
}


@pytest.mark.parametrize("name", ROUTES)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    caps=st.builds(Budget, tokens=st.integers(0, 4_000), calls=st.integers(0, 7)),
    wants=st.sampled_from([0, 1, 100_000]),
    behave=st.sampled_from(["ok", "ok", "greedy"]),
)
def test_money_that_ends_at_any_step_leaves_an_outcome(
    server: CountingServer, name: str, caps: Budget, wants: int, behave: str
) -> None:
    """Whatever the caps, and however much the model writes, no cap is passed and an outcome stands."""
    before, store = server.billed, MemoryStore()
    server.wants, server.behave = wants, behave
    assistant = build_assistant(
        server.model(),
        DOCUMENTS,
        outline=OUTLINE,
        budget=caps,
        planner=Planner((Quote(), ROUTES[name](server))),
        ledgers=store,
    )
    result = assistant.invoke({"question": QUESTION})
    ledger = store.ledger(result["ledger_id"])
    if behave == "ok":
        assert server.billed - before <= ledger.spent.tokens <= (caps.tokens or 0)
    assert ledger.spent.calls <= (caps.calls or 0)
    assert ledger.held.tokens == 0
    assert result["kind"] in {"generated", "quote", "abstained"}
    assert result["answer"]


@pytest.mark.parametrize("name", ROUTES)
def test_a_run_stopped_before_each_node_pays_each_call_once(
    server: CountingServer, name: str
) -> None:
    """Interrupted before every node and resumed, the route makes the calls of an uninterrupted run."""
    server.says = lambda _: ANSWER

    def built(saver: InMemorySaver | None) -> Any:
        return build_assistant(
            server.model(),
            DOCUMENTS,
            outline=OUTLINE,
            budget=Budget(tokens=8_000),
            planner=Planner((ROUTES[name](server),)),
            checkpointer=saver,
        )

    whole = built(None).invoke({"question": QUESTION})
    calls = len(server.requests)
    assistant = built(InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "stopped"}}
    step_input: Any = {"question": QUESTION}
    stops = 0
    while not stops or assistant.get_state(thread).next:
        assistant.invoke(step_input, thread, interrupt_before="*")
        step_input, stops = None, stops + 1
    assert stops > 5
    assert len(server.requests) == 2 * calls
    result = assistant.get_state(thread).values
    assert (result["kind"], result["answer"]) == (whole["kind"], whole["answer"])
    assert sum(line["spent"]["calls"] for line in result["receipt"]) == calls


@pytest.mark.parametrize("name", ROUTES)
def test_nothing_is_dispatched_untrimmed(server: CountingServer, name: str) -> None:
    """Each call comes after a trim on the receipt, and reads no more than its route likes to."""
    server.says = lambda _: ANSWER
    assistant = build_assistant(
        server.model(),
        DOCUMENTS,
        outline=OUTLINE,
        budget=Budget(tokens=20_000),
        planner=Planner((ROUTES[name](server),)),
    )
    result = assistant.invoke({"question": QUESTION})
    # What splits a question reads nothing but that.
    lines = [line for line in result["receipt"] if line["node"] != "split"]
    whats = [line["what"] for line in lines if line["what"] in {"trim", "gpt-4o-mini"}]
    assert whats[0] == "trim"
    assert len(whats) > 1
    count = counter_for(server.model()).count
    longest = max(count(str(body["messages"])) for body in server.requests)
    assert longest < 1_200 < count(LETTERS)


@pytest.mark.parametrize("name", ROUTES)
async def test_the_async_run_does_the_same(server: CountingServer, name: str) -> None:
    """A route's asynchronous run answers, calls and spends as its synchronous one."""
    server.says = lambda _: ANSWER
    seen: list[tuple[str, int]] = []
    for run in ("invoke", "ainvoke"):
        before = server.billed
        assistant = build_assistant(
            server.model(),
            DOCUMENTS,
            outline=OUTLINE,
            budget=Budget(tokens=8_000),
            planner=Planner((ROUTES[name](server),)),
        )
        if run == "invoke":
            result = assistant.invoke({"question": QUESTION})
        else:
            result = await assistant.ainvoke({"question": QUESTION})
        seen.append((result["answer"], server.billed - before))
    assert seen[0] == seen[1]
    gc.collect()  # sockets of the async client, here and not in another test


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_without_a_model_says_so(server: CountingServer, name: str) -> None:
    """A route that calls a model refuses to be built or forecast where there is none."""
    route = ROUTES[name](server)
    with pytest.raises(ValueError, match="needs a model"):
        route.forecast(QUESTION, None)


def test_forecasts_rise_with_what_is_done(server: CountingServer) -> None:
    """More samples are forecast to cost more; the least never exceeds the likely."""
    meter = meter_of(server.model(), None)
    few, many = (
        SelfConsistency(rule=FixedSamples(samples)).forecast(QUESTION, meter) for samples in (2, 8)
    )
    assert few.likely.calls == 2
    assert many.likely.calls == 8
    assert few.likely.tokens < many.likely.tokens
    for forecast in (few, many, BudgetedThought().forecast(QUESTION, meter)):
        assert forecast.least.tokens <= forecast.likely.tokens
