"""One short call on tightly trimmed context."""

from __future__ import annotations

from dataclasses import dataclass

from shoestring.graphs.prompts import answer_prompt
from shoestring.graphs.reasoning.step import Step
from shoestring.graphs.reasoning.stepwise import Stepwise


@dataclass(frozen=True, slots=True)
class Direct(Stepwise):
    """Answers at once: trim → answer.

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

    @property
    def steps(self) -> tuple[Step, ...]:
        """The one call."""
        return (Step("answer", answer_prompt, self.context, self.least, self.output),)
