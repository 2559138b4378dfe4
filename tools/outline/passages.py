"""Passages: the smallest nodes of an outline, cut in a stream."""

import re
from collections.abc import Iterable, Iterator, Sequence

from shoestring.tools.outline.shape import Shape
from shoestring.tools.splitting.ruler import estimate_tokens
from shoestring.tools.splitting.split import spans
from shoestring.tools.trimming.kinds.chat import speaker
from shoestring.tools.trimming.units import Unit, units

__all__ = ["cut", "head_of"]

Span = tuple[int, int]

_WINDOW = 250_000  # characters that are looked at together, so that memory stays bounded
_LINE = re.compile(r"[^\n]*+\n?")
_HEAD = 200  # characters of a table's header
_DELIMITERS = (("|", 2), ("\t", 1), (";", 2), (",", 2))  # and the fewest of them in a row


def cut(text: str, start: int, end: int, tokens: int, shape: Shape) -> Iterator[Span]:
    """Cut a span of a text into passages of about `tokens` tokens, by estimate.

    Chats are cut between turns and logs between lines, prose and code by their blocks (see
    `split`). Memory is bounded whatever the span.

    Yields:
        Spans in order, without the white space between them; white space alone gives none.
    """
    for left, right in _windows(text, start, end):
        if shape in ("chat", "log"):
            yield from _by_lines(text, left, right, tokens, talk=shape == "chat")
        else:
            yield from _by_blocks(text, left, right, tokens, shape)


def _windows(text: str, start: int, end: int) -> Iterator[Span]:
    """Cut a long span at blank lines, else at lines, else at blanks, else anywhere."""
    while end - start > _WINDOW:
        half = start + _WINDOW // 2
        most = start + _WINDOW
        places = (text.rfind(mark, half, most) + len(mark) for mark in ("\n\n", "\n", " "))
        at = next((place for place in places if place > half), most)
        yield start, at
        start = at
    yield start, end


def _by_blocks(text: str, start: int, end: int, tokens: int, shape: Shape) -> Iterator[Span]:
    # The name alone tells `split` what kind of text it is; as plain text, "#" would be a heading.
    source = "text.c" if shape == "code" else "text.md"
    for left, right in spans(text[start:end], source, tokens):
        yield start + left, start + right


def _by_lines(text: str, start: int, end: int, tokens: int, *, talk: bool) -> Iterator[Span]:
    """Group whole turns or lines; what is longer than a passage by itself is split."""
    first, last, used = -1, -1, 0
    for left, right in _lines(text, start, end, talk=talk):
        size = estimate_tokens(text[left:right])
        if first >= 0 and used + size > tokens:
            yield _bare(text, first, last)
            first, used = -1, 0
        if size > tokens:
            yield from _by_blocks(text, left, right, tokens, "prose")
            continue
        if size:
            first = left if first < 0 else first
            last, used = right, used + size
    if first >= 0:
        yield _bare(text, first, last)


def _lines(text: str, start: int, end: int, *, talk: bool) -> Iterator[Span]:
    """Yield lines, or the turns of a chat with all lines up to the next."""
    begin = at = start
    while at < end:
        found = _LINE.match(text, at, end)
        after = found.end() if found else end
        if at > begin and (not talk or speaker(text[at : min(after, at + 200)])):
            yield begin, at
            begin = at
        at = after
    if begin < end:
        yield begin, end


def _bare(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def head_of(text: str, above: str, head: str) -> str:
    r"""Give the header of the table that a passage begins in the middle of; "" where it does not.

    Args:
        text: The passage.
        above: The passage before it.
        head: What this function gave for that one.

    >>> head_of("| 2 | b |", "Table 1:\n| n | x |\n|---|---|\n| 1 | a |", "")
    'Table 1: | n | x |'
    """
    first = text[: text.find("\n")] if "\n" in text else text
    last = above[above.rfind("\n") + 1 :]
    mark = next((mark for mark, fewest in _DELIMITERS if first.count(mark) >= fewest), "")
    if not mark or first.count(mark) != last.count(mark):
        return ""
    found = units(above)
    if not found or found[-1].kind not in ("row", "header"):
        return head  # rows of a table that began further above
    return " ".join(_said(above, found))[:_HEAD].strip()


def _said(text: str, found: Sequence[Unit]) -> Iterable[str]:
    """Give a header's lines, the caption first, without the rule below it."""
    at = found[-1].header if found[-1].kind == "row" else len(found) - 1
    lines: list[str] = []
    while at >= 0:
        lines = [
            " ".join(line.split())
            for line in text[found[at].start : found[at].end].splitlines()
            if set(line) - set("|-: \t+=")
        ] + lines
        at = found[at].header
    return lines
