"""Verbatim spans, labelled as excerpts: no model call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from shoestring.agents import Forecast, Means, Meter
from shoestring.budget import Amount
from shoestring.graphs.account import working
from shoestring.graphs.quoting import EXCERPTS, THRESHOLD, quoted, render_excerpts
from shoestring.graphs.reasoning.drafts import failed
from shoestring.graphs.state import BudgetContext, BudgetState, record
from shoestring.tools import trim

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph


@dataclass(frozen=True, slots=True)
class Quote:
    """Quotes the spans that bear on the question, or abstains.

    Args:
        context: Tokens of excerpts at most.
        threshold: Abstain where the best excerpt's chance to hold evidence (`Trimmed.score`) is below
            this.
        success: Prior chance of a right answer.
    """

    context: int = EXCERPTS
    threshold: float = THRESHOLD
    success: float = 0.2
    name: str = "quote"
    needs_model: bool = False

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Return a cost of nothing."""
        del question, meter
        return Forecast(least=Amount(), likely=Amount(), success=self.success)

    def graph(self, means: Means) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Return trim → quote."""

        def trim_excerpts(state: BudgetState, runtime: Runtime[BudgetContext]) -> BudgetState:
            count = means.meter.counter.count if means.meter is not None else None
            with working(state, runtime, means.ledgers) as ledger:
                trimmed = trim(
                    state["documents"],
                    state["question"],
                    self.context,
                    count=count,
                    render=render_excerpts,
                    tiers=means.tiers,
                )
                detail = f"{trimmed.tokens:,} of {self.context:,} tokens of room used"
                labelled = ledger.at(node="trim", route=self.name)
                labelled.note("trim", detail, dropped=len(trimmed.dropped))
            kept = list(trimmed.documents)
            trims = [*state["trims"], record("trim", self.name, trimmed)]
            return {"context": kept, "shown": kept, "trims": trims}

        def quote(state: BudgetState) -> BudgetState:
            excerpts = state["context"]
            chance = max((float(piece.metadata["score"]) for piece in excerpts), default=0.0)
            if chance < self.threshold:
                problem = f"the best excerpt has a chance of {chance:.0%} to answer"
                return {"draft": failed(problem)}
            return {"draft": quoted(excerpts)}

        graph = StateGraph(BudgetState, context_schema=BudgetContext)
        graph.add_node("trim", trim_excerpts)
        graph.add_node("quote", quote)
        graph.add_edge(START, "trim")
        graph.add_edge("trim", "quote")
        graph.add_edge("quote", END)
        return graph.compile(name=self.name)
