"""One reasoning call: what it reads and writes at most, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shoestring.budget import Amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

    from shoestring.agents import Meter


class Prompt(Protocol):
    """Writes the messages of a call."""

    def __call__(self, question: str, context: str, thoughts: str = "") -> list[BaseMessage]:
        """Return the messages; `thoughts` are what the step before made of the question."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One reasoning call of a route.

    Args:
        name: The node's name.
        prompt: Writes its messages.
        context: Tokens of context it likes to read.
        least: Fewest tokens of context worth reading.
        output: Bound on its output tokens.
    """

    name: str
    prompt: Prompt
    context: int
    least: int
    output: int


def cost(steps: Sequence[Step], question: str, meter: Meter, contexts: Sequence[int]) -> Amount:
    """Return the most that steps cost that follow each other, each on so much context."""
    total, thoughts = Amount(), 0
    for step, context in zip(steps, contexts, strict=True):
        prompt = meter.prompt(step.prompt(question, "")) + thoughts
        total += meter.bound(prompt + meter.units(context), step.output)
        thoughts = meter.units(step.output)
    return total


def least_cost(steps: Sequence[Step], question: str, meter: Meter) -> Amount:
    """Return the most that the steps cost on the least context."""
    return cost(steps, question, meter, [step.least for step in steps])


def likely_cost(steps: Sequence[Step], question: str, meter: Meter) -> Amount:
    """Return the most that the steps cost on the context they like to read."""
    return cost(steps, question, meter, [step.context for step in steps])


def read_too(tokens: int, meter: Meter) -> Amount:
    """Return what a call costs more, at the most, that reads so many tokens beside its context."""
    bound = meter.bound(meter.units(tokens), 0)
    return Amount(input_tokens=bound.input_tokens, nanodollars=bound.nanodollars)
