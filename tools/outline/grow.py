"""Growing: the tree of one document, node by node, while its text is read once."""

from base64 import b32encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from langchain_core.documents import Document

from shoestring.tools.outline.gists import Digest, Rarity
from shoestring.tools.outline.marks import PAGE, TITLED, Mark, Marks
from shoestring.tools.outline.node import Kind
from shoestring.tools.outline.passages import cut, head_of
from shoestring.tools.outline.shape import Shape, shape_of
from shoestring.tools.outline.topics import LONG, Turning, shifts
from shoestring.tools.splitting.blocks import is_markdown

__all__ = ["Grown", "grow"]

_HELD = 1_500  # passages that wait to be divided into topics; about a megabyte of text
_BESIDE = 4  # characters beside a heading's words
_DEEPEST = 32  # levels, whatever the headings say


class Grown(NamedTuple):
    """A node as it is stored; a document's nodes are numbered in reading order, parents first."""

    number: int
    last: int
    """The last number inside it; its own for a passage."""
    parent: int
    """The number of the node it stands in; -1 for the document."""
    depth: int
    """0 for the document."""
    kind: Kind
    id: str
    """In full; the store shortens it."""
    title: str
    start: int
    end: int
    tokens: int
    gist: str
    head: str
    """For a passage in the middle of a table: the table's header."""
    text: str
    """For a passage: its text with the white space up to the next one."""


@dataclass(slots=True)
class _Open:
    """A node that more is added to."""

    number: int
    parent: int
    depth: int
    level: int
    kind: Kind
    title: str
    path: bytes
    start: int
    end: int
    tokens: int = 0
    digest: Digest = field(default_factory=Digest)
    passages: list["_Passage"] = field(default_factory=list)
    names: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])


class _Passage(NamedTuple):
    start: int
    end: int
    text: str
    head: str


def grow(
    parts: Sequence[Document],
    source: str,
    nth: int,
    tokens: int,
    count: Callable[[str], int],
) -> Iterator[Grown]:
    """Make the nodes of a document: each after the nodes inside it, the document last.

    Args:
        parts: Its pieces in order: the whole text, or pages, or passages, or turns of a chat.
        source: Its name.
        nth: How many documents of that name came before it.
        tokens: The size of a passage, by estimate.
        count: Counts the tokens of a passage.

    Yields:
        Nodes; besides the text it is given, memory does not grow with the document, but for the
        hashes of its passages.
    """
    return _Grower(parts, source, nth, tokens, count).run()


class _Grower:
    def __init__(
        self,
        parts: Sequence[Document],
        source: str,
        nth: int,
        tokens: int,
        count: Callable[[str], int],
    ) -> None:
        self._parts = parts
        self._tokens = tokens
        self._count = count
        texts = [part.page_content for part in parts]
        self._shape: Shape = shape_of(texts, source)
        self._marks = Marks(self._shape, markdown=is_markdown(source))
        self._rarity = Rarity(texts)
        pages = sum(isinstance(part.metadata.get("page"), int) for part in parts)
        self._many_pages = pages > LONG
        self._turning = Turning(self._rarity)
        self._in_page = False  # while the text of a page is read
        self._next = 0
        self._path = _hash(b"", source, str(nth))
        self._said: Counter[bytes] = Counter()  # passages that were met, by their hash
        self._stack: list[_Open] = []

    def run(self) -> Iterator[Grown]:
        names = [_names(part) for part in self._parts]
        shared = _shared(names)
        starts = _starts(self._parts)
        root = Mark(starts[0], -1, "document", " > ".join(names[0][:shared]))
        self._open(root)
        before: list[str] = []
        page: object = None
        for part, own, base in zip(self._parts, names, starts, strict=True):
            own = own[shared:]  # noqa: PLW2901 - what tells it from the others
            new = own != before
            for depth, title in enumerate(own):
                if own[: depth + 1] != before[: depth + 1]:
                    kind: Kind = "session" if self._shape == "chat" else "section"
                    yield from self._begin(Mark(base, TITLED + depth, kind, title))
            before = own
            number = part.metadata.get("page")
            if isinstance(number, int) and (number != page or new):
                yield from self._page(part.page_content, base, number)
                page = number
            self._in_page = number == page
            yield from self._part(part.page_content, base)
            self._in_page = False
        while self._stack:
            yield from self._close()

    def _page(self, text: str, base: int, number: int) -> Iterator[Grown]:
        """Begin a page; of many pages, those on one subject stand together."""
        if self._many_pages and self._turning.turns(text):
            yield from self._begin(Mark(base, PAGE - 1, "topic", f"from page {number} on"))
        yield from self._begin(Mark(base, PAGE, "page", f"page {number}"))

    def _part(self, text: str, base: int) -> Iterator[Grown]:
        """Read a piece: its parts as they begin, and the passages between."""
        at = 0
        for mark in self._marks.of(text):
            if mark.start > at:
                yield from self._read(text, base, at, mark.start)
                at = mark.start
            yield from self._begin(mark._replace(start=base + mark.start))
        yield from self._read(text, base, at, len(text))

    def _begin(self, mark: Mark) -> Iterator[Grown]:
        """Begin a part, after those that it ends."""
        top = self._stack[-1]
        bare = not (top.tokens or top.passages)
        near = mark.start - top.start <= len(mark.title) + _BESIDE
        if bare and near and top.title == mark.title and top.kind != "page":
            return  # the piece's title said it
        page = next((o.title for o in self._stack if o.kind == "page"), "")
        empty = top.start == mark.start and top.level >= mark.level and not top.names
        if empty and bare and self._stack[1:]:
            self._stack.pop()  # a line that looked like a heading of two kinds
        while self._stack[-1].level >= mark.level or len(self._stack) > _DEEPEST:
            yield from self._close()
        yield from self._flush(self._stack[-1])
        self._open(mark)
        if page and mark.level < PAGE and mark.kind != "topic" and self._in_page:
            self._open(Mark(mark.start, PAGE, "page", page))

    def _open(self, mark: Mark, path: bytes | None = None) -> None:
        parent = self._stack[-1] if self._stack else None
        if path is None:
            path = self._path
            if parent is not None:
                nth = parent.names[mark.kind, mark.title]
                parent.names[mark.kind, mark.title] += 1
                path = _hash(parent.path, mark.kind, mark.title, str(nth))
        self._stack.append(
            _Open(
                number=self._next,
                parent=parent.number if parent else -1,
                depth=len(self._stack),
                level=mark.level,
                kind=mark.kind,
                title=mark.title,
                path=path,
                start=mark.start,
                end=mark.start,
            )
        )
        self._next += 1

    def _read(self, text: str, base: int, start: int, end: int) -> Iterator[Grown]:
        """Add the passages of a span to the open node; the last one takes the white space behind it."""
        spans = cut(text, start, end, self._tokens, self._shape)
        span = next(spans, None)
        begin = start
        while span is not None:
            following = next(spans, None)
            stop = following[0] if following else end
            yield from self._add(text, base, (begin, span[1], stop))
            begin, span = stop, following

    def _add(self, text: str, base: int, places: tuple[int, int, int]) -> Iterator[Grown]:
        start, end, stop = places
        top = self._stack[-1]
        above = top.passages[-1] if top.passages else None
        piece = text[start:stop]
        head = head_of(piece.rstrip(), above.text.rstrip(), above.head) if above else ""
        top.passages.append(_Passage(base + start, base + end, piece, head))
        if len(top.passages) >= _HELD:
            yield from self._flush(top, more=True)

    def _flush(self, top: _Open, *, more: bool = False) -> Iterator[Grown]:
        """Number the passages that wait; divide them into topics where they are many."""
        held, top.passages = top.passages, []
        if not held:
            return
        told = [self._rarity.telling(passage.text) for passage in held]
        if len(held) <= LONG:
            for passage, words in zip(held, told, strict=True):
                yield self._passage(passage, words, top)
            return
        whole = more or any(kind == "topic" for kind, _ in top.names)
        if whole:  # one of several stretches of a very long part
            self._topic(held[0])
        starts = shifts(told, self._rarity)
        for begin, end in zip(starts, [*starts[1:], len(held)], strict=True):
            self._topic(held[begin])
            for place in range(begin, end):
                yield self._passage(held[place], told[place], self._stack[-1])
            yield from self._close()
        if whole:
            yield from self._close()

    def _topic(self, first: _Passage) -> None:
        parent = self._stack[-1]
        key = _hash(b"", first.text.strip()).hex()
        nth = parent.names["topic", key]
        parent.names["topic", key] += 1
        mark = Mark(first.start, parent.level + 1, "topic", "")
        self._open(mark, _hash(parent.path, "topic", key, str(nth)))

    def _passage(self, passage: _Passage, told: Sequence[str], top: _Open) -> Grown:
        content = passage.text.strip()
        key = _hash(self._path, content)
        nth = self._said[key]
        self._said[key] += 1
        size = self._count(content)
        top.tokens += size
        top.end = max(top.end, passage.end)
        top.digest.add(content, told, self._rarity)
        number = self._next
        self._next += 1
        return Grown(
            number,
            number,
            top.number,
            top.depth + 1,
            "passage",
            _id(_hash(key, "passage", str(nth))),
            "",
            passage.start + len(passage.text) - len(passage.text.lstrip()),
            passage.end,
            size,
            "",
            passage.head,
            passage.text,
        )

    def _close(self) -> Iterator[Grown]:
        yield from self._flush(self._stack[-1])
        done = self._stack.pop()
        if self._stack:
            above = self._stack[-1]
            above.tokens += done.tokens
            above.end = max(above.end, done.end)
            above.digest.merge(done.digest, self._rarity)
        yield Grown(
            done.number,
            self._next - 1,
            done.parent,
            done.depth,
            done.kind,
            _id(done.path),
            done.title,
            done.start,
            done.end,
            done.tokens,
            done.digest.gist(done.title, self._rarity),
            "",
            "",
        )


def _names(part: Document) -> list[str]:
    """Give what the title of a piece names, from the whole to its part."""
    title = part.metadata.get("title")
    if not isinstance(title, str):
        return []
    return [name[:200] for name in (" ".join(name.split()) for name in title.split(" > ")) if name]


def _shared(names: Sequence[list[str]]) -> int:
    """Say how many names all pieces begin with; all of them, where there is one piece."""
    shared = len(names[0])
    for own in names:
        while own[:shared] != names[0][:shared]:
            shared -= 1
    return shared


def _starts(parts: Sequence[Document]) -> list[int]:
    """Say where each piece begins in its source; without metadata, behind the one before."""
    starts: list[int] = []
    at = 0
    for part in parts:
        start = part.metadata.get("start")
        if isinstance(start, int) and not isinstance(start, bool) and start >= at:
            starts.append(start)
        else:
            starts.append(at + bool(starts))  # a line break between them
        at = starts[-1] + len(part.page_content)
    return starts


def _hash(above: bytes, *names: str) -> bytes:
    digest = blake2b(above, digest_size=16)
    for name in names:
        raw = name.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()


def _id(path: bytes) -> str:
    return b32encode(path).decode().lower().rstrip("=")
