"""Split documents into passages on their structure, with exact character spans."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from langchain_core.documents import Document

from shoestring.tools.splitting.blocks import Block, blocks
from shoestring.tools.splitting.ruler import Ruler

__all__ = ["spans", "split"]

# What the counter found too large is cut again for this share of what would just have fitted.
_SMALLER = 0.95


def split(
    documents: Iterable[Document],
    *,
    tokens: int = 200,
    count: Callable[[str], int] | None = None,
) -> Iterator[Document]:
    r"""Split documents into passages of at most `tokens` tokens.

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

    >>> text = "# Cats\n\nThey purr.\n\n## Food\n\nFish."
    >>> for passage in split([Document(text, metadata={"source": "pets.md", "title": "Pets"})]):
    ...     print(passage.metadata["title"], passage.metadata["start"], repr(passage.page_content))
    Pets > Cats 0 '# Cats\n\nThey purr.'
    Pets > Cats > Food 20 '## Food\n\nFish.'
    """
    if tokens <= 0:
        raise ValueError(f"tokens must be positive, not {tokens}")
    return (passage for document in documents for passage in _split(document, tokens, count))


def spans(text: str, source: str, tokens: int) -> Iterator[tuple[int, int]]:
    """Give only where the passages of a text begin and end; the rest is as for `split`."""
    found = _Splitter(text, tokens, None).passages(blocks(text, source))
    return ((start, end) for _, start, end in found)


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
        """Group the pieces of a section, as many as fit, into passages."""
        run: list[tuple[int, int]] = []
        for piece in self._pieces(section):
            run.append(piece)
            while run and self._ruler.measure(run[0][0], run[-1][1]) > self._room:
                yield from self._emit(run)
        while run:
            yield from self._emit(run)

    def _pieces(self, section: list[Block]) -> Iterator[tuple[int, int]]:
        """Cut the blocks of a section as little as needed for pieces that fit."""
        above = 0  # tokens of the headings, which should not stand alone
        for block in section:
            room = self._room
            if block.kind in {"text", "list"} and 2 * above < room:
                room -= above
            measured = self._ruler.measure(block.start, block.end)
            above = above + measured if block.kind == "heading" else 0
            if measured <= room:
                yield block.start, block.end
                continue
            sentences = block.kind not in {"code", "table"}
            for left, right in pairwise([block.start, *block.cuts, block.end]):
                yield from self._cut(left, right, room, sentences=sentences)

    def _cut(
        self, start: int, end: int, room: int, *, sentences: bool
    ) -> Iterator[tuple[int, int]]:
        """Cut a span at sentences (if asked), else lines, else words, for pieces that fit."""
        if self._ruler.measure(start, end) <= room:
            yield start, end
        elif sentences:
            for left, right in self._ruler.sentences(start, end):
                yield from self._cut(left, right, room, sentences=False)
        else:
            for left, right in self._ruler.lines(start, end):
                yield from self._ruler.slices(left, right, room)

    def _emit(self, run: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Take from the front of a run, at least one piece, what makes a passage that fits."""
        taken = self._fitting(run, len(run), self._room)
        while True:
            start, end = self._ruler.trimmed(run[0][0], run[taken - 1][1])
            share = self._share(start, end)
            if share >= 1 or taken == 1:
                break
            room = int(self._ruler.measure(start, end) * share * _SMALLER)
            taken = self._fitting(run, taken - 1, room)
        del run[:taken]
        if share >= 1:
            if start < end:
                yield start, end
        else:
            yield from self._halves(start, end, share)

    def _fitting(self, run: list[tuple[int, int]], most: int, room: int) -> int:
        while most > 1 and self._ruler.measure(run[0][0], run[most - 1][1]) > room:
            most -= 1
        return most

    def _share(self, start: int, end: int) -> float:
        """Return how much of a span fits (1 or more: all of it), and adapt the room to that."""
        if self._count is None or start >= end:
            return 1
        counted = self._count(self._text[start:end])
        share = self._tokens / max(counted, 1)
        estimate = self._ruler.measure(start, end)
        self._room = max(1, min(int(estimate * share), 4 * self._tokens))
        return share

    def _halves(self, start: int, end: int, share: float) -> Iterator[tuple[int, int]]:
        """Cut a piece that the counter found too large, by words while they are known."""
        pending = [(start, end, share)]
        while pending:
            start, end, share = pending.pop()
            if share >= 1 or end - start == 1:
                yield start, end
                continue
            estimate = self._ruler.measure(start, end)
            room = min(int(estimate * share * _SMALLER), estimate - 1)
            middle = (start + end) // 2
            parts = (
                self._ruler.slices(start, end, room)
                if room > 0
                else iter([(start, middle), (middle, end)])
            )
            trimmed = [self._ruler.trimmed(left, right) for left, right in parts]
            measured = [(*span, self._share(*span)) for span in trimmed if span[0] < span[1]]
            pending.extend(reversed(measured))
