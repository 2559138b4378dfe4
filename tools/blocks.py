"""The blocks of a text: headings, paragraphs, lists, tables, fenced code; found line by line."""

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Literal, NamedTuple

__all__ = ["Block", "blocks"]

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
_CODE_SUFFIXES = frozenset(
    """.py .pyi .js .mjs .cjs .ts .tsx .jsx .c .h .cc .cpp .cxx .hpp .java .go .rs .rb .php .sh
    .bash .zsh .fish .ps1 .sql .yaml .yml .toml .ini .cfg .conf .json .jsonl .ndjson .csv .tsv .xml
    .css .scss .less .lua .pl .pm .r .jl .scala .kt .swift .m .cs .fs .hs .ml .ex .exs .erl .clj
    .lisp .el .vim .tf .proto .mk .cmake .log .properties .env .diff .patch .ipynb""".split()
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
    suffix = PurePath(source.split("?")[0].split("#")[0]).suffix.lower()
    if suffix in _CODE_SUFFIXES:
        return _code_blocks(text)
    return _Prose(text, markdown=suffix in _MARKDOWN_SUFFIXES).blocks()


def _lines(text: str) -> Iterator[_Line]:
    for found in _LINE.finditer(text):
        if found.end() == found.start():
            return
        line = found[0]
        yield _Line(found.start(), found.end(), "" if line.isspace() else line.rstrip("\r\n"))


def _code_blocks(text: str) -> Iterator[Block]:
    """Yield runs of lines that end at a blank line before a line that is not indented."""
    start = end = -1
    cuts: list[int] = []
    blank = False
    for line in _lines(text):
        if not line.text:
            blank = True
            continue
        if start >= 0 and blank and not line.text[0].isspace():
            yield Block("code", start, end, tuple(cuts), ())
            start = -1
        if start < 0:
            start, cuts = line.start, []
        else:
            cuts.append(line.start)
        end, blank = line.end, False
    if start >= 0:
        yield Block("code", start, end, tuple(cuts), ())


class _Prose:
    """Finds the blocks of Markdown, reStructuredText, extracted HTML and plain text."""

    def __init__(self, text: str, *, markdown: bool) -> None:
        self._text = text
        self._markdown = markdown
        self._headings: list[tuple[int, str]] = []
        self._levels: list[str] = []  # underline styles, in order of first use

    def blocks(self) -> Iterator[Block]:
        group: list[_Line] = []  # lines without a blank one between them, or one list
        fence = ""
        for line in _lines(self._text):
            if fence:
                group.append(line)
                if _closes(line.text, fence):
                    yield self._block("code", group)
                    group, fence = [], ""
                continue
            short = line.text[:_LONGEST_CLASSIFIED]
            if not short:
                if group and not (group[-1].text == "" or self._continues_list(group)):
                    yield from self._group(group)
                    group = []
                elif group:
                    group.append(line)
                continue
            if group and not group[-1].text and not _in_list(short):
                yield from self._group(group)
                group = []
            opening = _FENCE.match(short)
            atx = None if opening else _ATX.match(short)
            if opening or atx:
                yield from self._group(group)
                group = []
            if opening:
                fence, group = opening[1], [line]
            elif atx:
                yield self._heading(line, line, len(atx[1]), atx[2])
            else:
                group.append(line)
        if fence:
            yield self._block("code", group)
        else:
            yield from self._group(group)

    def _continues_list(self, group: list[_Line]) -> bool:
        return _ITEM.match(group[0].text[:_LONGEST_CLASSIFIED]) is not None

    def _group(self, group: list[_Line]) -> Iterator[Block]:
        """Turn lines that belong together into blocks."""
        while group and not group[-1].text:
            group.pop()
        if not group:
            return
        group, heading = self._titled(group)
        if heading:
            yield heading
        if not group:
            return
        first = group[0].text[:_LONGEST_CLASSIFIED]
        if _ITEM.match(first):
            yield self._list(group)
        elif _is_table(group):
            yield self._block("table", group)
        else:
            # A title may close a paragraph without a blank line before it; no one writes that.
            yield self._block("text", group)

    def _titled(self, group: list[_Line]) -> tuple[list[_Line], Block | None]:
        """Take a title off the top: underlined, over- and underlined, or alone in capitals."""
        texts = [line.text.strip()[: _LONGEST_HEADING + 1] for line in group[:3]]
        rules = [_RULE.match(text) for text in texts]
        if len(texts) > 2 and rules[0] and not rules[1] and texts[2] == texts[0]:  # noqa: PLR2004
            return group[3:], self._underlined(group[0], group[2], texts[1], texts[0][0] * 2)
        if len(texts) > 1 and rules[1] and not rules[0] and _is_title(texts[0], texts[1]):
            return group[2:], self._underlined(group[0], group[1], texts[0], texts[1][0])
        if len(group) == 1 and not self._markdown and _shouts(texts[0]):
            return [], self._underlined(group[0], group[0], texts[0], "capitals")
        return group, None

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

    def _list(self, group: list[_Line]) -> Block:
        items = tuple(
            line.start for line in group[1:] if _ITEM.match(line.text[:_LONGEST_CLASSIFIED])
        )
        return self._make("list", group, items)

    def _block(self, kind: Kind, group: list[_Line]) -> Block:
        return self._make(kind, group, tuple(line.start for line in group[1:] if line.text))

    def _make(self, kind: Kind, group: list[_Line], cuts: tuple[int, ...]) -> Block:
        # Lines of a paragraph are no units: sentences are, and they may span lines.
        kept = () if kind == "text" else cuts
        headings = tuple(title for _, title in self._headings)
        return Block(kind, group[0].start, group[-1].end, kept, headings)


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


def _is_title(title: str, rule: str) -> bool:
    return len(title) <= min(_LONGEST_HEADING, len(rule) + 2) and title[:1] not in "|+"


def _shouts(line: str) -> bool:
    return (
        4 <= sum(letter.isalpha() for letter in line)  # noqa: PLR2004 - shorter ones are codes
        and line.isupper()
        and len(line) <= 80  # noqa: PLR2004 - one line of print
        and line[-1] not in ".,;:!?"
    )
