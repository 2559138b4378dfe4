"""The one way a route reasons: trim the context to what is affordable, then call the model, step by step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime

from shoestring.agents import Forecast, Means, Meter, short
from shoestring.budget import Amount, BudgetError, BudgetExceeded, Caps, Ledger
from shoestring.graphs.account import mirror, working
from shoestring.graphs.prompts import render_sources
from shoestring.graphs.state import BudgetContext, BudgetState, Draft, record
from shoestring.models import guard
from shoestring.tools import trim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph.state import CompiledStateGraph

    from shoestring.budget import Purpose


class Prompt(Protocol):
    """Writes the messages of a call."""

    def __call__(self, question: str, context: str, thoughts: str = "") -> list[BaseMessage]:
        """Return the messages; `thoughts` are what the step before made of the question."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One reasoning call of a route.

    Args:
        name: The node's name.
        prompt: Writes its messages.
        context: Tokens of context it likes to read.
        least: Fewest tokens of context worth reading.
        output: Bound on its output tokens.
    """

    name: str
    prompt: Prompt
    context: int
    least: int
    output: int


class Stepwise(ABC):
    """A route that is a row of steps: what such a route costs, and how it runs."""

    __slots__ = ()

    name: str
    success: float

    @property
    @abstractmethod
    def steps(self) -> tuple[Step, ...]:
        """The calls, in order; the last one writes the draft."""

    @property
    def needs_model(self) -> bool:
        """Each step is a model call."""
        return True

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Add up what the steps cost, each at its bounds.

        Raises:
            ValueError: If there is no meter.
        """
        if meter is None:
            raise ValueError(f"route {self.name!r} needs a model")
        steps = self.steps
        return Forecast(
            least=_cost(steps, question, meter, [step.least for step in steps]),
            likely=_cost(steps, question, meter, [step.context for step in steps]),
            success=self.success,
        )

    def graph(
        self, means: Means
    ) -> CompiledStateGraph[BudgetState, BudgetContext, BudgetState, BudgetState]:
        """Return trim → call for each step, one after the other.

        Raises:
            ValueError: If `means` has no model.
        """
        if means.model is None or means.meter is None:
            raise ValueError(f"route {self.name!r} needs a model")
        graph = StateGraph(BudgetState, context_schema=BudgetContext)
        before, later = START, self.steps
        while later:
            step, *rest = later
            later = tuple(rest)
            first = before == START
            trimming = "trim" if first and not later else f"trim for {step.name}"
            trimmer = _Trimmer(self.name, trimming, step, later, means, first=first)
            caller = _Caller(self.name, step, means, last=not later)
            calling = RunnableLambda(caller.call, afunc=caller.acall, name=step.name)
            graph.add_node(trimming, trimmer)
            graph.add_node(step.name, calling)
            graph.add_edge(before, trimming)
            graph.add_edge(trimming, step.name)
            before = step.name
        graph.add_edge(before, END)
        return graph.compile(name=self.name)


def _cost(steps: Sequence[Step], question: str, meter: Meter, contexts: Sequence[int]) -> Amount:
    total, thoughts = Amount(), 0
    for step, context in zip(steps, contexts, strict=True):
        prompt = meter.prompt(step.prompt(question, "")) + thoughts
        total += meter.bound(prompt + meter.units(context), step.output)
        thoughts = meter.units(step.output)
    return total


def failed(problem: str, cap: str | None = None) -> Draft:
    """Return a draft without a text, saying why."""
    return Draft(kind="abstained", text="", truncated=False, problem=problem, cap=cap)


@dataclass(frozen=True, slots=True)
class _Trimmer:
    """Trims the documents to the room of the step that follows."""

    route: str
    node: str
    step: Step
    later: tuple[Step, ...]
    means: Means
    first: bool

    def __call__(self, state: BudgetState, runtime: Runtime[BudgetContext]) -> BudgetState:
        if not self.first and state["draft"]["problem"]:
            return {}  # an earlier step already found out why there is no answer
        with working(state, runtime, self.means.ledgers) as ledger:
            purpose = state.get("purpose", "work")
            return self._trim(state, ledger.at(node=self.node, route=self.route, purpose=purpose))

    def _trim(self, state: BudgetState, ledger: Ledger) -> BudgetState:
        meter = self.means.meter
        assert meter is not None  # noqa: S101 - Stepwise.graph made sure
        question = state["question"]
        prompt = meter.prompt(self.step.prompt(question, "", state.get("thoughts", "")))
        kept_back = _cost(self.later, question, meter, [step.least for step in self.later])
        if self.later:  # the next step reads what this one writes
            kept_back += meter.bound(meter.units(self.step.output), 0)
        caps = _less(ledger.affordable(token_price=meter.token_price), kept_back)
        room = min(
            meter.units(self.step.context),
            meter.room(caps, prompt=prompt, output=self.step.output),
        )
        trimmed = trim(
            state["documents"] if self.first else state["shown"],
            question,
            room,
            count=meter.counter.count,
            render=render_sources,
            tiers=self.means.tiers,
        )
        ledger.note(
            "trim",
            f"{trimmed.tokens:,} of {room:,} tokens of room used",
            dropped=len(trimmed.dropped),
        )
        context = list(trimmed.documents)
        done = record(self.node, self.route, trimmed, first=self.first)
        update: BudgetState = {
            "context": context,
            "trims": [*state.get("trims", []), done],
            "spend": mirror(ledger),
        }
        if self.first:
            update |= {"shown": context, "thoughts": "", "draft": failed("")}
        if not context:
            cap = short(meter.bound(prompt, self.step.output), caps) if not room else None
            update["draft"] = failed(
                "no context fits" if not room else "nothing relevant fits", cap
            )
        return update


@dataclass(frozen=True, slots=True)
class _Caller:
    """Calls the model on the trimmed context, under the ledger."""

    route: str
    step: Step
    means: Means
    last: bool

    def call(self, state: BudgetState, config: RunnableConfig) -> BudgetState:
        if state["draft"]["problem"]:
            return {}
        with working(state, get_runtime(BudgetContext), self.means.ledgers) as ledger:
            model, messages = self._prepare(state, ledger)
            try:
                reply = model.invoke(messages, config)
            except Exception as error:  # noqa: BLE001 - the budget's end comes back, the rest is raised
                return self._broke(ledger, error)
            return self._done(ledger, reply)

    async def acall(self, state: BudgetState, config: RunnableConfig) -> BudgetState:
        if state["draft"]["problem"]:
            return {}
        with working(state, get_runtime(BudgetContext), self.means.ledgers) as ledger:
            model, messages = self._prepare(state, ledger)
            try:
                reply = await model.ainvoke(messages, config)
            except Exception as error:  # noqa: BLE001 - as above
                return self._broke(ledger, error)
            return self._done(ledger, reply)

    def _prepare(
        self, state: BudgetState, ledger: Ledger
    ) -> tuple[BaseChatModel, list[BaseMessage]]:
        assert self.means.model is not None  # noqa: S101 - Stepwise.graph made sure
        assert self.means.meter is not None  # noqa: S101 - as above
        purpose: Purpose = state.get("purpose", "work")
        model = guard(
            self.means.model,
            ledger.at(node=self.step.name, route=self.route, purpose=purpose),
            max_output=self.step.output,
            counter=self.means.meter.counter,
            price=self.means.meter.price,
        )
        context = render_sources(state["context"])
        return model, self.step.prompt(state["question"], context, state.get("thoughts", ""))

    def _done(self, ledger: Ledger, reply: AIMessage) -> BudgetState:
        spend = mirror(ledger)
        if not self.last:
            return {"thoughts": reply.text, "spend": spend}
        truncated = bool(reply.response_metadata.get("truncated"))
        draft = Draft(kind="generated", text=reply.text, truncated=truncated, problem="", cap=None)
        return {"draft": draft, "spend": spend}

    @staticmethod
    def _broke(ledger: Ledger, error: Exception) -> BudgetState:
        """Return a failed draft where the budget is why the call failed; raise anything else."""
        if isinstance(error, BudgetError):
            cap = error.dimension if isinstance(error, BudgetExceeded) else None
            return {"draft": failed(str(error), cap), "spend": mirror(ledger)}
        if ledger.remaining.seconds == 0:  # a client cut off by the time-out that the guard gave it
            return {"draft": failed("the time is over", "seconds"), "spend": mirror(ledger)}
        raise error


def _less(caps: Caps, amount: Amount) -> Caps:
    """Return what is left of `caps` after `amount`; None stays None."""
    tokens, money = caps.tokens, caps.nanodollars
    return Caps(
        tokens=None if tokens is None else max(0, tokens - amount.tokens),
        nanodollars=None if money is None else max(0, money - amount.nanodollars),
        calls=caps.calls,
        seconds=caps.seconds,
    )
