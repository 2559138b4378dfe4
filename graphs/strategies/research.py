"""A question split into parts that are read for side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoestring.agents import Forecast, Means, Meter
from shoestring.graphs.prompts import answer_prompt
from shoestring.graphs.reasoning.needs import metered
from shoestring.graphs.reasoning.step import Step, least_cost, likely_cost, read_too
from shoestring.graphs.research import Splitting, research_graph

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph


@dataclass(frozen=True, slots=True)
class Research:
    """Splits the question, answers its parts side by side, then itself: split → part → combine → answer.

    Each part spends from money that is set aside for it alone, and gives back what it leaves. A part that
    fails does not sink the others. Where little is left, parts are read without asking the model.

    Args:
        parts: Questions that it is split into, at most.
        reply: Bound on the tokens of the reply that splits it.
        part_context: Tokens of context that a part is answered from at most.
        part_least: Fewest tokens of context worth answering a part from.
        part_output: Bound on the tokens of a part's answer.
        context: Tokens of context to answer the question from at most.
        least: Fewest tokens of context worth answering from.
        output: Bound on the answer's tokens.
        success: Prior chance of a right answer.

    Raises:
        ValueError: If `parts` is not between 1 and 8.
    """

    parts: int = 3
    reply: int = 96
    part_context: int = 320
    part_least: int = 128
    part_output: int = 64
    context: int = 640
    least: int = 160
    output: int = 96
    success: float = 0.6
    name: str = "research"
    needs_model: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.parts <= _MOST_PARTS:
            raise ValueError(f"parts must be between 1 and {_MOST_PARTS}, not {self.parts}")

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Return the cost of the answer alone, and with all parts.

        Raises:
            ValueError: If there is no meter.
        """
        meter = metered(self.name, meter)
        splitting, answer = self._splitting, (self._answer,)
        likely = likely_cost(answer, question, meter) + splitting.cost(question, meter)
        for _ in range(self.parts):
            likely += likely_cost((splitting.part,), question, meter)
            likely += read_too(self.part_output, meter)
        return Forecast(
            least=least_cost(answer, question, meter), likely=likely, success=self.success
        )

    def graph(self, means: Means) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Return the research graph.

        Raises:
            ValueError: If `means` lacks a model or an outline.
        """
        return research_graph(self.name, self._splitting, self._answer, means)

    @property
    def _splitting(self) -> Splitting:
        part = Step("part", answer_prompt, self.part_context, self.part_least, self.part_output)
        return Splitting(self.parts, self.reply, part)

    @property
    def _answer(self) -> Step:
        return Step("answer", answer_prompt, self.context, self.least, self.output)


_MOST_PARTS = 8
"""More are no longer parts of one question."""
