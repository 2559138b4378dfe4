"""Units: the smallest pieces of a text that are kept or dropped whole."""

import json
import re
import unicodedata
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Literal, NamedTuple

__all__ = ["LONGEST", "Hop", "Shape", "Unit", "safe_cut", "units"]

Shape = Literal["sentence", "line", "header", "row", "value", "turn", "block", "tool"]

LONGEST = 600
"""Characters of the longest sentence or line; what is longer is split at a clause or a word."""

_SHORTEST = 30  # characters; a shorter sentence ("No.", "See Fig. 2.") reads with the next one
_LINE = 300  # characters; a longer line is prose, and is split into sentences
_WRAP_WIDTHS = (40, 140)  # characters of the widest line of a paragraph that an editor wrapped
_SCAN_FACTOR = 4  # failed attempts to read JSON may look at the text this many times in all

_LINES = re.compile(r"[^\r\n]+")
_LINE_REST = re.compile(r"[^\r\n]*+")
_OPENING = re.compile(r"[{\[]\s*+(?:[\"{\[]|\Z)")  # of a JSON value that is more than a few numbers
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)  # numbers stay text: some are huge
_OPENINGS = 3  # places in a line where a JSON value is looked for
_LETTER = re.compile(r"[^\W\d_]")
_BULLET = re.compile(r"(?:[-*+•>#|$]|\(?\w{1,3}[.)]\s)")
# A run of stops is matched from its first character only, so that a long run stays linear. It is
# looked back at after that character: a pattern that begins with a set is searched fast.
_STOP = re.compile(
    r"[.!?…؟۔।॥。！？｡](?:"  # noqa: RUF001 - stops of many scripts
    r"(?<=[.!?…؟۔।॥])(?<![.!?…؟۔।॥]{2})[.!?…؟۔।॥]*+[\"'”’)\]»*_]*+(?=\s)"  # noqa: RUF001 - before a space
    r"|(?<=[。！？｡])(?<![。！？｡]{2})[。！？｡]*+[”’」』）]*+)"  # noqa: RUF001 - Chinese and Japanese
)
_CLAUSE = re.compile(r"[;:,，；、،](?:\s+|(?<=[，；、]))")  # noqa: RUF001 - clause marks
_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof st jr sr vs etc fig figs eq no nos vol pp p ed eds al inc ltd co
    corp dept approx est sec ch art gen col lt sgt rev hon gov sen rep e.g i.e cf viz ca
    u.s u.k a.m p.m jan feb mar apr jun jul aug sep sept oct nov dec bzw z.b ca nr str abb
    bspw usw
    """.split()  # noqa: SIM905 - a list of strings would fill a screen
)
_DELIMITERS = (("\t", 1), ("|", 1), (";", 2), (",", 2))  # and the fewest of them in a table's line
_CAPTION = re.compile(
    r"\W{0,3}(?:table|tab\.|exhibit|schedule|tabelle|tableau|tabla|tabela)\b"
    r"|.*[(\[](?:(?:all|amounts?|figures|values|dollars?) )*in\b[^()\[\]]*[)\]]"
    r"|.*\bin (?:thousands|millions|billions)\b|.*:\Z",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_CAPTION = 200  # characters
_CELL = 80  # characters of a cell that tell whether it is a number
_NUMBER = re.compile(r"\s*\(?[-+$€£]?\s*\d[\d.,\s]*[%)]?\s*\Z")


class Hop(NamedTuple):
    """An object or array on the way from a JSON text's root to a unit."""

    key: int
    """Where its key begins; its own first character at the root and in an array."""
    start: int
    """Its opening bracket."""


class Unit(NamedTuple):
    """One piece of a text: `text[start:end]`."""

    start: int
    """Its first character."""
    end: int
    """One past its last character."""
    kind: Shape
    """Sentences, lines and turns may be cut to fill a room; headers, rows, values, blocks of code
    and tools never."""
    header: int = -1
    """The place in the list of units of the one that it brings along: a table's header for its row,
    a heading, the line that opens a block; -1 for none."""
    path: tuple[Hop, ...] = ()
    """For a part of a JSON value: what encloses it, from the root; such parts are rendered
    together, inside their brackets."""
    short: str = ""
    """For a tool: its signature, kept where there is no room for the whole."""
    like: int = -1
    """For a line of a log in a run that says the same but for its numbers: the place of the run's
    first; -1 for none. What is left out of a run is written as a count."""


def units(text: str) -> list[Unit]:
    r"""Split a text into its units, in order; only white space lies between them.

    A text that is a JSON value is one unit, and so are the lines that one stands in (a line of JSON
    lines, a fenced example, "Result: {...}") with at most 300 characters beside it. A table's rows
    know the header they belong to: Markdown tables, lines between pipes, and blocks of lines with
    the same number of tabs, pipes, semicolons or commas under a header without numbers. A header
    knows the caption above it ("Table 2", "(in millions)", "as follows:"). Paragraphs, wrapped or
    not, give sentences; what stands in lines (logs, code, lists) gives lines; a line without a
    letter ("5,794", "}") belongs to the line before.

    Args:
        text: Any text, however long its lines; time is linear in it.

    Returns:
        Units with rising, disjoint spans. Sentences and lines hold at most `LONGEST` characters.

    >>> text = "Dr. Ada met him. It was 3.5 degrees outside that morning. 你好。再见。"
    >>> [text[u.start : u.end] for u in units(text)]
    ['Dr. Ada met him. It was 3.5 degrees outside that morning.', '你好。再见。']
    >>> [u.kind for u in units("| a | b |\n|---|---|\n| 1 | 2 |")]
    ['header', 'row']
    """
    found: list[Unit] = []
    inside = text.strip()
    if inside[:1] in ("{", "[", '"') and _is_json(inside):
        start = len(text) - len(text.lstrip())
        return [Unit(start, start + len(inside), "value")]
    lines = [m.span() for m in _LINES.finditer(text)]
    reader = _JsonReader(text) if "{" in text or "[" in text else None
    rules = "|" in text and "-" in text
    block: list[tuple[int, int]] = []
    at = 0
    while at < len(lines):
        start, end = lines[at]
        if block and start - block[-1][1] > 1 and text.count("\n", block[-1][1], start) > 1:
            _add_block(text, block, found)
            block = []
        line = text[start:end]
        if line.isspace():
            _add_block(text, block, found)
            block = []
            at += 1
        elif (
            rules and at + 1 < len(lines) and "|" in line and _is_rule(text[slice(*lines[at + 1])])
        ):
            _add_block(text, block, found)
            block = []
            at = _add_table(text, lines, at, found)
        elif reader is not None and (value_end := reader.value_at(start, end)) is not None:
            _add_block(text, block, found)
            block = []
            found.append(Unit(start, value_end, "value"))
            while at < len(lines) and lines[at][0] < value_end:
                at += 1
        else:
            block.append((start, end))
            at += 1
    _add_block(text, block, found)
    return _join_bare_lines(text, found)


def safe_cut(text: str, start: int, end: int) -> int:
    """Move a cut at `end` back so that it divides no character as a reader sees it.

    Args:
        text: The text.
        start: Where the piece begins; the cut never moves to or before it.
        end: Where it would be cut.

    Returns:
        The place to cut, in `(start, end]`; at most 16 characters before `end`.
    """
    for cut in range(end, max(start, end - 16), -1):
        if cut >= len(text):
            return cut
        after = text[cut]
        joins = unicodedata.category(after)[0] == "M" or after == "\u200d" or _is_modifier(after)
        if not joins and text[cut - 1] != "\u200d":
            return cut
    return end


def _is_modifier(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones


def _is_json(text: str) -> bool:
    try:
        # Numbers stay text: huge ones must not be converted.
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


class _JsonReader:
    """Finds the lines that hold a JSON object or array."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = _SCAN_FACTOR * len(text)  # hostile text must not make this quadratic

    def value_at(self, start: int, line_end: int) -> int | None:
        """Give the end of the lines from `start` on that a value stands in; None for no value.

        What stands beside it ("Result: {", a comma) stays with it, unless that is a text of its
        own.
        """
        line = self._text[start:line_end]
        if "{" not in line and "[" not in line:
            return None
        at = start + len(line) - len(line.lstrip())
        inside = islice(_OPENING.finditer(self._text, at, line_end), _OPENINGS)
        places = [opening.start() for opening in inside]
        for place in dict.fromkeys(([at] if line.lstrip()[0] in "{[" else []) + places):
            end = self._decoded(place)
            if end is None:
                continue
            found = _LINE_REST.match(self._text, end)
            rest = found[0].rstrip() if found else ""
            beside = place - at + len(rest.strip(" \t,"))
            # "[1] A. Author: A title" is a text, not a value with something beside it.
            if beside <= (_LINE if place in places else 0):
                return end + len(rest)
        return None

    def _decoded(self, start: int) -> int | None:
        """Give the end of the value that starts here."""
        if self._left <= 0:
            return None
        try:
            _, end = _DECODER.raw_decode(self._text, start)
        except json.JSONDecodeError as error:
            self._left -= error.pos - start
            return None
        except (ValueError, RecursionError):
            self._left -= len(self._text) - start
            return None
        self._left -= end - start
        return end


def _is_rule(line: str) -> bool:
    """Say whether a line is the rule below a Markdown table's header."""
    return "-" in line and "|" in line and set(line) <= set("|-: \t")


def _add_table(text: str, lines: list[tuple[int, int]], at: int, found: list[Unit]) -> int:
    caption = _caption(text, found, lines[at][0])
    header = len(found)
    end = lines[at + 1][1]
    found.append(Unit(lines[at][0], end, "header", caption))
    at += 2
    while at < len(lines):
        start, stop = lines[at]
        if "|" not in text[start:stop] or text.count("\n", end, start) > 1:
            break
        found.append(Unit(start, stop, "row", header))
        end = stop
        at += 1
    return at


def _caption(text: str, found: list[Unit], table: int) -> int:
    """Give the place of the unit right above a table that says what its figures are; -1 for none."""
    if not found or found[-1].kind not in ("sentence", "line"):
        return -1
    start, end = found[-1].start, found[-1].end
    near = text.count("\n", end, table) <= 2  # noqa: PLR2004 - at most one blank line between
    said = near and end - start <= _LONGEST_CAPTION and _CAPTION.match(text[start:end])
    return len(found) - 1 if said else -1


def _add_block(text: str, block: list[tuple[int, int]], found: list[Unit]) -> None:
    """Add the units of the lines between two blank lines."""
    if not block:
        return
    if len(block) > 1:
        lines = [text[start:end] for start, end in block]
        if _is_table(lines):
            caption = _caption(text, found, block[0][0])
            header = len(found)
            found.append(Unit(*block[0], "header", caption))
            found.extend(Unit(start, end, "row", header) for start, end in block[1:])
            return
        if not _is_wrapped(lines):
            for start, end in block:
                if end - start > _LINE:
                    found.extend(_sentences(text, start, end))
                else:
                    found.append(Unit(start, start + len(text[start:end].rstrip()), "line"))
            return
    found.extend(_sentences(text, block[0][0], block[-1][1]))


def _is_table(lines: list[str]) -> bool:
    """Say whether lines are a delimited table whose first line names its columns."""
    if all(line.strip()[:1] == line.strip()[-1:] == "|" for line in lines):  # as HTML is written
        return len({line.count("|") for line in lines}) == 1 and lines[0].count("|") > 2  # noqa: PLR2004 - two columns
    if len(lines) < 3:  # noqa: PLR2004 - a header and two rows
        return False
    for delimiter, fewest in _DELIMITERS:
        count = lines[0].count(delimiter)
        if count < fewest or any(line.count(delimiter) != count for line in lines):
            continue
        head = lines[0].split(delimiter)
        if any(_NUMBER.match(cell[:_CELL]) for cell in head):
            continue
        sample = [line.split(delimiter) for line in lines[1:20]]
        if any(all(_NUMBER.match(row[c][:_CELL]) for row in sample) for c in range(len(head))):
            return True
    return False


def _is_wrapped(lines: list[str]) -> bool:
    """Say whether lines are one paragraph that an editor wrapped.

    In wrapped prose the next line's first word would not have fitted, and lines go on in the
    middle of a sentence; neither holds for logs, code, lists and verse.
    """
    width = max(map(len, lines))
    if not _WRAP_WIDTHS[0] <= width <= _WRAP_WIDTHS[1]:
        return False
    full = going_on = 0
    for line, following in pairwise(lines):
        word = following.split(maxsplit=1)[0]
        full += len(line) + 1 + len(word) > width - 2
        going_on += word[0].islower() and not _BULLET.match(following.lstrip())
    pairs = len(lines) - 1
    return full >= 0.7 * pairs and going_on >= 0.3 * pairs


def _sentences(text: str, start: int, end: int) -> Iterator[Unit]:
    """Yield the sentences of a paragraph, the very short ones with their neighbour."""
    begin = start
    for match in _STOP.finditer(text, start, end):
        stop = match.end()
        if stop - begin < _SHORTEST or not _ends_sentence(text, begin, match, end):
            continue
        yield from _pieces(text, begin, stop)
        begin = stop
    yield from _pieces(text, begin, end)


def _ends_sentence(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    if text[match.start()] != "." or match.end() >= end:
        return True
    at = match.end()
    while at < end and text[at].isspace():
        at += 1
    if at < end and text[at].islower():
        return False
    if match.end() - match.start() > 1:
        return True
    before = text[max(begin, match.start() - 12) : match.start()].rsplit(None, 1)[-1:]
    word = before[0].lstrip("([\"'“") if before else ""
    initial = len(word) == 1 and word.isupper()
    return not initial and word.casefold() not in _ABBREVIATIONS


def _pieces(text: str, start: int, end: int) -> Iterator[Unit]:
    """Yield a sentence without the space around it, in pieces where it is too long."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > LONGEST:
        window = text[start : start + LONGEST]
        clauses = [m.end() for m in _CLAUSE.finditer(window, LONGEST // 2)]
        space = max(window.rfind(" "), window.rfind("\n"))
        if clauses:
            cut = start + clauses[-1]
        elif space > LONGEST // 2:
            cut = start + space
        else:
            cut = safe_cut(text, start, start + LONGEST)
        kept = len(text[start:cut].rstrip())
        if kept:
            yield Unit(start, start + kept, "sentence")
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield Unit(start, end, "sentence")


def _join_bare_lines(text: str, found: list[Unit]) -> list[Unit]:
    """Join a line without letters to the line before it: figures belong to their label."""
    if not any(unit.kind == "line" for unit in found):
        return found
    joined: list[Unit] = []
    moved: list[int] = []
    for unit in found:
        last = joined[-1] if joined else None
        if (
            last is not None
            and unit.kind == last.kind == "line"
            and unit.end - last.start <= _LINE
            and not _LETTER.search(text, unit.start, unit.end)
        ):
            joined[-1] = last._replace(end=unit.end)
        else:
            header = moved[unit.header] if unit.header >= 0 else -1
            joined.append(unit if header == unit.header else unit._replace(header=header))
        moved.append(len(joined) - 1)
    return joined
