"""A few words a step on middling context, then an answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from shoestring.graphs.prompts import answer_prompt, draft_prompt
from shoestring.graphs.reasoning.step import Step
from shoestring.graphs.reasoning.stepwise import Stepwise


@dataclass(frozen=True, slots=True)
class ChainOfDraft(Stepwise):
    """Notes its steps in a few words each, then answers from the notes: trim → draft → trim → answer.

    Source: chain of draft, Xu et al., arXiv:2502.18600. The paper asks for notes and answer in one reply;
    here the answer is a call of its own, so that a model that ignores the words asked for, loops or never
    comes to an answer loses no more than `thought` tokens.

    Args:
        words: Words a step that the model is asked to keep to, 1 or more; what holds is `thought`.
        context: Tokens of context to think on at most.
        least: Fewest tokens of context worth thinking on.
        thought: Bound on the notes' tokens.
        answer_context: Tokens of context to answer from at most.
        output: Bound on the answer's tokens.
        success: Prior chance of a right answer.

    Raises:
        ValueError: If `words` is below 1.

    >>> [step.name for step in ChainOfDraft().steps]
    ['draft', 'answer']
    """

    words: int = 5
    context: int = 512
    least: int = 320
    thought: int = 64
    answer_context: int = 192
    output: int = 96
    success: float = 0.55
    name: str = "chain_of_draft"

    def __post_init__(self) -> None:
        if self.words < 1:
            raise ValueError(f"words must be at least 1, not {self.words}")

    @property
    def steps(self) -> tuple[Step, ...]:
        """The two calls."""
        prompt = partial(draft_prompt, words=self.words)
        return (
            Step("draft", prompt, self.context, self.least, self.thought),
            Step("answer", answer_prompt, self.answer_context, self.answer_context, self.output),
        )
