"""When a history is edited: seldom, and at once, so that what was sent before stays a prefix.

A provider bills the beginning that two requests share at a fraction of its price. An edit ends that
beginning, so it frees much room at once: the next edit is far away. Where the edits stand is told
from the sizes of the steps alone, walking the calls from the first to this one. Nothing is
remembered between calls, and each of them finds the same places.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoestring.tools.history.sizes import Sizes
    from shoestring.tools.history.steps import Step

__all__ = ["KEPT", "OPEN", "Calls", "Fixed"]

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


class Calls:
    """Where the calls of a conversation stand, what has to stay at each, and where it is edited."""

    def __init__(self, steps: Sequence[Step], sizes: Sizes, stub: int) -> None:
        """Measure a conversation once.

        Args:
            steps: The conversation.
            sizes: Of its messages.
            stub: The most tokens of a stub of a result.
        """
        self._steps = steps
        self._sizes = sizes
        self._stub = stub
        self.tokens = [sizes.step(step) for step in steps]
        self._system: list[int] = []
        self._openings = [-1]
        self._stays = [sizes.base]
        for place, step in enumerate(steps):
            if step.kind == "system":
                self._system.append(place)
            system = self.tokens[place] if step.kind == "system" else 0
            self._stays.append(self._stays[-1] + system)
            self._openings.append(place if step.kind == "opening" else self._openings[-1])

    def fixed(self, end: int, tokens: int) -> Fixed:
        """Return what has to stay of the first `end` steps in a room of `tokens`."""
        opening = self._openings[end]
        calls = end - 1 if end and self._steps[end - 1].kind == "exchange" else -1
        stays = self._stays[end] + (self.tokens[opening] if opening >= 0 else 0)
        under_way = self.tokens[calls] if calls >= 0 else 0
        most = int(OPEN * (tokens - stays))
        if calls >= 0 and under_way > most:
            under_way = min(under_way, max(most, self._least(self._steps[calls])))
        room = int(KEPT * (tokens - stays - under_way))
        system = tuple(self._system[: bisect_left(self._system, end)])
        return Fixed(system, opening, calls, stays, under_way, room)

    def last_edit(self, tokens: int) -> int | None:
        """Return at which call the history was last edited: before which step, or at its end.

        None if it fits as it is.
        """
        total = self._sizes.base
        edit: int | None = None
        for place in range(len(self._steps) + 1):
            last = place == len(self._steps)
            if total > tokens and (last or self._steps[place].kind in ("exchange", "reply")):
                edit = place
                fixed = self.fixed(place, tokens)
                # What is left is counted as the most it may be: no text need be looked at.
                total = fixed.stays + fixed.under_way + max(0, fixed.room)
            total += 0 if last else self.tokens[place]
        return edit

    def _least(self, step: Step) -> int:
        """Return the tokens of calls whose results are stubs."""
        call, *results = step.messages
        least = self._sizes.message(call)
        for result in results:
            frame = self._sizes.frame(result)
            least += frame + min(self._stub, max(0, self._sizes.message(result) - frame))
        return least
