"""HTML: what stands under a heading comes with it, a row with its table's header and caption."""

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

from shoestring.tools.trimming.units import LONGEST, Unit, units

__all__ = ["Html"]

_BEGINS = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,1000}?-->\s*)?<(?:!doctype html|html)\b",
    re.IGNORECASE | re.DOTALL,
)
_CLOSED = re.compile(r"</(?:p|div|li|h[1-6]|tr|table|section|article|ul|ol)\s*>", re.IGNORECASE)
_FEWEST = 3  # closed blocks of a text that begins with a tag and does not say that it is HTML
_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>h[1-6]|p|div|li|ul|ol|dl|dt|dd|table|caption|thead|tbody|tfoot|tr|section"
    r"|article|header|footer|nav|main|aside|blockquote|pre|figure|figcaption|form|fieldset|hr|br"
    r"|body|head|title|html|script|style|svg|noscript|template)\b[^<>]*>|<!--|<!doctype[^<>]*>",
    re.IGNORECASE,
)
_UNREAD = frozenset({"script", "style", "svg", "noscript", "template"})
_HEADING = re.compile(r"h[1-6]|title")
_END = ("", True)  # the tag that a text ends with
_ROW_ENDS = frozenset({"", "tr", "table", "thead", "tbody", "tfoot"})
_LONGEST_ROW = 4 * LONGEST  # characters; a longer row lays out a page, and is read as text
_CELL_HEADING = re.compile(r"<th\b", re.IGNORECASE)
_INLINE = re.compile(r"<[^<>]*>")


class Html:
    """HTML source: the text of its blocks, with the tags inside them.

    Tags between blocks are left out. Rows of a table stay whole and bring the row of its column
    names and its caption; other text brings the heading above it. Scripts and styles are units of
    their own.
    """

    name = "html"

    def units(self, text: str, source: str) -> list[Unit] | None:
        """Split HTML into its blocks; see `Kind`."""
        del source
        if not text.lstrip().startswith("<"):
            return None
        if _BEGINS.match(text) is None and len(_CLOSED.findall(text)) < _FEWEST:
            return None
        found: list[Unit] = []
        heading = caption = columns = -1
        for name, start, end in _Blocks(text):
            header = columns if columns >= 0 and name == "tr" else caption
            header = header if header >= 0 else heading
            place = len(found)
            if name == "table":
                caption = columns = -1
            elif name == "caption":
                found.append(Unit(start, end, "header", heading))
                caption = place
            elif name == "tr":
                first = columns < 0 and _CELL_HEADING.search(text, start, end) is not None
                found.append(Unit(start, end, "header" if first else "row", header))
                columns = place if first else columns
            elif _HEADING.fullmatch(name):
                found.append(Unit(start, end, "header"))
                heading, caption, columns = place, -1, -1
            elif name in _UNREAD:
                found.append(Unit(start, end, "block"))
            else:
                caption = columns = -1
                for part in units(text[start:end]):
                    above = part.header + place if part.header >= 0 else heading
                    found.append(Unit(part.start + start, part.end + start, part.kind, above))
        return found


class _Tag(NamedTuple):
    name: str
    closes: bool
    start: int
    end: int


class _Blocks:
    """Reads a text's block tags once, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tags = [
            _Tag((m["name"] or m[0][:4]).lower(), bool(m["close"]), *m.span())
            for m in _TAG.finditer(text)
        ]
        self._next = 0

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """Yield what holds something: the tag it stands in ("" for text), and its span."""
        at = 0
        while self._next < len(self._tags):
            tag = self._tags[self._next]
            self._next += 1
            if tag.start < at:
                continue
            if _speaks(self._text, at, tag.start):
                yield "", at, tag.start
            at = tag.end
            if tag.closes:
                continue
            block = self._block(tag)
            if block is not None:
                start, at = block
                if tag.name == "table" or _speaks(self._text, start, at):
                    yield tag.name, start, at
        if _speaks(self._text, at, len(self._text)):
            yield "", at, len(self._text)

    def _block(self, tag: _Tag) -> tuple[int, int] | None:
        """Give the span that a tag opens where it is kept whole; None for text."""
        if tag.name == "<!--":
            close = self._text.find("-->", tag.end)
            end = close + 3 if close >= 0 else len(self._text)
            return end, end
        if tag.name == "table":
            return tag.start, tag.end
        if tag.name in _UNREAD:
            while self._peek()[:2] not in ((tag.name, True), _END):
                self._next += 1
            return tag.start, self._peek().end
        if tag.name == "tr":
            return self._row(tag)
        if tag.name == "caption" or _HEADING.fullmatch(tag.name):
            end = self._peek().start
            return _stripped(self._text, tag.end, end)
        return None

    def _row(self, tag: _Tag) -> tuple[int, int] | None:
        before = self._next
        while self._peek().name not in _ROW_ENDS:
            self._next += 1
        last = self._peek()
        end = last.end if last[:2] == ("tr", True) else last.start
        if end - tag.start <= _LONGEST_ROW:
            return tag.start, end
        self._next = before
        return None

    def _peek(self) -> _Tag:
        """Give the next tag; at the end one that closes everything."""
        size = len(self._text)
        return self._tags[self._next] if self._next < len(self._tags) else _Tag(*_END, size, size)


def _speaks(text: str, start: int, end: int) -> bool:
    """Say whether a stretch holds anything but tags and white space."""
    return bool(unescape(_INLINE.sub("", text[start:end])).strip())


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    inside = text[start:end]
    return start + len(inside) - len(inside.lstrip()), start + len(inside.rstrip())
