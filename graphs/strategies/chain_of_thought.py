"""Step by step on wider context, then an answer."""

from __future__ import annotations

from dataclasses import dataclass

from shoestring.graphs.prompts import answer_prompt, think_prompt
from shoestring.graphs.reasoning.step import Step
from shoestring.graphs.reasoning.stepwise import Stepwise


@dataclass(frozen=True, slots=True)
class ChainOfThought(Stepwise):
    """Thinks first, then answers from the thoughts and the best of the context: trim → think → trim → answer.

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

    @property
    def steps(self) -> tuple[Step, ...]:
        """The two calls."""
        return (
            Step("think", think_prompt, self.context, self.least, self.thought),
            Step("answer", answer_prompt, self.answer_context, self.answer_context, self.output),
        )
