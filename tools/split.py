"""Split documents into passages on their structure, with exact character spans."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from langchain_core.documents import Document

from shoestring.tools.blocks import Block, blocks
from shoestring.tools.ruler import Ruler

__all__ = ["split"]

_SMALLER = 0.9
"""A passage that came out too large is cut again for this share of what would just have fitted."""


def split(
    documents: Iterable[Document],
    *,
    tokens: int = 200,
    count: Callable[[str], int] | None = None,
) -> Iterator[Document]:
    """Split documents into passages of at most `tokens` tokens.

    A passage is a run of whole blocks under one heading: paragraphs, lists, tables, fenced code;
    in source code, blocks between blank lines. A block that is too large is cut between rows,
    items or lines, then sentences, then words, then anywhere. Every character that is not
    whitespace is in exactly one passage, and passages come in reading order. Time and memory are
    linear in the text.

    Args:
        documents: For example from `read`. Their `start` metadata (default 0) is where their text
            begins in the text of the source.
        tokens: The most tokens a passage may have.
        count: Counts the tokens of a text; called once or twice a passage. By default a fast
            estimate, which agrees with o200k_base within some 15 % on English and tends above it.

    Yields:
        Passages with the document's metadata and their own `start`, `end` and `title`: the title
        of the document and the headings above, joined by " > ". `page_content` is exactly the text
        of the span. A single character that alone counts more than `tokens` is still a passage.

    Raises:
        ValueError: If `tokens` is not positive.

    >>> text = "# Cats\\n\\nThey purr.\\n\\n## Food\\n\\nFish."
    >>> for passage in split([Document(text, metadata={"source": "pets.md", "title": "Pets"})]):
    ...     print(passage.metadata["title"], passage.metadata["start"], repr(passage.page_content))
    Pets > Cats 0 '# Cats\\n\\nThey purr.'
    Pets > Cats > Food 20 '## Food\\n\\nFish.'
    """
    if tokens <= 0:
        raise ValueError(f"tokens must be positive, not {tokens}")
    return (passage for document in documents for passage in _split(document, tokens, count))


def _split(
    document: Document, tokens: int, count: Callable[[str], int] | None
) -> Iterator[Document]:
    text = document.page_content
    title = str(document.metadata.get("title", ""))
    base = document.metadata.get("start", 0)
    for headings, start, end in _Splitter(text, tokens, count).passages(
        blocks(text, str(document.metadata.get("source", "")))
    ):
        path = (title, *(heading for heading in headings if heading != title))
        metadata = {
            **document.metadata,
            "source": str(document.metadata.get("source", "")),
            "start": base + start,
            "end": base + end,
            "title": " > ".join(part for part in path if part),
        }
        yield Document(page_content=text[start:end], metadata=metadata)


class _Splitter:
    """Groups the blocks of one text into passages."""

    def __init__(self, text: str, tokens: int, count: Callable[[str], int] | None) -> None:
        self._text = text
        self._ruler = Ruler(text)
        self._tokens = tokens
        self._count = count
        self._room = tokens  # in estimated tokens; follows the counter as it is measured

    def passages(self, found: Iterable[Block]) -> Iterator[tuple[tuple[str, ...], int, int]]:
        """Yield the headings above, the start and the end of each passage."""
        headings: tuple[str, ...] = ()
        section: list[Block] = []
        only_headings = True
        for block in found:
            if block.kind == "heading" and not only_headings:
                for start, end in self._section(section):
                    yield headings, start, end
                section, only_headings = [], True
            section.append(block)
            only_headings = only_headings and block.kind == "heading"
            headings = block.headings
        for start, end in self._section(section):
            yield headings, start, end

    def _section(self, section: list[Block]) -> Iterator[tuple[int, int]]:
        start = end = -1
        for block in section:
            for left, right in self._atoms(block, self._room):
                if start >= 0 and self._ruler.measure(start, right) > self._room:
                    yield from self._verified(start, end)
                    start = -1
                start, end = (left if start < 0 else start), right
        if start >= 0:
            yield from self._verified(start, end)

    def _atoms(self, block: Block, room: int) -> Iterator[tuple[int, int]]:
        """Cut a block as little as needed for pieces of at most `room` estimated tokens."""
        if self._ruler.measure(block.start, block.end) <= room:
            yield block.start, block.end
            return
        edges = [block.start, *block.cuts, block.end]
        for left, right in pairwise(edges):
            yield from self._cut(left, right, room)

    def _cut(self, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
        if self._ruler.measure(start, end) <= room:
            yield start, end
            return
        for left, right in self._ruler.sentences(start, end):
            if self._ruler.measure(left, right) <= room:
                yield left, right
            else:
                yield from self._ruler.slices(left, right, room)

    def _verified(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Trim a passage, check it with the caller's counter, and cut it further if need be."""
        start, end = self._ruler.trimmed(start, end)
        if start == end:
            return
        if self._count is None:
            yield start, end
            return
        pending = [(start, end)]
        while pending:
            start, end = pending.pop()
            estimate = self._ruler.measure(start, end)
            counted = self._count(self._text[start:end])
            share = self._tokens / max(counted, 1)
            self._room = max(1, min(int(estimate * share), 4 * self._tokens))
            if counted <= self._tokens or end - start == 1:
                yield start, end
                continue
            pieces = self._smaller(start, end, min(int(estimate * share * _SMALLER), estimate - 1))
            pending.extend(reversed(pieces))

    def _smaller(self, start: int, end: int, room: int) -> list[tuple[int, int]]:
        if room < 1:
            middle = (start + end) // 2
            parts = [(start, middle), (middle, end)]
        else:
            lines = self._ruler.lines(start, end)
            parts = [part for left, right in lines for part in self._cut(left, right, room)]
            parts = self._joined(parts, room)
        trimmed = [self._ruler.trimmed(left, right) for left, right in parts]
        return [(left, right) for left, right in trimmed if left < right]

    def _joined(self, parts: list[tuple[int, int]], room: int) -> list[tuple[int, int]]:
        joined: list[tuple[int, int]] = []
        for left, right in parts:
            if joined and self._ruler.measure(joined[-1][0], right) <= room:
                joined[-1] = (joined[-1][0], right)
            else:
                joined.append((left, right))
        return joined
