"""The node that calls the model, under the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import get_runtime

from shoestring.agents import Means
from shoestring.graphs.account import mirror, working
from shoestring.graphs.prompts import render_sources
from shoestring.graphs.reasoning.asking import Asking
from shoestring.graphs.reasoning.drafts import drafted
from shoestring.graphs.reasoning.step import Step
from shoestring.graphs.state import BudgetContext, BudgetState, Draft

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from langchain_core.messages import BaseMessage

    from shoestring.budget import Ledger

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
        beside: Whether others work beside it, see `working`.
    """

    route: str
    step: Step
    means: Means
    write: Write = drafted
    options: tuple[tuple[str, Any], ...] = ()
    beside: bool = False

    def node(self) -> RunnableLambda[BudgetState, BudgetState]:
        """Return it as a node, for synchronous and asynchronous runs."""
        return RunnableLambda(self.call, afunc=self.acall, name=self.step.name)

    def call(self, state: BudgetState, config: RunnableConfig) -> BudgetState:
        """Call the model, if there is something to show it."""
        if state["over"]:
            return {}
        with self._working(state) as ledger:
            draft = self._asking.ask(ledger, self._messages(state), config)
            return self.write(state, draft) | {"spend": mirror(ledger)}

    async def acall(self, state: BudgetState, config: RunnableConfig) -> BudgetState:
        """Do the same in an asynchronous run."""
        if state["over"]:
            return {}
        with self._working(state) as ledger:
            draft = await self._asking.aask(ledger, self._messages(state), config)
            return self.write(state, draft) | {"spend": mirror(ledger)}

    def _working(self, state: BudgetState) -> AbstractContextManager[Ledger]:
        runtime = get_runtime(BudgetContext)
        return working(state, runtime, self.means.ledgers, beside=self.beside)

    @property
    def _asking(self) -> Asking:
        return Asking(self.route, self.step.name, self.step.output, self.means, self.options)

    def _messages(self, state: BudgetState) -> list[BaseMessage]:
        context = render_sources(state["context"])
        return self.step.prompt(state["question"], context, state["thoughts"])
