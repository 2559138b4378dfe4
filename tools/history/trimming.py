"""`trim_history`: a conversation that fits, and that its provider takes and has cached."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage, convert_to_messages

from shoestring.models import UnboundedInput, message_counter
from shoestring.tools.history.batches import Calls
from shoestring.tools.history.edit import Edit, edit
from shoestring.tools.history.errors import HistoryTooLong
from shoestring.tools.history.sizes import Memo, Sizes, with_content
from shoestring.tools.history.steps import Place, Step, read
from shoestring.tools.stash.marks import mark
from shoestring.tools.trimming.output import Shrinker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import MessageLikeRepresentation

    from shoestring.tools.history.batches import Fixed
    from shoestring.tools.stash import Shelf
    from shoestring.tools.trimming.output import MessageCount

__all__ = ["LeftOut", "Remembered", "TrimmedHistory", "trim_history", "trim_messages_within"]

_QUERY = 2_000  # characters of a question that relevance is told by
_TRIES = 8  # times that an edit is made smaller, where tokens of messages do not add up
_STUB = mark(10**6, "aaaaaa")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A message that is not sent as it was."""

    at: int
    """Its place in the history that was given."""
    tokens: int
    """Tokens that are not sent of it."""
    reason: str
    """"no room" or "shortened"; "no call for it", "second result of a call", "a call without an id"
    or "before a person spoke", where providers would refuse it; "cannot be counted" of a block."""
    handle: str = ""
    """How to ask for it; "" where it was not stashed."""


@dataclass(frozen=True, slots=True)
class TrimmedHistory:
    """A history that fits."""

    messages: tuple[BaseMessage, ...]
    """What to send. Messages that were not changed are those that were given."""
    tokens: int
    """Their tokens."""
    limit: int
    """The tokens there were."""
    left_out: tuple[LeftOut, ...]
    """What is not sent, in order."""


def trim_history(
    messages: Sequence[MessageLikeRepresentation],
    tokens: int,
    query: str | None = None,
    *,
    count: MessageCount | None = None,
    shelf: Shelf | None = None,
) -> TrimmedHistory:
    """Keep of a conversation what its next call needs, within a number of tokens.

    - `count(trimmed) <= tokens`, measured.
    - System messages, the last thing a person said and the tool calls under way stay. Results of
      those calls are cut, by their kind, only where they would leave no room.
    - Calls of tools and their results stay or go together, a question with its answer. The order is
      one that every provider takes: the first message after the system's is a person's, each call
      has one result, right behind it.
    - Where it does not fit, older results are cut first, to what tells about the question and a mark
      that says how much is missing; then older turns go, those that matter least to it. That frees
      half the room at once, so that calls of an append-only conversation share their beginning, which
      providers cache, until it is full again. What was left out comes back when it matters to the
      question at the next edit.
    - The same history gives the same result; nothing is remembered. What fits is returned as it is,
      repaired where a provider would refuse it. Trimming what was trimmed changes nothing.

    Args:
        messages: A conversation, in any form that LangChain takes.
        tokens: Room, in model tokens.
        query: What matters. None for the last thing a person had said when the edit was made; a
            query that changes from call to call makes each call choose anew.
        count: Counts messages; `message_counter(model)` for a model, by default o200k_base. It
            should add up from message to message, as all of ours do; otherwise the result still
            fits, but edits are made more often. Its errors pass through.
        shelf: Where what is left out is kept, so that the marks say how to ask for it: give it only
            where the model has a `RecallTool` of the same stash.

    Raises:
        HistoryTooLong: If what has to stay does not fit; it says how much would.
        UnboundedInput: If a system message or the last question holds a block, such as a file, whose
            tokens cannot be bounded. Anywhere else a note takes the place of such a block.
        ValueError: If `tokens` is negative.
        StashError: If the shelf cannot keep what is left out.

    >>> talk = [("user", "Hi"), ("ai", "Hello! " * 99), ("user", "Who wrote Faust?")]
    >>> [message.text for message in trim_history(talk, 40).messages]
    ['Who wrote Faust?']
    """
    if tokens < 0:
        raise ValueError(f"tokens must be 0 or more, not {tokens}")
    given = convert_to_messages(messages)
    return trim_messages_within(
        given, tokens, query, count=count or message_counter(), shelf=shelf, memory=Remembered()
    )


class Remembered:
    """What need not be computed again: sizes of messages, and the last edits.

    It changes how long a call takes, and never its result.
    """

    def __init__(self) -> None:
        self.sizes: Memo[int] = Memo(20_000)
        self.edits: Memo[Edit] = Memo(32)


def trim_messages_within(
    given: Sequence[BaseMessage],
    tokens: int,
    query: str | None,
    *,
    count: MessageCount,
    shelf: Shelf | None,
    memory: Remembered,
) -> TrimmedHistory:
    """Do what `trim_history` says, with what is remembered of earlier calls with the same `count`."""
    return _Trimming(given, tokens, query, count, shelf, memory).run()


class _Trimming:
    def __init__(  # noqa: PLR0917 - one caller, above
        self,
        given: Sequence[BaseMessage],
        tokens: int,
        query: str | None,
        count: MessageCount,
        shelf: Shelf | None,
        memory: Remembered,
    ) -> None:
        self.given = given
        self.tokens = tokens
        self.query = query
        self.shelf = shelf
        self.memory = memory
        self.sizes = Sizes(count, memory.sizes)
        self.shrinker = Shrinker(count, shelf, "budget")
        read_steps, self.out = read(given)
        self.steps = self._countable(read_steps)
        self.calls = Calls(self.steps, self.sizes, self.shrinker.measure(_STUB))

    def run(self) -> TrimmedHistory:
        end = self.calls.last_edit(self.tokens)
        if end is None:
            whole = self._written(None, 0)
            if (taken := self.sizes.whole(whole)) <= self.tokens:
                return self._result(whole, taken, None, 0)
            end = len(self.steps)  # tokens that do not add up
        room = self.tokens
        over = 0
        for _ in range(_TRIES):
            fixed = self.calls.fixed(end, room)
            if fixed.tokens > room or room <= 0:
                break
            made = self._edit(end, room, fixed)
            kept = self._written(made, end)
            taken = self.sizes.whole(kept)
            over = taken - self.tokens
            if over <= 0:
                return self._result(kept, taken, made, end)
            end, room = len(self.steps), room - over
        fixed = self.calls.fixed(len(self.steps), self.tokens)
        raise HistoryTooLong(max(fixed.tokens, self.tokens + max(1, over)), self.tokens)

    def _edit(self, end: int, room: int, fixed: Fixed) -> Edit:
        steps = self.steps[:end]
        query = self._query(fixed.opening)
        owner = b"" if self.shelf is None else self.shelf.owner
        key = hashlib.blake2b(
            b"".join(self.sizes.digest(m) for step in steps for m in step.messages), digest_size=32
        )
        key.update(f"{room} {query}".encode("utf-8", "surrogatepass") + owner)
        return self.memory.edits.get(
            key.digest(),
            lambda: edit(
                steps,
                end,
                fixed,
                query,
                tokens=room,
                sizes=self.sizes,
                shrinker=self.shrinker,
                shelf=self.shelf,
            ),
        )

    def _query(self, opening: int) -> str:
        said = self.steps[opening].messages[0].text if opening >= 0 else ""
        asked = (self.query if self.query is not None else said).strip()[:_QUERY]
        return asked if asked.strip() else "summary"

    def _written(self, made: Edit | None, end: int) -> list[BaseMessage]:
        kept = [message for _, message in made.write(self.steps, end)] if made else []
        return kept + [message for step in self.steps[end:] for message in step.messages]

    def _countable(self, steps: Sequence[Step]) -> list[Step]:
        """Put a note in the place of blocks whose tokens cannot be bounded.

        Raises:
            UnboundedInput: If one stands where nothing may be changed.
        """
        last = max((p for p, step in enumerate(steps) if step.kind == "opening"), default=-1)
        found: list[Step] = []
        for place, step in enumerate(steps):
            messages: list[BaseMessage] = []
            for at, message in zip(step.places, step.messages, strict=True):
                try:
                    self.sizes.message(message)
                except UnboundedInput:
                    if place == last or step.kind == "system":
                        raise
                    messages.append(self._without_unbounded(message))
                    self.out.append(Place(at, "cannot be counted"))
                else:
                    messages.append(message)
            found.append(replace(step, messages=tuple(messages)))
        return found

    def _without_unbounded(self, message: BaseMessage) -> BaseMessage:
        if isinstance(message.content, str):
            return message.model_copy(update={"additional_kwargs": {}})
        blocks = list(message.content)
        for number, block in enumerate(blocks):
            try:
                self.shrinker.measure([block])
            except UnboundedInput:
                kind = block.get("type", "block") if isinstance(block, dict) else "block"
                blocks[number] = {"type": "text", "text": f"[{str(kind)[:20]} left out]"}
        changed = with_content(message, blocks)
        try:
            self.sizes.message(changed)
        except UnboundedInput:
            return changed.model_copy(update={"additional_kwargs": {}})
        return changed

    def _result(
        self, kept: Sequence[BaseMessage], taken: int, made: Edit | None, end: int
    ) -> TrimmedHistory:
        left = [LeftOut(p.at, self._tokens(p), p.reason) for p in self.out]
        if made is not None:
            for place, step in enumerate(self.steps[:end]):
                left += self._left_of(place, step, made)
        return TrimmedHistory(
            messages=tuple(kept),
            tokens=taken,
            limit=self.tokens,
            left_out=tuple(sorted(left, key=lambda one: one.at)),
        )

    def _left_of(self, place: int, step: Step, made: Edit) -> list[LeftOut]:
        left: list[LeftOut] = []
        for number, (at, message) in enumerate(zip(step.places, step.messages, strict=True)):
            slot = (place, number)
            if at < 0:
                continue
            if place not in made.kept:
                left.append(LeftOut(at, self.sizes.message(message), "no room", made.gone))
            elif slot in made.contents and number:
                now = self.shrinker.measure(made.contents[slot])
                gone = self.sizes.message(message) - self.sizes.frame(message) - now
                if gone > 0:
                    left.append(LeftOut(at, gone, "shortened", made.handles.get(slot, "")))
        return left

    def _tokens(self, place: Place) -> int:
        try:
            return self.sizes.message(self.given[place.at])
        except UnboundedInput:
            return 0
