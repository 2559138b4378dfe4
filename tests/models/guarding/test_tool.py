"""A guarded tool is the tool it was, and pays for each run before it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.tools import ToolRuntime  # noqa: TC002 - tools read their annotations
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - tools read their annotations
from langchain_core.tools import (
    BaseTool,
    InjectedToolCallId,
    StructuredTool,
    Tool,
    ToolException,
    tool,
)
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ValidationError

from shoestring.budget import (
    Amount,
    Budget,
    BudgetExceeded,
    Ledger,
    LedgerClosed,
    LoopDetected,
    SQLiteStore,
)
from shoestring.models import guard, is_guarded

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CountingServer

CENT = Amount(nanodollars=10_000_000, calls=1)


@tool
def search(query: str, pages: int = 1) -> str:
    """Search the web."""
    return f"{query} on {pages}"


@tool
async def asearch(query: str) -> str:
    """Search the web."""
    return query


class Own(BaseTool):
    """A tool class of one's own, with LangChain's default `_arun`."""

    name: str = "own"
    description: str = "Echo."

    def _run(self, word: str, config: RunnableConfig) -> str:
        return f"{word} {config['metadata']['user']}"


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name=name, args=arguments, id="c1", type="tool_call")


async def test_each_run_pays_before_it_runs() -> None:
    """Synchronous and asynchronous runs reserve the cost, and are charged it."""
    ledger = Ledger(Budget(usd=1, calls=10))
    paid, apaid = guard(search, ledger, cost=CENT), guard(asearch, ledger, cost=CENT)
    assert paid.invoke({"query": "rivers", "pages": 2}) == "rivers on 2"
    assert await paid.ainvoke({"query": "rivers"}) == "rivers on 1"
    assert await apaid.ainvoke({"query": "rivers"}) == "rivers"
    assert ledger.spent == CENT + CENT + CENT
    lines = ledger.receipt.lines
    assert [(line.what, line.basis) for line in lines] == [
        ("search", "estimated"),
        ("search", "estimated"),
        ("asearch", "estimated"),
    ]


def test_a_run_that_does_not_fit_is_not_made() -> None:
    """The tool's function is not reached once the budget is spent."""
    ran: list[str] = []

    @tool
    def buy(thing: str) -> str:
        """Buy a thing."""
        ran.append(thing)
        return thing

    paid = guard(buy, Ledger(Budget(usd="0.015")), cost=CENT)
    paid.invoke({"thing": "a"})
    with pytest.raises(BudgetExceeded):
        paid.invoke({"thing": "b"})
    assert ran == ["a"]


def test_a_tool_in_a_loop_is_stopped() -> None:
    """The same call made once too often is refused before it is paid; another is not."""
    ledger = Ledger(Budget(usd=1, repeats=2))
    paid = guard(search, ledger, cost=CENT)
    for _ in range(2):
        paid.invoke({"query": "rivers", "pages": 2})
    with pytest.raises(LoopDetected, match="search"):
        paid.invoke({"pages": 2, "query": "rivers"})
    paid.invoke({"query": "lakes", "pages": 2})
    assert ledger.spent == CENT + CENT + CENT


def test_the_cost_may_depend_on_the_arguments() -> None:
    """It is asked with the arguments the model gave, and not with those that are injected."""
    asked: list[dict[str, Any]] = []

    def cost(arguments: dict[str, Any]) -> Amount:
        asked.append(arguments)
        return Amount(nanodollars=arguments.get("pages", 1), calls=1)

    @tool
    def fetch(
        pages: int, config: RunnableConfig, call_id: Annotated[str, InjectedToolCallId]
    ) -> str:
        """Fetch pages."""
        return f"{pages} {call_id} {config['metadata']['user']}"

    ledger = Ledger(Budget(usd=1))
    message = guard(fetch, ledger, cost=cost).invoke(
        call("fetch", pages=3), {"metadata": {"user": "u"}}
    )
    assert message.content == "3 c1 u"
    guard(Tool("old", str.upper, "Upper."), ledger, cost=cost).invoke("x")
    assert asked == [{"pages": 3}, {"tool_input": "x"}]
    assert ledger.spent == Amount(nanodollars=4, calls=2)


def test_a_tool_that_reports_is_charged_what_it_reports() -> None:
    """What it spent is read from its result; None means what was reserved."""
    ledger = Ledger(Budget(usd=1))

    @tool(response_format="content_and_artifact")
    def fetch(page: str) -> tuple[str, dict[str, int]]:
        """Fetch a page."""
        return page, {"price": 7} if page == "a" else {}

    def spent(result: tuple[str, dict[str, int]]) -> Amount | None:
        price = result[1].get("price")
        return Amount(nanodollars=price, calls=1) if price else None

    paid = guard(fetch, ledger, cost=CENT, spent=spent)
    message = paid.invoke(call("fetch", page="a"))
    assert (message.content, message.artifact) == ("a", {"price": 7})
    assert ledger.spent == Amount(nanodollars=7, calls=1)
    paid.invoke(call("fetch", page="b"))
    assert [line.basis for line in ledger.receipt.lines] == ["measured", "estimated"]
    assert ledger.spent.nanodollars == 7 + CENT.nanodollars


async def test_a_run_that_fails_is_charged() -> None:
    """What it did before it failed is not known; how the failure is shown is the tool's affair."""

    def fail(query: str) -> str:
        raise ToolException(query)

    plain = StructuredTool.from_function(fail, description="Fail.", handle_tool_error=True)
    ledger = Ledger(Budget(usd=1))
    paid = guard(plain, ledger, cost=CENT)
    assert paid.invoke({"query": "no"}) == await paid.ainvoke({"query": "no"}) == "no"
    assert [line.basis for line in ledger.receipt.lines] == ["presumed"] * 2
    assert ledger.spent == CENT + CENT


def test_arguments_that_do_not_fit_cost_nothing() -> None:
    """The guard stands below the checking of arguments."""
    ledger = Ledger(Budget(usd=1))
    with pytest.raises(ValidationError):
        guard(search, ledger, cost=CENT).invoke({"pages": "many"})
    assert ledger.receipt.lines == ()


def test_a_guarded_tool_is_still_the_tool() -> None:
    """Class, name, description, schemas and the form of its result stay as they were."""
    paid = guard(search, Ledger(Budget(calls=1)), cost=CENT)
    assert isinstance(paid, StructuredTool)
    assert is_guarded(paid)
    assert not is_guarded(search)
    assert (paid.name, paid.description) == (search.name, search.description)
    assert paid.args_schema is search.args_schema
    assert paid.args == search.args
    assert paid.response_format == search.response_format
    schema, own = (convert_to_openai_tool(one) for one in (paid, search))
    assert schema == own


async def test_a_tool_class_of_ones_own_is_charged_once() -> None:
    """LangChain's default `_arun` runs `_run`; both still receive the configuration."""
    ledger = Ledger(Budget(calls=5))
    paid = guard(Own(), ledger, cost=Amount(calls=1))
    config: RunnableConfig = {"metadata": {"user": "u"}}
    assert paid.invoke({"word": "a"}, config) == await paid.ainvoke({"word": "a"}, config) == "a u"
    assert ledger.spent.calls == 2


def test_without_a_cost_a_run_is_noted_and_a_closed_ledger_refuses_it() -> None:
    """A free tool has its line on the receipt, and stops with its ledger."""
    ledger = Ledger(Budget(calls=1))
    free = guard(search, ledger)
    free.invoke({"query": "a"})
    (line,) = ledger.receipt.lines
    assert (line.what, line.spent) == ("search", Amount())
    ledger.close()
    with pytest.raises(LedgerClosed):
        free.invoke({"query": "a"})


class Caller(GenericFakeChatModel):
    """Asks for a tool, then answers."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


async def test_an_agent_runs_guarded_tools_with_what_is_injected() -> None:
    """In an agent, a tool's runtime, state and configuration reach it through the guard."""

    @tool
    def look(word: str, runtime: ToolRuntime) -> str:
        """Look a word up."""
        return f"{word} {len(runtime.state['messages'])} {runtime.tool_call_id}"

    ledger = Ledger(Budget(calls=5))
    asks = AIMessage("", tool_calls=[call("look", word="a")])
    answers = iter([asks, AIMessage("done"), asks, AIMessage("done")])
    agent = create_agent(Caller(messages=answers), [guard(look, ledger, cost=Amount(calls=1))])
    question: Any = {"messages": [HumanMessage("hello")]}
    for state in (agent.invoke(question), await agent.ainvoke(question)):
        (result,) = [m for m in state["messages"] if isinstance(m, ToolMessage)]
        assert result.content == "a 2 c1"
    assert ledger.spent.calls == 2


def answering(model: BaseChatModel) -> BaseTool:
    @tool
    def answer(question: str) -> str:
        """Answer a question with a model."""
        return model.invoke(question).text

    return answer


def test_models_inside_a_tool_spend_within_its_own_budget(server: CountingServer) -> None:
    """Each run opens a child of the ledger, which caps what its models spend."""
    ledger = Ledger(Budget(tokens=10_000))
    plain = answering(server.model(max_tokens=30))
    paid = guard(plain, ledger, cost=Amount(calls=1), within=Budget(tokens=200))
    paid.invoke({"question": "hello"})
    paid.invoke({"question": "hello"})
    assert ledger.spent.tokens == server.billed
    assert ledger.spent.calls == 2 + len(server.requests)
    with pytest.raises(BudgetExceeded, match="of 200 remain"):
        paid.invoke({"question": "hello " * 300})
    assert ledger.held == Amount()
    plain.invoke({"question": "hello"})
    assert ledger.spent.tokens < server.billed  # the tool that was given is untouched


def test_a_tool_without_models_inside_has_nothing_to_cap() -> None:
    """`within` on a tool in which no model is found is a mistake that is told at once."""
    with pytest.raises(ValueError, match="no model found"):
        guard(search, Ledger(Budget(tokens=1)), within=Budget(tokens=1))


def test_a_guarded_tool_travels_with_a_durable_ledger(tmp_path: Path) -> None:
    """Pickled and loaded again, it spends from the same ledger."""
    ledger = Ledger(Budget(calls=5), store=SQLiteStore(tmp_path / "l.db"))
    paid = pickle.loads(pickle.dumps(guard(Own(), ledger, cost=Amount(calls=1))))
    paid.invoke({"word": "a"}, {"metadata": {"user": "u"}})
    assert ledger.spent.calls == 1


def test_absurd_costs_are_refused() -> None:
    """A cost that is no amount, and a negative wait, are mistakes."""
    ledger = Ledger(Budget(calls=1))
    with pytest.raises(TypeError, match="Amount"):
        guard(search, ledger, cost=3)  # type: ignore[call-overload]  # what is tested
    with pytest.raises(ValueError, match="wait"):
        guard(search, ledger, wait=-1)
