"""One guarded call, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph.errors import GraphBubbleUp

from shoestring.agents import Means
from shoestring.budget import BudgetError, BudgetExceeded, Ledger
from shoestring.graphs.reasoning.drafts import failed, generated
from shoestring.models import guard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import RunnableConfig

    from shoestring.graphs.state import Draft


@dataclass(frozen=True, slots=True)
class Asking:
    """Calls the model of a route as one of its nodes.

    Args:
        route: The name of the route.
        node: The node's name, on the receipt.
        output: Bound on the answer's tokens.
        means: What the route works with.
        options: Passed to the model, for example a `temperature`.
    """

    route: str
    node: str
    output: int
    means: Means
    options: tuple[tuple[str, Any], ...] = ()

    def ask(self, ledger: Ledger, messages: Sequence[BaseMessage], config: RunnableConfig) -> Draft:
        """Call the model; the ledger pays. Returns a failed draft where the budget is why it failed."""
        try:
            reply = self._guarded(ledger).invoke(messages, config, **dict(self.options))
        except Exception as error:  # noqa: BLE001 - the budget's end comes back, the rest is raised
            return _broken(ledger, error)
        return _said(reply)

    async def aask(
        self, ledger: Ledger, messages: Sequence[BaseMessage], config: RunnableConfig
    ) -> Draft:
        """Do the same in an asynchronous run."""
        try:
            reply = await self._guarded(ledger).ainvoke(messages, config, **dict(self.options))
        except Exception as error:  # noqa: BLE001 - as above
            return _broken(ledger, error)
        return _said(reply)

    def _guarded(self, ledger: Ledger) -> BaseChatModel:
        assert self.means.model is not None  # noqa: S101 - the route made sure
        assert self.means.meter is not None  # noqa: S101 - as above
        return guard(
            self.means.model,
            ledger.at(node=self.node, route=self.route),
            max_output=self.output,
            counter=self.means.meter.counter,
            price=self.means.meter.price,
        )


def lost(error: Exception) -> Draft:
    """Return a failed draft for a call that a route can do without; what LangGraph itself raises goes on."""
    if isinstance(error, GraphBubbleUp):
        raise error
    return failed(f"the call failed: {type(error).__name__}")


def _said(reply: AIMessage) -> Draft:
    return generated(reply.text, truncated=bool(reply.response_metadata.get("truncated")))


def _broken(ledger: Ledger, error: Exception) -> Draft:
    """Return a failed draft where the budget is why a call failed; raise anything else."""
    if isinstance(error, BudgetError):
        return failed(str(error), error.dimension if isinstance(error, BudgetExceeded) else None)
    if ledger.remaining.seconds == 0:  # a client cut off by the time-out that the guard gave it
        return failed("the time is over", "seconds")
    raise error
