"""The blocks of a text: headings, paragraphs, lists, tables, fenced code; found line by line."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import PurePath
from typing import Literal, NamedTuple

__all__ = ["Block", "blocks", "is_code", "is_markdown"]

Kind = Literal["heading", "text", "list", "table", "code"]

_LINE = re.compile(r"[^\r\n]*+(?:\r\n|\r|\n)?")
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r"([=\-`:'\"~^_*+#<>.])\1{2,}$")  # what reStructuredText underlines titles with
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,9}[.)]|[a-zA-Z][.)])[ \t]+\S")
_TABLE_RULE = re.compile(r"[ |:+=\-]{3,}$")
_LONGEST_HEADING = 200
_LONGEST_CLASSIFIED = 2_000  # characters; a longer line is text, whatever it begins with

# Where "#" begins a comment and blank lines part what belongs together.
_CODE_SUFFIX = re.compile(
    r"\.(?:pyi?|[mc]?js|[jt]sx?|c|h|cc|cpp|cxx|hpp|java|go|rs|rb|php|[bz]a?sh|sh|fish|ps1|sql|ya?ml"
    r"|toml|ini|cfg|conf|jsonl?|ndjson|ipynb|[ct]sv|xml|s?css|less|lua|p[lm]|r|jl|scala|kt|swift|m"
    r"|cs|fs|hs|ml|exs?|erl|clj|lisp|el|vim|tf|proto|mk|cmake|log|properties|env|diff|patch)"
)
_MARKDOWN_LEVELS = {"=": 1, "-": 2}
_MARKDOWN_SUFFIXES = {".md", ".markdown", ".mdown", ".mkd", ".mdx"}


class Block(NamedTuple):
    """A block: its span, where it may be cut first, and the headings it stands under."""

    kind: Kind
    start: int
    end: int
    cuts: tuple[int, ...]
    headings: tuple[str, ...]


class _Line(NamedTuple):
    start: int
    end: int
    text: str  # without the line break; "" if only whitespace


def blocks(text: str, source: str = "") -> Iterator[Block]:
    """Yield the blocks of a text in order; what lies between them is whitespace.

    Args:
        text: Any text.
        source: Where it comes from; the file name's ending tells source code and data (blocks
            between blank lines, no headings) from prose.
    """
    if is_code(source):
        return _code_blocks(text)
    return _Prose(text, markdown=is_markdown(source)).blocks()


def is_code(source: str) -> bool:
    """Say whether a source's name is that of a file of source code or data.

    >>> is_code("a/main.rs"), is_code("notes.md")
    (True, False)
    """
    return _CODE_SUFFIX.fullmatch(_suffix(source)) is not None


def is_markdown(source: str) -> bool:
    """Say whether a source's name is that of a Markdown file."""
    return _suffix(source) in _MARKDOWN_SUFFIXES


def _suffix(source: str) -> str:
    return PurePath(re.split("[?#]", source, maxsplit=1)[0]).suffix.lower()


def _lines(text: str) -> Iterator[_Line]:
    for found in _LINE.finditer(text):
        if found.end() == found.start():
            return
        line = found[0]
        yield _Line(found.start(), found.end(), "" if line.isspace() else line.rstrip("\r\n"))


def _code_blocks(text: str) -> Iterator[Block]:
    """Yield runs of lines that end at a blank line before a line that is not indented."""
    group: list[_Line] = []
    for line in _lines(text):
        if group and not group[-1].text and line.text and not line.text[0].isspace():
            yield _code_block(group)
            group = []
        if group or line.text:
            group.append(line)
    if group:
        yield _code_block(group)


def _code_block(group: list[_Line]) -> Block:
    return Block("code", group[0].start, group[-1].end, _paragraphs(group), ())


class _Prose:
    """Finds the blocks of Markdown, reStructuredText, extracted HTML and plain text."""

    def __init__(self, text: str, *, markdown: bool) -> None:
        self._text = text
        self._markdown = markdown
        self._headings: list[tuple[int, str]] = []
        self._levels: list[str] = []  # underline styles, in order of first use
        self._group: list[_Line] = []  # the open block; only a list may hold blank lines
        self._fence = ""  # what closes the open block, if it is fenced code

    def blocks(self) -> Iterator[Block]:
        for line in _lines(self._text):
            if self._fence:
                self._group.append(line)
                if _closes(line.text, self._fence):
                    yield from self._close()
            elif line.text:
                yield from self._add(line)
            elif self._group and _ITEM.match(self._group[0].text[:_LONGEST_CLASSIFIED]):
                self._group.append(line)
            else:
                yield from self._close()
        yield from self._close()

    def _add(self, line: _Line) -> Iterator[Block]:
        short = line.text[:_LONGEST_CLASSIFIED]
        after_list = self._group and not self._group[-1].text and not _in_list(short)
        fence = _FENCE.match(short)
        atx = _ATX.match(short)
        if after_list or fence or atx:
            yield from self._close()
        if atx:
            yield self._heading(line, line, len(atx[1]), atx[2])
            return
        self._group.append(line)
        if fence:
            self._fence = fence[1]

    def _close(self) -> Iterator[Block]:
        """Turn the open lines into blocks."""
        group, self._group = self._group, []
        fenced, self._fence = bool(self._fence), ""
        while group and not group[-1].text:
            group.pop()
        if fenced:
            yield self._block("code", group, _paragraphs(group))
            return
        if group:
            group, heading = self._titled(group)
            if heading:
                yield heading
        if not group:
            return
        starts = [line for line in group[1:] if line.text]
        if _ITEM.match(group[0].text[:_LONGEST_CLASSIFIED]):
            items = (line for line in starts if _ITEM.match(line.text[:_LONGEST_CLASSIFIED]))
            yield self._block("list", group, tuple(line.start for line in items))
        elif _is_table(group):
            yield self._block("table", group, tuple(line.start for line in starts))
        else:
            yield self._block("text", group)

    def _titled(self, group: list[_Line]) -> tuple[list[_Line], Block | None]:
        """Take a title off the top: underlined, over- and underlined, or alone in capitals."""
        texts = [line.text.strip()[: _LONGEST_HEADING + 1] for line in group[:3]]
        ruled = [_RULE.match(text) is not None for text in texts]
        if ruled == [True, False, True] and texts[2] == texts[0] and not self._markdown:
            return group[3:], self._underlined(group[0], group[2], texts[1], texts[0][0] * 2)
        if ruled[:2] == [False, True] and self._is_title(texts[0], texts[1]):
            return group[2:], self._underlined(group[0], group[1], texts[0], texts[1][0])
        if len(group) == 1 and not self._markdown and _shouts(texts[0]):
            return [], self._underlined(group[0], group[0], texts[0], "capitals")
        return group, None

    def _is_title(self, title: str, rule: str) -> bool:
        longest = _LONGEST_HEADING if self._markdown else min(_LONGEST_HEADING, len(rule) + 2)
        return len(title) <= longest and title[0] not in "|+" and not _ITEM.match(title)

    def _underlined(self, first: _Line, last: _Line, title: str, style: str) -> Block:
        if self._markdown:
            level = _MARKDOWN_LEVELS.get(style[0], 2)
        else:
            if style not in self._levels:
                self._levels.append(style)
            level = self._levels.index(style) + 1
        return self._heading(first, last, level, title)

    def _heading(self, first: _Line, last: _Line, level: int, title: str) -> Block:
        title = " ".join(title[:_LONGEST_HEADING].split())
        title = title.rstrip("#").rstrip() or title
        self._headings = [pair for pair in self._headings if pair[0] < level]
        self._headings.append((level, title))
        return self._block("heading", [first, last])

    def _block(self, kind: Kind, group: list[_Line], cuts: tuple[int, ...] = ()) -> Block:
        headings = tuple(title for _, title in self._headings)
        return Block(kind, group[0].start, group[-1].end, cuts, headings)


def _paragraphs(group: list[_Line]) -> tuple[int, ...]:
    return tuple(line.start for above, line in pairwise(group) if line.text and not above.text)


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip()
    return len(stripped) >= len(fence) and not stripped.strip(fence[0])


def _in_list(line: str) -> bool:
    return line[0].isspace() or _ITEM.match(line) is not None


def _is_table(group: list[_Line]) -> bool:
    if group[0].text.lstrip()[:1] in {"|", "+"}:
        return True
    rule = group[1].text.strip() if len(group) > 1 else ""
    return "|" in rule and _TABLE_RULE.match(rule[:_LONGEST_CLASSIFIED]) is not None


def _shouts(line: str) -> bool:
    return (
        sum(letter.isalpha() for letter in line) >= 4  # noqa: PLR2004 - shorter ones are codes
        and line.isupper()
        and len(line) <= 80  # noqa: PLR2004 - one line of print
        and line[-1] not in ".,;:!?"
    )
