"""`guard_all`: every model that a thing holds is guarded, in a copy."""

from __future__ import annotations

import warnings
from functools import partial
from importlib import import_module
from operator import itemgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    LLMToolEmulator,
    LLMToolSelectorMiddleware,
    ModelFallbackMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
)
from langchain.agents.middleware.types import ModelRequest
from langchain.chat_models import init_chat_model
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph

from shoestring.budget import Amount, Budget, BudgetExceeded, Ledger
from shoestring.models import (
    UnguardedCall,
    UnknownProvider,
    Unreachable,
    guard,
    guard_all,
    is_guarded,
    refuse_unguarded,
)

if TYPE_CHECKING:
    from tests.conftest import CountingServer

PLENTY = Budget(tokens=100_000)
SHARED = ChatOpenAI(model="gpt-4o-mini", api_key="none")  # type: ignore[arg-type]  # read as a secret


def all_on(ledger: Ledger, server: CountingServer, requests: int) -> None:
    """Assert that the server was asked so often, and that the ledger has it all."""
    assert len(server.requests) == ledger.spent.calls == requests
    assert (ledger.spent.input_tokens, ledger.spent.output_tokens) == (
        server.billed_input,
        server.billed_output,
    )
    assert ledger.held == Amount()


# Chains.


def chains(model: Any) -> dict[str, Any]:  # noqa: C901 - one small function a kind
    """Every kind of chain around a chat model, each of which asks it once."""

    def ask(text: str) -> Any:
        return model.invoke(text)

    def by_default(text: str, model: Any = model) -> Any:
        return model.invoke(text)

    def by_keyword(text: str, *, inner: Any = (model,)) -> Any:
        return inner[0].invoke(text)

    def recursive(text: str, deep: int = 2) -> Any:
        return recursive(text, deep - 1) if deep else model.invoke(text)

    class Asker:
        def __init__(self) -> None:
            self.inner = {"deep": [model]}

        def ask(self, text: str) -> Any:
            return self.inner["deep"][0].invoke(text)

    class Slotted:
        __slots__ = ("__inner",)

        def __init__(self) -> None:
            self.__inner = model

        def ask(self, text: str) -> Any:
            return self.__inner.invoke(text)

    def fail(text: str) -> Any:
        raise LookupError(text)

    def first(found: list[Any]) -> Any:
        return found[0]

    return {
        "sequence": ChatPromptTemplate.from_template("{x}").partial(x="hi") | model | str,
        "parallel": RunnableParallel(a=model, b=RunnableLambda(str)),
        "assign": RunnablePassthrough.assign(a=itemgetter("x") | model),
        "branch": RunnableBranch((bool, model), RunnableLambda(str)),
        "binding": model.bind(stop=["x"]),
        "configured": model.with_config(tags=["x"]),
        "retry": model.with_retry(wait_exponential_jitter=False),
        "fallbacks": RunnableLambda(fail).with_fallbacks([model]),
        "each": model.map() | first,
        "closure": RunnableLambda(ask),
        "default": RunnableLambda(by_default),
        "keyword default": RunnableLambda(by_keyword),
        "recursion": RunnableLambda(recursive),
        "method": RunnableLambda(Asker().ask),
        "slots": RunnableLambda(Slotted().ask),
        "partial": RunnableLambda(partial(by_default, model=model)),
        "alternatives": PromptTemplate.from_template("{x}")
        .configurable_alternatives(ConfigurableField(id="which"), default_key="plain", model=model)
        .with_config(configurable={"which": "model"}),
    }


@pytest.mark.parametrize("kind", chains(SHARED))
def test_a_model_in_a_chain_is_guarded(kind: str, server: CountingServer) -> None:
    """Each holder of LangChain's is copied with a guarded model; the one given is not changed."""
    ledger = Ledger(PLENTY)
    chain = chains(server.model())[kind]
    question: Any = {"assign": {"x": "hi"}, "sequence": {}, "each": ["hi"]}.get(kind, "hi")
    copy = guard_all(chain, ledger)
    assert type(copy) is type(chain)
    with refuse_unguarded():
        copy.invoke(question)
        with pytest.raises((UnguardedCall, LookupError)):
            chain.invoke(question)
    all_on(ledger, server, 1)


async def test_a_guarded_chain_works_in_every_way(server: CountingServer) -> None:
    """Streams, batches and asynchronous calls of the copy go through the guard."""
    ledger = Ledger(PLENTY)
    chain = guard_all(RunnableLambda(str) | server.model(), ledger)
    list(chain.stream("a"))
    chain.batch(["a", "b"])
    await chain.ainvoke("a")
    [_ async for _ in chain.astream("a")]
    all_on(ledger, server, 5)


def test_structured_output_and_tools_stay_guarded(server: CountingServer) -> None:
    """What was bound before is bound in the copy."""

    @tool
    def look(city: str) -> str:
        """Look up a city."""
        return city

    ledger = Ledger(PLENTY)
    model = server.model()
    schema = {"title": "City", "description": "A city.", "type": "object", "properties": {}}
    things = [model.bind_tools([look]), model.with_structured_output(schema)]
    for thing in guard_all(things, ledger):
        thing.invoke("hi")
    assert server.requests[0]["tools"]
    all_on(ledger, server, 2)


def test_embeddings_of_a_retriever_are_guarded() -> None:
    """What a vector store embeds with is found, and its documents are shared."""
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=3))
    store.add_texts(["a", "b"])
    ledger = Ledger(PLENTY)
    retriever = guard_all(store.as_retriever(), ledger)
    assert len(retriever.invoke("a")) == 2
    assert ledger.spent.calls == 1


# Middleware, agents and graphs.


def run_agent(*middleware: AgentMiddleware[Any, Any], model: Any, tools: Any = ()) -> Any:
    agent = create_agent(model, list(tools), middleware=middleware)
    history: Any = [HumanMessage("a"), AIMessage("b"), HumanMessage("c")]
    return agent.invoke({"messages": history})


def test_fallback_models_are_guarded(server: CountingServer) -> None:
    """The model that a middleware falls back on pays, too."""
    ledger = Ledger(PLENTY)
    middleware = ModelFallbackMiddleware(server.model())
    refused = guard(server.model(), Ledger(Budget(tokens=1)))
    run_agent(guard_all(middleware, ledger), model=refused)
    all_on(ledger, server, 1)
    assert not is_guarded(middleware.models[0])


def test_summarisers_are_guarded(server: CountingServer) -> None:
    """A summary is asked for past every `wrap_model_call`, and pays all the same."""
    ledger = Ledger(PLENTY)
    middleware = SummarizationMiddleware(
        server.model(), trigger=("messages", 2), keep=("messages", 1)
    )
    run_agent(guard_all(middleware, ledger), model=guard(server.model(), ledger))
    all_on(ledger, server, 2)


@pytest.mark.parametrize("bound", [False, True])
async def test_the_summariser_of_langmem_is_guarded(server: CountingServer, *, bound: bool) -> None:
    """A node that keeps its model in a partial: guarded before it is made, or by `guard_all` after."""
    with warnings.catch_warnings():
        # It imports from where LangGraph had it before version 1.
        warnings.simplefilter("ignore")
        # By name: it is shipped without types.
        summaries = import_module("langmem.short_term")

    ledger = Ledger(PLENTY)
    settings: Any = {"max_tokens": 120, "max_tokens_before_summary": 60, "max_summary_tokens": 20}

    def node(model: Any) -> Any:
        return summaries.SummarizationNode(
            model=model.bind(max_tokens=20) if bound else model, **settings
        )

    talk: Any = [
        HumanMessage("word " * 40, id="1"),
        AIMessage("word " * 40, id="2"),
        HumanMessage("Go on.", id="3"),
    ]
    plain = node(server.model())
    with refuse_unguarded(), pytest.raises(UnguardedCall):
        plain.invoke({"messages": talk})
    for one in (guard_all(plain, ledger), node(guard(server.model(), ledger))):
        with refuse_unguarded():
            one.invoke({"messages": talk})
            await one.ainvoke({"messages": talk})
    all_on(ledger, server, 4)
    # What its model is refused, it raises.
    with pytest.raises(BudgetExceeded):
        guard_all(plain, Ledger(Budget(tokens=20))).invoke({"messages": talk})


def test_selectors_and_emulators_are_guarded(server: CountingServer) -> None:
    """A model that picks tools, and one that plays them, pay for their calls."""

    @tool
    def look(city: str) -> str:
        """Look up a city."""
        return city

    ledger = Ledger(PLENTY)
    server.says = lambda _: '{"tools": ["look"]}'
    pair: list[Any] = [
        LLMToolSelectorMiddleware(model=server.model()),
        LLMToolEmulator(model=server.model()),
    ]
    selector, emulator = guard_all(pair, ledger)
    request: Any = ModelRequest(
        model=server.model(), messages=[HumanMessage("hi")], tools=[look], state={"messages": []}
    )
    with pytest.raises(ValueError, match="malformed"):  # this server knows no tools
        selector.wrap_model_call(request, None)
    call: Any = SimpleNamespace(
        tool_call={"name": "look", "args": {}, "id": "1"}, tool=look, state={}, runtime=None
    )
    emulator.wrap_tool_call(call, None)
    assert len({str(body.get("response_format")) for body in server.requests}) == 2
    all_on(ledger, server, len(server.requests))


def test_a_middleware_without_a_model_is_refused(server: CountingServer) -> None:
    """Who guards what holds no model is told so; in a list, the others are guarded."""
    ledger = Ledger(PLENTY)
    todo = TodoListMiddleware()
    with pytest.raises(ValueError, match="no model found in TodoListMiddleware"):
        guard_all(todo, ledger)
    same, _ = guard_all([todo, ModelFallbackMiddleware(server.model())], ledger)
    assert same is todo


async def test_a_compiled_agent_is_guarded_whole(server: CountingServer) -> None:
    """Its model, its middleware's, its tools' and its sub-agent's, in the agent that exists."""
    plain = server.model()
    inner: Any = create_agent(plain, [])

    @tool
    def ask(question: str) -> str:
        """Ask the sub-agent."""
        answer: str = inner.invoke({"messages": [("user", question)]})["messages"][-1].text
        return answer

    summary = SummarizationMiddleware(plain, trigger=("messages", 2), keep=("messages", 1))
    agent: Any = create_agent(plain, [ask], middleware=[summary])
    ledger = Ledger(PLENTY)
    copy = guard_all(agent, ledger)
    with refuse_unguarded():
        state = copy.invoke({"messages": [("user", "a"), ("ai", "b"), ("user", "c")]})
        await copy.ainvoke({"messages": [("user", "a")]})
    assert state["messages"][-1].text.startswith("word")
    all_on(ledger, server, 3)
    copy.nodes["tools"].bound.tools_by_name["ask"].invoke({"question": "hi"})
    all_on(ledger, server, 4)
    with refuse_unguarded(), pytest.raises(UnguardedCall):
        agent.invoke({"messages": [("user", "a")]})


def test_two_copies_serve_two_ledgers(server: CountingServer) -> None:
    """One agent may serve many users at once, each on a ledger of their own."""
    agent = create_agent(server.model(max_tokens=20), [])
    first, second = Ledger(PLENTY), Ledger(PLENTY)
    question: Any = {"messages": [("user", "hi")]}
    one, two = guard_all(agent, first), guard_all(agent, second)
    one.invoke(question)
    two.invoke(question)
    two.invoke(question)
    assert (first.spent.calls, second.spent.calls) == (1, 2)


def test_a_graph_with_branches_and_a_subgraph_is_guarded(server: CountingServer) -> None:
    """Nodes, conditional edges and subgraphs are searched alike."""
    model = server.model()

    def think(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    def choose(state: MessagesState) -> str:
        return "deep" if model.invoke(state["messages"]) else END

    deep = StateGraph(MessagesState).add_node("think", think).add_edge(START, "think").compile()
    graph = StateGraph(MessagesState).add_node("think", think).add_node("deep", deep)
    graph = graph.add_edge(START, "think").add_conditional_edges("think", choose, ["deep", END])
    ledger = Ledger(PLENTY)
    compiled: Any = graph.compile()
    with refuse_unguarded():
        guard_all(compiled, ledger).invoke({"messages": [("user", "hi")]})
    all_on(ledger, server, 3)


# Ledgers that are there already.


def test_a_narrower_guard_stays(server: CountingServer) -> None:
    """A model on a child of the ledger keeps its own cap, and is seen by the ledger anyway."""
    ledger = Ledger(PLENTY)
    child = ledger.child(Budget(tokens=20))
    chain = RunnableParallel(a=guard(server.model(), child), b=server.model())
    with pytest.raises(BudgetExceeded):
        guard_all(chain, ledger).invoke("hello " * 30)
    assert is_guarded(guard_all(guard(server.model(), child), ledger))


def test_another_ledgers_guard_is_replaced_on_its_terms(server: CountingServer) -> None:
    """A model of another account spends from this one, with the limit it was given there."""
    other, ledger = Ledger(PLENTY), Ledger(PLENTY)
    chain = RunnableLambda(str) | guard(server.model(), other, max_output=7)
    guard_all(chain, ledger).invoke("hi")
    all_on(ledger, server, 1)
    assert other.spent == Amount()
    assert server.requests[0]["max_completion_tokens"] == 7


def test_a_guarded_tools_models_and_cost_move_with_it(server: CountingServer) -> None:
    """Of a tool on another ledger, both what it costs and what its models spend are moved."""
    model = server.model()

    @tool
    def ask(question: str) -> str:
        """Ask a model."""
        return model.invoke(question).text

    other, ledger = Ledger(PLENTY), Ledger(PLENTY)
    moved = guard_all(guard(ask, other, cost=Amount(calls=1)), ledger)
    moved.invoke({"question": "hi"})
    assert ledger.spent.calls == 2
    assert other.spent == Amount()


def test_guarding_all_twice_changes_nothing_more(server: CountingServer) -> None:
    """What is guarded already needs no copy."""
    ledger = Ledger(PLENTY)
    once = guard_all(RunnableLambda(str) | server.model(), ledger)
    assert guard_all(once, ledger) is once


# What is chosen at a call.


def configurable(server: CountingServer, **options: Any) -> Any:
    given = {"model": "gpt-4o-mini", "model_provider": "openai", "api_key": "none", **options}
    return init_chat_model(
        configurable_fields=("model", "max_tokens"), base_url=server.url, **given
    )


async def test_a_configurable_model_is_guarded_when_it_is_chosen(server: CountingServer) -> None:
    """Whatever a configuration makes of it passes the guard, in every way of calling."""
    ledger = Ledger(PLENTY)
    model = guard(configurable(server), ledger, max_output=30)
    with refuse_unguarded():
        model.invoke("hi")
        model.invoke("hi", {"configurable": {"max_tokens": 9}})
        model.with_config(configurable={"max_tokens": 8}).invoke("hi")
        list(model.stream("hi"))
        model.batch(["hi"], [{"configurable": {"max_tokens": 7}}])
        await model.ainvoke("hi")
        model.with_retry().invoke("hi")
        model.bind_tools([{"name": "x", "description": "X.", "parameters": {}}]).invoke("hi")
        model.generate([[HumanMessage("hi")]])
    all_on(ledger, server, 9)
    sent = [body["max_completion_tokens"] for body in server.requests]
    assert sent == [30, 9, 8, 30, 7, 30, 30, 30, 30]
    assert is_guarded(model)


def test_a_configurable_model_inside_is_found(server: CountingServer) -> None:
    """In a chain it is guarded as any model; on another ledger, it changes over."""
    first, second = Ledger(PLENTY), Ledger(PLENTY)
    chain = guard_all(RunnableLambda(str) | configurable(server), first)
    chain.invoke("hi")
    guard_all(chain, second).invoke("hi")
    assert (first.spent.calls, second.spent.calls) == (1, 1)


def test_fields_configured_on_a_guarded_model_keep_it_guarded(server: CountingServer) -> None:
    """LangChain builds the model anew for a configuration; so it does from a chain's plain one."""
    ledger = Ledger(PLENTY)
    field = ConfigurableField(id="most")
    model = guard(server.model(), ledger).configurable_fields(max_tokens=field)
    chain = guard_all(
        RunnableLambda(str) | server.model().configurable_fields(max_tokens=field), ledger
    )
    with refuse_unguarded():
        for one in (model, chain):
            one.invoke("hi")
            one.invoke("hi", {"configurable": {"most": 9}})
            one.with_config(configurable={"most": 8}).invoke("hi")
    all_on(ledger, server, 6)
    assert [b["max_completion_tokens"] for b in server.requests] == [1_024, 9, 8] * 2


# What cannot be reached.


def test_a_model_in_a_global_is_refused_with_its_place() -> None:
    """A copy of a function reads the same globals: the message says which, and the cure."""

    def ask(text: str) -> Any:
        return SHARED.invoke(text)

    class Asker(AgentMiddleware[Any, Any]):
        def before_model(self, state: Any, runtime: Any) -> None:
            helper("hi")

    class Holder:
        model = SHARED

    for thing in (RunnableLambda(ask), Asker(), Holder()):
        with pytest.raises(Unreachable, match=r"SHARED|model.*guard\(model, ledger\)"):
            guard_all(thing, Ledger(PLENTY))


def helper(text: str) -> Any:
    return SHARED.invoke(text)


def test_what_cannot_be_copied_is_refused_with_its_place(server: CountingServer) -> None:
    """An object with a finaliser would run it twice; a set has no place to exchange."""

    class Closing:
        def __init__(self, model: Any) -> None:
            self.model = model

        def __del__(self) -> None:
            """Close what the copy would share."""

    with pytest.raises(Unreachable, match=r"list\[0\] cannot be copied"):
        guard_all([Closing(server.model())], Ledger(PLENTY))
    with pytest.raises(Unreachable, match="…"):
        guard_all(frozenset({server.model().invoke}), Ledger(PLENTY))


def test_a_model_that_the_guard_refuses_is_named_with_its_place(server: CountingServer) -> None:
    """The guard's own error, with a note of where the model is held."""
    from langchain_core.language_models import FakeListChatModel

    chain = RunnableParallel(a=server.model(), b=FakeListChatModel(responses=["x"]))
    with pytest.raises(UnknownProvider) as refused:
        guard_all(chain, Ledger(PLENTY))
    assert "steps__" in refused.value.__notes__[0]


def test_a_search_that_finds_no_end_is_given_up(server: CountingServer) -> None:
    """More things than an agent can hold are not searched for ever."""
    with pytest.raises(Unreachable, match="more than 50,000"):
        guard_all([server.model(), [[] for _ in range(50_000)]], Ledger(PLENTY))
