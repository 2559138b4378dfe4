"""What a route is, and what it tells the planner before it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shoestring.budget import Amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langgraph.graph.state import CompiledStateGraph

    from shoestring.budget import Caps, MemoryStore
    from shoestring.models import Price, TokenCounter

FRAMING_SLACK = 8
"""Model tokens kept free beside a measured prompt: BPE merges across the seam of prompt and context."""


@dataclass(frozen=True, slots=True)
class Meter:
    """How the tokens of one model are counted and priced, so that a call can be costed unmade.

    Args:
        counter: The model's own tokenizer, or an upper bound.
        price: What a token costs; None where no dollar cap asks for it.
        window: The model's context window in tokens; None where it is not known.
    """

    counter: TokenCounter
    price: Price | None = None
    window: int | None = None

    def prompt(self, messages: Sequence[BaseMessage]) -> int:
        """Return the tokens of a prompt without its context, the seam included."""
        return self.counter.count_messages(messages) + FRAMING_SLACK

    def bound(self, input_tokens: int, output_tokens: int) -> Amount:
        """Return the most that one call of this size can cost."""
        money = self.price.bound(input_tokens, output_tokens) if self.price else 0
        return Amount(input_tokens, output_tokens, money, 1)

    def room(self, caps: Caps, *, prompt: int, output: int) -> int:
        """Return the context tokens that one call can carry.

        Args:
            caps: What may be spent on the call; None in a dimension means uncapped.
            prompt: Tokens of the prompt without its context.
            output: Bound on the tokens of the answer.

        Returns:
            Tokens, 0 or more; at most what the window, the token cap and the dollar cap each leave.
        """
        rooms = [
            limit - prompt - output for limit in (caps.tokens, self.window) if limit is not None
        ]
        if caps.nanodollars is not None and self.price is not None:
            rooms.append(self._bought(caps.nanodollars, prompt, output))
        return max(0, min(rooms, default=prompt + 2**31))

    def _bought(self, nanodollars: int, prompt: int, output: int) -> int:
        """Return the largest context whose call costs at most `nanodollars` (prices only grow)."""
        assert self.price is not None  # noqa: S101 - the caller asked
        low, high = -1, 2**31
        while high - low > 1:
            middle = (low + high) // 2
            if self.price.bound(prompt + middle, output) <= nanodollars:
                low = middle
            else:
                high = middle
        return low


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a route will cost and whether it will work.

    Args:
        least: Below this the route is not worth starting: all its calls on the least context.
        likely: All its calls, each on the full context it likes to read.
        success: Chance of a right answer, in [0, 1]. A stated prior, not a measurement.
    """

    least: Amount
    likely: Amount
    success: float


@dataclass(frozen=True, slots=True)
class Means:
    """What the routes of one assistant work with.

    Args:
        ledgers: Where the ledger named in the state is looked up.
        model: The chat model, not yet guarded; None where only free routes can run.
        meter: The model's token counter and price; None where there is no model.
        embeddings: Lets trimming compare meanings; None compares words alone.
    """

    ledgers: MemoryStore
    model: BaseChatModel | None = None
    meter: Meter | None = None
    embeddings: Embeddings | None = None


class Route(Protocol):
    """A path that the planner may take from the retrieved documents to a draft answer."""

    @property
    def name(self) -> str:
        """The word by which receipts and users know the route."""
        ...

    @property
    def needs_model(self) -> bool:
        """Whether the route makes model calls."""
        ...

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Return the cost and the chance of success; `meter` is None where there is no model."""
        ...

    def graph(self, means: Means) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Return the subgraph that runs the route, from trimming to the draft."""
        ...
