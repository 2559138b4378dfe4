"""The node that calls the model, under the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import get_runtime

from shoestring.agents import Means
from shoestring.budget import BudgetError, BudgetExceeded, Ledger
from shoestring.graphs.account import mirror, working
from shoestring.graphs.prompts import render_sources
from shoestring.graphs.reasoning.drafts import drafted, failed, generated
from shoestring.graphs.reasoning.step import Step
from shoestring.graphs.state import BudgetContext, BudgetState, Draft
from shoestring.models import guard

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

Write = Callable[[BudgetState, Draft], BudgetState]
"""What becomes of the state by a call's draft, one that failed by the budget included."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls the model on the trimmed context, and hands on its draft.

    Args:
        route: The name of its route.
        step: What to ask.
        means: What the route works with.
        write: Puts the draft into the state.
        options: Passed to the model, for example a `temperature`.
    """

    route: str
    step: Step
    means: Means
    write: Write = drafted
    options: tuple[tuple[str, Any], ...] = ()

    def node(self) -> RunnableLambda[BudgetState, BudgetState]:
        """Return it as a node, for synchronous and asynchronous runs."""
        return RunnableLambda(self.call, afunc=self.acall, name=self.step.name)

    def call(self, state: BudgetState, config: RunnableConfig) -> BudgetState:
        """Call the model, if there is something to show it."""
        if state["over"]:
            return {}
        with working(state, get_runtime(BudgetContext), self.means.ledgers) as ledger:
            model, messages = self._prepare(state, ledger)
            try:
                reply = model.invoke(messages, config, **dict(self.options))
            except Exception as error:  # noqa: BLE001 - the budget's end comes back, the rest is raised
                draft = _broken(ledger, error)
            else:
                cut = bool(reply.response_metadata.get("truncated"))
                draft = generated(reply.text, truncated=cut)
            return self.write(state, draft) | {"spend": mirror(ledger)}

    async def acall(self, state: BudgetState, config: RunnableConfig) -> BudgetState:
        """Do the same in an asynchronous run."""
        if state["over"]:
            return {}
        with working(state, get_runtime(BudgetContext), self.means.ledgers) as ledger:
            model, messages = self._prepare(state, ledger)
            try:
                reply = await model.ainvoke(messages, config, **dict(self.options))
            except Exception as error:  # noqa: BLE001 - as above
                draft = _broken(ledger, error)
            else:
                cut = bool(reply.response_metadata.get("truncated"))
                draft = generated(reply.text, truncated=cut)
            return self.write(state, draft) | {"spend": mirror(ledger)}

    def _prepare(
        self, state: BudgetState, ledger: Ledger
    ) -> tuple[BaseChatModel, list[BaseMessage]]:
        assert self.means.model is not None  # noqa: S101 - the route made sure
        assert self.means.meter is not None  # noqa: S101 - as above
        model = guard(
            self.means.model,
            ledger.at(node=self.step.name, route=self.route, purpose=state.get("purpose", "work")),
            max_output=self.step.output,
            counter=self.means.meter.counter,
            price=self.means.meter.price,
        )
        context = render_sources(state["context"])
        return model, self.step.prompt(state["question"], context, state["thoughts"])


def _broken(ledger: Ledger, error: Exception) -> Draft:
    """Return a failed draft where the budget is why a call failed; raise anything else."""
    if isinstance(error, BudgetError):
        return failed(str(error), error.dimension if isinstance(error, BudgetExceeded) else None)
    if ledger.remaining.seconds == 0:  # a client cut off by the time-out that the guard gave it
        return failed("the time is over", "seconds")
    raise error
