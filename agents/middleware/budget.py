"""`BudgetMiddleware`: an agent of `create_agent` that cannot pass its budget."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    hook_config,
)
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from shoestring.agents.middleware import ending
from shoestring.agents.middleware.accounts import Accounts, agent
from shoestring.agents.middleware.asking import ask
from shoestring.agents.middleware.left import note
from shoestring.agents.middleware.place import GuardedRequest, refuse_misplaced, reguarded
from shoestring.agents.middleware.state import RunState
from shoestring.agents.middleware.steps import adrive, drive
from shoestring.agents.middleware.verifying import Verifier, proposed, told, verdict, worth_asking
from shoestring.agents.runs import paying
from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Ledger,
    LedgerClosed,
    LoopDetected,
)
from shoestring.models import counter_for, is_guarded
from shoestring.models import guard as guard_model
from shoestring.models.guarding.guarded import terms_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Generator, Mapping

    from langchain.agents.middleware.types import ModelCallResult, ToolCallRequest
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool
    from langgraph.runtime import Runtime

    from shoestring.budget import Store

OnExceeded = Literal["answer", "end", "raise", "interrupt"]
_ON_EXCEEDED = ("answer", "end", "raise", "interrupt")
_ONE_CALL = Amount(calls=1)
_REFUSALS = (BudgetExceeded, LedgerClosed)
_Asked = tuple["BaseChatModel", "list[BaseMessage]"]
_QUIET: RunnableConfig = {"metadata": {"lc_source": ending.SOURCE}}
"""By this LangChain's streams tell what is not the agent's own speech."""


class Guard(Protocol):
    """How a model is guarded: `shoestring.guard`, or a `functools.partial` of it."""

    def __call__(self, model: BaseChatModel, ledger: Ledger, /, *, min_output: int = ...) -> Any:  # noqa: ANN401  `guard` returns the class it is given
        """Return the same model, unable to spend more than the ledger allows."""
        ...


# Typed over the plain state, so that it fits into one list with any other middleware.
class BudgetMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Lets an agent spend no more than a budget, and end well when it is spent.

    Every request to the agent's model is guarded (see `shoestring.guard`), and every run of a tool
    counts as one call. Retries and fallbacks stand before it in the list, so that each of their
    attempts is paid.

    Args:
        budget: A `Budget`: each run of the agent opens a ledger of its own, below that of the agent
            whose tool it runs in, or the `ledger` of its context, if there is one. Or a `Ledger`, which
            all runs share.
        on_exceeded: What to do when the next call does not fit.
            "answer": answer from what is gathered: one last call without tools, paid from the budget's
            `answer_reserve`; if not even that fits, a message that quotes what was gathered.
            "end": end with a message that says why.
            "raise": raise `BudgetExceeded`, past any retry.
            "interrupt": ask a person, by LangGraph's `interrupt`; `Command(resume={"tokens": 2000})`
            grants that much more, `Command(resume=False)` nothing: then as "answer".
        tell: Whether the agent is told before each call what is used and left. It stands at the end of
            the messages and is not kept, so that prompt caches stay valid.
        exempt: Names of tools that cost no call and run whatever is left.
        tool_budgets: Name → what that tool may spend in a run: its calls, and what models in it take. The
            agent is told what is left of each.
        verifier: Judges the answers that the agent proposes, see `Verifier`; None takes each as it is.
        ledgers: Where the ledgers of runs live; None for the memory of this process. To resume runs in
            another process, give a store that outlives this one.
        guard: How a model is guarded: `functools.partial(guard, max_output=500, price=…)`.

    Raises:
        TypeError: If `budget` is neither, or `ledgers` is given with a `Ledger`, which has its store, or a
            tool has anything but a `Budget`.
        ValueError: If `on_exceeded` is none of the four.
    """

    state_schema = RunState

    def __init__(
        self,
        budget: Budget | Ledger,
        *,
        on_exceeded: OnExceeded = "answer",
        tell: bool = True,
        exempt: Collection[str] = (),
        tool_budgets: Mapping[str, Budget] = MappingProxyType({}),
        verifier: Verifier | None = None,
        ledgers: Store | None = None,
        guard: Guard = guard_model,
    ) -> None:
        super().__init__()
        if not isinstance(cast("object", budget), Budget | Ledger):
            raise TypeError(f"give a Budget or a Ledger, not {type(budget).__name__}")
        if isinstance(budget, Ledger) and ledgers is not None:
            raise TypeError("a Ledger has its store: leave out ledgers=, or give a Budget")
        if on_exceeded not in _ON_EXCEEDED:
            raise ValueError(
                f"on_exceeded is {on_exceeded!r:.40}: choose {', '.join(_ON_EXCEEDED)}"
            )
        for name, own in cast("Mapping[str, object]", tool_budgets).items():
            if not isinstance(own, Budget):
                raise TypeError(f"give tool {name!r:.40} a Budget, not {type(own).__name__}")
        self.on_exceeded = on_exceeded
        self.tell = tell
        self.exempt = frozenset({exempt} if isinstance(exempt, str) else exempt)
        self.tool_budgets = dict(tool_budgets)
        self.verifier = verifier
        self.guard = guard
        self._accounts = Accounts(budget, ledgers)
        self.ledgers = self._accounts.store

    # A run and its ledger.

    def before_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any]:
        """Open the ledger of a run, or find it again where the run is repeated."""
        number = cast("RunState", state).get("budget_run", 0) + 1
        ledger = self._accounts.open(runtime, number)
        keeper = self._accounts.keeper(ledger, runtime)
        return {
            "budget_run": number,
            "ledger_id": ledger.id,
            "budget_keeper": keeper,
            "budget_sent_back": [],
            "stopped_by": None,
        }

    async def abefore_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any]:
        """Do the same in an asynchronous run."""
        return self.before_agent(state, runtime)

    # Calls of the model.

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelCallResult[Any]:
        """Make the call within the budget, or end as `on_exceeded` says."""
        refuse_misplaced(self.name, handler)
        return drive(self._model_call(request), handler)

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelCallResult[Any]:
        """Do the same in an asynchronous run."""
        refuse_misplaced(self.name, handler)
        return await adrive(self._model_call(request), handler)

    def _model_call(
        self, request: ModelRequest[Any]
    ) -> Generator[ModelRequest[Any], ModelResponse[Any], ModelCallResult[Any]]:
        """Yield the requests to make; they are answered, or what they raise is thrown in."""
        ledger = self._accounts.find(cast("RunState", request.state), request.runtime.context)
        with ExitStack() as work:
            work.enter_context(self._accounts.working(ledger))
            while True:
                try:
                    response = yield self._guarded(request, ledger)
                except _REFUSALS as refusal:
                    if self.on_exceeded == "raise":
                        raise ending.stop(refusal) from refusal
                    raised = ask(refusal, ledger) if self.on_exceeded == "interrupt" else None
                    if raised is None:
                        response = yield from self._end(request, ledger, refusal)
                        update = {"ledger_id": ledger.id, "stopped_by": ending.stopped_by(refusal)}
                        return ExtendedModelResponse(response, Command(update=update))
                    ledger = raised
                    work.enter_context(self._accounts.working(ledger))
                else:
                    return ExtendedModelResponse(response, Command(update={"ledger_id": ledger.id}))

    def _guard(self, ledger: Ledger, model: BaseChatModel, **options: int) -> BaseChatModel:
        if is_guarded(model):
            return reguarded(model, ledger)
        guarded: BaseChatModel = self.guard(model, ledger, **options)
        return guarded

    def guarded_for(self, request: ModelRequest[Any]) -> BaseChatModel:
        """Return a request's model as it will be guarded, for those who ask what it may spend."""
        ledger = self._accounts.find(cast("RunState", request.state), request.runtime.context)
        return self._guard(ledger.at(node=agent()), request.model)

    def _guarded(self, request: ModelRequest[Any], ledger: Ledger) -> ModelRequest[Any]:
        guarded = GuardedRequest.of(request, partial(self._guard, ledger.at(node=agent())))
        if not self.tell:
            return guarded
        return guarded.override(messages=[*request.messages, note(ledger, self._tools(ledger))])

    def _end(
        self, request: ModelRequest[Any], ledger: Ledger, refusal: BudgetExceeded | LedgerClosed
    ) -> Generator[ModelRequest[Any], ModelResponse[Any], ModelResponse[Any]]:
        """Yield the requests of a last answer, less each time; return the last words."""
        if self.on_exceeded == "end":
            return ModelResponse([ending.ended(refusal)])
        payer = ledger.at(node=agent(), purpose="answer")
        gathered = ending.Gathered.of(request.messages)
        guard = partial(self._guard, payer, min_output=ending.LEAST_ANSWER)
        last = GuardedRequest.of(request, guard).override(tools=[], tool_choice=None)
        for room in gathered.rooms(payer):
            prompt = gathered.prompt(room, counter_for(request.model).count)
            try:
                response = yield last.override(messages=prompt)
            except (BudgetExceeded, BudgetBusy):
                continue
            except LedgerClosed:
                break
            said = response.result[0]
            structured = response.structured_response
            if isinstance(said, AIMessage) and (
                structured is not None or (said.text.strip() and not said.tool_calls)
            ):
                return ModelResponse(
                    [ending.marked(said, refusal), *response.result[1:]], structured
                )
            break
        return ModelResponse([gathered.quoted(refusal)])

    @hook_config(can_jump_to=["end", "model"])
    def after_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Leave the loop after the last words, whatever else would go on; else ask the verifier."""
        return drive(self._after(state, runtime), lambda asked: asked[0].invoke(asked[1], _QUIET))

    @hook_config(can_jump_to=["end", "model"])
    async def aafter_model(
        self, state: AgentState[Any], runtime: Runtime[Any]
    ) -> dict[str, Any] | None:
        """Do the same in an asynchronous run."""

        async def ask(asked: _Asked) -> AIMessage:
            return await asked[0].ainvoke(asked[1], _QUIET)

        return await adrive(self._after(state, runtime), ask)

    def _after(
        self, state: AgentState[Any], runtime: Runtime[Any]
    ) -> Generator[_Asked, AIMessage, dict[str, Any] | None]:
        run = cast("RunState", state)
        if run.get("stopped_by"):
            return {"jump_to": "end"}
        sent_back = run.get("budget_sent_back", [])
        verifier = self.verifier
        answer = verifier and proposed(state["messages"], sent_back, verifier.most)
        if verifier is None or answer is None or state.get("structured_response") is not None:
            return None
        ledger = self._accounts.find(run, runtime.context)
        judging = ledger.at(node="verifier")
        if not worth_asking(ledger, state["messages"][-1]):
            judging.note("verify", "not asked: too little is left")
            return None
        with self._accounts.working(ledger):
            prompt = verifier.prompt(state["messages"], ledger, self._tools(ledger))
            try:
                said = yield verifier.guarded(judging), prompt
            except (*_REFUSALS, BudgetBusy) as refusal:
                judging.note("verify", f"not asked: {refusal}")
                return None
        word, advice = verdict(said.text)
        judging.note("verify", f"{word}: {advice}" if advice else word)
        if word == "stop":
            return None
        return {
            "messages": [told(word, advice)],
            "budget_sent_back": [*sent_back, answer],
            "jump_to": "model",
        }

    # Runs of tools.

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """Run a tool as one call, its own agents and models below this run's ledger."""
        return drive(self._tool_call(request), handler)

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Do the same in an asynchronous run."""
        return await adrive(self._tool_call(request), handler)

    def _tool_call(
        self, request: ToolCallRequest
    ) -> Generator[ToolCallRequest, ToolMessage | Command[Any], ToolMessage | Command[Any]]:
        name = request.tool_call["name"]
        ledger = self._accounts.find(request.state, request.runtime.context)
        try:
            with ExitStack() as work:
                payer = self._tools(ledger, only=name).get(name, ledger)
                if name not in self.exempt:
                    if not _counts_itself(request.tool, ledger):
                        ledger.at(node=agent()).calling(name, request.tool_call["args"])
                    work.enter_context(_counted(payer.at(node=agent()), name))
                for account in {ledger.id: ledger, payer.id: payer}.values():
                    work.enter_context(self._accounts.working(account))
                work.enter_context(paying(payer.at(node=agent())))
                return (yield request)
        except (*_REFUSALS, BudgetBusy, LoopDetected) as refusal:
            if self.on_exceeded == "raise":
                raise ending.stop(refusal) from refusal
            return ToolMessage(
                f"{name} was stopped by the budget: {refusal}",
                name=name,
                tool_call_id=request.tool_call["id"],
                status="error",
            )

    def _tools(self, ledger: Ledger, only: str | None = None) -> dict[str, Ledger]:
        """Return the accounts of the tools that have a budget of their own, in a run."""
        return {
            name: self._accounts.tool(ledger, name, budget)
            for name, budget in self.tool_budgets.items()
            if only in {None, name}
        }


def _counts_itself(tool: BaseTool | None, ledger: Ledger) -> bool:
    """Whether a guarded tool counts its calls at this ledger, or at one above it."""
    if tool is None or not is_guarded(tool):
        return False
    at = terms_of(tool).ledger.id
    here: Ledger | None = ledger
    while here is not None:
        if here.id == at:
            return True
        here = here.parent
    return False


@contextmanager
def _counted(ledger: Ledger, tool: str) -> Generator[None]:
    """Pay one call for the run of a tool; one that is interrupted will be run, and paid, again."""
    with ledger.reserve(_ONE_CALL, what=tool) as hold:
        hold.dispatching()
        try:
            yield
        except GraphBubbleUp:
            hold.release()
            raise
        except BaseException:
            hold.settle(_ONE_CALL)
            raise
        hold.settle(_ONE_CALL)
