"""Whose ledger a run spends: fresh ones, resumed ones, raised ones, those of callers."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import openai
import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, ModelRetryMiddleware
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from shoestring import (
    Budget,
    BudgetContext,
    BudgetExceeded,
    BudgetMiddleware,
    Ledger,
    MemoryStore,
    SQLiteStore,
    build_assistant,
    guard,
)
from shoestring.budget import LedgerNotFound

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CountingServer

QUESTION: Any = {"messages": [("user", "How high is the tower of Lanthorn?")]}
THREAD: Any = {"configurable": {"thread_id": "t"}}
BUDGET = Budget(tokens=2_500, answer_reserve=600)


@tool
def look_up(query: str) -> str:
    """Look something up."""
    return f"{query}: 324 metres. " + "Nothing else is known of it. " * 20


@pytest.fixture
def searching(server: CountingServer) -> CountingServer:
    """A server whose model looks something up whenever it may."""
    server.wants = 20
    server.calls = lambda body: [("look_up", {"query": "tower"})] if "tools" in body else []
    return server


def agent(
    server: CountingServer,
    middleware: BudgetMiddleware,
    *,
    tools: list[BaseTool] | None = None,
    **options: Any,
) -> Any:
    return create_agent(
        server.model(),
        [look_up] if tools is None else tools,
        middleware=[middleware],
        **options,
    )


def stopped(result: dict[str, Any]) -> str | None:
    message = result["messages"][-1]
    assert isinstance(message, AIMessage)
    found: str | None = message.response_metadata.get("stopped_by")
    return found


def account(graph: Any, middleware: BudgetMiddleware, config: Any = THREAD) -> Ledger:
    """The ledger of the run a thread's state names."""
    return middleware.ledgers.ledger(graph.get_state(config).values["ledger_id"])


# A run and its ledger.


def test_each_run_has_the_whole_budget(searching: CountingServer) -> None:
    """Two runs on one thread each spend up to a budget of their own."""
    middleware = BudgetMiddleware(BUDGET)
    graph = agent(searching, middleware, checkpointer=InMemorySaver())
    spent = []
    for _ in range(2):
        before = searching.billed
        assert stopped(graph.invoke(QUESTION, THREAD)) == "tokens"
        spent.append(account(graph, middleware).spent.tokens)
        assert spent[-1] == searching.billed - before <= 2_500
    assert all(tokens > 500 for tokens in spent)


def test_a_shared_ledger_is_spent_by_all_runs(searching: CountingServer) -> None:
    """Runs that share a ledger together spend no more than it allows."""
    ledger = Ledger(BUDGET)
    graph = agent(searching, BudgetMiddleware(ledger))
    for _ in range(3):
        assert stopped(graph.invoke(QUESTION)) == "tokens"
    assert ledger.spent.tokens == searching.billed <= 2_500


async def test_parallel_runs_keep_to_their_own_ledgers(searching: CountingServer) -> None:
    """One middleware serves many runs at once."""
    above = Ledger(Budget(tokens=50_000))
    graph = agent(searching, BudgetMiddleware(BUDGET), context_schema=BudgetContext)
    runs = [graph.ainvoke(QUESTION, context=BudgetContext(above)) for _ in range(5)]
    results = await asyncio.gather(*runs)
    assert {stopped(result) for result in results} == {"tokens"}
    assert above.spent.tokens == searching.billed
    assert 5 * 500 < searching.billed <= 5 * 2_500


def test_the_ledger_of_the_context_pays_as_well(searching: CountingServer) -> None:
    """A run's ledger stands below the one its caller names, which binds it too."""
    above = Ledger(Budget(tokens=1_000))
    graph = agent(searching, BudgetMiddleware(BUDGET), context_schema=BudgetContext)
    result = graph.invoke(QUESTION, context=BudgetContext(above))
    assert stopped(result) == "tokens"
    assert above.spent.tokens == searching.billed <= 1_000


def test_the_state_holds_plain_data(searching: CountingServer) -> None:
    """The account is named in the state, kept from input and output, and never is a ledger."""
    graph = agent(searching, BudgetMiddleware(BUDGET), checkpointer=InMemorySaver())
    result = graph.invoke({**QUESTION, "ledger_id": "another's"}, THREAD)
    kept = graph.get_state(THREAD).values
    assert set(result) == {"messages"}
    assert kept["ledger_id"].endswith("run 1")
    assert (kept["budget_run"], kept["stopped_by"]) == (1, "tokens")


def test_rewinding_never_refunds(searching: CountingServer) -> None:
    """A thread that goes back goes on with the ledger it had, even from before its first step."""
    middleware = BudgetMiddleware(BUDGET, on_exceeded="end")
    graph = agent(searching, middleware, checkpointer=InMemorySaver())
    graph.invoke(QUESTION, THREAD)
    ledger = account(graph, middleware)
    history = list(graph.get_state_history(THREAD))
    for place in (history[-1], history[-2], history[len(history) // 2]):
        graph.invoke(None, place.config)
        assert ledger.spent.tokens == searching.billed <= 2_500
    assert account(graph, middleware).id == ledger.id


@pytest.mark.parametrize("ending", ["answer", "error", "refusal", "cancel", "left"])
async def test_ledgers_nobody_can_ask_for_are_forgotten(
    searching: CountingServer, ending: str
) -> None:
    """A service that keeps no state does not hoard ledgers, however its runs end."""
    refuses = ending == "refusal"
    middleware = BudgetMiddleware(
        Budget(tokens=30) if refuses else BUDGET, on_exceeded="raise" if refuses else "answer"
    )
    graph = agent(searching, middleware)
    searching.behave = {"error": 500, "cancel": "hang"}.get(ending, "ok")
    for _ in range(3):
        if ending == "cancel":
            task = asyncio.create_task(graph.ainvoke(QUESTION))
            await asyncio.to_thread(searching.arrived.wait, 20)
            searching.arrived.clear()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            del task
        elif ending == "left":
            next(iter(graph.stream(QUESTION)))
        else:
            with suppress(openai.APIStatusError, BudgetExceeded):
                await graph.ainvoke(QUESTION)
    store = middleware.ledgers
    assert isinstance(store, MemoryStore)
    for _ in range(200):  # the loop and the client's threads have still to let go of the run
        await asyncio.sleep(0)
        gc.collect()
        middleware._accounts._forget()
        if not store._ledgers:
            break
    assert not store._ledgers


def test_an_ended_run_makes_room_for_the_next(server: CountingServer) -> None:
    """What ended is let go of when the next run opens its ledger."""
    middleware = BudgetMiddleware(BUDGET)
    graph = agent(server, middleware)
    for _ in range(5):
        graph.invoke(QUESTION)
        gc.collect()
    assert isinstance(middleware.ledgers, MemoryStore)
    assert len(middleware.ledgers._ledgers) == 1


def test_a_run_goes_on_after_a_restart(searching: CountingServer, tmp_path: Path) -> None:
    """With its ledgers in a file, a run is resumed by new objects on the account it had."""
    saver = InMemorySaver()

    def start() -> tuple[Any, BudgetMiddleware]:
        store = SQLiteStore(tmp_path / "ledgers.db")
        middleware = BudgetMiddleware(BUDGET, ledgers=store)
        return agent(
            searching, middleware, checkpointer=saver, interrupt_before=["tools"]
        ), middleware

    graph, _ = start()
    graph.invoke(QUESTION, THREAD)
    spent = searching.billed
    graph, middleware = start()
    graph.invoke(None, THREAD)
    assert account(graph, middleware).spent.tokens == searching.billed > spent


def test_a_run_without_its_ledger_says_so(searching: CountingServer) -> None:
    """A run resumed where its ledger is unknown does not start a new one in silence."""
    saver = InMemorySaver()
    options: Any = {"checkpointer": saver, "interrupt_before": ["tools"]}
    agent(searching, BudgetMiddleware(BUDGET), **options).invoke(QUESTION, THREAD)
    with pytest.raises(LedgerNotFound) as lost:
        agent(searching, BudgetMiddleware(BUDGET), **options).invoke(None, THREAD)
    assert "SQLiteStore" in lost.value.__notes__[0]


def test_a_run_begun_without_the_middleware_says_so(searching: CountingServer) -> None:
    """A budget cannot join in the middle of a run: what came before is not on it."""
    saver = InMemorySaver()
    plain = create_agent(
        searching.model(), [look_up], checkpointer=saver, interrupt_before=["tools"]
    )
    plain.invoke(QUESTION, THREAD)
    with pytest.raises(LedgerNotFound, match="anew"):
        agent(searching, BudgetMiddleware(BUDGET), checkpointer=saver).invoke(None, THREAD)


# Asking a person.


@pytest.mark.parametrize("shared", [False, True])
def test_a_person_raises_the_budget_and_the_run_goes_on(
    searching: CountingServer, *, shared: bool
) -> None:
    """The interrupt shows the figures; what is granted is spent, and no more."""
    ledger = Ledger(BUDGET)
    middleware = BudgetMiddleware(ledger if shared else BUDGET, on_exceeded="interrupt")
    graph = agent(searching, middleware, checkpointer=InMemorySaver())
    asked = graph.invoke(QUESTION, THREAD)["__interrupt__"][0].value
    first = account(graph, middleware)
    assert (asked["reason"], asked["dimension"], asked["ledger_id"]) == (
        "budget",
        "tokens",
        first.id,
    )
    assert asked["spent"]["input_tokens"] == first.spent.input_tokens > 0
    assert first.spent.tokens == (before := searching.billed)
    graph.invoke(Command(resume={"tokens": 3_000}), THREAD)
    assert searching.billed > before
    result = graph.invoke(Command(resume=False), THREAD)
    second = account(graph, middleware)
    assert stopped(result) == "tokens"
    assert second.id != first.id
    assert first.spent.tokens == before
    assert second.spent.tokens == searching.billed - before <= 3_000
    assert second.budget == Budget(tokens=3_000, answer_reserve=600)


def test_a_guarded_model_follows_the_grant(searching: CountingServer) -> None:
    """An agent on a model that was guarded by the spent ledger goes on with what is granted."""
    ledger = Ledger(Budget(tokens=1_000))
    middleware = BudgetMiddleware(ledger, on_exceeded="interrupt")
    graph: Any = create_agent(
        guard(searching.model(), ledger),
        [look_up],
        middleware=[middleware],
        checkpointer=InMemorySaver(),
    )
    graph.invoke(QUESTION, THREAD)
    before = searching.billed
    assert "__interrupt__" in graph.invoke(Command(resume={"tokens": 3_000}), THREAD)
    assert ledger.spent.tokens == before
    assert account(graph, middleware).spent.tokens == searching.billed - before > 1_000


def test_a_grant_counts_once(searching: CountingServer) -> None:
    """Two grants in one step: LangGraph replays the first, and it is not paid out again."""
    middleware = BudgetMiddleware(Budget(tokens=100), on_exceeded="interrupt")
    graph = agent(searching, middleware, checkpointer=InMemorySaver())
    assert "__interrupt__" in graph.invoke(QUESTION, THREAD)
    asked = graph.invoke(Command(resume={"tokens": 110}), THREAD)["__interrupt__"][0].value
    assert asked["limit"]["tokens"] == 110
    assert searching.requests == []
    searching.calls = lambda body: []
    result = graph.invoke(Command(resume=Budget(tokens=900)), THREAD)
    assert stopped(result) is None
    assert account(graph, middleware).spent.tokens == searching.billed
    ids = sorted(middleware.ledgers._ledgers)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert [each.count("raised") for each in ids] == [0, 1, 2]


def test_a_thread_rewound_to_before_a_grant_finds_it_spent(searching: CountingServer) -> None:
    """What was granted once is not paid out again to a run that is repeated."""
    middleware = BudgetMiddleware(Budget(tokens=1_000), on_exceeded="interrupt")
    graph = agent(searching, middleware, checkpointer=InMemorySaver())
    graph.invoke(QUESTION, THREAD)
    before = graph.get_state(THREAD).config
    graph.invoke(Command(resume={"tokens": 2_500}), THREAD)
    spent = searching.billed
    assert 1_500 < spent <= 3_500
    assert "__interrupt__" in graph.invoke(None, before)
    assert searching.billed <= 3_500


@pytest.mark.parametrize("wrong", ["yes", {"token": 5}, {"tokens": -1}, {"tokens": "5"}, 7])
def test_an_answer_that_is_no_budget_is_asked_again(searching: CountingServer, wrong: Any) -> None:
    """A slip of the person's does not end the run: the question comes back and says what was wrong."""
    middleware = BudgetMiddleware(Budget(tokens=100), on_exceeded="interrupt")
    graph = agent(searching, middleware, checkpointer=InMemorySaver())
    graph.invoke(QUESTION, THREAD)
    asked = graph.invoke(Command(resume=wrong), THREAD)["__interrupt__"][0].value
    assert "not understood" in asked["problem"]
    searching.calls = lambda body: []
    assert stopped(graph.invoke(Command(resume={"tokens": 900}), THREAD)) is None


async def test_asking_passes_retries_and_works_in_async_runs(searching: CountingServer) -> None:
    """No retry takes the question for a failure."""
    middleware = BudgetMiddleware(Budget(tokens=100), on_exceeded="interrupt")
    graph: Any = create_agent(
        searching.model(),
        [look_up],
        middleware=[ModelRetryMiddleware(initial_delay=0), middleware],
        checkpointer=InMemorySaver(),
    )
    assert "__interrupt__" in await graph.ainvoke(QUESTION, THREAD)
    searching.calls = lambda body: []
    assert stopped(await graph.ainvoke(Command(resume={"tokens": 900}), THREAD)) is None
    assert len(searching.requests) == 1


def test_the_clock_stands_while_a_person_is_asked(searching: CountingServer) -> None:
    """Only calls take active time: not the wait for a person, nor that between steps."""
    now = [0.0]
    store = MemoryStore(clock=lambda: now[0])

    @tool("look_up")
    def slow(query: str) -> str:
        """Take five seconds."""
        now[0] += 5
        return "324 metres"

    middleware = BudgetMiddleware(
        Budget(seconds=100, calls=3), on_exceeded="interrupt", ledgers=store
    )
    approve = HumanInTheLoopMiddleware(interrupt_on={"look_up": True})
    graph: Any = create_agent(
        searching.model(), [slow], middleware=[approve, middleware], checkpointer=InMemorySaver()
    )
    graph.invoke(QUESTION, THREAD)  # waits for approval of the tool
    now[0] += 1_000
    approved: Any = Command(resume={"decisions": [{"type": "approve"}]})
    graph.invoke(approved, THREAD)
    now[0] += 1_000
    assert account(graph, middleware).elapsed == 5
    result = graph.invoke(approved, THREAD)  # the third call was the model's: its tool does not fit
    assert "__interrupt__" in result
    now[0] += 1_000
    assert account(graph, middleware).elapsed == 5


def test_a_ledgers_own_clock_stands_while_a_person_is_asked(searching: CountingServer) -> None:
    """A ledger that is given keeps its own clock, but for the wait for its person."""
    now = [0.0]
    ledger = Ledger(Budget(tokens=100, seconds=60), store=MemoryStore(clock=lambda: now[0]))
    middleware = BudgetMiddleware(ledger, on_exceeded="interrupt")
    graph = agent(searching, middleware, checkpointer=InMemorySaver())
    now[0] += 1
    graph.invoke(QUESTION, THREAD)
    now[0] += 1_000
    assert ledger.elapsed == 1
    graph.invoke(Command(resume=False), THREAD)
    now[0] += 1
    assert ledger.elapsed == 2


# Agents in tools.


def test_an_agent_in_a_tool_spends_its_callers_money(searching: CountingServer) -> None:
    """A worker's ledger is a child of its caller's, which binds both."""
    worker = agent(searching, BudgetMiddleware(Budget(tokens=900)), name="worker")

    @tool
    def delegate(task: str) -> str:
        """Let a worker do it."""
        return str(worker.invoke({"messages": [("user", task)]})["messages"][-1].text)

    searching.calls = lambda body: (
        [(body["tools"][0]["function"]["name"], {"task": "look", "query": "tower"})]
        if "tools" in body
        else []
    )
    ledger = Ledger(Budget(tokens=4_000, answer_reserve=500))
    result = agent(searching, BudgetMiddleware(ledger), tools=[delegate], name="boss").invoke(
        QUESTION
    )
    assert stopped(result) == "tokens"
    assert {line.node for line in ledger.receipt.lines} == {"boss", "worker"}
    assert ledger.spent.tokens == searching.billed <= 4_000
    by_worker = [line for line in ledger.receipt.lines if line.node == "worker"]
    assert sum(line.spent.tokens for line in by_worker) > ledger.own_spent.tokens > 0


async def test_parallel_workers_never_pass_their_callers_cap(searching: CountingServer) -> None:
    """Four workers at once, in tasks: together they bill what is on the ledger."""
    worker = agent(searching, BudgetMiddleware(Budget(tokens=1_500), on_exceeded="end"))

    @tool
    async def delegate(task: str) -> str:
        """Let a worker do it."""
        try:
            found = await worker.ainvoke({"messages": [("user", task)]})
        except BudgetExceeded as refused:
            return str(refused)
        return str(found["messages"][-1].text)

    def calls(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        names = [each["function"]["name"] for each in body.get("tools", ())]
        if names == ["delegate"]:
            last = body["messages"][-2]["role"]
            return [("delegate", {"task": f"part {n}"}) for n in range(4)] if last == "user" else []
        return [("look_up", {"query": "tower"})] if names else []

    searching.calls = calls
    ledger = Ledger(Budget(tokens=4_000, answer_reserve=300))
    graph = agent(searching, BudgetMiddleware(ledger), tools=[delegate])
    await graph.ainvoke(QUESTION)
    assert ledger.spent.tokens == searching.billed <= 4_000


def test_a_worker_that_raises_is_a_result_for_its_caller(searching: CountingServer) -> None:
    """The end of a worker's budget is not the end of its caller's."""
    worker = agent(searching, BudgetMiddleware(Budget(tokens=400), on_exceeded="raise"))

    @tool("look_up")
    def delegate(query: str) -> str:
        """Let a worker do it."""
        return str(worker.invoke(QUESTION))

    ledger = Ledger(Budget(tokens=3_000, answer_reserve=500))
    result = agent(searching, BudgetMiddleware(ledger), tools=[delegate]).invoke(QUESTION)
    assert "stopped by the budget" in result["messages"][2].text
    assert stopped(result) == "tokens"
    assert ledger.spent.tokens == searching.billed


def test_a_worker_may_ask_a_person_too(searching: CountingServer) -> None:
    """An interrupt inside a tool is resumed inside it, on the ledgers both had."""
    worker_middleware = BudgetMiddleware(Budget(tokens=20), on_exceeded="interrupt")
    worker = agent(searching, worker_middleware, tools=[])

    @tool("look_up")
    def delegate(query: str) -> str:
        """Let a worker do it."""
        return str(worker.invoke(QUESTION)["messages"][-1].text)

    ledger = Ledger(Budget(tokens=9_000, calls=50))
    graph = agent(
        searching, BudgetMiddleware(ledger), tools=[delegate], checkpointer=InMemorySaver()
    )
    searching.calls = lambda body: (
        [("look_up", {"query": "tower"})]
        if "tools" in body and not any(m["role"] == "tool" for m in body["messages"])
        else []
    )
    asked = graph.invoke(QUESTION, THREAD)
    assert asked["__interrupt__"][0].value["limit"]["tokens"] == 20
    result = graph.invoke(Command(resume={"tokens": 900}), THREAD)
    assert stopped(result) is None
    assert ledger.spent.tokens == searching.billed
    assert [line.what for line in ledger.receipt.lines].count("look_up") == 1
    assert len(searching.requests) == 3


def test_an_assistant_in_a_tool_spends_its_callers_money(searching: CountingServer) -> None:
    """The budget-capped assistant, run by an agent's tool, opens its ledger below the agent's."""
    page = Document("The tower of Lanthorn is 324 metres high.", metadata={"source": "guide"})
    assistant = build_assistant(searching.model(), [page], budget=Budget(tokens=900))

    @tool("look_up")
    def delegate(query: str) -> str:
        """Ask the assistant."""
        return str(assistant.invoke({"question": query})["answer"])

    ledger = Ledger(Budget(tokens=3_000, answer_reserve=500))
    agent(searching, BudgetMiddleware(ledger), tools=[delegate]).invoke(QUESTION)
    assert ledger.spent.tokens == searching.billed <= 3_000
    assert any(line.route for line in ledger.receipt.lines)


def test_deep_agents_and_their_subagents_keep_to_one_ledger(searching: CountingServer) -> None:
    """A deep agent on a guarded model: its planner, its subagents and its summaries are all paid."""

    def calls(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        names = {each["function"]["name"] for each in body.get("tools", ())}
        asked = str(body["messages"])
        if "task" in names and "call_" not in asked:
            return [
                ("task", {"description": f"part {n}", "subagent_type": "general-purpose"})
                for n in range(2)
            ]
        return [("look_up", {"query": "tower"})] if "part" in asked and len(asked) < 20_000 else []

    searching.calls = calls
    ledger = Ledger(Budget(tokens=60_000, answer_reserve=2_000))
    graph = create_deep_agent(
        guard(searching.model(), ledger), [look_up], middleware=[BudgetMiddleware(ledger)]
    )
    result: Any = graph.invoke(QUESTION)
    assert len(searching.requests) > 4
    assert ledger.spent.tokens == searching.billed <= 60_000
    assert result["messages"][-1].text
