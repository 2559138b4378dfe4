"""The way through an outline to the part that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoestring.agents import Forecast, Means, Meter
from shoestring.graphs.prompts import answer_prompt
from shoestring.graphs.reading import Navigation, reading_graph
from shoestring.graphs.reasoning.needs import metered
from shoestring.graphs.reasoning.step import Step, least_cost, likely_cost

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph


@dataclass(frozen=True, slots=True)
class Reading:
    """Finds its way through an outline, then answers: look → choose → … → read → answer.

    The model is shown a table of contents and picks parts; of those it picked that are long it is shown
    the contents in turn, side by side. Where little is left, or it picks nothing that there is, the
    part it was shown is read without it.

    Args:
        rough: Tokens of the table of contents that a call is shown, at most.
        peek: Tokens of excerpts beside it, at most.
        least_look: Fewest tokens of both that are worth a call.
        picks: Parts that one call may pick.
        rounds: How often the model looks closer; 0 reads without asking it.
        reply: Bound on the tokens of its picks.
        context: Tokens of context to answer from at most.
        least: Fewest tokens of context worth answering from.
        output: Bound on the answer's tokens.
        success: Prior chance of a right answer.

    Raises:
        ValueError: If `picks` is below 1, or `rounds` below 0 or above 5.
    """

    rough: int = 320
    peek: int = 128
    least_look: int = 128
    picks: int = 2
    rounds: int = 3
    reply: int = 40
    context: int = 640
    least: int = 160
    output: int = 96
    success: float = 0.62
    name: str = "reading"
    needs_model: bool = True

    def __post_init__(self) -> None:
        if self.picks < 1:
            raise ValueError(f"picks must be at least 1, not {self.picks}")
        if not 0 <= self.rounds <= _MOST_ROUNDS:
            raise ValueError(f"rounds must be between 0 and {_MOST_ROUNDS}, not {self.rounds}")

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Return the cost of the answer alone, and with two rounds of choosing.

        Raises:
            ValueError: If there is no meter.
        """
        meter = metered(self.name, meter)
        likely = likely_cost((self._answer,), question, meter)
        looks = {0: 0, 1: 1}.get(self.rounds, 1 + self.picks)
        for _ in range(looks):
            likely += self._navigation.cost(question, meter)
        least = least_cost((self._answer,), question, meter)
        return Forecast(least=least, likely=likely, success=self.success)

    def graph(self, means: Means) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Return the reading graph.

        Raises:
            ValueError: If `means` lacks a model or an outline.
        """
        return reading_graph(self.name, self._navigation, self._answer, means)

    @property
    def _navigation(self) -> Navigation:
        return Navigation(
            self.rough, self.peek, self.least_look, self.picks, self.rounds, self.reply
        )

    @property
    def _answer(self) -> Step:
        return Step("answer", answer_prompt, self.context, self.least, self.output)


_MOST_ROUNDS = 5
"""Deeper trees are rare, and each round is two steps of the graph, of which LangGraph allows 25."""
