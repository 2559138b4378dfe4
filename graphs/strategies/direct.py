"""One short call on tightly trimmed context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoestring.graphs.prompts import answer_prompt
from shoestring.graphs.reasoning import Step, forecast_steps, reasoning_graph

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from shoestring.agents import Forecast, Means, Meter


@dataclass(frozen=True, slots=True)
class Direct:
    """Answers at once.

    Args:
        context: Tokens of context to read at most.
        least: Fewest tokens of context worth a call.
        output: Bound on the answer's tokens.
        success: Prior chance of a right answer.
    """

    context: int = 256
    least: int = 160
    output: int = 96
    success: float = 0.5
    name: str = "direct"
    needs_model: bool = True

    @property
    def _steps(self) -> tuple[Step, ...]:
        return (Step("answer", answer_prompt, self.context, self.least, self.output),)

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Return the cost of one call."""
        return forecast_steps(self._steps, question, meter, self.success)

    def graph(self, means: Means) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Return trim → answer."""
        return reasoning_graph(self.name, self._steps, means)
