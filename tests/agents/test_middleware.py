"""An agent with a budget never passes it, and ends as it was told to."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    LLMToolSelectorMiddleware,
    ModelFallbackMiddleware,
    ModelRequest,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
    after_model,
    wrap_model_call,
)
from langchain.agents.structured_output import ToolStrategy
from langchain.chat_models import init_chat_model
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from shoestring import (
    Amount,
    Budget,
    BudgetError,
    BudgetExceeded,
    BudgetMiddleware,
    Ledger,
    LedgerClosed,
    Price,
    current_ledger,
    guard,
    guard_all,
    refuse_unguarded,
)
from shoestring.agents import MisplacedMiddleware
from shoestring.budget import LedgerNotFound, LoopDetected
from shoestring.models import UnguardedCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import CountingServer

FACT = "The tower of Lanthorn is 324 metres high."
QUESTION: Any = {"messages": [("user", "How high is the tower of Lanthorn?")]}
BUDGET = Budget(tokens=3_000, answer_reserve=600)


@tool
def look_up(query: str) -> str:
    """Look something up."""
    return f"{query}: {FACT} " + "Nothing else is known of it. " * 20


def results(body: dict[str, Any]) -> int:
    """How many results of tools a request carries."""
    return sum(message["role"] == "tool" for message in body["messages"])


@pytest.fixture
def searching(server: CountingServer) -> CountingServer:
    """A server whose model looks something up whenever it may, and never tires of it."""
    server.wants = 20
    server.calls = lambda body: (
        [("look_up", {"query": f"tower {results(body)}"})] if "tools" in body else []
    )
    return server


def agent(
    server: CountingServer, *middleware: AgentMiddleware[Any, Any, Any], **options: Any
) -> Any:
    settings: dict[str, Any] = {"tools": [look_up], "system_prompt": "Be exact.", **options}
    return create_agent(server.model(), middleware=middleware, **settings)


def last(result: dict[str, Any]) -> AIMessage:
    message = result["messages"][-1]
    assert isinstance(message, AIMessage)
    return message


def requests_on(ledger: Ledger) -> int:
    """The requests to models on a receipt: lines of tools name the tool."""
    return sum(line.what == "gpt-4o-mini" for line in ledger.receipt.lines)


async def run(graph: Any, mode: str, given: Any = QUESTION, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = (
        graph.invoke(given, **options) if mode == "sync" else await graph.ainvoke(given, **options)
    )
    return found


both = pytest.mark.parametrize("mode", ["sync", "async"])


@both
async def test_an_answer_is_written_from_the_reserve(searching: CountingServer, mode: str) -> None:
    """When work no longer fits, one last call without tools answers from what is gathered."""
    ledger = Ledger(BUDGET)
    result = await run(agent(searching, BudgetMiddleware(ledger)), mode)
    assert last(result).text.startswith("word word")
    assert last(result).response_metadata["stopped_by"] == "tokens"
    final = searching.requests[-1]
    assert "tools" not in final
    assert FACT in final["messages"][-1]["content"]
    assert "How high is the tower of Lanthorn?" in final["messages"][-1]["content"]
    assert ledger.spent.tokens == searching.billed <= 3_000
    assert requests_on(ledger) == len(searching.requests)


@both
async def test_where_no_call_fits_what_was_gathered_is_quoted(
    searching: CountingServer, mode: str
) -> None:
    """Without a reserve the last words are no model's: they say so, and quote the tools."""
    ledger = Ledger(Budget(calls=4))
    result = await run(agent(searching, BudgetMiddleware(ledger)), mode)
    assert FACT in last(result).text
    assert "4" in last(result).text
    assert last(result).response_metadata["stopped_by"] == "calls"
    assert len(searching.requests) == 2
    assert ledger.spent.tokens == searching.billed


@both
async def test_end_says_why(searching: CountingServer, mode: str) -> None:
    """With "end" nothing more is called, and the last message names the cap."""
    ledger = Ledger(BUDGET)
    result = await run(agent(searching, BudgetMiddleware(ledger, on_exceeded="end")), mode)
    assert "of 3,000 remain" in last(result).text
    assert all("tools" in body for body in searching.requests)
    assert ledger.spent.tokens == searching.billed


@both
async def test_raise_passes_every_retry(searching: CountingServer, mode: str) -> None:
    """With "raise" no retry or fallback takes the refusal for a failure."""
    ledger = Ledger(BUDGET)
    graph = agent(
        searching,
        ModelRetryMiddleware(max_retries=3, initial_delay=0),
        ModelFallbackMiddleware(searching.model(model="gpt-4o")),
        BudgetMiddleware(ledger, on_exceeded="raise"),
    )
    with pytest.raises(BudgetExceeded, match="of 3,000 remain") as refused:
        await run(graph, mode)
    assert refused.value.dimension == "tokens"
    assert ledger.spent.tokens == searching.billed
    assert {body["model"] for body in searching.requests} == {"gpt-4o-mini"}


def test_a_closed_ledger_ends_the_run(searching: CountingServer) -> None:
    """Whoever closes a ledger stops the agents that draw on it."""
    ledger = Ledger(BUDGET)
    ledger.close()
    result = agent(searching, BudgetMiddleware(ledger)).invoke(QUESTION)
    assert last(result).response_metadata["stopped_by"] == "closed"
    with pytest.raises(LedgerClosed):
        agent(searching, BudgetMiddleware(ledger, on_exceeded="raise")).invoke(QUESTION)
    assert searching.requests == []


def test_an_answer_that_comes_in_time_is_left_alone(server: CountingServer) -> None:
    """Within the budget the middleware changes nothing of what the agent says."""
    server.says = lambda body: "324 metres."
    ledger = Ledger(BUDGET)
    result = agent(server, BudgetMiddleware(ledger)).invoke(QUESTION)
    assert last(result).text == "324 metres."
    assert "stopped_by" not in last(result).response_metadata
    assert ledger.spent.tokens == server.billed


def test_the_next_run_on_the_thread_is_not_stopped(searching: CountingServer) -> None:
    """Each run opens a budget of its own: the end of one is not the end of the next."""
    graph = agent(searching, BudgetMiddleware(BUDGET))
    first = graph.invoke(QUESTION)
    searching.calls = lambda body: []
    second = graph.invoke({"messages": [*first["messages"], ("user", "Sure?")]})
    assert "stopped_by" in last(first).response_metadata
    assert "stopped_by" not in last(second).response_metadata


def test_a_structured_answer_is_written_from_the_reserve(searching: CountingServer) -> None:
    """An agent with a response format still fills it in when its budget ends."""

    class Height(BaseModel):
        metres: int

    searching.calls = lambda body: (
        [("look_up", {"query": "tower"})]
        if any(each["function"]["name"] == "look_up" for each in body["tools"])
        else [("Height", {"metres": 324})]
    )
    ledger = Ledger(BUDGET)
    graph = agent(searching, BudgetMiddleware(ledger), response_format=ToolStrategy(Height))
    result = graph.invoke(QUESTION)
    assert result["structured_response"] == Height(metres=324)
    assert ledger.spent.tokens == searching.billed


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_each_attempt_at_a_structured_answer_is_paid(
    server: CountingServer, mode: str
) -> None:
    """LangChain asks again for arguments that do not fit the schema: that is a call of its own."""

    class Height(BaseModel):
        """A height."""

        metres: int

    ledger = Ledger(BUDGET)
    server.calls = lambda body: [("Height", {"metres": 324 if results(body) else "high"})]
    graph = agent(server, BudgetMiddleware(ledger), tools=[], response_format=ToolStrategy(Height))
    result = await run(graph, mode)
    assert result["structured_response"] == Height(metres=324)
    assert requests_on(ledger) == len(server.requests) == 2
    assert ledger.spent.tokens == server.billed
    # Without end, it ends with the budget.
    server.calls = lambda _: [("Height", {"metres": "high"})]
    second = Ledger(Budget(tokens=1_500))
    graph = agent(server, BudgetMiddleware(second), tools=[], response_format=ToolStrategy(Height))
    before = server.billed
    stopped = await run(graph, mode)
    assert last(stopped).response_metadata["stopped_by"] == "tokens"
    assert second.spent.tokens == server.billed - before <= 1_500


def test_a_loop_of_another_middleware_ends_with_the_budget(searching: CountingServer) -> None:
    """A check that sends the agent back to its model cannot do so for ever."""

    @after_model(can_jump_to=["model"])
    def never_content(state: Any, runtime: Any) -> dict[str, Any]:
        return {"jump_to": "model"}

    searching.calls = lambda body: []
    graph = agent(searching, never_content, BudgetMiddleware(Budget(calls=3)), tools=[])
    assert last(graph.invoke(QUESTION)).response_metadata["stopped_by"] == "calls"
    assert len(searching.requests) == 3


def test_what_is_left_is_told_at_the_end(searching: CountingServer) -> None:
    """Each request begins with the whole of the one before, byte for byte, but for the note."""
    result = agent(searching, BudgetMiddleware(Ledger(BUDGET))).invoke(QUESTION)
    working = [body for body in searching.requests if "tools" in body]
    assert len(working) > 2
    for before, after in pairwise(working):
        kept = before["messages"][:-1]
        assert after["messages"][: len(kept)] == kept
        assert after["tools"] == before["tools"]
        assert before["messages"][-1]["content"].startswith("[budget] ")
    assert not any("[budget]" in message.text for message in result["messages"])


def test_nothing_is_told_where_it_is_not_wanted(searching: CountingServer) -> None:
    """With tell=False the request is the agent's own."""
    agent(searching, BudgetMiddleware(Ledger(BUDGET), tell=False)).invoke(QUESTION)
    assert not any("[budget]" in str(body["messages"]) for body in searching.requests)


def test_tools_count_as_calls_unless_exempt(searching: CountingServer) -> None:
    """A cap on calls counts requests and runs of tools; an exempt tool runs for nothing."""
    counted, free = Ledger(Budget(calls=5)), Ledger(Budget(calls=5))
    agent(searching, BudgetMiddleware(counted, on_exceeded="end")).invoke(QUESTION)
    assert [line.what for line in counted.receipt.lines].count("look_up") == 2
    assert len(searching.requests) == 3
    searching.requests.clear()
    agent(searching, BudgetMiddleware(free, on_exceeded="end", exempt=["look_up"])).invoke(QUESTION)
    assert len(searching.requests) == 5
    assert (counted.spent.calls, free.spent.calls) == (5, 5)


def test_a_tool_that_does_not_fit_is_not_run(server: CountingServer) -> None:
    """The agent hears why, and goes on without it."""
    ran: list[str] = []

    @tool
    def note_down(text: str) -> str:
        """Note something down."""
        ran.append(text)
        return "noted"

    server.calls = lambda body: (
        [("note_down", {"text": str(n)}) for n in range(4)] if not results(body) else []
    )
    ledger = Ledger(Budget(calls=4, answer_reserve=100))
    result = agent(server, BudgetMiddleware(ledger), tools=[note_down]).invoke(QUESTION)
    told = [m for m in result["messages"] if isinstance(m, ToolMessage)]
    assert len(ran) == 2
    assert sorted(m.status for m in told) == ["error", "error", "success", "success"]
    assert ledger.spent.calls <= 4


def test_a_tools_own_model_draws_on_the_agents_ledger(searching: CountingServer) -> None:
    """A tool that calls a model finds the ledger of the agent that runs it."""

    @tool("look_up")
    def ask_a_model(query: str) -> str:
        """Ask."""
        return guard(searching.model(), current_ledger()).invoke(query).text

    ledger = Ledger(BUDGET)
    agent(searching, BudgetMiddleware(ledger), tools=[ask_a_model]).invoke(QUESTION)
    with pytest.raises(LedgerNotFound, match="copy_context"):
        current_ledger()
    assert any("tools" not in body for body in searching.requests[:-1])
    assert ledger.spent.tokens == searching.billed <= 3_000


@both
async def test_a_repeated_call_is_not_made(searching: CountingServer, mode: str) -> None:
    """The agent hears that it repeats itself; with "raise" the run ends."""
    searching.calls = lambda body: (
        [("look_up", {"query": "tower"})] if results(body) < 4 and "tools" in body else []
    )
    ledger = Ledger(Budget(repeats=2))
    result = await run(agent(searching, BudgetMiddleware(ledger)), mode)
    told = [m for m in result["messages"] if isinstance(m, ToolMessage)]
    assert [m.status for m in told] == ["success", "success", "error", "error"]
    assert "repeats itself" in told[-1].text
    assert [line.what for line in ledger.receipt.lines].count("look_up") == 2
    retry = ToolRetryMiddleware(initial_delay=0)
    graph = agent(searching, retry, BudgetMiddleware(Budget(repeats=2), on_exceeded="raise"))
    with pytest.raises(LoopDetected):
        await run(graph, mode)


@pytest.mark.parametrize("error", [ValueError, LedgerClosed])
def test_a_tool_that_fails_is_counted(searching: CountingServer, error: type[Exception]) -> None:
    """A failed run is a run; what the ledger refuses inside becomes a result the agent can read."""

    @tool("look_up")
    def fail(query: str) -> str:
        """Fail."""
        raise error("no luck")

    ledger = Ledger(Budget(calls=6))
    retry = ToolRetryMiddleware(max_retries=0)
    graph = agent(searching, retry, BudgetMiddleware(ledger, on_exceeded="end"), tools=[fail])
    result = graph.invoke(QUESTION)
    assert ledger.spent.calls == 6
    assert len(searching.requests) == 3
    assert "no luck" in result["messages"][2].text


@pytest.mark.parametrize("inside", ["retry", "fallback"])
@both
async def test_what_would_swallow_a_refusal_must_stand_outside(
    server: CountingServer, inside: str, mode: str
) -> None:
    """A list in the wrong order is refused before anything is sent, with the right order."""
    limit: Any = ToolCallLimitMiddleware(run_limit=9)
    swallowing: Any = (
        ModelRetryMiddleware() if inside == "retry" else ModelFallbackMiddleware(server.model())
    )
    graph = agent(server, limit, BudgetMiddleware(BUDGET), swallowing)
    with pytest.raises(MisplacedMiddleware, match=r"middleware=\[Model\w+, BudgetMiddleware, …\]"):
        await run(graph, mode)
    assert server.requests == []


def test_a_model_put_in_by_an_inner_middleware_is_guarded(searching: CountingServer) -> None:
    """A router that stands inside changes the model, not who pays."""

    @wrap_model_call
    def route(request: ModelRequest[Any], handler: Callable[[Any], Any]) -> Any:
        return handler(request.override(model=searching.model(model="gpt-4o")))

    ledger = Ledger(BUDGET)
    agent(searching, BudgetMiddleware(ledger), route).invoke(QUESTION)
    assert {body["model"] for body in searching.requests} == {"gpt-4o"}
    assert ledger.spent.tokens == searching.billed <= 3_000


def test_a_model_set_by_an_inner_middleware_is_guarded(searching: CountingServer) -> None:
    """The old way to change a request, which LangChain still allows, is no way out."""

    @wrap_model_call
    def route(request: ModelRequest[Any], handler: Callable[[Any], Any]) -> Any:
        with pytest.warns(DeprecationWarning, match="override"):
            request.model = searching.model(model="gpt-4o")
        return handler(request)

    ledger = Ledger(BUDGET)
    agent(searching, BudgetMiddleware(ledger), route).invoke(QUESTION)
    assert ledger.spent.tokens == searching.billed <= 3_000


def test_each_attempt_of_a_retry_and_a_fallback_is_paid(searching: CountingServer) -> None:
    """Every request that retries and fallbacks send is on the ledger, refused ones as calls."""
    searching.behave = 429
    ledger = Ledger(BUDGET)
    graph = agent(
        searching,
        ModelRetryMiddleware(max_retries=2, initial_delay=0, on_failure="continue"),
        ModelFallbackMiddleware(searching.model(model="gpt-4o")),
        BudgetMiddleware(ledger),
    )
    graph.invoke(QUESTION)
    assert len(searching.requests) == 6
    assert ledger.spent.calls == 6
    assert ledger.spent.tokens == searching.billed == 0


def test_a_model_of_another_account_is_refused(server: CountingServer) -> None:
    """A model guarded by a tenant's ledger is not taken out of it."""
    tenant = Ledger(Budget(tokens=9_000), name="tenant")
    model = guard(server.model(), tenant)
    with pytest.raises(ValueError, match="'tenant'"):
        create_agent(model, middleware=[BudgetMiddleware(BUDGET)]).invoke(QUESTION)
    result = create_agent(model, middleware=[BudgetMiddleware(tenant.child(BUDGET))]).invoke(
        QUESTION
    )
    assert last(result).text.startswith("word")
    assert tenant.spent.tokens == server.billed


def test_models_of_other_middleware_are_guarded_on_the_same_ledger(
    searching: CountingServer,
) -> None:
    """A summariser and a fallback with models of their own are paid like the agent."""
    ledger = Ledger(Budget(tokens=20_000, answer_reserve=600))
    summarise = SummarizationMiddleware(
        searching.model(), trigger=("tokens", 300), keep=("messages", 2)
    )
    rounds = iter(range(6))
    searching.calls = lambda body: (
        [("look_up", {"query": "tower"})]
        if "tools" in body and next(rounds, None) is not None
        else []
    )
    fallback = ModelFallbackMiddleware(searching.model(model="gpt-4o"))
    others = guard_all([summarise, fallback], ledger)
    with refuse_unguarded():
        agent(searching, *others, BudgetMiddleware(ledger)).invoke(QUESTION)
    assert any("tools" not in body for body in searching.requests)
    assert ledger.spent.tokens == searching.billed
    spent = Ledger(Budget(tokens=0))
    graph = agent(searching, *guard_all([summarise], spent), BudgetMiddleware(ledger))
    with pytest.raises(BudgetExceeded):
        graph.invoke({"messages": [("user", "long " * 400), ("ai", "yes"), ("user", "And?")]})


def test_a_selector_stands_inside_and_is_guarded_with_the_agent(searching: CountingServer) -> None:
    """A selector that uses the request's model gets the guarded one."""
    ledger = Ledger(BUDGET)
    selector: Any = LLMToolSelectorMiddleware(on_parsing_failure="all", max_retries=0)
    with refuse_unguarded():
        agent(searching, BudgetMiddleware(ledger), selector).invoke(QUESTION)
    assert any("response_format" in body for body in searching.requests)
    assert ledger.spent.tokens == searching.billed <= 3_000


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_selector_that_stands_outside_is_caught_by_the_tripwire(
    searching: CountingServer, mode: str
) -> None:
    """No middleware is told of those around it: what one asks the agent's own model is seen there alone."""
    selector: Any = LLMToolSelectorMiddleware(on_parsing_failure="all", max_retries=0)
    graph = agent(searching, selector, BudgetMiddleware(Ledger(BUDGET)))
    with refuse_unguarded(), pytest.raises(UnguardedCall):
        await run(graph, mode)
    assert searching.requests == []


def test_a_selector_may_stand_outside_of_a_model_that_is_guarded(
    searching: CountingServer,
) -> None:
    """What it asks is paid then, as is a model of its own."""
    ledger = Ledger(BUDGET)
    selector: Any = LLMToolSelectorMiddleware(on_parsing_failure="all", max_retries=0)
    guarded = guard(searching.model(), ledger)
    graph = create_agent(guarded, [look_up], middleware=[selector, BudgetMiddleware(ledger)])
    graph.invoke(QUESTION)
    own: Any = LLMToolSelectorMiddleware(model=guarded, on_parsing_failure="all", max_retries=0)
    agent(searching, own, BudgetMiddleware(ledger)).invoke(QUESTION)
    assert ledger.spent.tokens == searching.billed


def test_a_guarded_model_keeps_its_terms(searching: CountingServer) -> None:
    """What the user set when guarding the model still holds under the middleware."""
    ledger = Ledger(BUDGET)
    model = guard(searching.model(), ledger, max_output=33)
    create_agent(model, [look_up], middleware=[BudgetMiddleware(ledger)]).invoke(QUESTION)
    assert {body["max_completion_tokens"] for body in searching.requests} == {33}
    assert ledger.spent.tokens == searching.billed


def test_a_configurable_model_is_guarded_when_it_is_chosen(searching: CountingServer) -> None:
    """A model that the run's configuration chooses ends as well as any other."""
    model = init_chat_model(
        "openai:gpt-4o-mini", base_url=searching.url, api_key="none", configurable_fields=("model",)
    )
    ledger = Ledger(BUDGET)
    graph: Any = create_agent(cast("Any", model), [look_up], middleware=[BudgetMiddleware(ledger)])
    result = graph.invoke(QUESTION, {"configurable": {"model": "gpt-4o"}})
    assert last(result).response_metadata["stopped_by"] == "tokens"
    assert {body["model"] for body in searching.requests} == {"gpt-4o"}
    assert ledger.spent.tokens == searching.billed <= 3_000


def test_dollars_and_limits_are_the_guards(searching: CountingServer) -> None:
    """How a model is guarded is the user's: prices, limits and counters pass through."""
    ledger = Ledger(Budget(usd="0.01", answer_reserve=200))
    how = partial(guard, price=Price(input=1, output=4), max_output=70)
    agent(searching, BudgetMiddleware(ledger, guard=how)).invoke(QUESTION)
    assert {body["max_completion_tokens"] for body in searching.requests[:-1]} == {70}
    assert 0 < ledger.spent.nanodollars <= 10_000_000
    assert ledger.spent.tokens == searching.billed


def test_streamed_runs_are_paid_too(searching: CountingServer) -> None:
    """Messages streamed out of the agent come from guarded calls."""
    ledger = Ledger(BUDGET)
    graph = agent(searching, BudgetMiddleware(ledger), tools=[])
    pieces = list(graph.stream(QUESTION, stream_mode="messages"))
    assert len(pieces) > 5
    assert ledger.spent.tokens == searching.billed > 0


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"budget": 5}, TypeError),
        ({"budget": Ledger(BUDGET), "ledgers": Ledger(BUDGET).store}, TypeError),
        ({"budget": BUDGET, "on_exceeded": "stop"}, ValueError),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], error: type[Exception]) -> None:
    """A mistake in the settings is found when the middleware is made."""
    with pytest.raises(error):
        BudgetMiddleware(**wrong)


@pytest.mark.parametrize("way", ["answer", "end"])
@pytest.mark.parametrize("tokens", [0, 50, 150, 300, 450, 700, 1_200])
def test_no_budget_is_ever_passed(
    searching: CountingServer, tokens: int, way: Literal["answer", "end"]
) -> None:
    """However small the budget, the server bills no more, and the agent says something."""
    ledger = Ledger(Budget(tokens=tokens, answer_reserve=tokens // 3))
    result = agent(searching, BudgetMiddleware(ledger, on_exceeded=way)).invoke(QUESTION)
    assert searching.billed == ledger.spent.tokens <= tokens
    assert last(result).text


def test_an_agent_without_a_question_still_ends(searching: CountingServer) -> None:
    """A conversation that holds no user's message is answered from as it is."""
    graph = agent(searching, BudgetMiddleware(Ledger(Budget(tokens=0))))
    assert "Nothing was gathered" in last(graph.invoke({"messages": [HumanMessage("")]})).text
    assert "of 0 remain" in last(graph.invoke({"messages": [AIMessage("Ready.")]})).text


def test_others_who_hold_the_money_are_no_end(server: CountingServer) -> None:
    """What fails only because of open calls is raised as busy: it may be tried again."""
    ledger = Ledger(Budget(tokens=1_000))
    with ledger.reserve(Amount(output_tokens=990)), pytest.raises(BudgetError, match="wait="):
        agent(server, BudgetMiddleware(ledger)).invoke(QUESTION)
    assert server.requests == []
