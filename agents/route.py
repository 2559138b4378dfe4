"""What a route is, and what it tells the planner before it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shoestring.budget import Amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langgraph.graph.state import CompiledStateGraph

    from shoestring.budget import Caps, Store
    from shoestring.models import Price, TokenCounter
    from shoestring.tools.relevance.tiers import Tier

FRAMING_SLACK = 8
"""Model tokens kept free beside a measured prompt: BPE merges across the seam of prompt and context."""

BYTES_A_TOKEN = 4
"""Bytes in a token of English, about; what a byte bound overstates it by."""

UNBOUNDED = 2**31
"""Tokens of room where nothing binds: more than any model reads."""


@dataclass(frozen=True, slots=True)
class Meter:
    """How the tokens of one model are counted and priced, so that a call can be costed unmade.

    Args:
        counter: The model's own tokenizer, or an upper bound.
        price: What a token costs; None where no dollar cap asks for it.
        window: The model's context window in tokens; None where it is not known.
        attempts: Requests one call may make where its client cannot be told not to retry.
    """

    counter: TokenCounter
    price: Price | None = None
    window: int | None = None
    attempts: int = 1

    @property
    def token_price(self) -> int:
        """Nanodollars a token at the dearest rate; 0 where no price is known."""
        return self.price.token_price if self.price is not None else 0

    def units(self, tokens: int) -> int:
        """Return a length in model tokens as this counter counts it: a byte bound counts bytes."""
        return tokens if self.counter.exact else tokens * BYTES_A_TOKEN

    def prompt(self, messages: Sequence[BaseMessage]) -> int:
        """Return the tokens of a prompt without its context, the seam included."""
        return self.counter.count_messages(messages) + FRAMING_SLACK

    def bound(self, input_tokens: int, output_tokens: int) -> Amount:
        """Return the most that one call of this size can cost."""
        money = self.price.bound(input_tokens, output_tokens) if self.price else 0
        n = self.attempts
        return Amount(n * input_tokens, n * output_tokens, n * money, n)

    def room(self, caps: Caps, *, prompt: int, output: int) -> int:
        """Return the context tokens that one call can carry.

        Args:
            caps: What may be spent on the call; None in a dimension means uncapped.
            prompt: Tokens of the prompt without its context.
            output: Bound on the tokens of the answer.

        Returns:
            Tokens, 0 or more; at most what the window, the token cap and the dollar cap each leave.
        """
        tokens = None if caps.tokens is None else caps.tokens // self.attempts
        rooms = [limit - prompt - output for limit in (tokens, self.window) if limit is not None]
        if caps.nanodollars is not None and self.price is not None:
            rooms.append(self._bought(caps.nanodollars // self.attempts, prompt, output))
        return max(0, min(rooms, default=UNBOUNDED))

    def _bought(self, nanodollars: int, prompt: int, output: int) -> int:
        """Return the largest context whose call costs at most `nanodollars` (prices only grow)."""
        assert self.price is not None  # noqa: S101 - the caller asked
        low, high = -1, UNBOUNDED
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
        tiers: What trimming looks at beside words, cheapest first.
    """

    ledgers: Store
    model: BaseChatModel | None = None
    meter: Meter | None = None
    tiers: Sequence[Tier] = ()


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
