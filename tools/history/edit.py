"""What an edit leaves of a history: the newest as it is, of the rest what matters to the question."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage

from shoestring.tools.history.sizes import with_content
from shoestring.tools.stash.marks import mark, with_mark
from shoestring.tools.trimming.render import render
from shoestring.tools.trimming.trim import trim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shoestring.tools.history.batches import Fixed
    from shoestring.tools.history.sizes import Sizes
    from shoestring.tools.history.steps import Step
    from shoestring.tools.stash import Shelf
    from shoestring.tools.trimming.output import Content, Shrinker, Shrunk

__all__ = ["Edit", "edit"]

_NEWEST = 0.5  # of the room, for the newest steps as they are
_DONE = 0.5  # of what older steps get, for what was said and done; the rest for what tools returned
_REACH = 8  # times all tokens: steps further back are not looked at
_TITLE = 120  # characters of a call that its result is found by
_TRIES = 6  # times that the room for results is narrowed, where their tokens do not add up

Slot = tuple[int, int]
"""A step, and a message in it."""


@dataclass(slots=True)
class Edit:
    """What is left of the steps before a call."""

    kept: set[int]
    """Steps that stay."""
    contents: dict[Slot, Content] = field(default_factory=dict)
    """Other contents of messages that stay."""
    handles: dict[Slot, str] = field(default_factory=dict)
    """How to ask for what they held."""
    gone: str = ""
    """How to ask for the steps that are gone; "" where nobody can."""

    def write(self, steps: Sequence[Step], end: int) -> Iterator[tuple[int, BaseMessage]]:
        """Yield what is left, each message with its place in the history that was given."""
        for place in range(end):
            if place not in self.kept:
                continue
            step = steps[place]
            for number, (at, message) in enumerate(zip(step.places, step.messages, strict=True)):
                new = self.contents.get((place, number))
                yield at, message if new is None else with_content(message, new)


def edit(
    steps: Sequence[Step],
    end: int,
    fixed: Fixed,
    query: str,
    *,
    tokens: int,
    sizes: Sizes,
    shrinker: Shrinker,
    shelf: Shelf | None,
) -> Edit:
    """Choose what is left of the first `end` steps.

    The calls under way stay, their results cut to their part of the room. Of the rest of the room
    half goes to the newest steps as they are. Of older ones, the calls and turns that matter most
    to the question stay, with stubs for results; and what is left goes to the words of those
    results that matter. A turn's question stays or goes with its answer.
    """
    return _Editor(steps, end, fixed, query, tokens, sizes, shrinker, shelf).run()


class _Editor:
    def __init__(  # noqa: PLR0917 - `edit` names them
        self,
        steps: Sequence[Step],
        end: int,
        fixed: Fixed,
        query: str,
        tokens: int,
        sizes: Sizes,
        shrinker: Shrinker,
        shelf: Shelf | None,
    ) -> None:
        self.steps = steps
        self.end = end
        self.fixed = fixed
        self.query = query
        self.tokens = tokens
        self.sizes = sizes
        self.shrinker = shrinker
        self.shelf = shelf
        stays = {*fixed.system, fixed.opening, fixed.calls} - {-1}
        self.edit = Edit(kept=stays)
        self.stubs: dict[Slot, Shrunk] = {}
        self.anchors = self._anchors()

    def run(self) -> Edit:
        self._cut_calls()
        gone = self.shrinker.measure("\n\n" + mark(10**6, "aaaaaa")) if self.shelf else 0
        room = self.fixed.room - gone
        room -= self._keep_newest(int(_NEWEST * room))
        older = self._older()
        scores = self._scores(older, room)
        order = sorted(older, key=lambda place: (-scores[place], -place))
        stubs = {place: self._stubs(place) for place in older}
        share = _DONE if any(stubs.values()) else 1.0
        spent, left = self._keep_done(order, stubs, int(share * room))
        room -= spent
        room -= self._keep_words(room)
        self._keep_done(left, stubs, room)
        self._say_what_is_gone()
        return self.edit

    def _anchors(self) -> dict[int, frozenset[int]]:
        """Return for each step what has to stay if it stays: its turn's question and last answer."""
        turns: dict[int, list[int]] = defaultdict(list)
        for place in range(self.end):
            if self.steps[place].kind != "system":
                turns[self.steps[place].turn].append(place)
        now = self.steps[self.fixed.opening].turn if self.fixed.opening >= 0 else 0
        anchors: dict[int, frozenset[int]] = {}
        for turn, places in turns.items():
            held = {p for p in places if self.steps[p].kind == "opening"} | {places[-1]}
            anchors |= dict.fromkeys(places, frozenset(held if 0 < turn < now else ()))
        return anchors

    def _cut_calls(self) -> None:
        """Cut the results of the calls under way to their part, the longest first."""
        place = self.fixed.calls
        if place < 0 or self.sizes.step(self.steps[place]) <= self.fixed.under_way:
            return
        call, *results = self.steps[place].messages
        room = self.fixed.under_way - self.sizes.message(call)
        frames = [self.sizes.frame(result) for result in results]
        wanted = [
            self.sizes.message(result) - frame
            for result, frame in zip(results, frames, strict=True)
        ]
        room -= sum(frames)
        for number in sorted(range(len(results)), key=lambda number: (wanted[number], number)):
            waiting = sum(1 for size in wanted if size >= 0)
            part = max(0, room) // waiting
            if wanted[number] > part:
                self._shrink((place, number + 1), results[number], part)
                room -= self.shrinker.measure(self.edit.contents[place, number + 1])
            else:
                room -= wanted[number]
            wanted[number] = -1

    def _shrink(self, slot: Slot, result: BaseMessage, room: int) -> None:
        shrunk = self.shrinker.shrink(result.content, self.query, room)
        self.edit.contents[slot] = shrunk.content
        self.edit.handles[slot] = shrunk.handle

    def _keep_newest(self, room: int) -> int:
        """Keep the newest steps as they are; return the tokens they take."""
        used = 0
        for place in reversed(range(self.end)):
            more = self._with_anchors(place)
            cost = sum(self.sizes.step(self.steps[other]) for other in more)
            if used + cost > room:
                break
            self.edit.kept |= more
            used += cost
        return used

    def _with_anchors(self, place: int) -> set[int]:
        if self.steps[place].kind == "system":
            return set()
        return ({place} | self.anchors[place]) - self.edit.kept

    def _older(self) -> list[int]:
        """Return the steps that may stay, in order."""
        reach, older = _REACH * self.tokens, list[int]()
        for place in reversed(range(self.end)):
            reach -= self.sizes.step(self.steps[place])
            if reach < 0:
                break
            if place not in self.edit.kept and self.steps[place].kind != "system":
                older.append(place)
        return older[::-1]

    def _documents(self, places: Sequence[int]) -> list[Document]:
        """Write what steps say, and what tools returned, as documents."""
        documents: list[Document] = []
        for place in places:
            for number, message in enumerate(self.steps[place].messages):
                if text := message.text.strip():
                    title = self._title(place, number)
                    source = f"{place}.{number}"
                    documents.append(Document(text, metadata={"source": source, "title": title}))
        return documents

    def _title(self, place: int, number: int) -> str:
        call = self.steps[place].messages[0]
        asked = getattr(self.steps[place].messages[number], "tool_call_id", None)
        if not isinstance(call, AIMessage) or asked is None:
            return ""
        made = next((one for one in call.tool_calls if one["id"] == asked), None)
        return f"{made['name']} {made['args']}"[:_TITLE] if made else ""

    def _scores(self, places: Sequence[int], room: int) -> dict[int, float]:
        """Return how much each step tells about the question: as much as the best of it."""
        scores = dict.fromkeys(places, 0.0)
        documents = self._documents(places)
        if not documents:
            return scores
        found = trim(documents, self.query, max(1, room), count=self.shrinker.measure)
        for piece in found.documents:
            place = int(str(piece.metadata["source"]).partition(".")[0])
            scores[place] = max(scores[place], float(piece.metadata["score"]))
        for gone in found.dropped:
            place = int(gone.source.partition(".")[0])
            scores[place] = max(scores[place], gone.score)
        return scores

    def _stubs(self, place: int) -> dict[Slot, int]:
        """Return the results of a step that a stub is shorter than, with what it saves."""
        saved: dict[Slot, int] = {}
        if self.steps[place].kind == "exchange":
            for number, result in enumerate(self.steps[place].messages[1:], start=1):
                size = self.sizes.message(result) - self.sizes.frame(result)
                stub = self.shrinker.measure(mark(max(size, 10**4), "a" * 6 * bool(self.shelf)))
                if stub < size:
                    saved[place, number] = size - stub
        return saved

    def _keep_done(
        self, order: Sequence[int], stubs: dict[int, dict[Slot, int]], room: int
    ) -> tuple[int, list[int]]:
        """Keep steps in order, with stubs for results, while there is room; return what is left."""
        used, left = 0, list[int]()
        for place in order:
            if place in self.edit.kept:
                continue
            more = self._with_anchors(place)
            cost = sum(
                self.sizes.step(self.steps[other]) - sum(stubs.get(other, {}).values())
                for other in more
            )
            if used + cost > room:
                left.append(place)
                continue
            used += cost
            for other in more:
                for slot in stubs.get(other, {}):
                    self._stub(slot)
            self.edit.kept |= more
        return used, left

    def _stub(self, slot: Slot) -> None:
        shrunk = self.shrinker.stub(self._message(slot).content)
        self.stubs[slot] = shrunk
        self.edit.contents[slot] = shrunk.content
        self.edit.handles[slot] = shrunk.handle

    def _message(self, slot: Slot) -> BaseMessage:
        return self.steps[slot[0]].messages[slot[1]]

    def _keep_words(self, room: int) -> int:
        """Put words that matter in the place of stubs; return the tokens they take."""
        slots = sorted(self.stubs)
        documents: list[Document] = []
        for slot in slots:
            text = self.shrinker.text(self._message(slot).content)
            source = f"{slot[0]}.{slot[1]}"
            title = self._title(*slot)
            documents.append(Document(text, metadata={"source": source, "title": title}))
        before = sum(self.shrinker.measure(self.edit.contents[slot]) for slot in slots)
        width = room
        for _ in range(_TRIES):
            if width <= 0 or not documents:
                return 0
            found = trim(documents, self.query, width, count=self.shrinker.measure)
            texts: dict[Slot, list[Document]] = defaultdict(list)
            for piece in found.documents:
                place, _, number = str(piece.metadata["source"]).partition(".")
                bare = Document(piece.page_content, metadata={**piece.metadata, "title": ""})
                texts[int(place), int(number)].append(bare)
            contents = {slot: self._worded(slot, texts[slot]) for slot in slots if texts[slot]}
            taken = sum(map(self.shrinker.measure, contents.values()))
            taken += sum(
                self.shrinker.measure(self.edit.contents[slot])
                for slot in slots
                if slot not in contents
            )
            if taken - before <= room:
                self.edit.contents |= contents
                return max(0, taken - before)
            width -= taken - before - room
        return 0

    def _worded(self, slot: Slot, pieces: Sequence[Document]) -> Content:
        content = self._message(slot).content
        text = render(pieces)
        if isinstance(content, str) and text.strip() == content.strip():
            return content
        stub = self.stubs[slot]
        left = max(1, stub.left_out - self.shrinker.measure(text))
        return with_mark(text, mark(left, stub.handle))

    def _say_what_is_gone(self) -> None:
        """Stash the steps that are gone, and say so where a person speaks first."""
        gone = [p for p in range(self.end) if p not in self.edit.kept]
        opening = min((p for p in self.edit.kept if self.steps[p].kind == "opening"), default=-1)
        if self.shelf is None or not gone or opening < 0:
            return
        said = "\n\n".join(
            f"{message.type}: {_said(message)}" for p in gone for message in self.steps[p].messages
        )
        self.edit.gone = self.shelf.put(said)
        if not self.edit.gone:
            return
        written = mark(sum(self.sizes.step(self.steps[p]) for p in gone), self.edit.gone)
        content: Any = self.steps[opening].messages[0].content
        self.edit.contents[opening, 0] = (
            f"{content}\n\n{written}"
            if isinstance(content, str)
            else [*content, {"type": "text", "text": written}]
        )


def _said(message: BaseMessage) -> str:
    calls = [f"{call['name']} {call['args']}" for call in getattr(message, "tool_calls", ())]
    return "\n".join([*([message.text] if message.text.strip() else []), *calls])
