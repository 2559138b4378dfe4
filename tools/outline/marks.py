"""Marks: the places in a text where its parts begin, found line by line."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from shoestring.tools.outline.node import Kind
from shoestring.tools.outline.shape import Shape

__all__ = ["PAGE", "TITLED", "Mark", "Marks"]


class Mark(NamedTuple):
    """Where a part begins."""

    start: int
    """Its first character."""
    level: int
    """Parts of a higher level stand inside it, and the next of its own level or a lower ends it."""
    kind: Kind
    title: str


# Levels. A page of a filing may hold headings in capitals and clauses, and stands itself in an item;
# what titles of documents and Markdown say goes before what merely looks like a heading.
_DIVISIONS = {"part": 0, "book": 0, "title": 0, "teil": 0}
_DIVISION = 1  # an article, an item, a chapter
TITLED = 2
"""The level of what the titles of a document's pieces name; their parts follow."""
_HEADING = 8  # Markdown's first; underlines in the order of their first use
PAGE = 20
"""The level of a page."""
_PHASE = 21
_CAPITALS = 22
_CLAUSE = 23  # 1, then 1.1, and so on
_TABLE = 40

_LONGEST = 200  # characters of a title
_LONGEST_LEAD = 60  # of a clause that has no heading
_FEWEST_CAPITALS = 4  # letters; shorter ones are codes
_LONGEST_DIVISION = 120  # characters of its line; a longer one is a sentence
_NEAR = 160  # characters between the lines of a table of contents
_LISTED = 4  # such lines make one
_GAP = 3  # numbers that a sequence of clauses may leave out

_NUMERAL = r"(?:[IVXLC]{1,7}|\d{1,3}(?:\.\d{1,3})*[A-Z]?|[A-Z])"
_HAN = "0-9一二三四五六七八九十百零\u3007"
_PROSE = re.compile(
    r"^[ \t]{0,3}(?:"
    r"(?P<fence>`{3,}|~{3,})[^\n]*"
    r"|(?P<hashes>#{1,6})[ \t]+(?P<atx>\S[^\r\n]*)"
    r"|<h(?P<html>[1-6])(?:[ \t][^>\n]{0,300})?>(?P<htmltext>[^\r\n]{1,600}?)</h[1-6]>[^\r\n]*"
    r"|(?P<rule>(?P<mark>[=\-~^\"'`*+#])(?P=mark){2,})[ \t]*"
    r")\r?$"
    r"|^[ \t]{0,12}(?:"
    r"(?P<division>(?i:part|item|article|chapter|schedule|exhibit|appendix|annex|book"
    r"|kapitel|teil|artikel|anhang|chapitre|cap[ií]tulo|art[ií]culo))[ \t]+"
    rf"(?P<numeral>{_NUMERAL})(?P<rest>(?![\w])[^\r\n]{{0,{_LONGEST_DIVISION}}})"
    r"|(?P<caption>(?i:table|tabelle|tableau|tabla|tabela)[ \t]+(?:[A-Z]\.?)?\d{1,3}[A-Z]?"
    r"[.:)][^\r\n]{0,300})"
    r"|(?:(?i:section|clause|sec\.|art\.|§)[ \t]*)?(?P<number>\d{1,3}(?:\.\d{1,3}){0,4})[.)]?[ \t]+"
    r"(?P<clause>[\"“(]?[^\W\d_a-z][^\r\n]*)"
    rf"|(?P<han>第[ \t]?[{_HAN}]{{1,6}}[ \t]?(?P<unit>[編编部章节節条條])(?![^\s\w])[^\r\n]{{0,60}})"
    r"|(?P<capitals>[^a-z\r\n\s][^a-z\r\n]{2,79})"
    r")\r?$",
    re.MULTILINE,
)
_CODE = re.compile(
    r"^(?:(?:export|default|pub(?:\([a-z]{1,9}\))?|public|private|abstract|final|static|async|unsafe)"
    r"[ \t]+){0,4}"
    r"(?:def|class|function\*?|func|fn|interface|struct|impl|trait|enum|module|namespace|sub)"
    r"[ \t]+[^\r\n]{1,300}$",
    re.MULTILINE,
)
_LOG = re.compile(
    r"^[^\r\n]{0,60}?(?:"
    r"##\[group\](?P<group>[^\r\n]{1,300})"
    r"|(?:travis_fold:start:|section_start:\d{1,12}:)(?P<fold>[\w.\-]{1,100})[^\r\n]*"
    r"|(?P<step>Step \d{1,3}/\d{1,3} ?:[^\r\n]{1,300})"
    r"|={3,}[ \t]+(?P<banner>[^=\r\n][^\r\n]{0,200}?)[ \t]+={3,}"
    r"|-{3,}[ \t]+(?P<plugin>[^\-\r\n][^\r\n]{0,200}?)[ \t]+-{3,}"
    r")[ \t]*\r?$",
    re.MULTILINE,
)
_DAY = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
    r"|(?:\d{1,2}(?:st|nd|rd|th)?[ \t])?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
    r"\.?(?:[ \t]\d{1,2}(?:st|nd|rd|th)?)?,?[ \t]\d{4})"
)
_CHAT = re.compile(
    rf"^[ \t\[(*#=\-]{{0,6}}(?P<session>(?i:(?:session|conversation|day)[ \t]+\d{{1,5}}\b[^\r\n]{{0,120}}"
    rf"|[^\r\n:]{{0,40}}?{_DAY}[^\r\n]{{0,30}}))\r?$",
    re.MULTILINE,
)
_DOTS = re.compile(
    r"(?:\.[ \t]?){4,}[ \t]*\S*\Z|[^.!?][ \t]{2,}\d{1,4}\Z"
)  # of a table of contents
_ITEM = re.compile(r"\r?\n[ \t]{0,12}\d{1,3}[.)][ \t]")
_TAG = re.compile(r"<[^>]{0,300}>")
_LETTER = re.compile(r"[^\W\d_]")
_SPEAKER = re.compile(r"[^\n:]{1,40}:[ \t]")


class Marks:
    """Finds the marks of a document, piece by piece; what it knows of styles and numbers goes on."""

    def __init__(self, shape: Shape, *, markdown: bool) -> None:
        self._shape = shape
        self._markdown = markdown
        self._styles: list[str] = []  # underlines, in the order of their first use
        self._clauses: list[int] = []  # the number of the clause that was met last

    def of(self, text: str) -> Iterator[Mark]:
        """Yield the marks of a text in order; time is linear in it."""
        if self._shape == "code":
            return (_mark(found, 0, "section", found[0]) for found in _CODE.finditer(text))
        if self._shape == "log":
            return (_phase(found) for found in _LOG.finditer(text))
        if self._shape == "chat":
            return _sessions(text)
        return _without_lists(self._prose(text))

    def _prose(self, text: str) -> Iterator[Mark]:
        fence = ""
        for found in _PROSE.finditer(text):
            if found["fence"]:
                if not fence:
                    fence = found["fence"]
                elif found["fence"].startswith(fence):
                    fence = ""
            elif not fence and (mark := self._mark(text, found)) is not None and mark.title:
                if mark.level < _CLAUSE:
                    self._clauses = []
                yield mark

    def _mark(self, text: str, found: re.Match[str]) -> Mark | None:
        """Make a mark of what was found, if it is one."""
        if found["rule"]:
            return self._underlined(text, found)
        if found["number"]:
            return self._clause(text, found)
        if found["division"]:
            return _division(found)
        if found["capitals"]:
            return _capitals(text, found)
        if found["html"]:
            title = _TAG.sub(" ", found["htmltext"])
            return _mark(found, _HEADING + int(found["html"]), "section", title)
        return _sure(found)

    def _underlined(self, text: str, found: re.Match[str]) -> Mark | None:
        """Take the line above a rule as a title, where it is one."""
        end = found.start() - 1
        start = text.rfind("\n", 0, max(0, end)) + 1
        title = text[start : start + _LONGEST + 1].split("\n", 1)[0].strip()
        rule = found["rule"]
        longest = _LONGEST if self._markdown else min(_LONGEST, len(rule) + 2)
        if not title or len(title) > longest or title[0] in "|+-*>" or not _LETTER.search(title):
            return None
        if self._markdown and rule[0] not in "=-":
            return None
        if _is_rule(text, start - 1):
            start = text.rfind("\n", 0, start - 1) + 1
        elif not _opens_block(text, start):
            return None  # a paragraph with a rule below it
        if rule[0] not in self._styles:
            self._styles.append(rule[0])
        level = _HEADING + 1 + self._styles.index(rule[0])
        return Mark(start, level, "section", _title(title))

    def _clause(self, text: str, found: re.Match[str]) -> Mark | None:
        """Take a numbered line, where its number follows those before it."""
        number = [int(part) for part in found["number"].split(".")]
        if len(number) == 1 and (
            not _opens_block(text, found.start()) or _ITEM.match(text, found.end())
        ):
            return None  # an item of a list
        if not _follows(self._clauses, number):
            return None
        self._clauses = number
        title = f"{found['number']} {_lead(found['clause'])}"
        return _mark(found, _CLAUSE + len(number), "clause", title)


def _without_lists(marks: Iterator[Mark]) -> Iterator[Mark]:
    """Leave out items and chapters that follow each other line by line: a table of contents."""
    held: list[Mark] = []  # what may turn out to be one
    run, last = 0, -_NEAR
    for mark in marks:
        division = mark.level <= _DIVISION
        near = mark.start - last < _NEAR
        if division and near and run >= _LISTED - 1:
            held = [other for other in held if other.level > _DIVISION]
            run += 1
            last = mark.start
            continue
        if division or not near:
            if not near:
                yield from held
                held, run = [], 0
            run += division
            last = mark.start if division else last
        held.append(mark)
    yield from held


def _follows(before: list[int], number: list[int]) -> bool:
    """Say whether a clause's number may come next after another, an empty list before the first."""
    above = number[:-1]
    if len(before) >= len(number) and above == before[: len(above)]:
        last = before[len(above)]
        return last < number[-1] <= last + _GAP or number == [1]
    # The clause above may have no line of its own.
    return number[-1] == 1 and (above == before or not above or _follows(before, above))


def _sessions(text: str) -> Iterator[Mark]:
    for found in _CHAT.finditer(text):
        if _SPEAKER.match(found[0]) is None:
            yield _mark(found, TITLED, "session", found["session"].strip(" \t])*#=-"))


def _phase(found: re.Match[str]) -> Mark:
    named = found.groupdict()
    title = next(
        (named[key] for key in ("group", "fold", "step", "banner", "plugin") if named[key]), ""
    )
    return _mark(found, _PHASE, "phase", title)


def _division(found: re.Match[str]) -> Mark | None:
    rest = found["rest"].strip()
    line = found[0].strip()
    # "Item 7 of this report", "Part I, the court held": a sentence, and a line of a table of contents.
    if _DOTS.search(line) or line[-1] in ",;" or (rest and rest[0] in ",;'’"):
        return None
    after = rest.lstrip(".:)—–- \t")
    if after and (after[0].islower() or after[0].isdigit()):
        return None
    level = _DIVISIONS.get(found["division"].lower(), _DIVISION)
    return _mark(found, level, "section", line)


def _sure(found: re.Match[str]) -> Mark:
    """Make a mark of what is one wherever it stands."""
    if hashes := found["hashes"]:
        return _mark(found, _HEADING + len(hashes), "section", found["atx"])
    if found["han"]:
        level = _DIVISION if found["unit"] in "編编部章" else _CLAUSE
        return _mark(found, level, "section", found["han"])
    return _mark(found, _TABLE, "table", found["caption"])


def _capitals(text: str, found: re.Match[str]) -> Mark | None:
    line = found["capitals"].strip()
    letters = len(_LETTER.findall(line[:_LONGEST]))
    if (
        not line.isupper()
        or letters < _FEWEST_CAPITALS
        or 2 * letters < len(line)
        or line[-1] in ".,;!?|"
        or not _opens_block(text, found.start())
        or not _closes_block(text, found.end())
    ):
        return None
    return _mark(found, _CAPITALS, "section", line)


def _opens_block(text: str, start: int) -> bool:
    """Say whether the line above is blank, or there is none."""
    above = text[max(0, start - 40) : start].rstrip(" \t\r\xa0")
    above = above.removesuffix("\n").rstrip(" \t\r\xa0")
    return not above or above[-1] in "\n\f"


def _closes_block(text: str, end: int) -> bool:
    """Say whether the line below is blank, or there is none."""
    below = text[end : end + 40].lstrip(" \t\r\xa0")
    below = below.removeprefix("\n").lstrip(" \t\r\xa0")
    return not below or below[0] in "\n\f"


def _is_rule(text: str, end: int) -> bool:
    """Say whether the line that ends here is a rule, as above an over- and underlined title."""
    line = text[text.rfind("\n", max(0, end - _LONGEST), end) + 1 : end].strip()
    return bool(line) and len(set(line)) == 1 and not line[0].isalnum()


def _lead(text: str) -> str:
    """Give the words that a clause begins with: its heading, or its first words."""
    text = text[: _LONGEST + 1].strip()
    end = re.search(r"[.:;](?:\s|\Z)", text)
    if end and 1 < end.start() <= _LONGEST_LEAD:
        return text[: end.start()]
    return text if len(text) <= _LONGEST_LEAD else f"{text[:_LONGEST_LEAD].rsplit(None, 1)[0]}…"


def _mark(found: re.Match[str], level: int, kind: Kind, title: str) -> Mark:
    return Mark(found.start(), level, kind, _title(title))


def _title(text: str) -> str:
    """Write a title on one line, shortened."""
    line = " ".join(text[: 2 * _LONGEST].split()).strip()
    line = line.rstrip("#").rstrip() or line
    return line[:_LONGEST].rstrip()
