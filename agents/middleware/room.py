"""How long a call's context may be, by what pays for it and what its model reads; how it is shared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoestring.agents.middleware.budget import BudgetMiddleware
from shoestring.agents.middleware.left import note
from shoestring.agents.middleware.place import inside
from shoestring.agents.route import UNBOUNDED, Meter
from shoestring.models import DEFAULT_MAX_OUTPUT, counter_for, is_guarded, price_of
from shoestring.models.guarding.guarded import terms_of

if TYPE_CHECKING:
    from langchain.agents.middleware import ModelRequest
    from langchain_core.language_models import BaseChatModel

    from shoestring.budget import Ledger
    from shoestring.models import TokenCounter

_STEPS = 2  # steps in which a room that shrinks is halved, so that it seldom changes


@dataclass(frozen=True, slots=True)
class Shares:
    """How a call's room is divided; what one part does not use, and all else, is for the history.

    Args:
        tools: The most for schemas of tools, in [0, 1].
        documents: The most for documents in the agent's state, in [0, 1].
        result: The most for what one tool returns, in [0, 1].

    Raises:
        ValueError: If a share lies outside, or tools and documents leave nothing for the history.
    """

    tools: float = 0.25
    documents: float = 0.25
    result: float = 0.25

    def __post_init__(self) -> None:
        """Check the shares."""
        shares = {"tools": self.tools, "documents": self.documents, "result": self.result}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"the share of {name} lies between 0 and 1, and is not {share}")
        if self.tools + self.documents >= 1:
            raise ValueError("tools and documents together must leave a share for the history")


@dataclass(frozen=True, slots=True)
class Room:
    """What a call's prompt may take, all included."""

    tokens: int
    """As the model's counter counts."""
    by_ledger: bool
    """Whether it is the budget that binds, and not the window."""
    counter: TokenCounter
    ledger: Ledger | None
    """What pays for the call; None if nothing is known to."""
    told: int
    """Tokens that the budget's own note will add."""


def room_of(request: ModelRequest[Any], handler: object, tokens: int | None) -> Room:
    """Return how long the prompt of a call may be.

    Of what the ledger affords, the answer gets its limit, at most half; the prompt may have the
    rest. Where the ledger binds, the room shrinks in steps, so that it stays the same for some calls.

    Args:
        request: The call.
        handler: What makes it; a `BudgetMiddleware` that stands inside is found in it.
        tokens: The most in any case, in tokens of the model; None for what it reads.

    Raises:
        ValueError: If nothing says how long it may be.
    """
    within = next((one for one in inside(handler) if isinstance(one, BudgetMiddleware)), None)
    model: BaseChatModel = request.model if within is None else within.guarded_for(request)
    told = within is not None and within.tell
    if not is_guarded(model):
        counter = counter_for(model)
        window = _window(model, tokens, _own_limit(model), Meter(counter))
        if window is None:
            raise ValueError(
                "nothing says how long the context may be: give ContextMiddleware(tokens=…), or put "
                "BudgetMiddleware into the same list"
            )
        return Room(window, by_ledger=False, counter=counter, ledger=None, told=0)
    terms = terms_of(model)
    counter = terms.counter or counter_for(model)
    limits = (terms.max_output, getattr(model, terms.provider.output_field, None))
    output = min((one for one in limits if isinstance(one, int) and one > 0), default=0)
    output = output or DEFAULT_MAX_OUTPUT
    caps = terms.ledger.affordable()
    meter = Meter(counter, terms.price or price_of(model), attempts=terms.provider.attempts)
    free = meter.room(caps, prompt=0, output=0)
    affordable = _in_steps(max(free - output, free // 2)) if free < UNBOUNDED else free
    if free < UNBOUNDED:
        # Dollars buy less prompt where part of them is for the answer.
        answer = min(output, free // 2)
        affordable = min(affordable, _in_steps(meter.room(caps, prompt=0, output=answer)))
    window = _window(model, tokens, output, meter)
    by_ledger = window is None or affordable < window
    if by_ledger and free >= UNBOUNDED:
        raise ValueError(
            "the budget caps neither tokens nor dollars, so that nothing says how long the context "
            "may be: give ContextMiddleware(tokens=…)"
        )
    note_tokens = 0
    if told:
        empty = counter.count_messages([])
        note_tokens = 2 * (counter.count_messages([note(terms.ledger)]) - empty)
    return Room(
        affordable if by_ledger or window is None else window,
        by_ledger=by_ledger,
        counter=counter,
        ledger=terms.ledger,
        told=note_tokens,
    )


def _window(model: BaseChatModel, tokens: int | None, output: int, meter: Meter) -> int | None:
    """Return the most a prompt may take whatever the budget says; None if that is not known.

    What the model reads is a hard limit, and kept as such by a counter that bounds; what the user
    wishes is meant in tokens.
    """
    profile = getattr(model, "profile", None) or {}
    reads = profile.get("max_input_tokens")
    wished = None if tokens is None else meter.units(tokens)
    known = [wished, max(0, reads - output) if isinstance(reads, int) else None]
    return min((limit for limit in known if limit is not None), default=None)


def _own_limit(model: BaseChatModel) -> int:
    limit = getattr(model, "max_tokens", None)
    return limit if isinstance(limit, int) else DEFAULT_MAX_OUTPUT


def _in_steps(tokens: int) -> int:
    """Round down to a power of the square root of two."""
    if tokens < 1:
        return 0
    return int(2 ** (math.floor(_STEPS * math.log2(tokens)) / _STEPS))
