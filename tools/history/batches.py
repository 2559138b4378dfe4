"""When a history is edited: seldom, and at once, so that what was sent before stays a prefix.

A provider bills the beginning that two requests share at a fraction of its price. An edit ends that
beginning, so it frees much room at once: the next edit is far away. Where the edits stand is told
from the sizes of the steps alone, walking the calls from the first to this one. Nothing is
remembered between calls, and each of them finds the same places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoestring.tools.history.sizes import Sizes
    from shoestring.tools.history.steps import Step

__all__ = ["KEPT", "OPEN", "Fixed", "fixed_at", "last_edit"]

KEPT = 0.5
"""Of the room beyond what has to stay, what an edit leaves filled. Less makes edits rarer and
contexts shorter: see the table in docs/history.md."""

OPEN = 0.5
"""Of the same room, what the calls under way may take at an edit before their results are cut."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What has to stay at a call.

    Attributes:
        system: Places of the system messages.
        opening: The last thing a person said; -1 if nobody did.
        calls: The calls under way; -1 if there are none.
        stays: Tokens of system messages and opening, and of the prompt's own frame.
        under_way: Tokens of the calls under way, as they will be sent.
        room: Tokens for all else, once an edit is done.
    """

    system: tuple[int, ...]
    opening: int
    calls: int
    stays: int
    under_way: int
    room: int

    @property
    def tokens(self) -> int:
        """Tokens of all that has to stay."""
        return self.stays + self.under_way


def fixed_at(steps: Sequence[Step], end: int, sizes: Sizes, tokens: int, stub: int) -> Fixed:
    """Return what has to stay of the first `end` steps.

    Args:
        steps: The conversation.
        end: Where the call stands.
        sizes: Of its messages.
        tokens: The room.
        stub: The most tokens of a stub of a result.
    """
    system = tuple(place for place in range(end) if steps[place].kind == "system")
    opening = next((p for p in reversed(range(end)) if steps[p].kind == "opening"), -1)
    calls = end - 1 if end and steps[end - 1].kind == "exchange" else -1
    stays = sizes.base + sum(sizes.step(steps[place]) for place in system)
    if opening >= 0:
        stays += sizes.step(steps[opening])
    under_way = sizes.step(steps[calls]) if calls >= 0 else 0
    most = int(OPEN * (tokens - stays))
    if under_way > most:
        call, *results = steps[calls].messages
        least = sizes.message(call)
        for result in results:
            frame = sizes.frame(result)
            least += frame + min(stub, max(0, sizes.message(result) - frame))
        under_way = min(under_way, max(most, least))
    room = int(KEPT * (tokens - stays - under_way))
    return Fixed(system, opening, calls, stays, under_way, room)


def last_edit(steps: Sequence[Step], sizes: Sizes, tokens: int, stub: int) -> int | None:
    """Return at which call a history was last edited: before which step, or at its end.

    None if it fits as it is.
    """
    total = sizes.base
    edit: int | None = None
    for place in range(len(steps) + 1):
        calls_model = place == len(steps) or steps[place].kind in ("exchange", "reply")
        if calls_model and total > tokens:
            edit = place
            fixed = fixed_at(steps, place, sizes, tokens, stub)
            # What is left is counted as the most it may be, so that no text need be looked at.
            total = fixed.tokens + max(0, fixed.room)
        if place < len(steps):
            total += sizes.step(steps[place])
    return edit
