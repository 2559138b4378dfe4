"""What a route is, and what it tells the planner before it is taken."""

from __future__ import annotations

import math
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
    from shoestring.tools.outline.outline import Outline
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
        model: The name under which runs of the model are remembered.
    """

    counter: TokenCounter
    price: Price | None = None
    window: int | None = None
    attempts: int = 1
    model: str = ""

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

    A route states the first three; a `Forecaster` puts what earlier runs have taught in their place.

    Args:
        least: Below this the route is not worth starting: all its calls on the least context, each
            at its hard bound.
        likely: All its calls, each on the full context it likes to read; from runs: what half of them
            stay within.
        success: Chance of a right answer, in [0, 1]. As stated by a route it is a prior, not a
            measurement.
        high: What nine runs in ten stay within; None where no runs are known.
        bound: What its calls hold until they are billed, on full context; None as `likely`.
        seconds: What half of the runs, and nine in ten, take; None where no runs are known.
        runs: Earlier runs that it rests on.

    Raises:
        ValueError: If the chance is none, or a time is negative or not finite.
    """

    least: Amount
    likely: Amount
    success: float
    high: Amount | None = None
    bound: Amount | None = None
    seconds: tuple[float, float] | None = None
    runs: int = 0

    def __post_init__(self) -> None:
        # Written so that NaN is refused too.
        if not 0 <= self.success <= 1:
            raise ValueError(f"a route's chance of success is {self.success}: give one from 0 to 1")
        if self.seconds is not None and not all(0 <= time < math.inf for time in self.seconds):
            raise ValueError(f"a route's seconds are {self.seconds}: give finite ones")

    @property
    def set_aside(self) -> Amount:
        """What a run needs set aside: nine runs in ten stay within, their outputs at their bounds.

        A call holds its output's bound before anybody knows how much it writes, so a set-aside of the
        bare 90 % cost would refuse calls that end within it.
        """
        high, bound = self.high or self.likely, self.bound or self.likely
        return Amount(
            max(self.least.input_tokens, high.input_tokens),
            max(self.least.output_tokens, high.output_tokens, bound.output_tokens),
            max(self.least.nanodollars, high.nanodollars, bound.nanodollars),
            max(self.least.calls, high.calls, bound.calls),
        )

    def __str__(self) -> str:
        cost = f"likely {self.likely.tokens:,} tokens" if self.likely.tokens else "free of charge"
        if self.high is not None and self.likely.tokens:
            cost += f", 90 % within {self.high.tokens:,}"
        return f"{self.success:.0%} right, {cost}"


@dataclass(frozen=True, slots=True)
class Means:
    """What the routes of one assistant work with.

    Args:
        ledgers: Where the ledger named in the state is looked up.
        model: The chat model, not yet guarded; None where only free routes can run.
        meter: The model's token counter and price; None where there is no model.
        tiers: What trimming looks at beside words, cheapest first.
        outline: The documents as an outline; None where there is none.
    """

    ledgers: Store
    model: BaseChatModel | None = None
    meter: Meter | None = None
    tiers: Sequence[Tier] = ()
    outline: Outline | None = None


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
