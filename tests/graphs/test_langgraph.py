"""In every way LangGraph runs a node again, or does not, the ledger has what the server billed."""

import asyncio
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt

from shoestring import (
    Budget,
    BudgetContext,
    BudgetExceeded,
    BudgetMiddleware,
    Ledger,
    SQLiteStore,
    guard,
)

if TYPE_CHECKING:
    from tests.conftest import CountingServer

PLENTY = Budget(tokens=100_000)


class State(TypedDict, total=False):
    """What the graphs of these tests hand on."""

    part: str
    said: Annotated[list[str], operator.add]


class Said(TypedDict, total=False):
    """What a worker hands back: where several run at once, nothing that only one may write."""

    said: Annotated[list[str], operator.add]


class Calling:
    """Nodes that call a guarded model, the ledger of the run's context paying."""

    def __init__(self, server: "CountingServer") -> None:
        server.wants = 5
        self.model = server.model()

    def ask(self, state: State, runtime: Runtime[BudgetContext]) -> State:
        assert runtime.context.ledger is not None
        model = guard(self.model, runtime.context.ledger.at(node="ask"), max_output=40, wait=20)
        return {"said": [model.invoke(state.get("part", "Name a river.")).text]}

    async def aask(self, state: State, runtime: Runtime[BudgetContext]) -> State:
        assert runtime.context.ledger is not None
        model = guard(self.model, runtime.context.ledger.at(node="ask"), max_output=40, wait=20)
        return {"said": [(await model.ainvoke(state.get("part", "Name a river."))).text]}

    def ask_or_pass(self, state: State, runtime: Runtime[BudgetContext]) -> State:
        try:
            return self.ask(state, runtime)
        except BudgetExceeded:
            return {"said": []}


def approve(state: State) -> State:
    return {"said": [interrupt("go on?")]}


def many(state: State) -> list[Send]:
    return [Send("ask", {"part": f"Name river {n}."}) for n in range(12)]


def equal(server: "CountingServer", ledger: Ledger) -> bool:
    """Whether the ledger has each request the server got, and each token it billed."""
    spent = ledger.spent
    counted = (len(server.requests), server.billed_input, server.billed_output)
    return (
        spent.calls,
        spent.input_tokens,
        spent.output_tokens,
    ) == counted and not ledger.held.calls


def compiled(graph: StateGraph[Any, Any, Any, Any], saver: Any = None, **options: Any) -> Any:
    return graph.compile(checkpointer=saver, **options)


def new() -> StateGraph[Any, Any, Any, Any]:
    return StateGraph(State, context_schema=BudgetContext)


def test_fan_out(server: "CountingServer", saver: Any, thread: Any) -> None:
    """Twelve branches at once, on money for some of them: billed is what is on the ledger."""
    ledger = Ledger(Budget(tokens=150))
    graph = new().add_node("ask", Calling(server).ask_or_pass)
    graph.add_conditional_edges(START, many, ["ask"])
    said = compiled(graph, saver).invoke({}, thread, context=BudgetContext(ledger))["said"]
    assert 0 < len(said) == len(server.requests) < 12
    assert equal(server, ledger)
    assert server.billed <= 150


async def test_fan_out_in_tasks(server: "CountingServer", asaver: Any, thread: Any) -> None:
    """The same in tasks of one loop; a branch that is refused fails the step, and the rest is paid."""
    ledger = Ledger(Budget(tokens=150))
    graph = new().add_node("ask", Calling(server).aask)
    graph.add_conditional_edges(START, many, ["ask"])
    with pytest.raises(BudgetExceeded):
        await compiled(graph, asaver).ainvoke({}, thread, context=BudgetContext(ledger))
    assert ledger.spent.calls == len(server.requests) > 0
    # Siblings that LangGraph cancels in flight are charged in full: nobody says what they cost.
    assert server.billed <= ledger.spent.tokens <= 150


def test_subgraphs(server: "CountingServer", saver: Any, thread: Any) -> None:
    """A graph in a graph in a graph shares the ledger of the context, and counts once."""
    ledger, calling = Ledger(PLENTY), Calling(server)
    inner = compiled(new().add_node("ask", calling.ask).add_edge(START, "ask"))
    middle = new().add_node("inner", inner).add_node("ask", calling.ask)
    middle.add_edge(START, "inner").add_edge("inner", "ask")
    outer = new().add_node("middle", compiled(middle)).add_node("ask", calling.ask)
    outer.add_edge(START, "middle").add_edge("middle", "ask")
    compiled(outer, saver).invoke({}, thread, context=BudgetContext(ledger))
    assert len(server.requests) == 3
    assert equal(server, ledger)


def test_interrupt_and_resume(server: "CountingServer", saver: Any, thread: Any) -> None:
    """What was done before an interrupt is not paid again; what LangGraph does again is."""
    ledger, calling = Ledger(PLENTY), Calling(server)

    def ask_then_wait(state: State, runtime: Runtime[BudgetContext]) -> State:
        said = calling.ask(state, runtime)
        interrupt("go on?")
        return said

    inner = new().add_node("ask_then_wait", ask_then_wait).add_edge(START, "ask_then_wait")
    graph = new().add_node("ask", calling.ask).add_node("approve", approve)
    graph.add_node("inner", compiled(inner))
    graph.add_edge(START, "ask").add_edge("ask", "approve").add_edge("approve", "inner")
    requests: list[int] = []
    steps: list[Any] = [{}, Command(resume="yes"), Command(resume="yes")]
    for given in steps:
        # A graph built anew each time, as after a restart.
        compiled(graph, saver).invoke(given, thread, context=BudgetContext(ledger))
        requests.append(len(server.requests))
        assert equal(server, ledger)
    assert requests == [1, 2, 3]


async def test_interrupt_and_resume_in_tasks(
    server: "CountingServer", asaver: Any, thread: Any
) -> None:
    """The same in an asynchronous run: only what runs again is paid again."""
    ledger, calling = Ledger(PLENTY), Calling(server)
    graph = new().add_node("ask", calling.aask).add_node("approve", approve)
    graph.add_node("again", calling.aask)
    graph.add_edge(START, "ask").add_edge("ask", "approve").add_edge("approve", "again")
    requests: list[int] = []
    steps: list[Any] = [{}, Command(resume="yes")]
    for given in steps:
        await compiled(graph, asaver).ainvoke(given, thread, context=BudgetContext(ledger))
        requests.append(len(server.requests))
        assert equal(server, ledger)
    assert requests == [1, 2]


def test_an_interrupted_sibling(server: "CountingServer", saver: Any, thread: Any) -> None:
    """A branch that is done when its sibling waits is not run, or paid, again."""
    ledger, calling = Ledger(PLENTY), Calling(server)
    graph = new().add_node("ask", calling.ask).add_node("approve", approve)
    graph.add_edge(START, "ask").add_edge(START, "approve")
    result: Any = {}
    steps: list[Any] = [{}, Command(resume="yes")]
    for given in steps:
        result = compiled(graph, saver).invoke(given, thread, context=BudgetContext(ledger))
        assert len(server.requests) == 1
        assert equal(server, ledger)
    assert "yes" in result["said"]


def test_time_travel(server: "CountingServer", saver: Any, thread: Any) -> None:
    """Going back replays and pays; it never gives money back."""
    ledger, calling = Ledger(PLENTY), Calling(server)
    graph = new().add_node("ask", calling.ask).add_node("again", calling.ask)
    graph.add_edge(START, "ask").add_edge("ask", "again")
    run = compiled(graph, saver)
    run.invoke({}, thread, context=BudgetContext(ledger))
    for index, checkpoint in enumerate(list(run.get_state_history(thread))):
        before = ledger.spent.tokens
        run.invoke(None, checkpoint.config, context=BudgetContext(ledger))
        assert equal(server, ledger)
        assert (ledger.spent.tokens > before) == (index > 0)
    assert len(server.requests) > 4


def test_node_retries(server: "CountingServer", saver: Any, thread: Any) -> None:
    """Each attempt of a retry policy is paid; a refusal of the ledger is not retried."""
    ledger, calling = Ledger(PLENTY), Calling(server)
    attempts: list[int] = []

    def shaky(state: State, runtime: Runtime[BudgetContext]) -> State:
        attempts.append(len(attempts))
        server.behave = 503 if len(attempts) < 3 else "ok"
        return calling.ask(state, runtime)

    policy = RetryPolicy(initial_interval=0, max_interval=0, max_attempts=5, jitter=False)
    graph = new().add_node("ask", shaky, retry_policy=policy).add_edge(START, "ask")
    compiled(graph, saver).invoke({}, thread, context=BudgetContext(ledger))
    assert len(server.requests) == len(attempts) == ledger.spent.calls == 3
    # Two errors whose cost nobody knows are charged in full; the last is what the server says.
    assert [line.basis for line in ledger.receipt.lines] == ["presumed", "presumed", "measured"]
    assert ledger.receipt.lines[-1].spent.tokens == server.billed
    with pytest.raises(BudgetExceeded):
        compiled(graph).invoke({}, context=BudgetContext(Ledger(Budget(tokens=1))))
    assert (len(attempts), len(server.requests)) == (4, 3)


def test_node_cache(server: "CountingServer", saver: Any, thread: Any) -> None:
    """A node whose result is cached sends nothing and costs nothing."""
    ledger, calling = Ledger(PLENTY), Calling(server)
    graph = new().add_node("ask", calling.ask, cache_policy=CachePolicy()).add_edge(START, "ask")
    run = compiled(graph, saver, cache=InMemoryCache())
    name = thread["configurable"]["thread_id"]
    for n, part in enumerate(("Name a lake.", "Name a lake.", "Name a hill.")):
        config: Any = {"configurable": {"thread_id": f"{name} {n}"}}
        assert run.invoke({"part": part}, config, context=BudgetContext(ledger))["said"]
    assert len(server.requests) == 2
    assert equal(server, ledger)


def test_parallel_subgraphs_in_a_loop(server: "CountingServer", saver: Any, thread: Any) -> None:
    """Subgraphs fanned out in each turn of a loop count each request once."""
    ledger, calling = Ledger(PLENTY), Calling(server)
    inner = StateGraph(State, context_schema=BudgetContext, output_schema=Said)
    worker = compiled(inner.add_node("ask", calling.ask).add_edge(START, "ask"))

    def on(state: State) -> Any:
        return END if len(state["said"]) > 8 else [Send("worker", {"part": "A?"}) for _ in "abc"]

    graph = new().add_node("worker", worker).add_node("turn", lambda state: {"said": ["turn"]})
    graph.add_edge(START, "turn").add_conditional_edges("turn", on, ["worker", END])
    graph.add_edge("worker", "turn")
    compiled(graph, saver).invoke({}, thread, context=BudgetContext(ledger))
    assert len(server.requests) >= 6
    assert equal(server, ledger)


# Agents.


@tool
def look_up(query: str) -> str:
    """Look something up."""
    return f"{query}: 324 metres. " + "Nothing else is known of it. " * 20


def tokens_of(path: Path, ids: list[str]) -> int:
    """What those ledgers of a file have spent."""
    return sum(SQLiteStore(path).ledger(each).spent.tokens for each in ids)


def test_an_agent_is_asked_resumed_and_rewound(
    server: "CountingServer", saver: Any, thread: Any, tmp_path: Path
) -> None:
    """Each step by objects built anew: the ledgers in the file have what the server billed."""
    server.wants, path = 20, tmp_path / "ledgers.db"
    server.calls = lambda body: [("look_up", {"query": "tower"})] if "tools" in body else []

    def start() -> Any:
        middleware = BudgetMiddleware(
            Budget(tokens=2_000, answer_reserve=500),
            on_exceeded="interrupt",
            ledgers=SQLiteStore(path),
        )
        return create_agent(server.model(), [look_up], middleware=[middleware], checkpointer=saver)

    ids: list[str] = []
    given: Any = {"messages": [("user", "How high is the tower?")]}
    for resume in ({"tokens": 1_500}, {"tokens": 1_000}, False):
        assert "__interrupt__" in start().invoke(given, thread)
        ids.append(start().get_state(thread).tasks[0].interrupts[0].value["ledger_id"])
        assert tokens_of(path, ids) == server.billed
        given = Command(resume=resume)
    result = start().invoke(given, thread)
    assert result["messages"][-1].response_metadata["stopped_by"] == "tokens"
    assert len(set(ids)) == 3
    assert tokens_of(path, ids) == server.billed <= 2_000 + 1_500 + 1_000
    billed = server.billed
    first = list(start().get_state_history(thread))[-2].config
    assert "__interrupt__" in start().invoke(None, first)
    assert server.billed > billed  # what the first ledger had left
    assert tokens_of(path, ids) == server.billed <= 2_000 + 1_500 + 1_000


async def test_agents_in_tasks_on_one_ledger(
    server: "CountingServer", asaver: Any, thread: Any, tmp_path: Path
) -> None:
    """Three threads of an agent at once, on one ledger in a file: together within its cap."""
    server.wants = 20
    server.calls = lambda body: [("look_up", {"query": "tower"})] if "tools" in body else []
    ledger = Ledger(
        Budget(tokens=4_000, answer_reserve=900), store=SQLiteStore(tmp_path / "ledgers.db")
    )
    agent: Any = create_agent(
        server.model(),
        [look_up],
        middleware=[BudgetMiddleware(ledger, guard=waiting)],
        checkpointer=asaver,
    )
    name = thread["configurable"]["thread_id"]
    runs = [
        agent.ainvoke(
            {"messages": [("user", f"How high is tower {n}?")]},
            {"configurable": {"thread_id": f"{name} {n}"}},
        )
        for n in range(3)
    ]
    results = await asyncio.gather(*runs)
    assert {each["messages"][-1].response_metadata["stopped_by"] for each in results} == {"tokens"}
    assert ledger.spent.tokens == server.billed <= 4_000


def waiting(model: Any, ledger: Ledger, *, min_output: int = 16) -> Any:
    """A guard that waits for what others hold."""
    return guard(model, ledger, min_output=min_output, wait=20)
