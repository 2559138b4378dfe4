"""Step by step on wider context, then an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoestring.graphs.prompts import answer_prompt, think_prompt
from shoestring.graphs.reasoning import Step, forecast_steps, reasoning_graph

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from shoestring.agents import Forecast, Means, Meter


@dataclass(frozen=True, slots=True)
class ChainOfThought:
    """Thinks first, then answers from the thoughts and the best of the context.

    Source: chain-of-thought prompting, Wei et al., arXiv:2201.11903; the answer is a call of its own, so
    that thoughts that run to their bound never cost the answer its room.

    Args:
        context: Tokens of context to think on at most.
        least: Fewest tokens of context worth thinking on.
        thought: Bound on the thoughts' tokens.
        answer_context: Tokens of context to answer from at most.
        output: Bound on the answer's tokens.
        success: Prior chance of a right answer.
    """

    context: int = 800
    least: int = 600
    thought: int = 192
    answer_context: int = 256
    output: int = 96
    success: float = 0.6
    name: str = "chain_of_thought"
    needs_model: bool = True

    @property
    def _steps(self) -> tuple[Step, ...]:
        return (
            Step("think", think_prompt, self.context, self.least, self.thought),
            Step("answer", answer_prompt, self.answer_context, self.answer_context, self.output),
        )

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Return the cost of both calls, the thoughts counted where they are written and read."""
        return forecast_steps(self._steps, question, meter, self.success)

    def graph(self, means: Means) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Return trim → think → trim → answer."""
        return reasoning_graph(self.name, self._steps, means)
