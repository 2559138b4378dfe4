"""Reasoning models think and answer under one output limit: the two are set together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shoestring.models.providers import Provider

# Tokens kept for the answer after the thinking.
ANSWER = 256
# Tokens reserved for thinking that was asked for without a number.
_UNSTATED = 1_024

# Where a set of options states how many tokens to think, and what says that it shall not think.
_BUDGETS = ("budget_tokens", "thinking_budget", "thinkingBudget")
_SWITCHES = ("type", "effort", "thinking_level", "maxReasoningEffort")
_OFF = frozenset({"disabled", "minimal", "none"})


class ThinkingLimit(ValueError):  # noqa: N818 - it says what is the matter
    """The output limit leaves less to think than the provider accepts."""


class UnboundedOutput(ValueError):  # noqa: N818 - it says what is the matter
    """A call asks for an answer whose length cannot be limited."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a call thinks.

    Attributes:
        asked: Tokens to think with; 0 where it does not think.
        least: The fewest the provider accepts.
        firm: Whether a request with fewer would be refused.
    """

    asked: int = 0
    least: int = 0
    firm: bool = False

    @property
    def least_output(self) -> int:
        """The smallest output limit worth a call; 0 where it does not think."""
        return self.least + ANSWER if self.asked else 0


def find_thinking(provider: Provider, name: str, holders: Sequence[dict[str, Any]]) -> Thinking:
    """How a call thinks, by its arguments, the fields of its model and the sets of options in both.

    Args:
        provider: The model's entry in the table.
        name: The model's name: some think unless told not to.
        holders: The places in which a caller may ask for it.

    Raises:
        UnboundedOutput: If it asks for thinking that admits no output limit.
    """
    places = [value for _, _, value in _places(provider, holders)]
    stated = [budget for value in places if (budget := _budget(value) or 0) > 0]
    if stated:
        least = provider.thinking_least
        if provider.thinking_soft:
            least = min(least, *stated)
        return Thinking(max(stated), least, firm=not provider.thinking_soft)
    if places:
        return Thinking(_UNSTATED) if any(_on(value) for value in places) else Thinking()
    # On Bedrock a region's and the maker's name stand before the model's.
    own = name.rpartition("anthropic.")[2]
    return Thinking(_UNSTATED) if own.startswith(provider.thinkers) else Thinking()


def set_thinking(provider: Provider, holders: Sequence[dict[str, Any]], output: int) -> None:
    """Lower every stated number of tokens to think so that the answer keeps some of `output`."""
    for holder, name, value in _places(provider, holders):
        budget = _budget(value) or 0
        if budget <= 0:
            continue
        fits = max(min(budget, output - ANSWER), min(budget, provider.thinking_least))
        if isinstance(value, Mapping):
            key = next(key for key in _BUDGETS if key in value)
            holder[name] = {**value, key: fits}
        else:
            holder[name] = fits


def _places(
    provider: Provider, holders: Sequence[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], str, Any]]:
    for holder in holders:
        for name in provider.thinking:
            value = holder.get(name)
            dump = getattr(value, "model_dump", None)
            value = dump(exclude_none=True) if dump else value
            if value is None:
                continue
            if isinstance(value, Mapping) and value.get("maxReasoningEffort") == "high":
                # Amazon Nova 2: the request must not carry a limit then, and langchain-aws sends none.
                raise UnboundedOutput(
                    "maxReasoningEffort 'high' admits no output limit: ask for 'medium' or 'low'"
                )
            yield holder, name, value


def _budget(value: object) -> int | None:
    """The stated number of tokens; below zero where the model may choose."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in _BUDGETS if key in value), None)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _on(value: object) -> bool:
    if _budget(value) == 0 or value is False or value in ("", *_OFF):
        return False
    return not isinstance(value, Mapping) or not any(value.get(key) in _OFF for key in _SWITCHES)
