"""Routes that are a row of calls, one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

from langgraph.graph import END, START, StateGraph

from shoestring.agents import Forecast, Means, Meter
from shoestring.graphs.reasoning.caller import Caller
from shoestring.graphs.reasoning.drafts import drafted, noted
from shoestring.graphs.reasoning.needs import metered
from shoestring.graphs.reasoning.step import Step, least_cost, likely_cost
from shoestring.graphs.reasoning.trimmer import Trimmer
from shoestring.graphs.state import BudgetContext, BudgetState

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph


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
        meter = metered(self.name, meter)
        return Forecast(
            least=least_cost(self.steps, question, meter),
            likely=likely_cost(self.steps, question, meter),
            success=self.success,
        )

    def graph(
        self, means: Means
    ) -> CompiledStateGraph[BudgetState, BudgetContext, BudgetState, BudgetState]:
        """Return trim → call for each step, one after the other.

        Raises:
            ValueError: If `means` has no model.
        """
        metered(self.name, means.meter)
        graph = StateGraph(BudgetState, context_schema=BudgetContext)
        before = START
        for place, step in enumerate(self.steps):
            later = self.steps[place + 1 :]
            trimming = f"trim for {step.name}" if place or later else "trim"
            given: Literal["documents", "shown"] = "shown" if place else "documents"
            write = noted if later else drafted
            graph.add_node(trimming, Trimmer(self.name, trimming, step, later, means, given))
            graph.add_node(step.name, Caller(self.name, step, means, write).node())
            graph.add_edge(before, trimming)
            graph.add_edge(trimming, step.name)
            before = step.name
        graph.add_edge(before, END)
        return graph.compile(name=self.name)
