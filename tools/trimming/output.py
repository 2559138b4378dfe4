"""A tool's result, within the tokens it may take of a context."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from shoestring.models import UnboundedInput, message_counter
from shoestring.tools.readers.html import page_text
from shoestring.tools.stash.marks import defused, mark, take_mark, with_mark
from shoestring.tools.trimming.render import render
from shoestring.tools.trimming.trim import Fill, trim

if TYPE_CHECKING:
    from shoestring.tools.stash import Shelf

__all__ = ["Content", "MessageCount", "Shrinker", "Shrunk", "TrimmedOutput", "trim_output"]

Content: TypeAlias = str | list[str | dict[Any, Any]]
"""What a message holds: a text, or blocks."""

MessageCount: TypeAlias = Callable[[Sequence[BaseMessage]], int]
"""Counts the tokens of messages; see `message_counter`."""

OutputT = TypeVar("OutputT", str, ToolMessage, list[str | dict[Any, Any]])

_PAGE = re.compile(
    r"\s*(?:<!--.{0,400}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_SAMPLED = 200_000  # characters; the tokens of a longer text are told from its two ends
_TRIES = 8  # times that a room is narrowed, where tokens of text and mark do not add up
_BLOCKS = 0.5  # of the room, at most, that images and other blocks without text may take


@dataclass(frozen=True, slots=True)
class TrimmedOutput(Generic[OutputT]):
    """A tool's result that fits."""

    output: OutputT
    """The same kind of thing that was given; of a message only the content is changed."""
    tokens: int
    """Tokens of its content."""
    limit: int
    """The tokens there were."""
    left_out: int
    """Tokens of text that were left out, as its mark says; 0 where all was kept."""
    handle: str
    """How to ask for the whole; "" where it was not stashed."""


def trim_output(
    output: OutputT,
    query: str,
    tokens: int,
    *,
    count: MessageCount | None = None,
    shelf: Shelf | None = None,
    fill: Fill = "budget",
) -> TrimmedOutput[OutputT]:
    r"""Keep of one tool's result what tells most about a query, within a number of tokens.

    What is cut is cut by the kind of text: JSON stays valid JSON, rows keep their header, log lines
    and sentences stay whole; of an HTML page the visible text is kept. A mark at the end says how
    much is missing. What fits returns unchanged.

    Args:
        output: A text, the content blocks of a message, or a `ToolMessage`, whose artifact, name,
            status and id are left alone.
        query: What the result is needed for.
        tokens: Room for its content, in model tokens; 0 keeps nothing.
        count: Counts messages; `message_counter()` by default. Its errors pass through.
        shelf: Where the whole is kept, so that the mark can say how to ask for it: give it only
            where the model has a `RecallTool` of the same stash. What looks like a mark in the
            result and is none is then written with other brackets.
        fill: "budget" uses the room; "relevant" stops where relevance ends.

    Returns:
        The result, with what was left out.

    Raises:
        ValueError: If `tokens` is negative.
        StashError: If the shelf cannot keep it.

    >>> log = "started\n" + "all is well\n" * 400 + "disk sda1 failed\n"
    >>> kept = trim_output(log, "Which disk failed?", 40)
    >>> "disk sda1 failed" in kept.output, kept.tokens <= 40
    (True, True)
    """
    if tokens < 0:
        raise ValueError(f"tokens must be 0 or more, not {tokens}")
    shrinker = Shrinker(count or message_counter(), shelf, fill)
    content: Content = output.content if isinstance(output, ToolMessage) else output
    shrunk = shrinker.shrink(content, query, tokens)
    kept: Any = shrunk.content  # of the kind that was given
    if isinstance(output, ToolMessage):
        same = shrunk.content is output.content
        kept = output if same else output.model_copy(update={"content": shrunk.content})
    return TrimmedOutput(
        output=kept,
        tokens=shrinker.measure(shrunk.content),
        limit=tokens,
        left_out=shrunk.left_out,
        handle=shrunk.handle,
    )


class Shrunk(NamedTuple):
    """Content that fits."""

    content: Content
    left_out: int = 0
    handle: str = ""


class Shrinker:
    """Shrinks the contents of messages; what it measures is what a message grows by."""

    def __init__(self, count: MessageCount, shelf: Shelf | None, fill: Fill) -> None:
        self._count = count
        self._shelf = shelf
        self._fill: Fill = fill
        self._empty = count([HumanMessage("")])

    def measure(self, content: Content) -> int:
        """Count the tokens of a content.

        Raises:
            UnboundedInput: If it holds a block whose tokens cannot be bounded.
        """
        return max(0, self._count([HumanMessage(content)]) - self._empty) if content else 0

    def shrink(self, content: Content, query: str, room: int, handle: str = "") -> Shrunk:
        """Make a content fit.

        Args:
            content: Any.
            query: What it is needed for; where nothing is asked, its outline is as good as any.
            room: Tokens.
            handle: Under which it is kept already; "" if it is not.
        """
        content = self._defused(content)
        if self._fits(content, room):
            return Shrunk(content)
        query = query if query.strip() else "summary"
        if isinstance(content, str):
            return self._shrink_text(content, query, room, handle)
        return self._shrink_blocks(content, query, room)

    def sources(self, documents: Sequence[Document], query: str, room: int) -> Shrunk:
        """Write what documents say of a query; where there is a shelf, all they say is kept there.

        Args:
            documents: Any.
            query: What they are needed for.
            room: Tokens.

        Returns:
            A text, with a mark at its end of what was left out, if that can be asked for.
        """
        shelf = self._shelf
        if shelf is None or not documents:
            return Shrunk(trim(documents, query, room, count=self.measure, fill=self._fill).text)
        whole = render(documents)
        missing, handle = self._estimate(whole), self._put(whole)

        def written(width: int) -> str:
            kept = trim(documents, query, width, count=self.measure, fill=self._fill)
            text = defused(kept.text, shelf.has)
            return (
                with_mark(text, mark(max(1, missing - kept.tokens), handle))
                if kept.dropped
                else text
            )

        text = self._narrowed(written, room, mark(missing, handle))
        told = take_mark(text)
        return Shrunk(text, told.tokens if told else 0, handle if told else "")

    def stub(self, content: Content) -> Shrunk:
        """Leave nothing of a content but a mark."""
        body, missing, handle = self._known(_joined(content))
        handle = handle or self._put(body)
        return Shrunk(mark(missing, handle), missing, handle)

    def text(self, content: Content) -> str:
        """Return the text of a content, without a mark of ours and with none of others'."""
        body, _, _ = self._known(_joined(self._defused(content)))
        return body

    def _shrink_text(self, content: str, query: str, room: int, handle: str) -> Shrunk:
        body, missing, known = self._known(content)
        handle = handle or known or self._put(body)
        if _PAGE.match(body):
            page = page_text(body)
            body = f"# {page.title}\n\n{page.text}" if page.title else page.text
        documents = [Document(body)]

        def written(width: int) -> str:
            kept = trim(documents, query, width, count=self.measure, fill=self._fill)
            if kept.documents and kept.documents[0].metadata["reason"] == "all fits":
                return body  # of a page
            left = max(1, missing - kept.tokens)
            return with_mark(kept.text, mark(left, handle))

        text = self._narrowed(written, room, mark(missing, handle))
        told = take_mark(text)
        return Shrunk(text, told.tokens if told else 0, handle if text else "")

    def _shrink_blocks(self, content: list[str | dict[Any, Any]], query: str, room: int) -> Shrunk:
        kept, free = self._opaque(content, room)
        texts = {place: _text_of(block) for place, block in enumerate(content)}
        whole = _joined(content)
        if not whole.strip():
            return Shrunk([block for _, block in sorted(kept.items())])
        body, missing, handle = self._known(whole)
        handle = handle or self._put(body)
        documents = [
            Document(text, metadata={"source": str(place)})
            for place, text in texts.items()
            if text is not None
        ]

        def written(width: int) -> Content:
            chosen = trim(documents, query, width, count=self.measure, fill=self._fill)
            blocks = dict(kept)
            for place in texts:
                mine = [d for d in chosen.documents if d.metadata["source"] == str(place)]
                if mine:
                    blocks[place] = _with_text(content[place], render(mine))
            left = max(1, missing - chosen.tokens)
            if chosen.dropped:
                blocks[len(content)] = {"type": "text", "text": mark(left, handle)}
            return [block for _, block in sorted(blocks.items())]

        found = self._narrowed(written, room, mark(missing, handle), free)
        told = take_mark(_joined(found))
        return Shrunk(found, told.tokens if told else 0, handle if found else "")

    def _opaque(
        self, content: Sequence[str | dict[Any, Any]], room: int
    ) -> tuple[dict[int, str | dict[Any, Any]], int]:
        """Keep blocks without text while they take no more than their part; else a word for them."""
        kept: dict[int, str | dict[Any, Any]] = {}
        free = int(_BLOCKS * room) if any(_texts(content)) else room
        for place, block in enumerate(content):
            if isinstance(block, str) or _text_of(block) is not None:
                continue
            note = {"type": "text", "text": f"[{str(block.get('type', 'block'))[:20]} left out]"}
            for shown in (block, note):
                try:
                    taken = self.measure([shown])
                except UnboundedInput:
                    continue
                if taken <= free:
                    kept[place] = shown
                    free -= taken
                    break
        used = self.measure(list(kept.values())) if kept else 0
        return kept, max(0, room - used)

    def _narrowed(
        self, written: Callable[[int], Any], room: int, bare: str, free: int | None = None
    ) -> Any:  # noqa: ANN401 - a text, or blocks
        """Write with less and less width until the whole fits; the mark alone, or nothing, at last."""
        width = (room if free is None else free) - self.measure(bare)
        for _ in range(_TRIES):
            if width <= 0:
                break
            found = written(width)
            over = self.measure(found) - room
            if over <= 0:
                return found
            width -= over
        return bare if self.measure(bare) <= room else ""

    def _fits(self, content: Content, room: int) -> bool:
        """Say whether a content fits, without counting what clearly does not."""
        if isinstance(content, str) and len(content) > _SAMPLED:
            return self.measure(content[:_SAMPLED]) <= room and self.measure(content) <= room
        try:
            return self.measure(content) <= room
        except UnboundedInput:
            return False

    def _known(self, text: str) -> tuple[str, int, str]:
        """Take off a mark of ours; return the text, all that is missing without it, and its handle."""
        told = take_mark(text)
        if told is not None and (not told.handle or (self._shelf and self._shelf.has(told.handle))):
            return told.text, told.tokens + self._estimate(told.text), told.handle
        return text, self._estimate(text), ""

    def _estimate(self, text: str) -> int:
        """Count a text; of a long one, tell its tokens from its ends, to three digits."""
        if len(text) <= _SAMPLED:
            return self.measure(text)
        half = _SAMPLED // 2
        counted = self.measure(text[:half]) + self.measure(text[-half:])
        return int(float(f"{counted * len(text) / _SAMPLED:.2e}"))

    def _put(self, text: str) -> str:
        return self._shelf.put(text) if self._shelf is not None and text else ""

    def _defused(self, content: Content) -> Content:
        shelf = self._shelf
        if shelf is None:
            return content
        if isinstance(content, str):
            clean = defused(content, shelf.has)
            return content if clean == content else clean
        texts = [(place, text) for place, block in enumerate(content) if (text := _text_of(block))]
        blocks = list(content)
        for place, text in texts:
            clean = defused(text, shelf.has)
            if clean != text:
                blocks[place] = _with_text(content[place], clean)
        return content if blocks == content else blocks


def _text_of(block: str | dict[Any, Any]) -> str | None:
    """Return the text of a block of text; None for any other block."""
    if isinstance(block, str):
        return block
    text = block.get("text")
    return text if block.get("type", "text") == "text" and isinstance(text, str) else None


def _texts(content: Sequence[str | dict[Any, Any]]) -> Iterator[str]:
    return (text for block in content if (text := _text_of(block)))


def _joined(content: Content) -> str:
    return content if isinstance(content, str) else "\n\n".join(_texts(content))


def _with_text(block: str | dict[Any, Any], text: str) -> str | dict[Any, Any]:
    return text if isinstance(block, str) else {**block, "text": text}
